// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models as this machine can ask them: which providers there are, what each of them can do, how it is opened, and what
//! its models cost.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use blufio_agent::{Limits, media};
use blufio_core::model::{Capabilities, ModelProvider, ModelRequest, Support};
use blufio_core::secret::Secret;
use blufio_lang::check::{self, Feature, ModelPrice};
use blufio_models::anthropic::{self, Anthropic};
use blufio_models::ollama::{self, Ollama, OllamaOptions, Settings};
use blufio_models::openai::{self, Dialect, OpenAi, OpenAiOptions, StructuredOutput};
use blufio_models::prices::Prices;

use crate::config::{self, Config, ConfigError, Provider, ProviderKind};

/// Every provider that programs can name, and the prices.
#[derive(Debug, Clone)]
pub struct Models {
    providers: BTreeMap<String, Provider>,
    /// The table of this version with the operator's in it.
    pub prices: Arc<Prices>,
}

impl Models {
    /// Reads the file of prices, if there is one; nothing is opened.
    pub fn of(config: &Config) -> Result<Self, ConfigError> {
        let prices = match &config.prices_file {
            Some(path) => read_prices(path)?,
            None => Prices::built_in().clone(),
        };
        Ok(Self { providers: config.providers.clone(), prices: Arc::new(prices) })
    }

    /// The configuration of this process, for commands that need nothing else of it.
    pub fn load(named: Option<&Path>) -> Result<Self> {
        Ok(Self::of(&Config::load(named)?)?)
    }

    /// Providers for the checker.
    pub fn for_checker(&self) -> Vec<check::Provider> {
        let lacks = |provider: &Provider| {
            let can = capabilities(provider);
            let features = [(Feature::Tools, can.tools), (Feature::StructuredOutput, can.structured_output)];
            let missing = features.into_iter().filter(|(_, support)| *support == Support::Missing);
            missing.map(|(feature, _)| feature).collect()
        };
        let provider = |known: &Provider| check::Provider { name: known.name.clone(), lacks: lacks(known) };
        self.providers.values().map(provider).collect()
    }

    /// Prices for the checker.
    pub fn prices_for_checker(&self) -> check::Prices {
        let prices = Arc::clone(&self.prices);
        check::Prices::new(move |model, prompt_tokens_max| {
            let (dearest, window) = (prices.dearest(model, prompt_tokens_max)?, prices.window(model)?);
            Some(ModelPrice {
                input_micro_usd_per_million: dearest.input_micro_usd_per_million,
                kept_input_micro_usd_per_million: dearest.kept_input_micro_usd_per_million,
                output_micro_usd_per_million: dearest.output_micro_usd_per_million,
                window_tokens: window.context_tokens,
                output_tokens_max: window.output_tokens_max.min(Limits::default().turn_tokens_max),
            })
        })
    }

    /// What keeps a provider from being opened, with the command that fixes it; `None` when nothing does.
    pub fn missing_key(&self, name: &str) -> Option<MissingKey<'_>> {
        let provider = self.providers.get(name)?;
        let is_missing = provider.needs_key && secret(&provider.key_variable).is_none();
        is_missing.then(|| MissingKey { provider: &provider.name, variable: &provider.key_variable })
    }

    /// A request as its provider would get it; nothing is sent.
    pub fn body(&self, name: &str, request: &ModelRequest) -> Result<String> {
        let provider =
            self.providers.get(name).ok_or_else(|| anyhow!("no provider `{name}` is configured"))?;
        let plain = media::taken(&capabilities(provider), request);
        let request = plain.as_ref().unwrap_or(request);
        Ok(match provider.kind {
            ProviderKind::Anthropic => anthropic::request::body(request, true),
            ProviderKind::OpenAi => openai::request::body(request, name, &dialect(provider))?,
            ProviderKind::Ollama => ollama::request::body(request, name, &self.settings_of(provider))?,
        })
    }

    fn settings_of(&self, provider: &Provider) -> Settings {
        Settings { context_tokens_of: self.windows(&provider.name), ..settings(provider) }
    }

    /// Opens a provider; nothing is sent.
    pub fn open(&self, name: &str) -> Result<Arc<dyn ModelProvider>> {
        let provider =
            self.providers.get(name).ok_or_else(|| anyhow!("no provider `{name}` is configured"))?;
        if let Some(missing) = self.missing_key(name) {
            return Err(anyhow!("{} is not set", missing.variable));
        }
        let key = secret(&provider.key_variable);
        let opened: Result<Arc<dyn ModelProvider>> = match provider.kind {
            ProviderKind::Anthropic => {
                let key = key.unwrap_or_else(|| Secret::new(""));
                Anthropic::new(anthropic::Options::new(&provider.base_url, key))
                    .map(|opened| Arc::new(opened) as Arc<dyn ModelProvider>)
                    .map_err(Into::into)
            }
            ProviderKind::OpenAi => {
                let mut options =
                    OpenAiOptions::new(name, &provider.base_url, key).dialect(dialect(provider));
                options.key_variable.clone_from(&provider.key_variable);
                OpenAi::new(options)
                    .map(|opened| Arc::new(opened) as Arc<dyn ModelProvider>)
                    .map_err(Into::into)
            }
            ProviderKind::Ollama => {
                let mut options = OllamaOptions::new(name, &provider.base_url);
                options.key = key;
                options.key_variable.clone_from(&provider.key_variable);
                options.settings = self.settings_of(provider);
                Ollama::new(options)
                    .map(|opened| Arc::new(opened) as Arc<dyn ModelProvider>)
                    .map_err(Into::into)
            }
        };
        opened.with_context(|| format!("models.{name}"))
    }

    /// Windows of a provider's models, by their bare names: what the checker counted on is what is asked for.
    fn windows(&self, provider: &str) -> BTreeMap<String, u32> {
        let of = |name: &str| {
            let (known, model) = name.split_once('/')?;
            let window = self.prices.window(name)?;
            (known == provider).then(|| (model.to_string(), window.context_tokens))
        };
        self.prices.models().filter_map(of).collect()
    }
}

