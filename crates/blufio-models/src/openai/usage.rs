// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tokens as endpoints report them: in the last chunk with `choices: []`, in every chunk (the last counts), or under
//! `x_groq`. `prompt_tokens` includes what was read from and written to the cache.

use blufio_core::model::Usage;
use serde_json::Value;

/// Highest number that is believed.
const TOKENS_MAX: u64 = 1 << 40;

/// The usage of a chunk, where it has a whole one.
pub(super) fn of_chunk(chunk: &Value) -> Option<Usage> {
    let usage = [chunk.get("usage"), chunk.pointer("/x_groq/usage")].into_iter().flatten();
    let fields = usage.into_iter().find_map(Value::as_object)?;
    let number = |name: &str| fields.get(name).and_then(Value::as_u64).map(|n| n.min(TOKENS_MAX));
    let detail = |name: &str| {
        let details = fields.get("prompt_tokens_details").and_then(Value::as_object)?;
        details.get(name).and_then(Value::as_u64).map(|n| n.min(TOKENS_MAX))
    };
    // Without both counts the price of the answer is not known (M-13).
    let (prompt, answer) = (number("prompt_tokens")?, number("completion_tokens")?);
    let hits = detail("cached_tokens").or_else(|| number("prompt_cache_hit_tokens")).unwrap_or(0);
    // A part larger than the whole is not believed: the whole is charged at the higher price.
    let cache_read_tokens = if hits <= prompt { hits } else { 0 };
    let written = detail("cache_write_tokens").unwrap_or(0);
    let rest = prompt - cache_read_tokens;
    let cache_write_tokens = if written <= rest { written } else { 0 };
    Some(Usage {
        input_tokens: rest - cache_write_tokens,
        output_tokens: answer,
        cache_read_tokens,
        cache_write_tokens,
        cache_write_1h_tokens: 0,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn m13_parts_of_the_prompt_are_taken_out_of_it() {
        let usage = |input, output, read, write| {
            Some(Usage {
                input_tokens: input,
                output_tokens: output,
                cache_read_tokens: read,
                cache_write_tokens: write,
                cache_write_1h_tokens: 0,
            })
        };
        let cases = [
            (json!({"prompt_tokens": 100, "completion_tokens": 5}), usage(100, 5, 0, 0)),
            (
                json!({"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 60}}),
                usage(40, 0, 60, 0),
            ),
            (
                json!({"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30}}),
                usage(10, 0, 60, 30),
            ),
            (json!({"prompt_tokens": 100, "prompt_cache_hit_tokens": 64}), usage(36, 0, 64, 0)),
            (
                json!({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}}),
                usage(10, 0, 0, 0),
            ),
            (json!({"prompt_tokens": u64::MAX}), usage(TOKENS_MAX, 0, 0, 0)),
            (json!({"prompt_tokens": -3}), None),
            (json!({"prompt_tokens": 3, "completion_tokens": 1e30}), None),
            (json!({"prompt_tokens": 3, "completion_tokens": null}), None),
            (json!({"prompt_tokens": null}), None),
        ];
        for (mut fields, expected) in cases {
            if fields.get("completion_tokens").is_none() {
                fields["completion_tokens"] = json!(0);
            }
            assert_eq!(of_chunk(&json!({ "usage": fields })), expected, "{fields}");
        }
        assert_eq!(of_chunk(&json!({"usage": null})), None);
        assert_eq!(of_chunk(&json!({"usage": {"prompt_tokens": 2}})), None);
        let groq = json!({"x_groq": {"usage": {"prompt_tokens": 2, "completion_tokens": 1}}});
        assert_eq!(of_chunk(&groq), usage(2, 1, 0, 0));
    }
}
