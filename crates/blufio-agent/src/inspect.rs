// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the next prompt of a session would hold, zone by zone, read from the store alone: for `blufio context` and
//! `blufio prompt`. Nothing is performed and nothing written.

use std::sync::Arc;

use blufio_core::model::{ModelError, ModelProvider, ModelRequest, Role, ToolOffer, Turn};
use blufio_core::store::{LedgerRow, Store, StoreError};
use blufio_core::tokens;
use blufio_core::tool::ToolManifest;
use blufio_lang::program::Program;

use crate::context;
use crate::estimators::stored_ratio;
use crate::media;
use crate::options::Limits;
use crate::perform::is_summary;
use crate::prefix::{self, Change, Piece};
use crate::reload::Programs;
use crate::session::envelope::Envelope;
use crate::transcript::{Window, text_turn};

/// What stands in a question that is not known yet.
const NEXT_QUESTION: &str = "(what is said next)";
/// Rows of the ledger that are looked at.
const LEDGER_ROWS: u32 = 200;

/// A session's prompt.
pub struct Inspection {
    /// Its program.
    pub program: Program,
    /// State that it stands in.
    pub state: String,
    /// Static zone, block by block.
    pub system: Vec<String>,
    /// What its blocks are called.
    pub system_names: Vec<String>,
    /// Tools, as they are offered.
    pub tools: Vec<ToolOffer>,
    /// What stands for the turns before the window.
    pub summary: Option<Arc<Turn>>,
    /// First turn of the transcript that prompts hold.
    pub start: i64,
    /// The window.
    pub turns: Vec<Arc<Turn>>,
    /// The model that was asked last, else the first that the program names.
    pub model: String,
    /// Tokens that the provider reports for one that is estimated.
    pub ratio: f64,
    /// The last answered attempt that began as a `turn` does; of none, the last answered one.
    pub last: Option<LedgerRow>,
    /// What its prompt began with, piece by piece.
    pub last_prefix: Option<Vec<Piece>>,
}

/// Tokens of the zones, as the model counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zones {
    /// Tools.
    pub tools: u64,
    /// Goal, fixed rules, files, list of skills.
    pub system: u64,
    /// What stands for earlier turns.
    pub summary: u64,
    /// Turns.
    pub history: u64,
}

impl Zones {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.tools + self.system + self.summary + self.history
    }
}

/// The newest answered attempt whose prompt began as that of a `turn` does, with what it began with: other steps are asked
/// without tools, and are cached apart.
async fn last_with_tools(
    store: &dyn Store,
    answered: Vec<LedgerRow>,
    has_no_tools: bool,
) -> Result<(Option<LedgerRow>, Option<Vec<Piece>>), StoreError> {
    let newest = answered.first().cloned();
    let mut seen: Vec<String> = Vec::new();
    for row in answered {
        if seen.contains(&row.static_fingerprint) {
            continue;
        }
        let pieces = prefix::stored(store, &row.static_fingerprint).await?;
        let of_a_turn = |pieces: &Vec<Piece>| has_no_tools || pieces.iter().any(Piece::is_tool);
        if pieces.as_ref().is_some_and(of_a_turn) {
            return Ok((Some(row), pieces));
        }
        seen.push(row.static_fingerprint);
    }
    Ok((newest, None))
}

impl Inspection {
    /// Reads the newest live session of a key. `manifest` tells what tools are, given the folder of the program.
    pub async fn read(
        store: &dyn Store,
        key: &str,
        manifests: impl FnOnce(&std::path::Path) -> Box<dyn Fn(&str) -> Option<ToolManifest>>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(session) = store.session(key).await? else { return Ok(None) };
        let loaded = Programs::default().by_hash(store, session.program).await?;
        let loaded =
            loaded.ok_or_else(|| StoreError::Refused(format!("the program of {key} is not stored")))?;
        let manifest = manifests(&loaded.folder);
        let tools = context::offers(&loaded.program, None, |tool| manifest(tool));
        let rows = store.transcript(session.id, session.history_start).await?;
        let summary = store.epoch(session.id, session.history_start).await?.map(|epoch| epoch.summary);
        let turns = rows.into_iter().map(|row| (Arc::new(row.turn), row.tokens)).collect();
        let window = Window { start: session.history_start, summary: None, turns };
        let notes = Envelope::decode(&session.state).map(|known| known.notes).unwrap_or_default();
        let ledger = store.ledger(Some(session.id), LEDGER_ROWS).await?;
        let answered = ledger.into_iter().filter(|row| row.outcome == "ok" && !is_summary(row)).collect();
        let (last, last_prefix) = last_with_tools(store, answered, tools.is_empty()).await?;
        let first = || loaded.program.models.iter().find_map(|model| model.chain.first().cloned());
        let model = last.as_ref().map(|row| row.model_asked.clone()).or_else(first).unwrap_or_default();
        Ok(Some(Self {
            state: session.state_name,
            system: loaded.system.clone(),
            system_names: loaded.system_names.clone(),
            tools,
            summary: summary.map(Arc::new),
            start: session.history_start,
            turns: window.to_prompt(usize::MAX, &notes.media_refused),
            ratio: stored_ratio(store, &model).await?,
            model,
            last_prefix,
            last,
            program: loaded.program.clone(),
        }))
    }

