// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio context SESSION`: what its next prompt holds, zone by zone, as the provider counts it where it can be asked, what
//! of it is cached, what it costs, and which bytes are others than the last time.
//! `blufio prompt SESSION`: the request itself.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use blufio_agent::Limits;
use blufio_agent::inspect::{Inspection, Zones};
use blufio_core::clock::Clock as _;
use blufio_core::model::{Support, Usage};
use blufio_core::store::Store as _;
use blufio_core::tool::ToolHost as _;
use blufio_models::prices::{Prices, Window};
use blufio_persist::SqliteStore;
use clap::Args;
use serde_json::json;

use crate::cli::Context;
use crate::clock::SystemClock;
use crate::control::client;
use crate::models::Models;
use crate::output::{self, DataArguments};
use crate::sources;
use crate::tools::Tools;

/// Columns of the picture.
const PICTURE_COLUMNS: u64 = 48;
/// Longest wait for a provider that counts.
const COUNT_TIMEOUT: Duration = Duration::from_secs(10);
const FIVE_MINUTES_MS: i64 = 300_000;
const HOUR_MS: i64 = 3_600_000;

/// Arguments of `context`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Key of the session (`blufio sessions` lists them).
    key: String,
    /// Estimate tokens instead of asking the provider to count them.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    data: DataArguments,
}

/// Arguments of `prompt`.
#[derive(Debug, Args)]
pub struct PromptArguments {
    /// Key of the session (`blufio sessions` lists them).
    key: String,
}

/// Shows the zones.
pub fn run(context: &Context, arguments: &Arguments) -> Result<u8> {
    let inspection = inspect(context, &arguments.key)?;
    let models = Models::of(&context.config)?;
    let counted = if arguments.offline { None } else { counted(&models, &inspection)? };
    let report = Report::of(&inspection, counted, &models.prices);
    if arguments.data.is_json() {
        output::json(&report.json(&arguments.key, &inspection))?;
    } else {
        output::data(&output::harmless(&report.text(&arguments.key, &inspection)))?;
    }
    Ok(0)
}

/// Prints the request of the next `turn`, as its provider would get it.
pub fn prompt(context: &Context, arguments: &PromptArguments) -> Result<u8> {
    let inspection = inspect(context, &arguments.key)?;
    let request = inspection.request();
    let provider = inspection.model.split('/').next().unwrap_or_default();
    let body = Models::of(&context.config)?.body(provider, &request)?;
    // Every byte as it is sent, but on lines that people can read.
    let value: serde_json::Value = serde_json::from_str(&body).context("the request is not JSON")?;
    output::json(&value)?;
    Ok(0)
}

fn inspect(context: &Context, key: &str) -> Result<Inspection> {
    let folder = context.data_folder()?;
    let runtime = client::runtime()?;
    let found = runtime.block_on(async {
        let store = SqliteStore::open_read_only(&folder)?;
        let found = Inspection::read(&store, key, |folder| {
            let manifests = sources::load(folder).map(|sources| sources.manifests).unwrap_or_default();
            let tools = Tools::new(&manifests);
            Box::new(move |tool| tools.manifest(tool))
        })
        .await;
        store.close().await?;
        anyhow::Ok(found?)
    })?;
    found.ok_or_else(|| anyhow!("there is no session `{key}`; `blufio sessions` lists them"))
}

/// The zones as the provider counts them, where it can be asked; why not, else.
fn counted(models: &Models, inspection: &Inspection) -> Result<Option<Result<Zones, String>>> {
    let name = inspection.model.split('/').next().unwrap_or_default();
    let Ok(provider) = models.open(name) else { return Ok(None) };
    if provider.capabilities().token_counts != Support::Native {
        return Ok(None);
    }
    let asked = async {
        let counting = inspection.counted(&*provider);
        match tokio::time::timeout(COUNT_TIMEOUT, counting).await {
            Ok(counted) => counted.map_err(|error| error.message),
            Err(_) => Err("no answer in time".to_string()),
        }
    };
    Ok(Some(client::runtime()?.block_on(asked)))
}

/// What is told of a prompt.
struct Report {
    zones: Zones,
    /// How the zones were counted.
    counted: String,
    window: Option<Window>,
    cached: Cached,
    /// Millionths of a US dollar: as it is likely to be, and the most that it can be.
    likely_usd_micros: Option<i64>,
    most_usd_micros: Option<i64>,
}

/// What of the next prompt the provider still has in its cache, if the same model is asked.
struct Cached {
    tokens: u64,
    /// Why it is nothing.
    why: &'static str,
}

