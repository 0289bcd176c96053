// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests, byte for byte deterministic: the same transcript gives the same bytes, and one more turn only adds to them
//! (apart from the cache marks, which the API does not count as part of the prefix).

use std::sync::Arc;

use blufio_core::model::{Block, ModelRequest, Role, ToolOffer, Turn};

use super::PROVIDER;
use crate::json::JsonText;

/// Keeps what is before it in the cache for five minutes.
const MARK: &str = ",\"cache_control\":{\"type\":\"ephemeral\"}";
/// Keeps it for an hour.
const MARK_1H: &str = ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}";

/// Body of `POST /v1/messages`.
pub fn body(request: &ModelRequest, stream: bool) -> String {
    let mut json = begun(request);
    json.raw(",\"max_tokens\":");
    json.raw(&request.output_tokens_max.to_string());
    if stream {
        json.raw(",\"stream\":true");
    }
    prompt_fields(&mut json, request);
    json.into_string()
}

/// Body of `POST /v1/messages/count_tokens`.
pub fn count_body(request: &ModelRequest) -> String {
    let mut json = begun(request);
    prompt_fields(&mut json, request);
    json.into_string()
}

fn begun(request: &ModelRequest) -> JsonText {
    let text = |block: &Block| match block {
        Block::Text { text } => text.len(),
        Block::Image { data, .. } | Block::Document { data, .. } => data.len(),
        Block::ToolUse { input, .. } => input.len(),
        Block::ToolResult { content, .. } => content.len(),
        Block::Opaque { json } => json.len(),
    };
    let turn = |turn: &Arc<Turn>| {
        let blocks = turn.blocks.iter().map(|block| text(block) + 64).sum::<usize>();
        blocks.max(turn.raw.as_ref().map_or(0, |raw| raw.json.len())) + 32
    };
    let turns: usize = request.turns.iter().map(turn).sum();
    let system: usize = request.system.iter().map(|text| text.len() + 64).sum();
    let mut json = JsonText::with_capacity(turns + system + 1_024);
    json.raw("{\"model\":");
    json.string(&request.model);
    json
}