    /// The zones' sizes.
    pub fn zones(&self) -> Zones {
        let corrected = |tokens: u64| (tokens as f64 * self.ratio).ceil() as u64;
        let empty =
            || ModelRequest { system: Vec::new(), tools: Vec::new(), turns: Vec::new(), ..self.request() };
        let frame = tokens::estimate_request(&empty());
        let of = |request: ModelRequest| corrected(tokens::estimate_request(&request).saturating_sub(frame));
        Zones {
            tools: of(ModelRequest { tools: self.tools.clone(), ..empty() }),
            system: of(ModelRequest { system: self.system.clone(), ..empty() }),
            summary: of(ModelRequest { turns: self.summary.clone().into_iter().collect(), ..empty() }),
            history: of(ModelRequest { turns: self.turns.clone(), ..empty() }),
        }
    }

    /// The request of the next `turn`: what is said next stands as a mark.
    pub fn request(&self) -> ModelRequest {
        let mut turns: Vec<Arc<Turn>> = self.summary.iter().chain(&self.turns).cloned().collect();
        if turns.last().is_none_or(|turn| turn.role == Role::Assistant) {
            turns.push(text_turn(Role::User, NEXT_QUESTION).into());
        }
        ModelRequest {
            model: self.model.split_once('/').map_or(self.model.as_str(), |(_, model)| model).to_string(),
            system: self.system.clone(),
            tools: self.tools.clone(),
            turns,
            output_schema: None,
            output_tokens_max: Limits::default().turn_tokens_max,
            caches_static_for_an_hour: self.caches_for_an_hour(),
        }
    }

    /// Whether the static zone is to stay cached for an hour.
    pub fn caches_for_an_hour(&self) -> bool {
        self.program.context.static_cache_ms.is_some_and(|ms| ms >= 3_600_000)
    }

    /// Whether the static zone is another one than when the model was asked last; `None` before it was.
    pub fn static_changed(&self) -> Option<bool> {
        let last = self.last.as_ref().filter(|_| self.last_prefix.is_some())?;
        Some(last.static_fingerprint != prefix::fingerprint_of(&self.prefix()))
    }

    fn prefix(&self) -> Vec<Piece> {
        prefix::pieces(&self.tools, &self.system, &self.system_names)
    }

    /// Where the static zone stopped to be what it was when the model was asked last.
    pub fn change(&self) -> Option<Change> {
        prefix::first_change(self.last_prefix.as_deref()?, &self.prefix())
    }

    /// How many turns fall out of the history with the next step, because its cap is reached: everything behind the static
    /// zone is read anew then.
    pub fn falls_out(&self) -> Option<usize> {
        let limits = Limits::default();
        let history = self.program.context.history;
        let messages_max = history.and_then(|h| h.messages_max).unwrap_or(limits.history_messages_max);
        let tokens_max = history.and_then(|h| h.tokens_max).unwrap_or(limits.history_tokens_max);
        let sized = |turn: &Arc<Turn>| (Arc::clone(turn), context::estimate_turn(turn));
        let window = Window {
            start: self.start,
            summary: self.summary.as_ref().map(sized),
            turns: self.turns.iter().map(sized).collect(),
        };
        window.excess(messages_max, tokens_max, |tokens| (tokens as f64 * self.ratio).ceil() as i64)
    }

    /// The zones as the provider counts them: of requests that leave out one zone after the other, taken from each other.
    /// The history's part holds what is said next and what frames a request.
    pub async fn counted(&self, provider: &dyn ModelProvider) -> Result<Zones, ModelError> {
        let whole = self.request();
        let whole = media::taken(&provider.capabilities(), &whole).unwrap_or(whole);
        let next = vec![Arc::new(text_turn(Role::User, NEXT_QUESTION))];
        let fixed = ModelRequest { turns: next, ..whole.clone() };
        let system = ModelRequest { tools: Vec::new(), ..fixed.clone() };
        let bare = ModelRequest { system: Vec::new(), ..system.clone() };
        let turns = whole.turns.iter().skip(usize::from(self.summary.is_some())).cloned().collect();
        let unsummarised = ModelRequest { turns, ..whole.clone() };
        let total = provider.count_tokens(&whole).await?;
        let (fixed, bare) = (provider.count_tokens(&fixed).await?, provider.count_tokens(&bare).await?);
        let system = provider.count_tokens(&system).await?;
        let summary = match &self.summary {
            Some(_) => total.saturating_sub(provider.count_tokens(&unsummarised).await?),
            None => 0,
        };
        let zones = Zones {
            tools: fixed.saturating_sub(system),
            system: system.saturating_sub(bare),
            summary,
            history: 0,
        };
        Ok(Zones { history: total.saturating_sub(zones.total()), ..zones })
    }
}
