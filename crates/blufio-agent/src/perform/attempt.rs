// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attempts of a model call: one after the other at one model, then at the next of the chain. Every attempt leaves a
//! row in the ledger, also one that failed or was cancelled: it may have cost money.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use blufio_core::model::{
    ModelDelta, ModelError, ModelErrorKind, ModelProvider, ModelReply, ModelRequest, Usage,
};
use blufio_core::retry::next_delay;
use blufio_core::store::{Attempted, Cap, JournalRecord, LedgerRow, OPEN};
use blufio_core::tokens;
use blufio_lang::effect::Outcome;
use blufio_lang::value::FailureKind;
use tokio::sync::{mpsc, oneshot};

use super::{FromEffect, Origin, failed};
use crate::hygiene::outside;
use crate::outages::{Admission, News, Ticket};
use crate::shared::{Shared, lock};
use crate::{journal, media, prefix};

/// Over how long those come back who waited for a provider.
const SPREAD: Duration = Duration::from_secs(1);

/// Longest name of a model that is told.
const SUBSTITUTE_CHARS_MAX: usize = 80;

/// Why one model gave no answer.
enum Missed {
    /// It was not asked: a cap has not enough left.
    OverBudget(Outcome),
    /// Its last attempt failed.
    Failed(ModelError),
    /// Its provider is asked for nothing at the moment.
    Closed(Outcome),
}

/// The attempts of a step that are not in the ledger yet.
#[derive(Default)]
pub(super) struct UnderWay {
    /// The one under way.
    pub attempt: Option<Attempted>,
    /// Those that were answered: they land with the step's result.
    pub answered: Vec<Attempted>,
}

/// Everything that attempts of one step share.
pub(super) struct Attempts<'a> {
    pub shared: &'a Arc<Shared>,
    pub origin: &'a Origin,
    pub purpose: &'static str,
    pub stream: Option<i64>,
    /// Why these models, where the program leaves the choice to the runtime.
    pub reason: Option<String>,
    /// Caps on the money of every attempt.
    pub caps: &'a [Cap],
    /// What is on record even if the step is cut short.
    pub under_way: Arc<Mutex<UnderWay>>,
    /// What lands with the step's result.
    pub journal: Vec<JournalRecord>,
    /// Where the session is told what must be on record before the next attempt; nowhere for what cannot come to that.
    pub session: Option<&'a mpsc::UnboundedSender<FromEffect>>,
    /// From which turn of the prompt on pictures and documents were refused.
    pub media_refused: Option<usize>,
}

