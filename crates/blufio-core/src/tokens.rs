// SPDX-License-Identifier: MIT OR Apache-2.0
//! Token estimates for when the provider cannot be asked: by classes of characters, because languages and code differ
//! by more than a factor of two, and with a margin, because an estimate is used as a cap.

use crate::model::{Block, ModelRequest, Turn};
use crate::picture;

/// Pixels of a side of the squares that a picture is charged by
/// (<https://platform.claude.com/docs/en/build-with-claude/vision>).
const PATCH_PIXELS: u32 = 28;
/// Most tokens of a picture: larger ones are scaled down, by older models to a third of this. Also of one whose header
/// does not say how large it is.
const IMAGE_TOKENS_MAX: u64 = 4_784;
/// Tokens of a page of a document: 1,500 to 3,000 for its text, and the page as a picture of about 1,600
/// (<https://platform.claude.com/docs/en/build-with-claude/pdf-support>; OpenAI sends both, too).
pub const PAGE_TOKENS: u64 = 3_000 + 1_600;

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
        Block::Image { data, .. } => estimate_image(data),
        Block::Document { name, pages, .. } => 12 + estimate_text(name) + estimate_pages(*pages),
        Block::ToolUse { name, input, .. } => 12 + estimate_text(name) + estimate_text(input),
        Block::ToolResult { content, .. } => 12 + estimate_text(content),
        Block::Opaque { json } => estimate_text(json),
    }
}

/// Tokens of a picture in base64: one for each patch of it.
fn estimate_image(data: &str) -> u64 {
    let patches = |pixels: u32| u64::from(pixels.div_ceil(PATCH_PIXELS));
    let Some((width, height)) = picture::size(data) else { return IMAGE_TOKENS_MAX };
    (patches(width) * patches(height)).min(IMAGE_TOKENS_MAX)
}

/// Tokens of so many pages of a document.
pub fn estimate_pages(pages: u32) -> u64 {
    u64::from(pages.max(1)) * PAGE_TOKENS
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
    use crate::base64::encode;

    #[test]
    fn text_is_neither_four_characters_a_token_nor_far_from_it() {
        let english = "The quick brown fox jumps over the lazy dog. ".repeat(10);
        let tokens = estimate_text(&english);
        assert!((90..=160).contains(&tokens), "{tokens}");
        assert!(estimate_text("こんにちは世界") >= 7);
        assert_eq!(estimate_text(""), 0);
    }

    #[test]
    fn a_picture_costs_what_its_size_says_and_a_document_what_its_pages_say() {
        let gif = |width: u16, height: u16| {
            let (width, height) = (width.to_le_bytes(), height.to_le_bytes());
            encode(&[b"GIF89a".as_slice(), &width, &height].concat())
        };
        let of = |data: String| estimate_block(&Block::Image { media_type: "image/gif".into(), data });
        assert_eq!([of(gif(1, 1)), of(gif(28, 29)), of(gif(1_280, 960))], [1, 2, 46 * 35]);
        assert_eq!([of(gif(9_999, 9_999)), of(String::new())], [IMAGE_TOKENS_MAX; 2]);
        for (pages, least) in [(0, PAGE_TOKENS), (1, PAGE_TOKENS), (40, 40 * PAGE_TOKENS)] {
            let block = Block::Document {
                media_type: "application/pdf".into(),
                name: "a.pdf".into(),
                pages,
                data: "x".repeat(100_000),
            };
            let tokens = estimate_block(&block);
            assert!((least..least + 30).contains(&tokens), "{pages}: {tokens}");
        }
        assert!(estimate_pages(u32::MAX) > u64::from(u32::MAX));
    }
}
