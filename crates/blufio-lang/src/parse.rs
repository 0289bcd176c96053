// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text to tree. This file and its folder are the only ones that name pest. A file is cut at declaration words at the
//! start of a line, and each piece is parsed by itself: one broken declaration gives one error and costs only itself.

mod declarations;
mod expected;
mod expressions;
pub mod report;
mod routes;
mod scan;
mod steps;

use pest::Parser as _;
use pest::iterators::Pair;

use crate::ast::{File, FileKind, Item, Spanned};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::Span;

pub use scan::{DecodeError, decode};

/// The generated parser.
mod grammar {
    #![allow(missing_docs, reason = "generated; the grammar documents its rules")]

    /// Made from the grammar file.
    #[derive(pest_derive::Parser)]
    #[grammar = "../../grammar/agent.pest"]
    pub(super) struct Grammar;
}

use grammar::{Grammar, Rule};

type Node<'i> = Pair<'i, Rule>;

/// Parses one file. `base` is the file's offset in the source map. Always gives a file; what could not be read is
/// missing from it and reported.
pub fn parse(path: &str, text: &str, base: u32) -> (File, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let whole = Span::new(base, base + text.len() as u32);
    let mut file =
        File { kind: FileKind::Routes, kind_span: Span::new(base, base), items: Vec::new(), recovered: true };
    let scan = scan::scan(text, base);
    let mut known: Vec<u32> =
        scan.findings.iter().filter(|d| d.code != "E0005").map(|d| d.label.span.start).collect();
    known.sort_unstable();
    let fatal = scan.fatal.is_some();
    for diagnostic in scan.fatal.into_iter().chain(scan.findings) {
        diagnostics.push(diagnostic);
    }
    if fatal {
        return (file, diagnostics);
    }
    let pieces = scan::pieces(text, &scan.lines);
    let Some((first, rest)) = pieces.split_first() else {
        diagnostics.push(report::nothing_declared(path, whole));
        return (file, diagnostics);
    };
    let Some(kind) = scan::file_kind(&text[first.clone()]) else {
        diagnostics.push(scan::foreign_file(&text[first.clone()], base + first.start as u32));
        return (file, diagnostics);
    };
    let is_routes = kind == scan::FileWord::Routes;
    let mut builder = Builder { base, offset: 0, diagnostics: &mut diagnostics, known: &known, operators: 0 };
    file.recovered = false;
    let head_rule = if is_routes { Rule::routes_head } else { Rule::first_chunk };
    match builder.piece(text, first, head_rule) {
        Some(node) => builder.head(node, &mut file),
        None => file.recovered = true,
    }
    for piece in rest {
        match builder.piece(text, piece, if is_routes { Rule::route_chunk } else { Rule::chunk }) {
            Some(node) => builder.items(node, &mut file.items),
            None => file.recovered = true,
        }
    }
    (file, diagnostics)
}

/// Turns pest's pairs into nodes.
struct Builder<'d> {
    /// Offset of the file in the map's address space.
    base: u32,
    /// Offset of the piece being built, in the file.
    offset: u32,
    diagnostics: &'d mut Diagnostics,
    /// Places, ascending, at which something was reported already that no grammar would accept.
    known: &'d [u32],
    /// Operators of the expressions around the one being built.
    operators: usize,
}

