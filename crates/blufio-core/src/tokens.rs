// SPDX-License-Identifier: MIT OR Apache-2.0
//! Token estimates for when the provider cannot be asked: by classes of characters, because languages and code differ
//! by more than a factor of two, and with a margin, because an estimate is used as a cap.

use crate::model::{Block, ModelRequest, Turn};

/// Tokens of a text: words of Latin script weigh about a quarter per character, digits and punctuation a half, other
/// scripts one or more. Calibrated upwards: newer tokenizers give up to 1.35 times the tokens of older ones.
pub fn estimate_text(text: &str) -> u64 {
    let mut eighths: u64 = 0;
    for c in text.chars() {
        eighths += match c {
            'a'..='z' | ' ' => 2,
            'A'..='Z' => 3,
            '0'..='9' => 4,
            '\n' | '\t' => 3,
            c if c.is_ascii() => 5,
            c if c < '\u{0600}' => 5,
            _ => 10,
        };
    }
    eighths.div_ceil(8)
}

/// Tokens of a turn with its framing.
pub fn estimate_turn(turn: &Turn) -> u64 {
    4 + turn.blocks.iter().map(estimate_block).sum::<u64>()
}

fn estimate_block(block: &Block) -> u64 {
    match block {
        Block::Text { text } => estimate_text(text),
        // A picture costs width x height / 750 tokens, at most about 1,600 after scaling.
        Block::Image { .. } => 1_600,
        Block::ToolUse { name, input, .. } => 12 + estimate_text(name) + estimate_text(input),
        Block::ToolResult { content, .. } => 12 + estimate_text(content),
        Block::Opaque { json } => estimate_text(json),
    }
}

/// Tokens of a whole request.
pub fn estimate_request(request: &ModelRequest) -> u64 {
    let system: u64 = request.system.iter().map(|s| estimate_text(s)).sum();
    let tools: u64 = request
        .tools
        .iter()
        .map(|t| 20 + estimate_text(&t.name) + estimate_text(&t.description) + estimate_text(&t.input_schema))
        .sum();
    let turns: u64 = request.turns.iter().map(|turn| estimate_turn(turn)).sum();
    let schema = request.output_schema.as_deref().map_or(0, estimate_text);
    8 + system + tools + turns + schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_neither_four_characters_a_token_nor_far_from_it() {
        let english = "The quick brown fox jumps over the lazy dog. ".repeat(10);
        let tokens = estimate_text(&english);
        assert!((90..=160).contains(&tokens), "{tokens}");
        assert!(estimate_text("こんにちは世界") >= 7);
        assert_eq!(estimate_text(""), 0);
    }
}