/// A key that is not there.
#[derive(Debug, Clone, Copy)]
pub struct MissingKey<'a> {
    /// Whose.
    pub provider: &'a str,
    /// Environment variable.
    pub variable: &'a str,
}

impl MissingKey<'_> {
    /// Where a key is made, and how it is set.
    pub fn fix(&self) -> String {
        let (place, example) = match self.provider {
            "anthropic" => ("make a key at console.anthropic.com", "sk-ant-…"),
            "openai" => ("make a key at platform.openai.com", "sk-…"),
            "openrouter" => ("make a key at openrouter.ai", "sk-or-…"),
            "groq" => ("make a key at console.groq.com", "gsk_…"),
            "deepseek" => ("make a key at platform.deepseek.com", "sk-…"),
            "ollama" => ("make a key at ollama.com", "…"),
            _ => ("take the key of that server", "…"),
        };
        format!("{place}, then\n            export {}={example}", self.variable)
    }
}

/// A secret of the environment. Empty counts as absent.
pub fn secret(variable: &str) -> Option<Secret> {
    std::env::var(variable).ok().map(|value| Secret::new(&value)).filter(|secret| !secret.is_empty())
}

fn capabilities(provider: &Provider) -> Capabilities {
    match provider.kind {
        ProviderKind::Anthropic => Capabilities::full(),
        ProviderKind::OpenAi => dialect(provider).capabilities(),
        ProviderKind::Ollama => settings(provider).capabilities(),
    }
}

/// The dialect that is configured, else the one of the name, else the one of the host.
fn dialect(provider: &Provider) -> Dialect {
    let named = provider.dialect.as_deref().or(Some(provider.name.as_str())).and_then(Dialect::named);
    let mut dialect = named.unwrap_or_else(|| Dialect::of_host(&provider.base_url));
    dialect.tools &= provider.tools;
    dialect.images &= provider.images;
    // Pages are shown as pictures, too.
    dialect.documents &= provider.images;
    dialect.structured_output = match provider.structured_output.as_deref() {
        Some("schema") => StructuredOutput::JsonSchema,
        Some("object") => StructuredOutput::JsonObject,
        Some("words") => StructuredOutput::Instruction,
        Some(_) => StructuredOutput::Refused,
        None => dialect.structured_output,
    };
    dialect
}

fn settings(provider: &Provider) -> Settings {
    Settings { tools: provider.tools, images: provider.images, ..Settings::default() }
}

fn read_prices(path: &Path) -> Result<Prices, ConfigError> {
    let text = config::read_named(path)?;
    Prices::with_overrides(&text).map_err(|error| {
        let line = error.model().and_then(|model| {
            let quoted = format!("\"{model}\"");
            text.lines().position(|line| line.contains(&quoted)).map(|at| at + 1)
        });
        let place = path.display();
        ConfigError {
            place: line.map_or_else(|| place.to_string(), |line| format!("{place}:{line}")),
            problem: error.to_string(),
        }
    })
}

#[cfg(test)]
mod tests;
