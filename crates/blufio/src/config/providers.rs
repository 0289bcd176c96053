// SPDX-License-Identifier: MIT OR Apache-2.0
//! `models.NAME.…`: how each provider of models is reached. Known names need nothing but their key; every other name
//! says what it is.

use std::collections::{BTreeMap, BTreeSet};

use super::{ConfigError, Kind, Setting, Settings, wrong};

/// Keys of one provider.
pub(super) const FIELDS: &[(&str, Kind)] = &[
    ("kind", Kind::Word(&["anthropic", "openai", "ollama"])),
    ("base_url", Kind::Text),
    ("key_variable", Kind::Variable),
    ("dialect", Kind::Word(&["openai", "openrouter", "groq", "deepseek", "common"])),
    ("tools", Kind::Flag),
    ("images", Kind::Flag),
    ("structured_output", Kind::Word(&["schema", "object", "words", "none"])),
];

/// Providers that need no words: name, protocol, address.
const KNOWN: &[(&str, ProviderKind, &str)] = &[
    ("anthropic", ProviderKind::Anthropic, "https://api.anthropic.com"),
    ("openai", ProviderKind::OpenAi, "https://api.openai.com/v1"),
    ("openrouter", ProviderKind::OpenAi, "https://openrouter.ai/api/v1"),
    ("groq", ProviderKind::OpenAi, "https://api.groq.com/openai/v1"),
    ("deepseek", ProviderKind::OpenAi, "https://api.deepseek.com"),
    ("ollama", ProviderKind::Ollama, "http://127.0.0.1:11434"),
];

const NAME_BYTES_MAX: usize = 40;

/// Which protocol a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// The Messages API.
    Anthropic,
    /// Chat Completions.
    OpenAi,
    /// Ollama's own.
    Ollama,
}

/// A provider: what is configured, and what follows from its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The part before the slash of a model's name.
    pub name: String,
    /// Its protocol.
    pub kind: ProviderKind,
    /// Where it is.
    pub base_url: String,
    /// Environment variable of its key.
    pub key_variable: String,
    /// Whether it is of no use without a key.
    pub needs_key: bool,
    /// How it speaks Chat Completions; told by its name or its host otherwise.
    pub dialect: Option<String>,
    /// Whether it takes tools.
    pub tools: bool,
    /// Whether it takes pictures.
    pub images: bool,
    /// How it is made to answer in a given form: `schema`, `object`, `words`, `none`.
    pub structured_output: Option<String>,
}

/// `models.NAME.FIELD` in its parts.
pub(super) fn parts(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix("models.")?.split_once('.')
}

/// Whether a key names a provider's section.
pub(super) fn is_section(key: &str) -> bool {
    key == "models" || key.strip_prefix("models.").is_some_and(|name| !name.contains('.'))
}

/// Why a name cannot stand before the slash of a model's name.
pub(super) fn wrong_name(name: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let is_name =
        (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits) && !name.contains("__");
    (!is_name).then(|| {
        format!("`{}` is no name of a provider: lower-case letters, digits, `-` and `_`", name.escape_debug())
    })
}

/// A provider of the environment (`MY_SERVER`) is the one that the file writes `my-server`.
pub(super) fn spelled_as_in_file(key: &str, settings: &Settings) -> String {
    let Some((name, field)) = parts(key) else { return key.to_string() };
    let mut known = settings.keys().filter_map(|known| parts(known)).map(|(name, _)| name);
    let same = known.find(|known| known.replace('-', "_") == name);
    format!("models.{}.{field}", same.unwrap_or(name))
}

/// Every provider that programs can name.
pub(super) fn collect(settings: &Settings) -> Result<BTreeMap<String, Provider>, ConfigError> {
    let configured = settings.keys().filter_map(|key| parts(key)).map(|(name, _)| name);
    let names: BTreeSet<&str> = configured.chain(KNOWN.iter().map(|(name, ..)| *name)).collect();
    names.into_iter().map(|name| Ok((name.to_string(), provider(name, settings)?))).collect()
}

fn provider(name: &str, settings: &Settings) -> Result<Provider, ConfigError> {
    let setting = |field: &str| settings.get(&format!("models.{name}.{field}"));
    let text = |field: &str| setting(field).map(|setting| setting.text().to_string());
    // Where something is said of this provider at all.
    let place = || {
        let first = settings.iter().find(|(key, _)| parts(key).is_some_and(|(known, _)| known == name));
        first.map(|(_, setting)| setting.place.clone()).unwrap_or_default()
    };
    let known = KNOWN.iter().find(|(known, ..)| *known == name);
    let kind = match (text("kind").as_deref(), known) {
        (Some("anthropic"), _) => ProviderKind::Anthropic,
        (Some("ollama"), _) => ProviderKind::Ollama,
        (Some(_), _) => ProviderKind::OpenAi,
        (None, Some((_, kind, _))) => *kind,
        (None, None) => {
            let problem = format!(
                "`models.{name}.kind` is missing: \"openai\" for whoever speaks Chat Completions, \"ollama\", or \"anthropic\""
            );
            return Err(wrong(place(), problem));
        }
    };
    if (kind == ProviderKind::Anthropic) != (name == "anthropic") {
        // What was said to the one is sent to it again byte for byte, by its name.
        let problem = "the Messages API is named `anthropic`, and nothing else is: take another name or kind";
        return Err(wrong(setting("kind").map_or_else(place, |kind| kind.place.clone()), problem));
    }
    refuse_idle_fields(name, kind, settings)?;
    let default_url = known.filter(|(_, known, _)| *known == kind).map(|(.., url)| *url);
    let default_url = default_url.or((kind == ProviderKind::Ollama).then_some("http://127.0.0.1:11434"));
    let Some(base_url) = text("base_url").or(default_url.map(str::to_string)) else {
        let problem =
            format!("`models.{name}.base_url` is missing: where the server is, with its version (…/v1)");
        return Err(wrong(place(), problem));
    };
    // Plain http goes to this machine only, and what runs here is seldom asked for a key.
    let is_remote = !base_url.starts_with("http://");
    let needs_key = match kind {
        ProviderKind::Anthropic => true,
        ProviderKind::OpenAi => is_remote || setting("key_variable").is_some(),
        ProviderKind::Ollama => setting("key_variable").is_some() || base_url.contains("//ollama.com"),
    };
    let flag = |field: &str| text(field).is_none_or(|value| value == "true");
    Ok(Provider {
        name: name.to_string(),
        kind,
        base_url,
        key_variable: text("key_variable")
            .unwrap_or_else(|| format!("{}_API_KEY", name.to_uppercase().replace('-', "_"))),
        needs_key,
        dialect: text("dialect"),
        tools: flag("tools"),
        images: flag("images"),
        structured_output: text("structured_output"),
    })
}

/// A key that would change nothing is an error, so that nobody believes that it did.
fn refuse_idle_fields(name: &str, kind: ProviderKind, settings: &Settings) -> Result<(), ConfigError> {
    let idle: &[&str] = match kind {
        ProviderKind::OpenAi => &[],
        ProviderKind::Ollama => &["dialect", "structured_output"],
        ProviderKind::Anthropic => &["dialect", "tools", "images", "structured_output"],
    };
    for field in idle {
        let key = format!("models.{name}.{field}");
        if let Some(Setting { place, .. }) = settings.get(&key) {
            return Err(wrong(
                place,
                format!("`{key}` means nothing here: only Chat Completions differ in it"),
            ));
        }
    }
    Ok(())
}