impl Builder<'_> {
    fn piece<'i>(&mut self, text: &'i str, range: &std::ops::Range<usize>, rule: Rule) -> Option<Node<'i>> {
        self.offset = range.start as u32;
        let source = &text[range.clone()];
        match Grammar::parse(rule, source) {
            Ok(mut pairs) => pairs.next(),
            Err(error) => {
                let (start, end) = (self.base + self.offset, self.base + range.end as u32);
                let next = self.known.partition_point(|place| *place < start);
                // One mistake, one message: what was reported already is the cause.
                if self.known.get(next).is_none_or(|place| *place >= end) {
                    self.diagnostics.push(expected::syntax_error(source, &error, self.base + self.offset));
                }
                None
            }
        }
    }

    fn head(&mut self, node: Node<'_>, file: &mut File) {
        file.kind_span = self.span(&node);
        for child in node.into_inner() {
            match child.as_rule() {
                Rule::kw_routes => file.kind_span = self.span(&child),
                Rule::header => {
                    file.kind_span = self.span(&child);
                    file.kind = self.header(child);
                }
                _ => self.item(child, &mut file.items),
            }
        }
    }

    fn items(&mut self, node: Node<'_>, items: &mut Vec<Item>) {
        for child in node.into_inner() {
            self.item(child, items);
        }
    }

    fn item(&mut self, node: Node<'_>, items: &mut Vec<Item>) {
        let span = self.span(&node);
        match node.as_rule() {
            Rule::item => {
                let doc = self.doc(&node);
                let kinds = node.into_inner().filter(|n| n.as_rule() != Rule::doc);
                for kind in kinds {
                    let kind = self.declaration(kind);
                    items.push(Item { kind, span, doc: doc.clone() });
                }
            }
            Rule::people | Rule::route => {
                let kind = self.routes_item(node);
                items.push(Item { kind, span, doc: None });
            }
            _ => {}
        }
    }

    /// Place of a node, without trailing white space.
    fn span(&self, node: &Node<'_>) -> Span {
        let inner = node.as_span();
        let start = self.base + self.offset + inner.start() as u32;
        Span::new(start, start + inner.as_str().trim_end().len() as u32)
    }

    fn ident(&mut self, node: &Node<'_>) -> crate::ast::Ident {
        let span = self.span(node);
        let name = node.as_str();
        if name.len() > scan::IDENTIFIER_BYTES_MAX {
            self.diagnostics.push(report::too_long("name", scan::IDENTIFIER_BYTES_MAX, span));
        }
        Spanned { node: name.to_string(), span }
    }

    /// A name that the program declares: step words are reserved.
    fn declared(&mut self, node: &Node<'_>) -> crate::ast::Ident {
        let ident = self.ident(node);
        if report::RESERVED.contains(&ident.node.as_str()) {
            self.diagnostics.push(report::reserved(&ident.node, ident.span));
        }
        ident
    }

    /// The first child of a rule as a name; the grammar guarantees that there is one.
    fn ident_of(&mut self, node: &Node<'_>) -> crate::ast::Ident {
        let found = node
            .clone()
            .into_inner()
            .find(|n| matches!(n.as_rule(), Rule::ident | Rule::dotted | Rule::name));
        match found {
            Some(found) => self.ident(&found),
            None => Spanned { node: String::new(), span: self.span(node) },
        }
    }

    fn doc(&mut self, node: &Node<'_>) -> Option<String> {
        let lines: Vec<&str> = node
            .clone()
            .into_inner()
            .take_while(|n| n.as_rule() == Rule::doc)
            .map(|n| n.as_str().trim_start_matches('/').trim())
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn uint(&mut self, node: &Node<'_>) -> Spanned<u32> {
        let span = self.span(node);
        let digits = node.as_str().trim_start_matches('v');
        let value = digits.parse().unwrap_or_else(|_| {
            self.push(report::bad_number(node.as_str(), "too large", span));
            u32::MAX
        });
        Spanned { node: value, span }
    }

    /// The first number below a node.
    fn uint_of(&mut self, node: &Node<'_>) -> Spanned<u32> {
        match child(node, Rule::int) {
            Some(int) => self.uint(&int),
            None => Spanned { node: 0, span: self.span(node) },
        }
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

/// The first child of a rule.
fn child<'i>(node: &Node<'i>, rule: Rule) -> Option<Node<'i>> {
    node.clone().into_inner().find(|n| n.as_rule() == rule)
}

/// All children of a rule.
fn children<'i>(node: &Node<'i>, rule: Rule) -> impl Iterator<Item = Node<'i>> {
    node.clone().into_inner().filter(move |n| n.as_rule() == rule)
}
