// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio.toml`: what belongs to the machine. One file is found (`--config`, `BLUFIO_CONFIG`, XDG, `/etc/blufio`),
//! never one of the working directory; every key can be overridden as `BLUFIO_SECTION__KEY`; secrets are never in it.

mod file;
mod providers;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use providers::{Provider, ProviderKind};

/// What is wrong with the configuration, with the place and the fix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    /// File with line, or the name of an environment variable.
    pub place: String,
    /// What is wrong and what to do.
    pub problem: String,
}

fn wrong(place: impl ToString, problem: impl Into<String>) -> ConfigError {
    ConfigError { place: place.to_string(), problem: problem.into() }
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A path.
    Path,
    /// Text that is checked where it is used.
    Text,
    /// Name of an environment variable.
    Variable,
    /// `true` or `false`.
    Flag,
    /// A positive numeric id.
    Id,
    /// A number above zero.
    Rate,
    /// A loopback address with its port.
    Listen,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// Where webhooks are listened for unless the configuration says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7117);

/// Every key that exists, but for those of [`providers`].
const KEYS: &[(&str, Kind)] = &[
    ("data_dir", Kind::Path),
    ("agents_dir", Kind::Path),
    ("telegram.api_url", Kind::Text),
    ("telegram.owner", Kind::Id),
    ("telegram.messages_per_second", Kind::Rate),
    ("telegram.chat_messages_per_second", Kind::Rate),
    ("telegram.group_messages_per_minute", Kind::Rate),
    ("gateway.listen", Kind::Listen),
    ("prices_file", Kind::Path),
    ("log.level", Kind::Word(&["error", "warn", "info", "debug", "trace"])),
    ("log.format", Kind::Word(&["text", "json"])),
];

/// The configuration of this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Folder of the database and the socket, when it is set.
    pub data_dir: Option<PathBuf>,
    /// Folder of the agents, when it is set.
    pub agents_dir: Option<PathBuf>,
    /// Address of the Bot API.
    pub telegram_api_url: Option<String>,
    /// The owner's numeric Telegram id.
    pub telegram_owner: Option<String>,
    /// Messages per second over all chats.
    pub telegram_messages_per_second: Option<f64>,
    /// Messages per second in one private chat.
    pub telegram_chat_messages_per_second: Option<f64>,
    /// Messages per minute in one group.
    pub telegram_group_messages_per_minute: Option<f64>,
    /// Where webhooks are listened for.
    pub gateway_listen: SocketAddr,
    /// Every provider that programs can name, by its name.
    pub providers: BTreeMap<String, Provider>,
    /// Prices and windows of further models, when the file is set.
    pub prices_file: Option<PathBuf>,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// Whether logs are JSON lines.
    pub log_json: bool,
}

/// The environment as pairs; tests pass their own.
pub type Environment = Vec<(String, String)>;

/// A checked value with the place it came from.
#[derive(Debug, Clone)]
struct Setting {
    value: SettingValue,
    from_file: bool,
    place: String,
}

#[derive(Debug, Clone)]
enum SettingValue {
    Text(String),
    Number(f64),
}

impl Setting {
    fn text(&self) -> &str {
        match &self.value {
            SettingValue::Text(text) => text,
            SettingValue::Number(_) => "",
        }
    }
}

impl Config {
    /// Finds and reads the configuration of this process.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        // A name or value that is not UTF-8 cannot be one of ours.
        let environment: Environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::load_from(named, &environment)
    }

    /// Finds and reads the configuration for an environment.
    pub fn load_from(named: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let path = file::find(named, environment)?;
        let mut settings = BTreeMap::new();
        let mut base = PathBuf::new();
        if let Some(path) = &path {
            let text = file::read(path)?;
            collect_file(path, &text, &mut settings)?;
            base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        }
        collect_environment(environment, &mut settings)?;
        let text = |key: &str| settings.get(key).map(|setting| setting.text().to_string());
        let number = |key: &str| match settings.get(key).map(|setting| &setting.value) {
            Some(SettingValue::Number(number)) => Some(*number),
            _ => None,
        };
        // A path of the file is relative to the file, one of the environment to the working directory.
        let folder = |key: &str| {
            let from_file = settings.get(key).is_some_and(|setting| setting.from_file);
            text(key).map(|path| if from_file { base.join(path) } else { PathBuf::from(path) })
        };
        Ok(Self {
            data_dir: folder("data_dir"),
            agents_dir: folder("agents_dir"),
            telegram_api_url: text("telegram.api_url"),
            telegram_owner: text("telegram.owner"),
            telegram_messages_per_second: number("telegram.messages_per_second"),
            telegram_chat_messages_per_second: number("telegram.chat_messages_per_second"),
            telegram_group_messages_per_minute: number("telegram.group_messages_per_minute"),
            gateway_listen: text("gateway.listen").and_then(|t| t.parse().ok()).unwrap_or(LISTEN),
            providers: providers::collect(&settings)?,
            prices_file: folder("prices_file"),
            log_level: text("log.level").unwrap_or_else(|| "info".to_string()),
            log_json: text("log.format").is_some_and(|format| format == "json"),
            file: path,
        })
    }

    /// The data folder: `--data`, else the key, else XDG's.
    pub fn data_folder(&self, named: Option<&Path>) -> Result<PathBuf, ConfigError> {
        if let Some(path) = named.map(Path::to_path_buf).or_else(|| self.data_dir.clone()) {
            return Ok(path);
        }
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
        let base = base.or_else(|| variable("HOME").map(|home| home.join(".local/share")));
        base.map(|base| base.join("blufio")).ok_or_else(|| {
            wrong("data folder", "neither HOME nor XDG_DATA_HOME is set: name a folder with --data DIR")
        })
    }
}

