// SPDX-License-Identifier: MIT OR Apache-2.0
//! What came of it: the conversation, the path through the diagram, the bill, and whether the promises were kept.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use blufio_core::store::{LedgerRow, Store};
use blufio_lang::graph::{Highlight, graph, to_mermaid, to_text};
use blufio_persist::SqliteStore;
use serde::Serialize;
use serde_json::Value;

use super::world::{ANSWER, CUSTOMER, FAREWELL, World};
use crate::models::Models;
use crate::programs;

/// One model's part of the bill.
#[derive(Debug, Default, Serialize)]
struct BillLine {
    model: String,
    attempts: u32,
    input_tokens: u64,
    output_tokens: u64,
    usd: f64,
    /// Attempts that the kill cut off.
    interrupted: u32,
}

/// The result.
#[derive(Debug, Serialize)]
pub struct Report {
    conversation: Vec<String>,
    path: Vec<String>,
    #[serde(skip)]
    diagram: String,
    mermaid: String,
    bill: Vec<BillLine>,
    answered_once: bool,
    nothing_lost: bool,
    refused_by_telegram: Vec<String>,
    refused_by_anthropic: Vec<String>,
    seconds: f64,
}

impl Report {
    /// Reads the stopped server's data folder and the emulators.
    pub async fn collect(folder: &Path, world: &World, elapsed: Duration) -> Result<Self> {
        let store = SqliteStore::open_read_only(&folder.join("data"))?;
        let session = store.sessions(true, 1).await?.pop().context("the server kept no session")?;
        let highlight = path_taken(&store, session.id, &session.state_name).await?;
        let set = programs::load(&folder.join("agents"), &Models::load(None)?)?;
        let agent = set.checked.agents.first().context("the demo has no agent")?;
        let picture = graph(&agent.program);
        let texts = world.telegram.texts(CUSTOMER);
        let count = |text: &str| texts.iter().filter(|t| *t == text).count();
        Ok(Self {
            answered_once: count(ANSWER) == 1 && count(FAREWELL) == 1,
            nothing_lost: world.telegram.unconfirmed() == 0,
            conversation: texts,
            path: highlight.moves.iter().map(|(_, to)| to.clone()).collect(),
            diagram: to_text(&picture, &highlight),
            mermaid: to_mermaid(&picture, &highlight),
            bill: bill(&store.ledger(None, 1_000).await?),
            refused_by_telegram: world.telegram.violations(),
            refused_by_anthropic: world.model.violations(),
            seconds: elapsed.as_secs_f64(),
        })
    }

    /// Whether everything was as promised.
    pub fn kept(&self) -> bool {
        self.answered_once
            && self.nothing_lost
            && self.refused_by_telegram.is_empty()
            && self.refused_by_anthropic.is_empty()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::from("\nWhat the bot's messages say now\n\n");
        for text in &self.conversation {
            out.push_str(&format!("  Kettle & Co.: {text}\n"));
        }
        out.push_str(&format!("\nThe path taken: {}\n\n{}\n", self.path.join(" → "), self.diagram));
        out.push_str("As Mermaid (paste it where Mermaid is drawn):\n\n");
        out.push_str(&self.mermaid);
        out.push_str("\nThe bill\n\n  model                              attempts   tokens in  tokens out         USD\n");
        for line in &self.bill {
            out.push_str(&format!(
                "  {:<34} {:>8} {:>11} {:>11} {:>11.6}\n",
                line.model, line.attempts, line.input_tokens, line.output_tokens, line.usd
            ));
        }
        let interrupted: u32 = self.bill.iter().map(|line| line.interrupted).sum();
        if interrupted > 0 {
            out.push_str(&format!(
                "  {interrupted} of the attempts ended with the killed process: only the provider knows what it cost.\n"
            ));
        }
        let yes_no = |kept: bool| if kept { "yes" } else { "NO" };
        out.push_str(&format!(
            "\nEach message answered exactly once: {}. Nothing lost: {}. {:.1} s in all.\n",
            yes_no(self.answered_once),
            yes_no(self.nothing_lost),
            self.seconds
        ));
        for refusal in self.refused_by_telegram.iter().chain(&self.refused_by_anthropic) {
            out.push_str(&format!("The emulated service refused: {refusal}\n"));
        }
        out
    }
}

async fn path_taken(store: &SqliteStore, session: i64, state: &str) -> Result<Highlight> {
    let mut highlight = Highlight { moves: Vec::new(), current: Some(state.to_string()) };
    for row in store.journal(session, 0, 10_000).await? {
        if row.record.kind != "moved" {
            continue;
        }
        let body: Value = serde_json::from_str(&row.record.body).context("the journal of the demo")?;
        let name = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_string);
        if let Some(to) = name("to") {
            highlight.moves.push((name("from"), to));
        }
    }
    Ok(highlight)
}

fn bill(ledger: &[LedgerRow]) -> Vec<BillLine> {
    let mut lines: Vec<BillLine> = Vec::new();
    for row in ledger.iter().rev() {
        let at = lines.iter().position(|line| line.model == row.model_asked).unwrap_or_else(|| {
            lines.push(BillLine { model: row.model_asked.clone(), ..BillLine::default() });
            lines.len() - 1
        });
        let line = &mut lines[at];
        line.attempts += 1;
        line.interrupted += u32::from(row.outcome == "interrupted");
        line.input_tokens +=
            row.usage.input_tokens + row.usage.cache_read_tokens + row.usage.cache_write_tokens;
        line.output_tokens += row.usage.output_tokens;
        line.usd += row.usd_micros.unwrap_or(0) as f64 / 1e6;
    }
    lines
}