impl Cached {
    /// What the last call read or wrote there is read, as long as it lives, is long enough, and nothing of it changed.
    fn of(inspection: &Inspection, zones: &Zones, window: Option<Window>, now_ms: i64) -> Self {
        let nothing = |why| Self { tokens: 0, why };
        let Some(last) = &inspection.last else { return nothing("nothing was asked yet") };
        if inspection.static_changed() != Some(false) {
            return nothing("its beginning changed");
        }
        let kept = last.usage.cache_read_tokens.saturating_add(last.usage.cache_write_tokens);
        if kept == 0 {
            return nothing("nothing of the last call was cached");
        }
        let age_ms = now_ms.saturating_sub(last.at_ms);
        let fixed = zones.tools + zones.system;
        let is_whole = age_ms < FIVE_MINUTES_MS && inspection.falls_out().is_none();
        let tokens = match inspection.caches_for_an_hour() {
            _ if is_whole => kept.min(zones.total()),
            true if age_ms < HOUR_MS => fixed.min(kept),
            false if age_ms < FIVE_MINUTES_MS => fixed.min(kept),
            _ => return nothing("the last call is too long ago"),
        };
        let least = window.and_then(|window| window.cache_tokens_min).map_or(0, u64::from);
        if tokens < least {
            return nothing("what is the same is too short for this model's cache");
        }
        Self { tokens, why: "" }
    }
}

impl Report {
    fn of(inspection: &Inspection, counted: Option<Result<Zones, String>>, prices: &Prices) -> Self {
        let (zones, counted) = match counted {
            Some(Ok(zones)) => (zones, "counted by the provider".to_string()),
            Some(Err(why)) => (inspection.zones(), format!("{}; {why}", estimated(inspection))),
            None => (inspection.zones(), estimated(inspection)),
        };
        let model = inspection.model.as_str();
        let output_tokens = u64::from(Limits::default().turn_tokens_max);
        let last_output = inspection.last.as_ref().map_or(200, |row| row.usage.output_tokens);
        let window = prices.window(model);
        let cached = Cached::of(inspection, &zones, window, SystemClock.now_ms());
        let cache_read_tokens = cached.tokens;
        let fixed = if inspection.caches_for_an_hour() { zones.tools + zones.system } else { 0 };
        let written = |tokens: u64, output_tokens: u64| Usage {
            cache_write_tokens: tokens,
            cache_write_1h_tokens: fixed.saturating_sub(zones.total().saturating_sub(tokens)),
            output_tokens,
            ..Usage::default()
        };
        let rest = zones.total().saturating_sub(cache_read_tokens);
        let likely = Usage { cache_read_tokens, ..written(rest, last_output) };
        let most = written(zones.total(), output_tokens);
        Self {
            window,
            cached,
            likely_usd_micros: prices.usd_micros(model, &likely),
            most_usd_micros: prices.usd_micros(model, &most),
            zones,
            counted,
        }
    }

    fn text(&self, key: &str, inspection: &Inspection) -> String {
        let Zones { tools, system, summary, history } = self.zones;
        let program = &inspection.program;
        let policy = &program.context;
        let (blocks, offered, turns) =
            (inspection.system.len(), inspection.tools.len(), inspection.turns.len());
        let cache = if inspection.caches_for_an_hour() { "cached for 1h" } else { "cached for 5m" };
        let recall = policy.recall.map_or("what a step names with `with memory`".to_string(), |recall| {
            let most = recall.tokens_max.map_or(String::new(), |max| format!(", at most {max} tokens"));
            format!(
                "the best {} memories above {:.2}{most}",
                recall.top,
                f64::from(recall.above_thousandths) / 1e3
            )
        });
        let caps = policy.history.map_or("no history".to_string(), |cap| {
            let part = |cap: Option<u32>, what: &str| cap.map(|cap| format!("{cap} {what}"));
            let parts: Vec<String> = [part(cap.messages_max, "turns"), part(cap.tokens_max, "tokens")]
                .into_iter()
                .flatten()
                .collect();
            let then = if cap.summarize.is_some() { "then a summary" } else { "then the oldest go" };
            format!("{turns} turns of at most {}, {then}", parts.join(" and "))
        });
        let earlier = format!("stands for {} earlier turns", inspection.start);
        let rows: Vec<Vec<String>> = [
            ("static", tools + system, format!("{blocks} blocks, {offered} tools; {cache}")),
            ("summary", summary, if summary > 0 { earlier } else { "none".to_string() }),
            ("conditional", 0, recall),
            ("dynamic", history, caps),
            ("next prompt", self.zones.total(), self.counted.clone()),
        ]
        .into_iter()
        .map(|(zone, tokens, what)| vec![zone.to_string(), tokens.to_string(), what])
        .collect();
        let head = format!(
            "{key}: {} v{} in {}, {}\n\n",
            program.name, program.version, inspection.state, inspection.model
        );
        let table = output::table(&["zone", "tokens", ""], &rows);
        format!("{head}{}\n{table}\n{}", self.picture(), self.costs(inspection))
    }