fn prompt_fields(json: &mut JsonText, request: &ModelRequest) {
    let static_mark = if request.caches_static_for_an_hour { MARK_1H } else { MARK };
    if let Some(last) = request.tools.len().checked_sub(1) {
        json.raw(",\"tools\":");
        json.list(request.tools.iter().enumerate(), |json, (at, offer)| {
            tool(json, offer);
            json.raw(if at == last { static_mark } else { "" });
            json.raw("}");
        });
    }
    if let Some(last) = request.system.len().checked_sub(1) {
        json.raw(",\"system\":");
        json.list(request.system.iter().enumerate(), |json, (at, text)| {
            json.raw("{\"type\":\"text\",\"text\":");
            json.string(text);
            json.raw(if at == last { static_mark } else { "" });
            json.raw("}");
        });
    }
    if let Some(schema) = &request.output_schema {
        json.raw(",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":");
        json.json(schema);
        json.raw("}}");
    }
    let marked = marked_turns(&request.turns);
    json.raw(",\"messages\":");
    json.list(request.turns.iter().enumerate(), |json, (at, t)| turn(json, t, marked.contains(&Some(at))));
    json.raw("}");
}

/// Where the prompt is to be cached up to: the newest turn, and the turn that was the newest when the model was asked
/// last, in case the provider does not look back that far by itself.
fn marked_turns(turns: &[Arc<Turn>]) -> [Option<usize>; 2] {
    let answered = turns.iter().rposition(|turn| turn.role == Role::Assistant);
    let before = answered.and_then(|at| turns.get(..at)?.iter().rposition(|turn| turn.role == Role::User));
    [before, turns.len().checked_sub(1)]
}

/// An offer without its end.
fn tool(json: &mut JsonText, offer: &ToolOffer) {
    json.raw("{\"name\":");
    json.string(&offer.name);
    json.raw(",\"description\":");
    json.string(&offer.description);
    json.raw(",\"input_schema\":");
    json.json(&offer.input_schema);
}

fn turn(json: &mut JsonText, turn: &Turn, is_marked: bool) {
    json.raw(match turn.role {
        Role::User => "{\"role\":\"user\",\"content\":",
        Role::Assistant => "{\"role\":\"assistant\",\"content\":",
    });
    if let Some(raw) = turn.raw.as_ref().filter(|raw| raw.provider == PROVIDER) {
        json.raw(&raw.json);
    } else {
        let last = turn.blocks.len().saturating_sub(1);
        json.list(turn.blocks.iter().enumerate(), |json, (at, b)| {
            block(json, b, is_marked && at == last && turn.role == Role::User);
        });
    }
    json.raw("}");
}

fn block(json: &mut JsonText, block: &Block, is_marked: bool) {
    match block {
        Block::Text { text } => {
            json.raw("{\"type\":\"text\",\"text\":");
            json.string(text);
        }
        Block::Image { media_type, data } => {
            json.raw("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":");
            json.string(media_type);
            json.raw(",\"data\":");
            json.string(data);
            json.raw("}");
        }
        Block::Document { media_type, name, data, .. } => {
            json.raw("{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":");
            json.string(media_type);
            json.raw(",\"data\":");
            json.string(data);
            json.raw("},\"title\":");
            json.string(name);
        }
        Block::ToolUse { id, name, input } => {
            json.raw("{\"type\":\"tool_use\",\"id\":");
            json.string(id);
            json.raw(",\"name\":");
            json.string(name);
            json.raw(",\"input\":");
            json.json(input);
        }
        Block::ToolResult { id, content, is_error } => {
            json.raw("{\"type\":\"tool_result\",\"tool_use_id\":");
            json.string(id);
            json.raw(",\"content\":");
            json.string(content);
            json.raw(if *is_error { ",\"is_error\":true" } else { ",\"is_error\":false" });
        }
        // Kept byte for byte, so never marked.
        Block::Opaque { json: known } => return json.json(known),
    }
    json.raw(if is_marked { MARK } else { "" });
    json.raw("}");
}

#[cfg(test)]
mod tests {
    use blufio_core::model::{RawContent, ToolOffer};
    use serde_json::{Value, json};

    use super::*;

    fn user(text: &str) -> Turn {
        Turn { role: Role::User, blocks: vec![Block::Text { text: text.into() }], raw: None }
    }

    fn with_document(number: usize) -> Turn {
        let mut turn = user(&format!("message {number}"));
        let document = Block::Document {
            media_type: "application/pdf".into(),
            name: format!("bill \"{number}\".pdf"),
            pages: 3,
            data: "JVBERi0=".into(),
        };
        turn.blocks.insert(0, document);
        turn
    }

    fn request(turns: Vec<Turn>) -> ModelRequest {
        ModelRequest {
            model: "m".into(),
            system: vec!["be brief".into(), "persona".into()],
            tools: vec![ToolOffer {
                name: "time_now".into(),
                description: "Time.".into(),
                input_schema: "{\"type\":\"object\"}".into(),
            }],
            turns: turns.into_iter().map(Arc::new).collect(),
            output_schema: None,
            output_tokens_max: 100,
            caches_static_for_an_hour: false,
        }
    }

    #[test]
    fn the_body_is_what_the_api_documents() {
        let text = body(&request(vec![user("hi \"you\"")]), true);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["stream"], true);
        assert_eq!(value["system"][0].get("cache_control"), None);
        assert_eq!(value["system"][1]["cache_control"]["type"], "ephemeral");
        assert_eq!(value["tools"][0]["cache_control"]["type"], "ephemeral");
        assert_eq!(value["messages"][0]["content"][0]["text"], "hi \"you\"");
        assert_eq!(value["tools"][0]["input_schema"]["type"], "object");
        assert!(value.get("temperature").is_none());
    }

    #[test]
    fn a_document_has_its_title_and_may_carry_the_mark() {
        let mut turn = with_document(1);
        turn.blocks.reverse();
        let value: Value = serde_json::from_str(&body(&request(vec![turn]), true)).unwrap();
        let expected = json!({
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "bill \"1\".pdf",
            "cache_control": {"type": "ephemeral"}
        });
        assert_eq!(value["messages"][0]["content"][1], expected);
    }

    #[test]
    fn one_more_turn_only_adds_to_the_bytes() {
        let raw = RawContent {
            provider: PROVIDER.into(),
            json: "[{\"type\":\"thinking\",\"thinking\":\"x\",\"signature\":\"s==\"}]".into(),
        };
        let mut turns = Vec::new();
        let mut before = String::new();
        for number in 0..20 {
            turns.push(match number % 2 {
                0 if number % 3 == 0 => with_document(number),
                0 => user(&format!("message {number}")),
                _ => Turn { role: Role::Assistant, blocks: Vec::new(), raw: Some(raw.clone()) },
            });
            let now = body(&request(turns.clone()), true)
                .replace(",\"cache_control\":{\"type\":\"ephemeral\"}", "");
            let prefix = before.strip_suffix("]}").unwrap_or("");
            assert!(now.starts_with(prefix), "turn {number} changed earlier bytes");
            assert!(now.contains(&format!("message {}", number - number % 2)));
            before = now;
        }
        assert!(before.contains("\"signature\":\"s==\""));
    }
}
