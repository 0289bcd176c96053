// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one style of `.agent` files. Comments are not in the tree, so the formatter works on the tokens of the text and
//! asks the tree only where declarations, steps, arms and lines begin. The result is a function of the tokens, of the
//! line breaks between them and of nothing else: blanks never matter, which makes it idempotent.
//!
//! Tokens and comments are never added, dropped, changed or moved past each other. Rules:
//!
//! 1. Declarations begin at column 0, each on its own line. Indentation is two blanks for each bracket that spans
//!    several lines, and two more for a line that continues a step or a declaration.
//! 2. The author's line breaks stay, except before `{` and before signs that stick to the word before them. A bracket
//!    that spans several lines breaks behind the opening sign and before the closing one; so does what follows its
//!    end if that is a new step. `///` stands on its own line. An empty bracket is `{}`.
//! 3. Lines are never broken for their length: a text cannot be broken, and a step reads best in one piece.
//! 4. One blank between tokens; none inside `( )` and `[ ]`, before `,` `:` `?`, around `.`, behind a sign of a number,
//!    and between a name and its arguments. Two between steps, arms, or fields without comma on one line.
//! 5. At most one blank line in a row; none at the beginning and the end of a file or of a bracket, nor below `///`;
//!    exactly one below the head of the file and between declarations that both span several lines.
//! 6. Aligned are, in lines that follow each other: `=` in `models`, `people` and declarations of types; the zones of
//!    `context` and their `max`; the braces and the last arrows of arms, handlers and routes; comments at line ends.
//!    A line is left out when its own column lies too far to the right of the others'.
//! 7. Comments at line ends stand at least two blanks behind the code. Comments on their own lines are indented like
//!    the line below them. Blanks at line ends go; the file ends with one line end. Texts in quotes stay as they are.

mod align;
mod layout;
mod places;
mod token;

use thiserror::Error;

use crate::diagnostic::Diagnostics;
use crate::parse::parse;

/// Why a text is left as it is.
#[derive(Debug, Error)]
pub enum FormatError {
    /// It does not parse.
    #[error("the file has errors")]
    Syntax(Diagnostics),
    /// The result would not be the same program: a comment stands between `///` and its indented declaration.
    #[error(
        "a declaration that is indented cannot be moved to the beginning of its line: put the comment above it elsewhere"
    )]
    Immovable,
}

/// Formats one file. `base` is its offset in the source map, for the places of diagnostics.
pub fn format(path: &str, text: &str, base: u32) -> Result<String, FormatError> {
    let (file, diagnostics) = parse(path, text, base);
    if diagnostics.has_errors() {
        return Err(FormatError::Syntax(diagnostics));
    }
    let tokens = token::tokens(text);
    let places = places::places(&file, &tokens, base);
    let mut lines = layout::lines(&tokens, &places);
    align::align(&mut lines, &tokens, &places);
    let result = layout::print(&lines, &tokens);
    // INVARIANT: what is written back parses and has the same tokens, whatever the rules above overlooked.
    let same = token::tokens(&result).iter().map(|t| t.text).eq(tokens.iter().map(|t| t.text));
    if !same || parse(path, &result, base).1.has_errors() {
        return Err(FormatError::Immovable);
    }
    Ok(result)
}
