// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said in the demo: the customer's words and the model's.

use std::path::Path;

use anyhow::Result;
use blufio_testkit::anthropic::{Answer, Script, is_structured, last_user_text};
use serde_json::{Value, json};

use crate::commands::init::write_new;

/// The customer's Telegram id.
pub const CUSTOMER: i64 = 4242;
/// The owner's Telegram id.
const OWNER: i64 = 1000;
/// First message.
pub const QUESTION: &str = "My kettle drips at the lid. What can I do?";
/// Answer of the model to it.
pub const ANSWER: &str = "Fill it to the MAX mark at most, and rub the seal of the lid with a drop of sunflower oil; wait an hour. If it still drips, order the new seal KT-7.";
/// Second message.
pub const THANKS: &str = "That worked. Thank you!";
/// Answer of the program to it.
pub const WELCOME: &str = "You are welcome. Enjoy your tea!";

const FILES: &[(&str, &str)] = &[
    ("agents/kettle.agent", include_str!("../../../../../agents/demo/kettle.agent")),
    ("agents/routes.agent", include_str!("../../../../../agents/demo/routes.agent")),
    ("agents/policy.md", include_str!("../../../../../agents/demo/policy.md")),
    ("agents/kb/leaks.md", include_str!("../../../../../agents/demo/kb/leaks.md")),
    ("agents/kb/warranty.md", include_str!("../../../../../agents/demo/kb/warranty.md")),
];

/// Writes the agents and the configuration of the stage.
pub fn write(folder: &Path, telegram_url: &str, anthropic_url: &str) -> Result<()> {
    for (path, text) in FILES {
        write_new(&folder.join(path), text)?;
    }
    let configuration = format!(
        "[telegram]\napi_url = \"{telegram_url}\"\nowner = {OWNER}\nchat_messages_per_second = 30\n\n[models.anthropic]\nbase_url = \"{anthropic_url}\"\n"
    );
    write_new(&folder.join("blufio.toml"), &configuration)
}

/// The model: it sorts messages, looks into the knowledge base, answers. Its first answer stops half-way, until
/// somebody comes back for it.
pub fn model() -> impl FnMut(&Value) -> Script + Send + 'static {
    let mut answers = 0_u32;
    move |request| {
        if is_structured(request) {
            let wish = if last_user_text(request).contains("drips") { "question" } else { "thanks" };
            return Script::Answer(Answer::json(&json!({ "choice": wish })));
        }
        if !has_read(request) {
            return Script::Answer(Answer::tools(&[("toolu_01", "files_read", json!({ "path": "leaks.md" }))]));
        }
        answers += 1;
        let answer = Answer::text(ANSWER);
        if answers > 1 {
            return Script::Answer(answer);
        }
        let bytes: usize = answer.events("", 1).iter().map(String::len).sum();
        Script::PauseAfter(answer, bytes * 2 / 3)
    }
}

/// Whether the newest turn brings the result of a tool.
fn has_read(request: &Value) -> bool {
    let newest = request.get("messages").and_then(Value::as_array).and_then(|turns| turns.last());
    let blocks = newest.and_then(|turn| turn.get("content")).and_then(Value::as_array);
    blocks.is_some_and(|blocks| blocks.iter().any(|block| block.get("type").and_then(Value::as_str) == Some("tool_result")))
}
