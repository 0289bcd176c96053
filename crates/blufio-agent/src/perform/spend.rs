// SPDX-License-Identifier: MIT OR Apache-2.0
//! Money: before an attempt is made, what it may cost at the worst is taken of every cap. The prompt counts a token for
//! each of its bytes, which no tokenizer exceeds, or as many as the provider itself counts; the answer may be as long as it
//! is allowed to be, which is less when less is left.
//!
//! Nothing in a document's bytes bounds its tokens: a page may hold any number of packed words. A prompt with documents
//! is reserved as the provider counts it, else as the whole window of the model, which no prompt exceeds.

use blufio_core::model::{Block, ModelProvider, ModelRequest, Support, Turn, Usage};
use blufio_core::store::{Announced, Announcement, Attempted, Cap, LedgerRow};
use blufio_lang::effect::Outcome;
use blufio_lang::value::FailureKind;

use super::attempt::Attempts;
use super::failed;
use crate::media::has_documents;

/// Shortest answer that is worth asking for, tokens.
const OUTPUT_TOKENS_MIN: u32 = 256;
/// Most tokens of a picture: of the largest that a provider does not scale down.
const IMAGE_TOKENS_MAX: u64 = 5_000;
/// Most tokens of the frame around a block, a turn or a tool.
const FRAME_TOKENS_MAX: u64 = 32;
/// Most tokens that a provider adds when tools or a schema are there: Anthropic's own prompt for tools.
const PREAMBLE_TOKENS_MAX: u64 = 1_000;
/// More tokens than the window of any model: of one whose window nobody knows.
const WINDOW_TOKENS_MAX: u64 = 10_000_000;
/// Announcements of one attempt: whole, counted, then shorter as long as others spend of the same cap meanwhile.
const ANNOUNCEMENTS_MAX: u32 = 8;

impl Attempts<'_> {
    /// Announces an attempt; its answer is made shorter where the caps have not enough left for a long one.
    pub(super) async fn announce(
        &self,
        provider: &dyn ModelProvider,
        name: &str,
        request: &mut ModelRequest,
        row: LedgerRow,
    ) -> Result<Attempted, Outcome> {
        if self.caps.is_empty() {
            return Ok(Attempted { row, announced: None });
        }
        let mut prompt = PromptMax::of(request);
        let mut is_counted = has_documents(request);
        if is_counted {
            prompt.tokens = match counted(provider, request).await {
                Some(tokens) => tokens,
                None => self.window(name),
            };
        }
        for _ in 0..ANNOUNCEMENTS_MAX {
            let Some(worst_usd_micros) = self.worst(name, prompt, request.output_tokens_max) else {
                let why = format!("no price is known for `{name}`, and money is limited");
                return Err(failed(FailureKind::Denied, &why, None));
            };
            let row = LedgerRow { usd_micros: Some(worst_usd_micros), ..row.clone() };
            let attempt = Announcement { row: row.clone(), worst_usd_micros, caps: self.caps.to_vec() };
            let (cap, left) = match self.shared.store.announce_attempt(attempt).await {
                Ok(Announced::Granted { row: id, warnings }) => {
                    self.warn(&warnings).await;
                    return Ok(Attempted { row, announced: Some(id) });
                }
                Ok(Announced::Refused { cap, left_usd_micros }) => (cap, left_usd_micros),
                Err(error) => {
                    self.shared.store_failed(&error);
                    return Err(failed(FailureKind::Broken, "the store failed", None));
                }
            };
            if !is_counted {
                is_counted = true;
                if let Some(tokens) = counted(provider, request).await {
                    prompt.tokens = prompt.tokens.min(tokens);
                    continue;
                }
            }
            let fits = self.output_that_fits(name, prompt, request.output_tokens_max, left);
            if fits < OUTPUT_TOKENS_MIN.min(request.output_tokens_max) || fits >= request.output_tokens_max {
                return Err(self.over(cap, request));
            }
            request.output_tokens_max = fits;
        }
        Err(self.over(0, request))
    }

    fn over(&self, cap: usize, request: &ModelRequest) -> Outcome {
        let cap = self.caps.get(cap);
        // With documents it is asked again without them: something may be left for that.
        if let Some(cap) = cap.filter(|cap| cap.frees_up_ms.is_some() && !has_documents(request)) {
            self.shared.note(&format!("{}: nothing is left of {}", cap.what, dollars(cap.most_usd_micros)));
        }
        Outcome::OverBudget(cap.and_then(|cap| cap.frees_up_ms))
    }

    fn window(&self, name: &str) -> u64 {
        self.shared.window.as_ref().and_then(|window| window(name)).unwrap_or(WINDOW_TOKENS_MAX)
    }

    pub(super) fn price(&self, asked: &str, answered: &str, usage: &Usage) -> Option<i64> {
        self.shared.price.as_ref().and_then(|price| price(asked, answered, usage))
    }

    /// The dearest way an attempt can go: nothing of its prompt is cached, all of it is written to the cache.
    fn worst(&self, name: &str, prompt: PromptMax, output_tokens_max: u32) -> Option<i64> {
        let output_tokens = u64::from(output_tokens_max);
        let written = Usage {
            cache_write_tokens: prompt.tokens,
            cache_write_1h_tokens: prompt.kept_tokens.min(prompt.tokens),
            output_tokens,
            ..Usage::default()
        };
        let plain = Usage { input_tokens: prompt.tokens, output_tokens, ..Usage::default() };
        Some(self.price(name, name, &written)?.max(self.price(name, name, &plain)?))
    }

    /// The longest answer whose attempt does not cost more than this.
    fn output_that_fits(&self, name: &str, prompt: PromptMax, most: u32, left_usd_micros: i64) -> u32 {
        let fits = |tokens: u32| self.worst(name, prompt, tokens).is_some_and(|usd| usd <= left_usd_micros);
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        low
    }

    /// Tells the owner of caps of which three quarters are used.
    async fn warn(&self, caps: &[usize]) {
        for cap in caps.iter().filter_map(|at| self.caps.get(*at)) {
            let Cap { what, most_usd_micros, .. } = cap;
            let text = format!("{what}: three quarters of {} are used", dollars(*most_usd_micros));
            if let Err(error) = self.shared.tell_owner(&text).await {
                self.shared.store_failed(&error);
            }
        }
    }
}

