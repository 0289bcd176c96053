// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tokens of a request where the provider has no endpoint that counts them: an estimate that is rather too high than
//! too low, because it guards windows and budgets.

use blufio_core::model::{Block, ModelRequest, Turn};
use blufio_core::tokens;

/// Bytes of text that make a token at the least: English has four, code and other scripts three and more.
const BYTES_PER_TOKEN: u64 = 3;
/// Tokens of an image. OpenAI's tiles of a large image come to 1,105 (<https://platform.openai.com/docs/guides/images>).
const IMAGE_TOKENS: u64 = 1_500;
/// What a template adds around a message or a tool.
const FRAME_TOKENS: u64 = 8;

/// An upper estimate of a request's input.
pub(crate) fn input_tokens(request: &ModelRequest) -> u64 {
    let bytes = |text: &str| text.len() as u64;
    let system: u64 = request.system.iter().map(|text| bytes(text)).sum();
    let tools: u64 =
        request.tools.iter().map(|t| bytes(&t.name) + bytes(&t.description) + bytes(&t.input_schema)).sum();
    let schema = request.output_schema.as_deref().map_or(0, bytes);
    let (mut text, mut media) = (system + tools + schema, 0);
    for turn in &request.turns {
        let (bytes, tokens) = of_turn(turn);
        text += bytes;
        media += tokens;
    }
    let frames = (request.system.len() + request.tools.len() + request.turns.len()) as u64;
    text.div_ceil(BYTES_PER_TOKEN) + media + frames * FRAME_TOKENS
}

/// Bytes of text, and tokens of images and documents.
fn of_turn(turn: &Turn) -> (u64, u64) {
    let raw = turn.raw.as_ref().map_or(0, |raw| raw.json.len() as u64);
    let (mut text, mut media) = (0, 0);
    for block in &turn.blocks {
        match block {
            Block::Text { text: more } => text += more.len() as u64,
            Block::Image { .. } => media += IMAGE_TOKENS,
            Block::Document { name, pages, .. } => {
                text += name.len() as u64;
                media += tokens::estimate_pages(*pages);
            }
            Block::ToolUse { id, name, input } => text += (id.len() + name.len() + input.len()) as u64,
            Block::ToolResult { id, content, .. } => text += (id.len() + content.len()) as u64,
            Block::Opaque { json } => text += json.len() as u64,
        }
    }
    (text.max(raw), media)
}

#[cfg(test)]
mod tests {
    use blufio_core::model::Role;

    use super::*;

    #[test]
    fn the_estimate_grows_with_every_part() {
        let turn = |blocks| Turn { role: Role::User, blocks, raw: None };
        let mut request = ModelRequest {
            model: "m".into(),
            system: vec!["x".repeat(300)],
            tools: Vec::new(),
            turns: vec![turn(vec![Block::Text { text: "y".repeat(30) }]).into()],
            output_schema: None,
            output_tokens_max: 1,
            caches_static_for_an_hour: false,
        };
        assert_eq!(input_tokens(&request), 110 + 16);
        request.turns.push(
            turn(vec![Block::Image { media_type: "image/png".into(), data: "A".repeat(9_999) }]).into(),
        );
        assert_eq!(input_tokens(&request), 110 + 24 + IMAGE_TOKENS);
        request.turns.push(
            turn(vec![Block::Document {
                media_type: "application/pdf".into(),
                name: "abc".into(),
                pages: 7,
                data: "A".repeat(9_999),
            }])
            .into(),
        );
        assert_eq!(input_tokens(&request), 111 + 32 + IMAGE_TOKENS + 7 * tokens::PAGE_TOKENS);
    }
}
