// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulated outside world of the demo and what it says.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use blufio_testkit::anthropic::{self, Answer, Script, is_structured, last_user_text};
use blufio_testkit::telegram;
use serde_json::{Value, json};

use super::PATIENCE;

/// The customer's numeric id.
pub const CUSTOMER: i64 = 4_711;
/// The owner's numeric id.
pub const OWNER: i64 = 1_001;
/// What the model answers at last.
pub const ANSWER: &str = "That is usually the seal or too much water: fill it to the MAX mark at most, rub the seal with a drop of sunflower oil and wait an hour. If it still drips, part KT-7 is the new seal.";
/// What the program answers to thanks.
pub const FAREWELL: &str = "You are welcome. Enjoy your tea!";

/// Bytes of the answer's stream before it pauses: well within its text.
const PAUSE_AFTER_BYTES: usize = 2_600;

const FILES: &[(&str, &str)] = &[
    ("agents/kettle.agent", include_str!("../../../../../agents/demo/kettle.agent")),
    ("agents/routes.agent", include_str!("../../../../../agents/demo/routes.agent")),
    ("agents/policy.md", include_str!("../../../../../agents/demo/policy.md")),
    ("agents/kb/leaks.md", include_str!("../../../../../agents/demo/kb/leaks.md")),
    ("agents/kb/warranty.md", include_str!("../../../../../agents/demo/kb/warranty.md")),
    ("blufio.toml", "# The demo takes its settings from the environment.\n"),
];

/// Writes the demo's agents into its folder.
pub fn write_agents(folder: &Path) -> Result<()> {
    for (name, text) in FILES {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Both emulators.
pub struct World {
    pub telegram: telegram::Emulator,
    pub model: anthropic::Emulator,
}

impl World {
    pub async fn start() -> Result<Self> {
        let telegram = telegram::Emulator::start().await.context("starting the emulated Telegram")?;
        let model = anthropic::Emulator::start().await.context("starting the emulated Anthropic")?;
        let mut answers = 0;
        model.answer_with(move |request| {
            if is_structured(request) {
                let is_thanks = last_user_text(request).contains("Thanks!");
                return Script::Answer(choice(request, if is_thanks { "thanks" } else { "question" }));
            }
            if !has_tool_result(request) {
                return Script::Answer(Answer::tools(&[(
                    "toolu_demo_1",
                    "files_read",
                    json!({"path": "leaks.md"}),
                )]));
            }
            answers += 1;
            match answers {
                1 => Script::PauseAfter(Answer::text(ANSWER), PAUSE_AFTER_BYTES),
                _ => Script::Answer(Answer::text(ANSWER)),
            }
        });
        Ok(Self { telegram, model })
    }

    /// What the customer sees of the unfinished answer; waits a moment for the first edit.
    pub async fn partial_text(&self) -> String {
        let shown = |world: &telegram::Emulator| {
            world.texts(CUSTOMER).into_iter().next_back().filter(|text| text.len() > 5)
        };
        self.telegram.wait_for(Duration::from_secs(3), shown).await.unwrap_or_else(|| "…".to_string())
    }

    /// Waits until a message of the chat has this text.
    pub async fn wait_for_text(&self, chat: i64, text: &str) -> Result<()> {
        let found = self
            .telegram
            .wait_for(PATIENCE, |world| world.texts(chat).iter().any(|t| t == text).then_some(()));
        found.await.with_context(|| format!("“{text}” did not arrive within {} s", PATIENCE.as_secs()))
    }

    /// Waits until every message was taken over by the server.
    pub async fn wait_confirmed(&self) -> Result<()> {
        let found = self.telegram.wait_for(PATIENCE, |world| (world.unconfirmed() == 0).then_some(()));
        found
            .await
            .with_context(|| format!("the last message was not confirmed within {} s", PATIENCE.as_secs()))
    }
}

/// A structured answer with a choice; other properties of the schema are null.
fn choice(request: &Value, choice: &str) -> Answer {
    let properties = request.pointer("/output_config/format/schema/properties").and_then(Value::as_object);
    let names = properties.into_iter().flat_map(|p| p.keys()).filter(|name| *name != "choice");
    let mut value: serde_json::Map<String, Value> = names.map(|name| (name.clone(), Value::Null)).collect();
    value.insert("choice".into(), choice.into());
    Answer::json(&Value::Object(value))
}

fn has_tool_result(request: &Value) -> bool {
    request.get("messages").is_some_and(|m| m.to_string().contains("\"tool_result\""))
}