/// An amount for people.
fn dollars(usd_micros: i64) -> String {
    format!("{:.2} usd", usd_micros as f64 / 1e6)
}

/// The most tokens that a prompt has by its provider's own count; `None` where that only estimates, or does not answer.
async fn counted(provider: &dyn ModelProvider, request: &ModelRequest) -> Option<u64> {
    if provider.capabilities().token_counts != Support::Native {
        return None;
    }
    let tokens = provider.count_tokens(request).await.ok()?;
    // Providers call their count an estimate.
    Some(tokens.saturating_add(tokens / 50 + FRAME_TOKENS_MAX))
}

/// More tokens than a prompt has with any tokenizer.
#[derive(Debug, Clone, Copy)]
struct PromptMax {
    /// Of the whole prompt.
    tokens: u64,
    /// Of what is to stay in the provider's cache for an hour.
    kept_tokens: u64,
}

impl PromptMax {
    /// A token is at least one byte, but for documents, which nothing here bounds.
    fn of(request: &ModelRequest) -> Self {
        let bytes = |text: &String| text.len() as u64 + FRAME_TOKENS_MAX;
        let tools = request.tools.iter().map(|tool| {
            bytes(&tool.name)
                .saturating_add(bytes(&tool.description))
                .saturating_add(bytes(&tool.input_schema))
        });
        let system = request.system.iter().map(bytes);
        let fixed = system.chain(tools).fold(PREAMBLE_TOKENS_MAX, u64::saturating_add);
        let schema = request.output_schema.iter().map(bytes);
        let turns = request.turns.iter().map(|turn| turn_tokens_max(turn));
        Self {
            tokens: schema.chain(turns).fold(fixed, u64::saturating_add),
            kept_tokens: if request.caches_static_for_an_hour { fixed } else { 0 },
        }
    }
}

fn turn_tokens_max(turn: &Turn) -> u64 {
    let block = |block: &Block| {
        let bytes = match block {
            Block::Text { text } => text.len(),
            Block::Image { .. } => return IMAGE_TOKENS_MAX,
            // Counted with the whole prompt.
            Block::Document { .. } => return 0,
            Block::ToolUse { id, name, input } => id.len() + name.len() + input.len(),
            Block::ToolResult { id, content, .. } => id.len() + content.len(),
            Block::Opaque { json } => json.len(),
        };
        bytes as u64 + FRAME_TOKENS_MAX
    };
    let blocks: u64 = turn.blocks.iter().map(block).sum();
    // What is sent again as it came may hold more than the blocks that were understood.
    blocks.max(turn.raw.as_ref().map_or(0, |raw| raw.json.len() as u64)) + FRAME_TOKENS_MAX
}
