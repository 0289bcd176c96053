// SPDX-License-Identifier: MIT OR Apache-2.0
//! The provider's prompt cache: what of a request is read, written and neither. Rules as documented
//! (<https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching>): an entry is an exact prefix of tools, system
//! and messages that ends at a marked block; each mark looks back twenty blocks for an entry; entries live five minutes or
//! an hour from their last use, belong to one model, and have a least length.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;

use super::Usage;

/// Tokens of a text.
pub type Count = Arc<dyn Fn(&str) -> u64 + Send + Sync>;

/// Blocks before a mark that are looked at.
const LOOK_BACK_BLOCKS: usize = 20;
const FIVE_MINUTES_MS: i64 = 300_000;
const HOUR_MS: i64 = 3_600_000;
/// What a block takes beside its words: its frame in the provider's own form of a prompt.
const FRAME_TOKENS: u64 = 4;

/// Least tokens of an entry. What is not published for a model is taken as for most others.
fn least_tokens(model: &str) -> u64 {
    match model {
        "claude-opus-5-5" | "claude-opus-5" | "claude-fable-5-1" => 512,
        "claude-haiku-4-5" => 4_096,
        _ => 1_024,
    }
}

/// Where entries may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// Where the request marks them, as at the provider.
    AsRequested,
    /// After every block, found from any distance: nobody can read more of these requests.
    Everywhere,
}

/// A cache with a clock of its own.
pub struct PrefixCache {
    marks: Marks,
    count: Count,
    now_ms: i64,
    /// Model and prefix, with the time that an entry lives and when it ends.
    entries: HashMap<(String, u64), (i64, i64)>,
}

/// A block of a prompt.
struct Piece {
    /// Of everything up to and with it.
    prefix: u64,
    /// Of everything up to and with it.
    tokens: u64,
    /// Kept so long, if it is marked.
    mark_ms: Option<i64>,
}

impl PrefixCache {
    /// An empty one.
    pub fn new(marks: Marks, count: Count) -> Self {
        Self { marks, count, now_ms: 0, entries: HashMap::new() }
    }

    /// Lets time pass.
    pub fn advance(&mut self, ms: i64) {
        self.now_ms = self.now_ms.saturating_add(ms);
    }

    /// Tokens of a request's prompt.
    pub fn prompt_tokens(&self, body: &Value) -> u64 {
        self.pieces(body).last().map_or(0, |piece| piece.tokens)
    }

    /// Tokens of an answer.
    pub fn output_tokens(&self, text: &str) -> u64 {
        (self.count)(text)
    }

    /// Takes a request: what of its prompt is read and written. No output is counted.
    pub fn take(&mut self, body: &Value) -> Usage {
        let model = body.get("model").and_then(Value::as_str).unwrap_or_default().to_string();
        let pieces = self.pieces(body);
        let least = least_tokens(&model);
        let total = pieces.last().map_or(0, |piece| piece.tokens);
        let marked: Vec<(usize, i64)> = pieces
            .iter()
            .enumerate()
            .filter_map(|(at, piece)| piece.mark_ms.map(|ms| (at, ms)))
            .filter(|(at, _)| pieces.get(*at).is_some_and(|piece| piece.tokens >= least))
            .collect();
        let read_at = marked.iter().rev().find_map(|(at, _)| self.found(&model, &pieces, *at));
        let read = read_at.and_then(|at| pieces.get(at)).map_or(0, |piece| piece.tokens);
        if let Some(entry) = read_at.and_then(|at| pieces.get(at)).map(|piece| (model.clone(), piece.prefix))
            && let Some((lives_ms, ends_ms)) = self.entries.get_mut(&entry)
        {
            *ends_ms = self.now_ms.saturating_add(*lives_ms);
        }
        let (mut written, mut written_1h, mut upto) = (0, 0, read);
        for (at, lives_ms) in marked {
            let Some(piece) = pieces.get(at) else { continue };
            let more = piece.tokens.saturating_sub(upto);
            upto = upto.max(piece.tokens);
            written += more;
            written_1h += if lives_ms >= HOUR_MS { more } else { 0 };
            let ends_ms = self.now_ms.saturating_add(lives_ms);
            let entry = self.entries.entry((model.clone(), piece.prefix)).or_insert((lives_ms, ends_ms));
            *entry = (entry.0.max(lives_ms), entry.1.max(ends_ms));
        }
        Usage {
            input: total.saturating_sub(upto),
            output: 0,
            cache_read: read,
            cache_write: written,
            cache_write_1h: written_1h,
        }
    }

