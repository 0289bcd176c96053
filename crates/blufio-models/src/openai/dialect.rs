// SPDX-License-Identifier: MIT OR Apache-2.0
//! What endpoints that speak Chat Completions do differently, as data. A new endpoint needs at most a row here, and an
//! operator can set every field.

use blufio_core::model::{Capabilities, Support};
use url::Url;

/// How an endpoint is made to answer in JSON that fits a schema. The caller validates in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructuredOutput {
    /// `response_format` of type `json_schema`, strict where the schema allows it.
    JsonSchema,
    /// `response_format` of type `json_object`, and the schema in words.
    JsonObject,
    /// The schema in words only.
    Instruction,
    /// Requests with a schema are refused.
    Refused,
}

/// What becomes of a model's reasoning when its turn is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningHistory {
    /// It is dropped: the endpoint does not take it, or does nothing with it.
    Dropped,
    /// In `reasoning_content`, also when it is empty: DeepSeek answers 400 to a tool call without it
    /// (<https://api-docs.deepseek.com/guides/thinking_mode>).
    ReasoningContent,
    /// In `reasoning_details`, as received: signatures of the model behind OpenRouter depend on it
    /// (<https://openrouter.ai/docs/use-cases/reasoning-tokens>).
    ReasoningDetails,
}

/// The field that caps an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputCap {
    /// `max_tokens`, which everybody but OpenAI's reasoning models understands.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// What one endpoint does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// Field of the cap.
    pub output_cap: OutputCap,
    /// Structured output.
    pub structured_output: StructuredOutput,
    /// Reasoning of earlier turns.
    pub reasoning_history: ReasoningHistory,
    /// `reasoning_effort` of every request; `None` leaves it out (but see `effort_none_with_tools`).
    pub reasoning_effort: Option<String>,
    /// Models of OpenAI from GPT-5.4 on take tools on this API with `reasoning_effort: "none"` only
    /// (<https://developers.openai.com/api/docs/models/gpt-6-sol>): sent for them where tools are offered and no effort
    /// is configured.
    pub effort_none_with_tools: bool,
    /// Whether `stream_options` may be sent; without it most endpoints report no usage.
    pub stream_options: bool,
    /// Whether tools are taken.
    pub tools: bool,
    /// Whether images are taken.
    pub images: bool,
    /// Whether PDFs are taken.
    pub documents: bool,
    /// Whether there is `/embeddings`.
    pub embeddings: bool,
}

impl Dialect {
    /// What vLLM, llama.cpp, LM Studio and most others understand.
    pub fn common() -> Self {
        Self {
            output_cap: OutputCap::MaxTokens,
            structured_output: StructuredOutput::JsonSchema,
            reasoning_history: ReasoningHistory::Dropped,
            reasoning_effort: None,
            effort_none_with_tools: false,
            stream_options: true,
            tools: true,
            images: true,
            documents: false,
            embeddings: true,
        }
    }

    /// OpenAI itself. Of all files it takes PDFs here, for models that see
    /// (<https://developers.openai.com/api/docs/guides/file-inputs>).
    pub fn openai() -> Self {
        Self {
            output_cap: OutputCap::MaxCompletionTokens,
            effort_none_with_tools: true,
            documents: true,
            ..Self::common()
        }
    }

    /// <https://openrouter.ai/docs/api-reference/overview>. It takes PDFs, but has some read by another service that is
    /// paid by the page and in no usage (<https://openrouter.ai/docs/features/multimodal/pdfs>): caps could not hold.
    pub fn openrouter() -> Self {
        Self { reasoning_history: ReasoningHistory::ReasoningDetails, embeddings: false, ..Self::common() }
    }

    /// Groq has `json_schema` for a few models and neither streaming nor tools beside it
    /// (<https://console.groq.com/docs/structured-outputs>): words do for all of them.
    pub fn groq() -> Self {
        Self {
            output_cap: OutputCap::MaxCompletionTokens,
            structured_output: StructuredOutput::Instruction,
            embeddings: false,
            ..Self::common()
        }
    }