impl Attempts<'_> {
    /// One answer from the first model of the chain that gives one; `chain_at` stays at that model.
    pub async fn ask(
        &mut self,
        chain: &[String],
        chain_at: &mut usize,
        request: &mut ModelRequest,
    ) -> Result<ModelReply, Outcome> {
        let mut last = failed(FailureKind::Broken, "the program names no model", None);
        while let Some(name) = chain.get(*chain_at) {
            let (provider, model) = name.split_once('/').unwrap_or(("", name));
            request.model = model.to_string();
            match self.shared.providers.get(provider) {
                None => {
                    last =
                        failed(FailureKind::Denied, &format!("no provider `{provider}` is configured"), None)
                }
                Some(provider) => {
                    let mut plain = media::taken(&provider.capabilities(), request);
                    let asked = plain.as_mut().unwrap_or(&mut *request);
                    let answered = self.with_or_without_media(&**provider, name, asked).await;
                    if let Some(refused) = self.media_refused.and_then(|from| request.turns.get_mut(from..)) {
                        media::leave_out(refused);
                    }
                    match answered {
                        Ok(reply) => return Ok(reply),
                        Err(Missed::OverBudget(outcome)) => return Err(outcome),
                        Err(Missed::Failed(error)) => last = self.outcome(&error),
                        Err(Missed::Closed(outcome)) => last = outcome,
                    }
                }
            }
            *chain_at += 1;
        }
        Err(last)
    }

    /// A file that a provider cannot read would make it refuse every later step of the session, too, and one that could
    /// cost more than is left would keep every later step from being asked: it is gone on without them.
    async fn with_or_without_media(
        &mut self,
        provider: &dyn ModelProvider,
        name: &str,
        request: &mut ModelRequest,
    ) -> Result<ModelReply, Missed> {
        let mut bare = None;
        loop {
            let asked = bare.as_mut().unwrap_or(&mut *request);
            let answered = self.at_one_model(provider, name, asked).await;
            let less = match &answered {
                answered if may_be_a_file(answered) => self.refused_media(asked).await,
                Err(Missed::OverBudget(_)) => media::without_documents(asked),
                _ => None,
            };
            let Some(less) = less else { return answered };
            tracing::warn!(session = self.origin.session, "asked again without pictures or documents");
            bare = Some(less);
        }
    }

    /// The request without what was refused. That it is sent so from now on is on record before it is sent: what a
    /// provider has read is sent again unchanged, whatever becomes of this step.
    async fn refused_media(&mut self, asked: &ModelRequest) -> Option<ModelRequest> {
        let from = media::refused_from(asked)?;
        let (acknowledge, durable) = oneshot::channel();
        let refused = FromEffect::MediaRefused { id: self.origin.id, unread_only: from > 0, acknowledge };
        if self.session?.send(refused).is_err() || durable.await.is_err() {
            return None;
        }
        self.media_refused = Some(from);
        let mut less = asked.clone();
        media::leave_out(less.turns.get_mut(from..)?);
        Some(less)
    }

    async fn at_one_model(
        &mut self,
        provider: &dyn ModelProvider,
        name: &str,
        request: &mut ModelRequest,
    ) -> Result<ModelReply, Missed> {
        let mut attempt = 1;
        // A cap may have made the answer of an earlier attempt shorter.
        let output_tokens_max = request.output_tokens_max;
        let shared = self.shared;
        let provider_name = provider_of(name);
        loop {
            request.output_tokens_max = output_tokens_max;
            let ticket = self.admitted(provider_name).await.map_err(Missed::Closed)?;
            let mut row = self.row(name, self.shared.clock.now_ms());
            row.estimated_tokens = tokens::estimate_request(request);
            row.static_fingerprint = self.keep_prefix(request).await;
            let announced = self.announce(provider, name, request, row).await.map_err(Missed::OverBudget)?;
            lock(&self.under_way).attempt = Some(announced.clone());
            let result = self.stream(provider, request).await;
            request.output_tokens_max = output_tokens_max;
            let begun = lock(&self.under_way).attempt.take().unwrap_or(announced);
            match result {
                Ok(reply) => {
                    if let Some(news) = ticket.answered() {
                        shared.provider_news(provider_name, news).await;
                    }
                    // What files are charged with says nothing of how texts are counted.
                    self.succeeded(begun, &reply, !media::has_media(request)).await;
                    return Ok(reply);
                }
                Err(error) => {
                    let kind = format!("{:?}", error.kind);
                    let news = ticket.failed(&error, shared.clock.now_ms());
                    let is_closed = matches!(news, Some(News::Begins(_)));
                    match news {
                        Some(news) => shared.provider_news(provider_name, news).await,
                        None if error.retry_after_ms.is_some() => shared.keep_outage(provider_name).await,
                        None => {}
                    }
                    self.journal.push(journal::attempt(self.origin.id, name, &kind, error.usage));
                    let unbilled = error.kind != ModelErrorKind::Incomplete;
                    self.record(self.finished(begun, error.usage, &kind, name, unbilled)).await;
                    let wait = next_delay(&error, attempt, self.jitter(attempt));
                    // Nothing is gained by waiting for what comes after the step's own end.
                    let Some(wait) = wait.filter(|wait| !is_closed && self.is_worth(*wait)) else {
                        return Err(Missed::Failed(error));
                    };
                    self.shared.clock.sleep(wait).await;
                    attempt += 1;
                }
            }
        }
    }

    /// Waits for the time that a provider asked everybody to wait; fails when it is left out.
    async fn admitted(&self, provider: &str) -> Result<Ticket<'_>, Outcome> {
        let shared = self.shared;
        loop {
            let now_ms = shared.clock.now_ms();
            match shared.outages.admit(provider, now_ms) {
                Admission::Go(ticket) => return Ok(ticket),
                Admission::Closed { text, refuses: true, .. } => {
                    return Err(failed(FailureKind::Denied, &text, None));
                }
                Admission::Closed { until_ms, text, .. } => {
                    return Err(failed(FailureKind::Limited, &text, Some(until_ms)));
                }
                Admission::Wait { until_ms } => {
                    let left = Duration::from_millis(until_ms.saturating_sub(now_ms).max(0).unsigned_abs());
                    if !self.is_worth(left) {
                        let words = format!("{provider} asked to be left alone");
                        return Err(failed(FailureKind::Limited, &words, Some(until_ms)));
                    }
                    // Not all who wait come at once.
                    shared.clock.sleep(left + SPREAD.mul_f64(self.jitter(0))).await;
                }
            }
        }
    }

    /// Fingerprint of what the prompt begins with, whose pieces are on record from here on.
    async fn keep_prefix(&self, request: &ModelRequest) -> String {
        let loaded = &self.origin.program;
        let names = if request.system == loaded.system { loaded.system_names.as_slice() } else { &[] };
        let pieces = prefix::pieces(&request.tools, &request.system, names);
        match self.shared.prefixes.keep(&*self.shared.store, &pieces).await {
            Ok(fingerprint) => fingerprint,
            Err(error) => {
                self.shared.store_failed(&error);
                String::new()
            }
        }
    }

    /// Whether a wait ends before the step does.
    fn is_worth(&self, wait: Duration) -> bool {
        wait.as_millis() <= u128::from(self.shared.limits.model_timeout_ms)
    }

    async fn stream(
        &self,
        provider: &dyn ModelProvider,
        request: &ModelRequest,
    ) -> Result<ModelReply, ModelError> {
        let Some(row) = self.stream else { return provider.complete(request).await };
        let hub = &self.shared.outbox;
        let mut text = String::new();
        let mut show = |delta| {
            if let ModelDelta::Text(more) = delta {
                text.push_str(&more);
                hub.hub.write(row, &text);
                if let Some(address) = &self.origin.address {
                    hub.nudge(address);
                }
            }
        };
        provider.stream(request, &mut show).await
    }

    /// The last answer's row lands with the result; earlier ones of the same step are recorded when the next comes.
    async fn succeeded(&mut self, begun: Attempted, reply: &ModelReply, is_text: bool) {
        for earlier in self.take_answered() {
            self.record(earlier).await;
        }
        self.journal.push(journal::attempt(self.origin.id, &begun.row.model_asked, "ok", reply.usage));
        if is_text {
            self.learn(&begun.row, reply.usage.as_ref()).await;
        }
        self.tell_substitute(&begun.row.model_asked, &reply.model);
        let ended = self.finished(begun, reply.usage, "ok", &reply.model, false);
        lock(&self.under_way).answered.push(ended);
    }

    /// What was answered since this was asked last.
    pub(super) fn take_answered(&self) -> Vec<Attempted> {
        std::mem::take(&mut lock(&self.under_way).answered)
    }

    /// A provider may answer with another model than it was asked for: what it costs is another price (M-19).
    fn tell_substitute(&self, asked: &str, answered: &str) {
        let about = format!("{asked} is answered by ");
        let is_other = !answered.is_empty() && !is_same_model(asked, answered);
        let notice = is_other.then(|| {
            let by: String = outside(answered).chars().take(SUBSTITUTE_CHARS_MAX).collect();
            format!("{about}{by}, and charged as that where it has a price")
        });
        self.shared.forget_notices(|known| known.starts_with(&about) && Some(known) != notice.as_deref());
        if let Some(notice) = notice {
            self.shared.note(&notice);
        }
    }

    async fn learn(&self, row: &LedgerRow, usage: Option<&Usage>) {
        let Some(usage) = usage else { return };
        let (shared, model) = (self.shared, &row.model_asked);
        if let Err(error) = shared.estimators.learn(&*shared.store, model, row.estimated_tokens, usage).await
        {
            shared.store_failed(&error);
        }
    }

    /// The row of an attempt that ended with the process that made it.
    pub fn interrupted(&self, name: &str) -> LedgerRow {
        LedgerRow { outcome: "interrupted".to_string(), ..self.row(name, self.shared.clock.now_ms()) }
    }

    fn row(&self, name: &str, started_ms: i64) -> LedgerRow {
        LedgerRow {
            session: Some(self.origin.session),
            agent: self.origin.program.program.name.clone(),
            state: self.origin.state.clone(),
            purpose: self.purpose.to_string(),
            model_asked: name.to_string(),
            model_used: String::new(),
            reason: self.reason.clone(),
            estimated_tokens: 0,
            static_fingerprint: String::new(),
            usage: Usage::default(),
            usage_known: false,
            usd_micros: None,
            latency_ms: 0,
            outcome: OPEN.to_string(),
            at_ms: started_ms,
        }
    }

    /// An attempt that ended. Without the provider's word on tokens it is charged as it was reserved, unless the way it
    /// failed is one that nobody bills.
    fn finished(
        &self,
        begun: Attempted,
        usage: Option<Usage>,
        outcome: &str,
        model: &str,
        unbilled: bool,
    ) -> Attempted {
        let Attempted { row, announced } = begun;
        let now_ms = self.shared.clock.now_ms();
        let price = |usage: &Usage| self.price(&row.model_asked, model, usage);
        let reserved = if unbilled { Some(0) } else { row.usd_micros };
        let row = LedgerRow {
            model_used: model.to_string(),
            usage: usage.unwrap_or_default(),
            usage_known: usage.is_some(),
            usd_micros: usage.as_ref().map_or(reserved, price),
            latency_ms: now_ms.saturating_sub(row.at_ms),
            outcome: outcome.to_string(),
            at_ms: now_ms,
            ..row
        };
        Attempted { row, announced }
    }

    pub(super) async fn record(&self, attempt: Attempted) {
        if let Err(error) = self.shared.store.record_attempt(attempt).await {
            self.shared.store_failed(&error);
        }
    }

    /// Between 0 and 1, the same for the same attempt of the same session: many sessions spread, a replay does not.
    fn jitter(&self, attempt: u32) -> f64 {
        let mut bits = self.origin.session.cast_unsigned()
            ^ self.origin.id.visit.rotate_left(17)
            ^ u64::from(attempt) << 48;
        bits = (bits ^ bits >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        bits = (bits ^ bits >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (bits >> 40) as f64 / f64::from(1_u32 << 24)
    }

    fn outcome(&self, error: &ModelError) -> Outcome {
        let now_ms = self.shared.clock.now_ms();
        let until =
            error.retry_after_ms.and_then(|ms| i64::try_from(ms).ok()).map(|ms| now_ms.saturating_add(ms));
        let kind = match error.kind {
            ModelErrorKind::RateLimited => FailureKind::Limited,
            ModelErrorKind::Authentication | ModelErrorKind::Billing => FailureKind::Denied,
            ModelErrorKind::InvalidRequest
            | ModelErrorKind::Overloaded
            | ModelErrorKind::Unreachable
            | ModelErrorKind::Incomplete
            | ModelErrorKind::NotTheProvider => FailureKind::Broken,
        };
        failed(kind, &error.message, until.filter(|_| kind == FailureKind::Limited))
    }
}

/// Whether two names are of one model: the date of a snapshot behind a name, and what a router puts in front of it, make
/// no other.
fn is_same_model(asked: &str, answered: &str) -> bool {
    let bare = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let (asked, answered) = (bare(asked), bare(answered));
    let is_date = |rest: &str| {
        rest.starts_with('-')
            && rest.bytes().all(|b| b == b'-' || b.is_ascii_digit())
            && rest.bytes().filter(u8::is_ascii_digit).count() >= 4
    };
    answered.strip_prefix(asked.as_str()).is_some_and(|rest| rest.is_empty() || is_date(rest))
}

/// Whether a file can be why a request was refused: bad content, too large, not to be processed. A model that is unknown or
/// a request that never left this machine is no fault of a file.
fn may_be_a_file(answered: &Result<ModelReply, Missed>) -> bool {
    matches!(
        answered,
        Err(Missed::Failed(error))
            if error.kind == ModelErrorKind::InvalidRequest && matches!(error.status, Some(400 | 413 | 422))
    )
}

/// The provider of a model's name.
fn provider_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(provider, _)| provider)
}

#[cfg(test)]
mod tests {
    use super::is_same_model;

    #[test]
    fn m19_a_snapshot_is_the_model_that_was_asked_and_a_sister_is_not() {
        for (asked, answered) in [
            ("anthropic/claude-haiku-5-5", "claude-haiku-5-5-20261007"),
            ("openai/gpt-6-luna", "gpt-6-luna-2026-09-22"),
            ("openai/gpt-4", "gpt-4-0613"),
            ("openrouter/openai/gpt-6-luna", "openai/gpt-6-luna"),
            ("local/Qwen3", "/models/qwen3"),
        ] {
            assert!(is_same_model(asked, answered), "{asked} {answered}");
        }
        for (asked, answered) in [
            ("anthropic/claude-opus-5-5", "claude-opus-5"),
            ("anthropic/claude-opus-5", "claude-opus-5-5"),
            ("openai/gpt-6", "gpt-6-luna"),
            ("openai/gpt-6-luna", "gpt-6"),
            ("fake/small", "-2026"),
        ] {
            assert!(!is_same_model(asked, answered), "{asked} {answered}");
        }
    }
}