    /// One line: how much of the window each zone takes.
    fn picture(&self) -> String {
        let Some(window) = self.window else { return String::new() };
        let all = u64::from(window.context_tokens).max(1);
        let columns = |tokens: u64| (tokens * PICTURE_COLUMNS).div_ceil(all).min(PICTURE_COLUMNS) as usize;
        let zones = [
            ("S", self.zones.tools + self.zones.system),
            ("s", self.zones.summary),
            ("h", self.zones.history),
        ];
        let mut bar: String = zones.iter().map(|(sign, tokens)| sign.repeat(columns(*tokens))).collect();
        bar.truncate(PICTURE_COLUMNS as usize);
        let rest = "·".repeat(PICTURE_COLUMNS as usize - bar.len());
        format!("[{bar}{rest}] of {all} tokens: S static, s summary, h history\n")
    }

    fn costs(&self, inspection: &Inspection) -> String {
        let usd = |micros: i64| format!("{:.6} usd", micros as f64 / 1e6);
        let price = match (self.likely_usd_micros, self.most_usd_micros) {
            (Some(likely), Some(most)) => {
                format!("next call    about {}, at most {}\n", usd(likely), usd(most))
            }
            _ => "next call    no price is known for this model\n".to_string(),
        };
        let cached = inspection.last.as_ref().filter(|row| row.usage_known).map(|row| {
            let share = row.usage.cache_read_tokens as f64 * 100.0 / row.usage.prompt_tokens().max(1) as f64;
            format!("last call    {share:.0} % of its prompt were read from the cache\n")
        });
        let changed = match (inspection.static_changed(), inspection.change()) {
            (Some(true), Some(change)) => format!(
                "prefix       CHANGED since the last call at `{}`: the {} bytes before it are still cached, the {} from \
                 there on and the history are read anew\n",
                change.piece, change.same_bytes, change.changed_bytes
            ),
            (Some(true), None) => "prefix       CHANGED since the last call: all is read anew\n".to_string(),
            (Some(false), _) => "prefix       unchanged since the last call\n".to_string(),
            (None, _) => "prefix       nothing was asked yet\n".to_string(),
        };
        let falls_out = inspection.falls_out().map(|turns| {
            format!("epoch        the cap is reached: {turns} turns fall out with the next step, the rest is read anew\n")
        });
        let least = self.window.and_then(|window| window.cache_tokens_min);
        let least =
            least.map_or(String::new(), |tokens| format!("; prefixes under {tokens} tokens are not cached"));
        let expected = match (self.cached.tokens, self.cached.why) {
            (0, why) => format!("next cache   nothing is read: {why}{least}\n"),
            (tokens, _) => {
                let share = tokens as f64 * 100.0 / self.zones.total().max(1) as f64;
                format!(
                    "next cache   {tokens} tokens are read ({share:.0} %) if the same model is asked{least}\n"
                )
            }
        };
        let told = [price, expected, cached.unwrap_or_default(), changed, falls_out.unwrap_or_default()];
        told.concat()
    }

    fn json(&self, key: &str, inspection: &Inspection) -> serde_json::Value {
        let Zones { tools, system, summary, history } = self.zones;
        json!({
            "session": key,
            "agent": inspection.program.name,
            "state": inspection.state,
            "model": inspection.model,
            "tokens": {
                "tools": tools, "system": system, "summary": summary, "history": history,
                "total": self.zones.total(),
            },
            "turns": inspection.turns.len(),
            "first_turn": inspection.start,
            "window_tokens": self.window.map(|window| window.context_tokens),
            "reported_by_estimated": inspection.ratio,
            "counted": self.counted,
            "expected_cache_read_tokens": self.cached.tokens,
            "cache_tokens_min": self.window.and_then(|window| window.cache_tokens_min),
            "static_changed": inspection.static_changed(),
            "change": inspection.change(),
            "turns_that_fall_out": inspection.falls_out(),
            "last_usage": inspection.last.as_ref().filter(|row| row.usage_known).map(|row| row.usage),
            "next_usd_micros": { "likely": self.likely_usd_micros, "most": self.most_usd_micros },
        })
    }
}

/// How far estimates are off.
fn estimated(inspection: &Inspection) -> String {
    match &inspection.last {
        Some(row) if row.usage_known && row.estimated_tokens > 0 => {
            let (reported, estimated) = (row.usage.prompt_tokens() as f64, row.estimated_tokens as f64);
            let off = (estimated * inspection.ratio / reported.max(1.0) - 1.0) * 100.0;
            format!("estimated; of the last call {off:+.1} % off, {reported} tokens reported")
        }
        _ => "estimated; nothing is reported yet".to_string(),
    }
}