type Settings = BTreeMap<String, Setting>;

fn collect_file(path: &Path, text: &str, settings: &mut Settings) -> Result<(), ConfigError> {
    let shown = path.display().to_string();
    let table = table_of(path, text)?;
    let mut flat = Vec::new();
    flatten("", &table, &mut flat);
    for (key, value) in flat {
        let line = line_of(text, &key).map_or_else(|| shown.clone(), |line| format!("{shown}:{line}"));
        let kind = lookup(&key).map_err(|unknown| wrong(&line, unknown.problem))?;
        let value = from_toml(&key, kind, &value).map_err(|problem| wrong(&line, problem))?;
        settings.insert(key, Setting { value, from_file: true, place: line });
    }
    Ok(())
}

/// Parsed TOML; an error names its line.
fn table_of(path: &Path, text: &str) -> Result<toml::Table, ConfigError> {
    let shown = path.display();
    text.parse().map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .map(|span| 1 + text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count());
        let place = line.map_or_else(|| shown.to_string(), |line| format!("{shown}:{line}"));
        wrong(place, error.message().trim().to_string())
    })
}

/// Dotted keys of the leaves. A table that no key begins with is one leaf, so that it is named once.
fn flatten(prefix: &str, table: &toml::Table, out: &mut Vec<(String, toml::Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let section = is_section(&key);
        match value {
            toml::Value::Table(inner) if section => flatten(&key, inner, out),
            other => out.push((key, other.clone())),
        }
    }
}

fn is_section(key: &str) -> bool {
    providers::is_section(key) || KEYS.iter().any(|(known, _)| known.starts_with(&format!("{key}.")))
}

/// The line that writes a key, as far as it can be told from its last part.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let last = key.rsplit('.').next()?;
    let writes = |line: &str| {
        let line = line.trim_start().trim_start_matches('[');
        line.starts_with(last) || line.contains(&format!(".{last}"))
    };
    text.lines().position(writes).map(|line| line + 1)
}

/// A key that does not exist.
struct Unknown {
    problem: String,
    /// The key that was meant.
    near: Option<String>,
}

fn lookup(key: &str) -> Result<Kind, Unknown> {
    let refuse = |problem: String| Err(Unknown { problem, near: None });
    if let Some((_, kind)) = KEYS.iter().find(|(known, _)| *known == key) {
        return Ok(*kind);
    }
    let provider = providers::parts(key);
    if let Some((name, field)) = provider
        && let Some((_, kind)) = providers::FIELDS.iter().find(|(known, _)| *known == field)
    {
        return providers::wrong_name(name).map_or(Ok(*kind), refuse);
    }
    if is_section(key) {
        return refuse(format!("`{key}` is a section: write [{key}] and its keys below"));
    }
    let last = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    if ["token", "key", "secret", "password"].iter().any(|word| last.ends_with(word)) {
        let advice = "secrets are never read from a file: set TELEGRAM_BOT_TOKEN or ANTHROPIC_API_KEY in the environment and delete the line";
        return refuse(format!("`{key}` looks like a secret; {advice}"));
    }
    let name = provider.map_or("NAME", |(name, _)| name);
    let keys = KEYS.iter().map(|(known, _)| known.to_string());
    let keys: Vec<String> =
        keys.chain(providers::FIELDS.iter().map(|(field, _)| format!("models.{name}.{field}"))).collect();
    // A typing error leaves the section as it is more often than not.
    let near = keys.iter().map(|known| (strsim::damerau_levenshtein(known, key), known)).min();
    match near {
        Some((distance, known)) if distance <= 1 + known.len() / 3 => Err(Unknown {
            problem: format!("unknown key `{key}`: did you mean `{known}`?"),
            near: Some(known.clone()),
        }),
        _ => refuse(format!("unknown key `{key}`; the keys are {}", keys.join(", "))),
    }
}