    /// The longest entry that a mark finds.
    fn found(&self, model: &str, pieces: &[Piece], mark: usize) -> Option<usize> {
        let least = match self.marks {
            Marks::AsRequested => mark.saturating_sub(LOOK_BACK_BLOCKS),
            Marks::Everywhere => 0,
        };
        (least..=mark).rev().find(|at| {
            let entry = pieces.get(*at).and_then(|p| self.entries.get(&(model.to_string(), p.prefix)));
            entry.is_some_and(|(_, ends_ms)| *ends_ms > self.now_ms)
        })
    }

    fn pieces(&self, body: &Value) -> Vec<Piece> {
        let list = |name: &str| body.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut pieces = Vec::new();
        let mut hasher = DefaultHasher::new();
        let mut tokens = 0;
        let mut is_kept_long = false;
        let mut add = |part: &str, block: &Value, tokens_of: u64| {
            let (bytes, mark_ms) = unmarked(block);
            is_kept_long |= mark_ms == Some(HOUR_MS);
            (part, bytes).hash(&mut hasher);
            tokens += tokens_of + FRAME_TOKENS;
            let is_static = !part.starts_with("messages");
            let lives_ms = if is_kept_long && is_static { HOUR_MS } else { FIVE_MINUTES_MS };
            let mark_ms = match self.marks {
                Marks::AsRequested => mark_ms,
                Marks::Everywhere => Some(lives_ms),
            };
            pieces.push(Piece { prefix: hasher.finish(), tokens, mark_ms });
        };
        for tool in list("tools") {
            let tokens_of = (self.count)(&unmarked(&tool).0);
            add("tools", &tool, tokens_of);
        }
        let system = match body.get("system") {
            Some(text @ Value::String(_)) => vec![text.clone()],
            _ => list("system"),
        };
        for block in system {
            add("system", &block, self.words(&block));
        }
        for turn in list("messages") {
            let role = turn.get("role").and_then(Value::as_str).unwrap_or_default();
            let blocks = match turn.get("content") {
                Some(Value::Array(blocks)) => blocks.clone(),
                Some(text) => vec![text.clone()],
                None => Vec::new(),
            };
            for (at, block) in blocks.iter().enumerate() {
                // A turn's beginning is part of the prefix, its end is not.
                let part = if at == 0 { format!("messages {role}") } else { "messages".to_string() };
                add(if at == 0 { &part } else { "messages" }, block, self.words(block));
            }
        }
        // A mark of the request itself stands for one on its last block.
        if let (Some(last), Some(mark)) = (pieces.last_mut(), body.get("cache_control")) {
            last.mark_ms = last.mark_ms.or(Some(lives_ms(mark)));
        }
        pieces
    }

    /// Tokens of a block's words.
    fn words(&self, block: &Value) -> u64 {
        let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("type") {
            "text" => (self.count)(text("text")),
            "tool_use" => {
                let input = block.get("input").map(Value::to_string).unwrap_or_default();
                (self.count)(text("name")) + (self.count)(&input)
            }
            "tool_result" => match block.get("content") {
                Some(Value::String(content)) => (self.count)(content),
                Some(other) => (self.count)(&other.to_string()),
                None => 0,
            },
            "" => block.as_str().map_or(0, |text| (self.count)(text)),
            _ => (self.count)(&unmarked(block).0),
        }
    }
}

/// A block's bytes without its mark, which is no part of the prefix, and how long the mark keeps it.
fn unmarked(block: &Value) -> (String, Option<i64>) {
    let mut block = block.clone();
    // Clients that send a text alone mean a block with it.
    if let Value::String(text) = &block {
        block = serde_json::json!({"type": "text", "text": text});
    }
    let mark = block.as_object_mut().and_then(|fields| fields.remove("cache_control"));
    (block.to_string(), mark.as_ref().map(lives_ms))
}

