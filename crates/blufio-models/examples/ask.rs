// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asks model servers of others. Every line of input is a question as JSON and is answered by one line; a tool that is
//! called says "noon", once. Ends with the input. `contrib/peers/prove_models.sh` uses it.
#![allow(missing_docs, clippy::print_stdout, reason = "an example that is driven through its output")]

use blufio_core::model::{Block, ModelError, ModelProvider, ModelReply, ModelRequest, Role, ToolOffer, Turn};
use blufio_core::secret::Secret;
use blufio_models::ollama::{Ollama, OllamaOptions};
use blufio_models::openai::{Dialect, OpenAi, OpenAiOptions};
use serde_json::{Value, json};

fn provider(question: &Value) -> Option<Box<dyn ModelProvider>> {
    let text = |name: &str| question.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(match text("kind") {
        "ollama" => Box::new(Ollama::new(OllamaOptions::new("ollama", text("base_url"))).ok()?),
        kind => {
            let dialect = Dialect::named(kind)?;
            let key = Some(Secret::new("key"));
            Box::new(OpenAi::new(OpenAiOptions::new(kind, text("base_url"), key).dialect(dialect)).ok()?)
        }
    })
}

fn request(question: &Value) -> ModelRequest {
    let text = |name: &str| question.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let tool = |name: &str| ToolOffer {
        name: name.to_string(),
        description: "A tool.".to_string(),
        input_schema: "{\"type\":\"object\",\"properties\":{}}".to_string(),
    };
    ModelRequest {
        model: text("model"),
        system: vec!["Be brief.".to_string()],
        tools: question.get("tool").and_then(Value::as_str).map(tool).into_iter().collect(),
        turns: vec![
            Turn { role: Role::User, blocks: vec![Block::Text { text: text("text") }], raw: None }.into(),
        ],
        output_schema: question.get("schema").map(Value::to_string),
        output_tokens_max: 256,
        caches_static_for_an_hour: false,
    }
}

/// The answer; with its tools run, the one after it.
async fn ask(provider: &dyn ModelProvider, mut request: ModelRequest) -> Result<Vec<ModelReply>, ModelError> {
    let first = provider.complete(&request).await?;
    let noon = |block: &Block| match block {
        Block::ToolUse { id, .. } => {
            Some(Block::ToolResult { id: id.clone(), content: "noon".into(), is_error: false })
        }
        _ => None,
    };
    let results: Vec<Block> = first.turn.blocks.iter().filter_map(noon).collect();
    if results.is_empty() {
        return Ok(vec![first]);
    }
    request.turns.push(first.turn.clone().into());
    request.turns.push(Turn { role: Role::User, blocks: results, raw: None }.into());
    let second = provider.complete(&request).await?;
    Ok(vec![first, second])
}

fn shown(reply: &ModelReply) -> Value {
    let block = |block: &Block| match block {
        Block::Text { text } => json!({ "text": text }),
        Block::ToolUse { id, name, input } => json!({"id": id, "name": name, "input": input}),
        other => json!({"other": format!("{other:?}")}),
    };
    let blocks: Vec<Value> = reply.turn.blocks.iter().map(block).collect();
    json!({"stop": format!("{:?}", reply.stop), "blocks": blocks, "usage": reply.usage, "model": reply.model})
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    for line in std::io::stdin().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        let answer = match provider(&question) {
            None => json!({"error": "Config"}),
            Some(provider) => match ask(&*provider, request(&question)).await {
                Ok(replies) => json!({ "replies": replies.iter().map(shown).collect::<Vec<_>>() }),
                Err(error) => json!({"error": format!("{:?}", error.kind), "message": error.message,
                    "retry_after_ms": error.retry_after_ms}),
            },
        };
        println!("{answer}");
    }
    Ok(())
}