fn from_toml(key: &str, kind: Kind, value: &toml::Value) -> Result<SettingValue, String> {
    let text = match (kind, value) {
        (Kind::Id, toml::Value::Integer(number)) => number.to_string(),
        (Kind::Rate, toml::Value::Integer(number)) => number.to_string(),
        (Kind::Rate, toml::Value::Float(number)) => number.to_string(),
        (Kind::Flag, toml::Value::Boolean(flag)) => flag.to_string(),
        (Kind::Flag, toml::Value::String(_)) => {
            return Err(format!("`{key}` is true or false: write it without quotes"));
        }
        (Kind::Rate, toml::Value::String(_)) => {
            return Err(format!("`{key}` is a number: write it without quotes"));
        }
        (_, toml::Value::String(text)) => text.clone(),
        (_, other) => return Err(format!("`{key}` is {}, not {}", expected(kind), other.type_str())),
    };
    from_text(key, kind, &text)
}

fn from_text(key: &str, kind: Kind, text: &str) -> Result<SettingValue, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("`{key}` is empty: set it or leave it out"));
    }
    match kind {
        Kind::Path | Kind::Text if text.contains('\0') => Err(format!("`{key}` holds a NUL byte")),
        Kind::Path | Kind::Text => Ok(SettingValue::Text(text.to_string())),
        // What is here instead of a name may be the secret itself: it is not shown.
        Kind::Variable if !is_variable(text) => Err(format!("`{key}` is {}", expected(kind))),
        Kind::Variable => Ok(SettingValue::Text(text.to_string())),
        Kind::Flag if ["true", "false"].contains(&text) => Ok(SettingValue::Text(text.to_string())),
        Kind::Id
            if text.len() <= 19
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && !text.starts_with('0') =>
        {
            Ok(SettingValue::Text(text.to_string()))
        }
        Kind::Rate => match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => Ok(SettingValue::Number(number)),
            _ => Err(format!("`{key}` is {}, not `{text}`", expected(kind))),
        },
        Kind::Listen => listen(key, text).map(|address| SettingValue::Text(address.to_string())),
        Kind::Word(words) if words.contains(&text) => Ok(SettingValue::Text(text.to_string())),
        Kind::Id | Kind::Flag | Kind::Word(_) => Err(format!("`{key}` is {}, not `{text}`", expected(kind))),
    }
}

/// Capital letters, digits and `_`, as variables are named everywhere.
fn is_variable(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.len() <= 100 && text.bytes().all(fits) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// A name is no address: whoever answers for it decides where we would listen.
fn listen(key: &str, text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| format!("`{key}` is {}, not `{text}`", expected(Kind::Listen)))?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!(
        "`{key}` is {address}, which others can reach: this program speaks no TLS yet, so it listens on loopback only \
         (127.0.0.1, [::1]); put a reverse proxy with TLS in front of it"
    ))
}

fn expected(kind: Kind) -> String {
    match kind {
        Kind::Path => "a path in quotes".to_string(),
        Kind::Text => "a text in quotes".to_string(),
        Kind::Variable => {
            "the name of an environment variable (capital letters, digits, `_`), not the key".to_string()
        }
        Kind::Flag => "true or false".to_string(),
        Kind::Id => "a numeric id (ask @userinfobot for yours, not a @name)".to_string(),
        Kind::Rate => "a number above zero".to_string(),
        Kind::Listen => "an address with its port in quotes, such as \"127.0.0.1:7117\"".to_string(),
        Kind::Word(words) => format!("one of {}", words.join(", ")),
    }
}

fn collect_environment(environment: &Environment, settings: &mut Settings) -> Result<(), ConfigError> {
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix("BLUFIO_").filter(|rest| *rest != "CONFIG") else { continue };
        let key = providers::spelled_as_in_file(&rest.to_lowercase().replace("__", "."), settings);
        let top_level = KEYS.iter().any(|(known, _)| *known == key);
        if !rest.contains("__") && !top_level {
            return Err(wrong(
                name,
                "unknown variable; settings are written BLUFIO_SECTION__KEY, for example BLUFIO_TELEGRAM__OWNER",
            ));
        }
        let spelled = |key: &str| format!("BLUFIO_{}", key.to_uppercase().replace('.', "__"));
        let kind = lookup(&key).map_err(|unknown| {
            let near = unknown.near.map(|near| format!("unknown variable: did you mean {}?", spelled(&near)));
            wrong(name, near.unwrap_or(unknown.problem))
        })?;
        let value = from_text(&key, kind, value).map_err(|problem| wrong(name, problem))?;
        settings.insert(key, Setting { value, from_file: false, place: name.clone() });
    }
    Ok(())
}

/// A file that the configuration names, parsed: as little trusted as the configuration itself.
pub fn read_named(path: &Path) -> Result<String, ConfigError> {
    let text = file::read(path)?;
    table_of(path, &text)?;
    Ok(text)
}
