// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON in a code fence: what models write that were asked for JSON in words, or whose server passes over the schema.

/// The inside of an answer that is one code fence; any other answer as it is. JSON itself never begins with a fence.
pub(crate) fn unwrapped(text: &str) -> &str {
    let trimmed = text.trim();
    let inside = trimmed.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inside.and_then(|inside| inside.split_once('\n')) {
        Some((language, body)) if matches!(language.trim(), "" | "json") && !body.contains("```") => {
            body.trim()
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_is_one_fence_is_unwrapped() {
        let cases = [
            ("```json\n{\"ok\":true}\n```", "{\"ok\":true}"),
            ("```\n{}\n```\n", "{}"),
            ("{\"ok\":false}", "{\"ok\":false}"),
            ("Here:\n```json\n{}\n```", "Here:\n```json\n{}\n```"),
            ("```python\nx\n```", "```python\nx\n```"),
            ("```json\n{}\n```\n```json\n{}\n```", "```json\n{}\n```\n```json\n{}\n```"),
            ("```", "```"),
            ("``````", "``````"),
            ("", ""),
        ];
        for (said, expected) in cases {
            assert_eq!(unwrapped(said), expected, "{said}");
        }
    }
}
