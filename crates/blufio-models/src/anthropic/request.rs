// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests, byte for byte deterministic: the same transcript gives the same bytes, and one more turn only adds to them
//! (apart from the cache marks, which the API does not count as part of the prefix).

use blufio_core::model::{Block, ModelRequest, Role, Turn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::PROVIDER;

/// Body of `POST /v1/messages`.
pub fn body(request: &ModelRequest, stream: bool) -> String {
    let mut fields = vec![
        format!("\"model\":{}", Value::from(request.model.as_str())),
        format!("\"max_tokens\":{}", request.output_tokens_max),
    ];
    if stream {
        fields.push("\"stream\":true".into());
    }
    fields.extend(prompt_fields(request));
    format!("{{{}}}", fields.join(","))
}

/// Body of `POST /v1/messages/count_tokens`.
pub fn count_body(request: &ModelRequest) -> String {
    let mut fields = vec![format!("\"model\":{}", Value::from(request.model.as_str()))];
    fields.extend(prompt_fields(request));
    format!("{{{}}}", fields.join(","))
}

fn prompt_fields(request: &ModelRequest) -> Vec<String> {
    let mut fields = Vec::new();
    if !request.tools.is_empty() {
        let tools: Vec<String> = request.tools.iter().map(tool).collect();
        fields.push(format!("\"tools\":[{}]", tools.join(",")));
    }
    if !request.system.is_empty() {
        let last = request.system.len() - 1;
        let blocks: Vec<Value> = request
            .system
            .iter()
            .enumerate()
            .map(|(at, text)| match at {
                at if at == last && request.caches_static_for_an_hour => {
                    json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": "1h"}})
                }
                at if at == last => {
                    json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}})
                }
                _ => json!({"type": "text", "text": text}),
            })
            .collect();
        fields.push(format!("\"system\":{}", Value::from(blocks)));
    }
    if let Some(schema) = request.output_schema.as_deref().map(raw_json) {
        fields.push(format!(
            "\"output_config\":{{\"format\":{{\"type\":\"json_schema\",\"schema\":{schema}}}}}"
        ));
    }
    let marked = marked_turns(&request.turns);
    let turns: Vec<String> =
        request.turns.iter().enumerate().map(|(at, t)| turn(t, marked.contains(&at))).collect();
    fields.push(format!("\"messages\":[{}]", turns.join(",")));
    fields
}

/// Where the prompt is to be cached up to: the newest turn, and the turn that was the newest when the model was asked
/// last, in case the provider does not look back that far by itself.
fn marked_turns(turns: &[Turn]) -> Vec<usize> {
    let answered = turns.iter().rposition(|turn| turn.role == Role::Assistant);
    let before = answered.and_then(|at| turns.get(..at)?.iter().rposition(|turn| turn.role == Role::User));
    before.into_iter().chain(turns.len().checked_sub(1)).collect()
}

/// JSON text as it is; an empty object where it is not JSON.
fn raw_json(text: &str) -> String {
    serde_json::from_str::<&RawValue>(text).map_or_else(|_| "{}".to_string(), |raw| raw.get().to_string())
}

fn tool(offer: &blufio_core::model::ToolOffer) -> String {
    let (name, description) = (Value::from(offer.name.as_str()), Value::from(offer.description.as_str()));
    format!(
        "{{\"name\":{name},\"description\":{description},\"input_schema\":{}}}",
        raw_json(&offer.input_schema)
    )
}

fn turn(turn: &Turn, is_marked: bool) -> String {
    let role = match turn.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    if let Some(raw) = turn.raw.as_ref().filter(|raw| raw.provider == PROVIDER) {
        return format!("{{\"role\":\"{role}\",\"content\":{}}}", raw.json);
    }
    let last = turn.blocks.len().saturating_sub(1);
    let blocks: Vec<String> = turn
        .blocks
        .iter()
        .enumerate()
        .map(|(at, b)| block(b, is_marked && at == last && turn.role == Role::User))
        .collect();
    format!("{{\"role\":\"{role}\",\"content\":[{}]}}", blocks.join(","))
}

fn block(block: &Block, mark: bool) -> String {
    let text = match block {
        Block::Text { text } => json!({"type": "text", "text": text}).to_string(),
        Block::Image { media_type, data } => {
            json!({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}})
                .to_string()
        }
        Block::Document { media_type, name, data, .. } => {
            json!({"type": "document", "source": {"type": "base64", "media_type": media_type, "data": data}, "title": name})
                .to_string()
        }
        Block::ToolUse { id, name, input } => {
            let (id, name) = (Value::from(id.as_str()), Value::from(name.as_str()));
            format!("{{\"type\":\"tool_use\",\"id\":{id},\"name\":{name},\"input\":{}}}", raw_json(input))
        }
        Block::ToolResult { id, content, is_error } => {
            json!({"type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error})
                .to_string()
        }
        Block::Opaque { json } => raw_json(json),
    };
    match text.strip_suffix('}') {
        Some(open) if mark => format!("{open},\"cache_control\":{{\"type\":\"ephemeral\"}}}}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use blufio_core::model::{RawContent, ToolOffer};

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
            turns,
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