    /// DeepSeek has `json_object` but no schemas (<https://api-docs.deepseek.com/guides/json_mode>).
    pub fn deepseek() -> Self {
        Self {
            structured_output: StructuredOutput::JsonObject,
            reasoning_history: ReasoningHistory::ReasoningContent,
            embeddings: false,
            ..Self::common()
        }
    }

    /// What such an endpoint can do.
    pub fn capabilities(&self) -> Capabilities {
        let supported = |yes: bool| if yes { Support::Native } else { Support::Missing };
        Capabilities {
            tools: supported(self.tools),
            structured_output: match self.structured_output {
                StructuredOutput::JsonSchema => Support::Native,
                StructuredOutput::JsonObject | StructuredOutput::Instruction => Support::Emulated,
                StructuredOutput::Refused => Support::Missing,
            },
            images: supported(self.images),
            documents: supported(self.documents),
            token_counts: Support::Emulated,
            embeddings: supported(self.embeddings),
        }
    }

    /// The dialect of a name: what an operator writes for an endpoint whose host is not known.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "openai" => Self::openai(),
            "openrouter" => Self::openrouter(),
            "groq" => Self::groq(),
            "deepseek" => Self::deepseek(),
            "common" => Self::common(),
            _ => return None,
        })
    }

    /// The dialect of a known host; the common one for all others.
    pub fn of_host(base_url: &str) -> Self {
        let url = Url::parse(base_url).ok();
        match url.as_ref().and_then(Url::host_str).unwrap_or("") {
            "api.openai.com" | "eu.api.openai.com" | "us.api.openai.com" => Self::openai(),
            "openrouter.ai" => Self::openrouter(),
            "api.groq.com" => Self::groq(),
            "api.deepseek.com" => Self::deepseek(),
            _ => Self::common(),
        }
    }

    /// `reasoning_effort` of a request.
    pub(super) fn effort(&self, model: &str, has_tools: bool) -> Option<&str> {
        match &self.reasoning_effort {
            Some(effort) => Some(effort),
            None if has_tools && self.effort_none_with_tools && needs_no_effort(model) => Some("none"),
            None => None,
        }
    }
}

/// GPT-5.4 and later: `gpt-MAJOR.MINOR` with anything behind it.
fn needs_no_effort(model: &str) -> bool {
    let Some(version) = model.strip_prefix("gpt-") else { return false };
    let version = version.split('-').next().unwrap_or("");
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    match (major.parse::<u32>(), minor.parse::<u32>()) {
        (Ok(major), Ok(minor)) => (major, minor) >= (5, 4),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_their_dialects_and_others_the_common_one() {
        assert_eq!(Dialect::of_host("https://api.openai.com/v1"), Dialect::openai());
        assert_eq!(Dialect::of_host("https://openrouter.ai/api/v1"), Dialect::openrouter());
        assert_eq!(Dialect::of_host("https://api.groq.com/openai/v1"), Dialect::groq());
        assert_eq!(Dialect::of_host("https://api.deepseek.com"), Dialect::deepseek());
        for other in ["https://api.openai.com.evil.example/v1", "http://127.0.0.1:8000/v1", "nonsense"] {
            assert_eq!(Dialect::of_host(other), Dialect::common(), "{other}");
        }
        assert_eq!(Dialect::named("groq"), Some(Dialect::groq()));
        assert_eq!(Dialect::named("nobody"), None);
    }

    #[test]
    fn tools_need_no_effort_with_new_models_of_openai_only() {
        let openai = Dialect::openai();
        for (model, tools, expected) in [
            ("gpt-6-luna", true, Some("none")),
            ("gpt-5.6-sol-2026-07-09", true, Some("none")),
            ("gpt-5.4", true, Some("none")),
            ("gpt-6-luna", false, None),
            ("gpt-5-mini", true, None),
            ("gpt-4.1", true, None),
            ("o3", true, None),
            ("gpt-oss-20b", true, None),
        ] {
            assert_eq!(openai.effort(model, tools), expected, "{model}");
        }
        let configured = Dialect { reasoning_effort: Some("low".into()), ..Dialect::openai() };
        assert_eq!(configured.effort("gpt-6-luna", true), Some("low"));
        assert_eq!(Dialect::common().effort("gpt-6-luna", true), None);
    }
}