/// How long a mark keeps what is before it.
fn lives_ms(mark: &Value) -> i64 {
    match mark.get("ttl").and_then(Value::as_str) {
        Some("1h") => HOUR_MS,
        _ => FIVE_MINUTES_MS,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cache(marks: Marks) -> PrefixCache {
        PrefixCache::new(marks, Arc::new(|text| text.len() as u64))
    }

    fn marked(text: &str) -> Value {
        json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}})
    }

    fn request(turns: &[Value]) -> Value {
        let turns: Vec<Value> =
            turns.iter().map(|block| json!({"role": "user", "content": [block]})).collect();
        json!({"model": "m", "system": [marked(&"s".repeat(2_000))], "messages": turns})
    }

    #[test]
    fn what_was_marked_is_read_until_it_ends() {
        let mut cache = cache(Marks::AsRequested);
        let first = cache.take(&request(&[marked("a")]));
        assert_eq!((first.cache_read, first.cache_write, first.input), (0, 2_009, 0));
        cache.advance(FIVE_MINUTES_MS - 1);
        let second = cache.take(&request(&[json!({"type": "text", "text": "a"}), marked("b")]));
        assert_eq!((second.cache_read, second.cache_write, second.input), (2_009, 5, 0));
        // What is marked again is kept as long again.
        cache.advance(FIVE_MINUTES_MS - 1);
        let third = cache.take(&request(&[json!({"type": "text", "text": "other"})]));
        assert_eq!((third.cache_read, third.cache_write, third.input), (2_004, 0, 9));
        cache.advance(FIVE_MINUTES_MS);
        assert_eq!(cache.take(&request(&[marked("a")])).cache_read, 0);
    }

    #[test]
    fn a_mark_of_the_request_stands_for_one_on_its_last_block() {
        let mut cache = cache(Marks::AsRequested);
        let plain = |texts: &[&str]| {
            let turns: Vec<Value> =
                texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
            json!({"model": "m", "cache_control": {"type": "ephemeral"}, "system": "s".repeat(2_000), "messages": turns})
        };
        assert_eq!(cache.take(&plain(&["a"])).cache_write, 2_009);
        assert_eq!(cache.take(&plain(&["a", "b"])).cache_read, 2_009);
    }

    #[test]
    fn a_mark_looks_back_twenty_blocks() {
        for (more, read) in [(20, 2_009), (21, 2_004)] {
            let mut cache = cache(Marks::AsRequested);
            cache.take(&request(&[marked("a")]));
            let mut turns = vec![json!({"type": "text", "text": "a"})];
            turns.extend((1..more).map(|_| json!({"type": "text", "text": "b"})));
            turns.push(marked("c"));
            assert_eq!(cache.take(&request(&turns)).cache_read, read, "{more}");
        }
    }

    #[test]
    fn what_is_short_or_of_another_model_is_not_read() {
        let mut cache = cache(Marks::AsRequested);
        let short = json!({"model": "m", "messages": [{"role": "user", "content": [marked("short")]}]});
        assert_eq!(cache.take(&short).cache_write, 0);
        assert_eq!(cache.take(&short).cache_read, 0);
        cache.take(&request(&[marked("a")]));
        let mut other = request(&[marked("a")]);
        other["model"] = "other".into();
        assert_eq!(cache.take(&other).cache_read, 0);
    }

    #[test]
    fn everywhere_nothing_that_was_sent_is_read_anew() {
        let mut cache = cache(Marks::Everywhere);
        let plain = |texts: &[&str]| {
            let turns: Vec<Value> =
                texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
            json!({"model": "m", "system": "s".repeat(2_000), "messages": turns})
        };
        cache.take(&plain(&["a", "b"]));
        let read = cache.take(&plain(&["a", "c"]));
        assert_eq!((read.cache_read, read.cache_write), (2_009, 5));
    }
}
