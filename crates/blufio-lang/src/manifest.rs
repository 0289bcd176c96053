// SPDX-License-Identifier: MIT OR Apache-2.0
//! Manifests of tools, as TOML: what a tool takes and gives in the types of the language, what repeating a call does,
//! how much harm it can do. Until a tool is real, recorded answers stand in its place for tests and examples.
//!
//! `tools/orders.toml` describes `orders.find`, `orders.refund`, …:
//!
//! ```toml
//! [types]
//! Status = "paid | refunded | missing"
//!
//! [find]
//! about = "Finds an order by its number."
//! parameters = { order = "text max 20" }
//! gives = "{ id: text, status: Status }"
//! effect = "read"
//! answers = [
//!   { when = { order = "7" }, gives = { id = "7", status = "paid" } },
//!   { gives = { id = "", status = "missing" } },
//! ]
//! ```

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::check::{Construct, Environment, ToolInfo, ToolScope, check, manifest_errors};
use crate::compile::compile;
use crate::program::Program;
use crate::program::shape::ShapeId;
use crate::source::SourceMap;
use crate::typed::{Danger, EffectClass, Label};
use crate::value::FailureKind;

/// A tool with its recorded answers.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// What the checker knows.
    pub info: ToolInfo,
    /// For people and models, one or two sentences.
    pub about: String,
    /// JSON Schema of the arguments, serialised.
    pub input_schema: String,
    /// Recorded answers, the first that fits counts.
    pub answers: Vec<Answer>,
}

/// A recorded answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Arguments that it is for; the others may be anything.
    pub when: Map<String, Json>,
    /// What it says.
    pub says: Recorded,
}

/// What a recorded answer says.
#[derive(Debug, Clone)]
pub enum Recorded {
    /// This result, as JSON in the forms of [`crate::schema`].
    Gives(Json),
    /// This failure.
    Fails(FailureKind, String),
    /// Nobody knows whether it happened.
    Uncertain,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {place}: {problem}")]
pub struct ManifestError {
    /// File.
    pub path: String,
    /// Tool or table.
    pub place: String,
    /// What is wrong and what to do.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    about: String,
    #[serde(default)]
    parameters: toml::Table,
    gives: String,
    effect: String,
    #[serde(default)]
    danger: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    selects: Vec<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    answers: Vec<WrittenAnswer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAnswer {
    #[serde(default)]
    when: toml::Table,
    gives: Option<toml::Value>,
    fails: Option<String>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    uncertain: bool,
}

/// Reads a manifest file. `family` is its name without the extension: the first part of its tools' names.
pub fn parse(path: &str, family: &str, text: &str) -> Result<Vec<Manifest>, ManifestError> {
    let error = |place: &str, problem: String| ManifestError {
        path: path.to_string(),
        place: place.to_string(),
        problem,
    };
    let table: toml::Table =
        text.parse().map_err(|e: toml::de::Error| error("the file", e.message().to_string()))?;
    let mut types = String::new();
    if let Some(declared) = table.get("types") {
        let declared =
            declared.as_table().ok_or_else(|| error("types", "must be a table of texts".into()))?;
        for (name, body) in declared {
            let body = body.as_str().ok_or_else(|| error(name, "a type is written as a text".into()))?;
            types.push_str(&format!("type {name} = {body}\n"));
        }
    }
    let mut out = Vec::new();
    for (name, value) in table.iter().filter(|(name, _)| *name != "types") {
        let tool = format!("{family}.{name}");
        let written: Written = value.clone().try_into().map_err(|e: toml::de::Error| {
            error(
                &tool,
                format!(
                    "{} (keys: about, parameters, gives, effect, danger, label, selects, scope, answers)",
                    e.message()
                ),
            )
        })?;
        out.push(manifest(&tool, &types, written).map_err(|problem| error(&tool, problem))?);
    }
    Ok(out)
}

fn manifest(tool: &str, types: &str, written: Written) -> Result<Manifest, String> {
    let one_of = |what: &str, word: &str, known: &[&str]| {
        known
            .iter()
            .position(|k| *k == word)
            .ok_or_else(|| format!("`{what}` is one of {}", known.join(", ")))
    };
    let effects = [EffectClass::Pure, EffectClass::Read, EffectClass::Idempotent, EffectClass::Once];
    let effect = effects[one_of("effect", &written.effect, &["pure", "read", "idempotent", "once"])?];
    let dangers = [Danger::Safe, Danger::Reversible, Danger::Dangerous];
    let word = written.danger.as_deref().unwrap_or("safe");
    let danger = dangers[one_of("danger", word, &["safe", "reversible", "dangerous"])?];
    let label = match written.label.as_deref() {
        None => None,
        Some(word) => Some(Label::ALL[one_of("label", word, &Label::ALL.map(Label::word))?]),
    };
    let scopes = [ToolScope::Free, ToolScope::Folder, ToolScope::Hosts, ToolScope::Commands];
    let word = written.scope.as_deref().unwrap_or("free");
    let scope = scopes[one_of("scope", word, &["free", "folder", "hosts", "commands"])?];
    let mut parameters = Vec::new();
    for (name, ty) in &written.parameters {
        let ty = ty.as_str().ok_or_else(|| format!("the type of `{name}` is written as a text"))?;
        parameters.push((name.clone(), ty.to_string()));
    }
    for name in &written.selects {
        if !parameters.iter().any(|(known, _)| known == name) {
            return Err(format!("`selects` names `{name}`, which is no parameter"));
        }
    }
    let info = ToolInfo {
        name: tool.to_string(),
        types: types.to_string(),
        parameters,
        gives: written.gives,
        effect,
        danger,
        label,
        selects: written.selects,
        scope,
    };
    if let Some(problem) = manifest_errors(&info).into_iter().next() {
        return Err(problem);
    }
    let (program, gives) = alone(&info)?;
    let mut answers = Vec::new();
    for (at, answer) in written.answers.into_iter().enumerate() {
        answers.push(recorded(&program, gives, answer).map_err(|why| format!("answer {}: {why}", at + 1))?);
    }
    Ok(Manifest { input_schema: program.tool_schema(0), info, about: written.about, answers })
}

/// The tool in a program of its own: what its types mean.
fn alone(info: &ToolInfo) -> Result<(Program, ShapeId), String> {
    let scope = match info.scope {
        ToolScope::Folder => " in \"x/\"",
        ToolScope::Commands => " only [\"x\"]",
        _ => "",
    };
    let text = format!(
        "agent alone v1\ngoal \"x\"\ncan use {}{scope}\nstart state only {{ on message -> only }}\n",
        info.name
    );
    let mut sources = SourceMap::default();
    sources.add(&info.name, &text).ok_or("too large")?;
    let environment = Environment {
        tools: vec![info.clone()],
        providers: Vec::new(),
        channels: Vec::new(),
        zone_exists: |_| true,
        performs: |_: Construct| true,
        prices: crate::check::Prices::any(),
    };
    let (checked, diagnostics) = check(&sources, &environment);
    let agent = checked.agents.first().filter(|_| !diagnostics.has_errors());
    let agent = agent.ok_or_else(|| {
        let first = diagnostics.iter().next().map(|d| d.title.clone()).unwrap_or_default();
        format!("its types mean nothing: {first}")
    })?;
    let (program, diagnostics) = compile(&agent.program);
    if let Some(found) = diagnostics.iter().next() {
        return Err(format!("its types cannot be used: {}", found.title));
    }
    let gives = program.tools.first().and_then(|tool| tool.gives).ok_or("`gives` names no known type")?;
    Ok((program, gives))
}

fn recorded(program: &Program, gives: ShapeId, answer: WrittenAnswer) -> Result<Answer, String> {
    let json = |value: toml::Value| serde_json::to_value(value).map_err(|e| e.to_string());
    let mut when = Map::new();
    for (name, value) in answer.when {
        let known = program.tools.first().is_some_and(|tool| tool.parameters.iter().any(|p| p.name == name));
        if !known {
            return Err(format!("`when` names `{name}`, which is no parameter"));
        }
        when.insert(name, json(value)?);
    }
    let says = match (answer.gives, answer.fails, answer.uncertain) {
        (Some(value), None, false) => {
            let value = json(value)?;
            program.value_of_shape(gives, &value).map_err(|violations| {
                violations
                    .first()
                    .map_or_else(String::new, |v| format!("the result does not fit `gives`: {v}"))
            })?;
            Recorded::Gives(value)
        }
        (None, Some(kind), false) => {
            let kind = FailureKind::ALL.into_iter().find(|k| k.word() == kind).ok_or_else(|| {
                let words: Vec<&str> = FailureKind::ALL.iter().map(|k| k.word()).collect();
                format!("`fails` is one of {}", words.join(", "))
            })?;
            Recorded::Fails(kind, answer.why)
        }
        (None, None, true) => Recorded::Uncertain,
        _ => return Err("an answer has one of `gives`, `fails`, `uncertain = true`".into()),
    };
    Ok(Answer { when, says })
}

impl Manifest {
    /// The recorded answer for arguments, if there is one.
    pub fn answer(&self, arguments: &Map<String, Json>) -> Option<&Recorded> {
        let fits =
            |answer: &&Answer| answer.when.iter().all(|(name, value)| arguments.get(name) == Some(value));
        self.answers.iter().find(fits).map(|answer| &answer.says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &str = r#"
[types]
Status = "paid | refunded | missing"

[find]
about = "Finds an order."
parameters = { order = "text max 20" }
gives = "{ id: text, status: Status }"
effect = "read"
answers = [
  { when = { order = "7" }, gives = { id = "7", status = "paid" } },
  { when = { order = "8" }, fails = "timeout", why = "slow" },
  { gives = { id = "", status = "missing" } },
]

[refund]
parameters = { order = "text", amount = "money eur" }
gives = "{ id: text }"
effect = "once"
danger = "dangerous"
selects = ["order", "amount"]
answers = [{ uncertain = true }]
"#;

    #[test]
    fn a_manifest_says_what_a_tool_takes_and_gives() {
        let tools = parse("tools/orders.toml", "orders", ORDERS).unwrap();
        let find = &tools[0];
        assert_eq!((find.info.name.as_str(), find.info.effect), ("orders.find", EffectClass::Read));
        let schema: Json = serde_json::from_str(&find.input_schema).unwrap();
        assert_eq!(schema["required"], serde_json::json!(["order"]));
        let arguments = |order: &str| Map::from_iter([("order".to_string(), Json::from(order))]);
        assert!(matches!(find.answer(&arguments("7")), Some(Recorded::Gives(v)) if v["status"] == "paid"));
        assert!(matches!(find.answer(&arguments("8")), Some(Recorded::Fails(FailureKind::Timeout, _))));
        assert!(matches!(find.answer(&arguments("9")), Some(Recorded::Gives(v)) if v["status"] == "missing"));
        assert!(matches!(tools[1].answer(&Map::new()), Some(Recorded::Uncertain)));
        assert_eq!(tools[1].info.selects, ["order", "amount"]);
    }

    #[test]
    fn a_manifest_that_lies_is_refused_with_its_place() {
        let cases = [
            ("effect = \"read\"", "effect = \"maybe\"", "orders.find", "`effect` is one of"),
            ("status = \"paid\" }", "status = \"payed\" }", "orders.find", "answer 1"),
            ("selects = [\"order\", \"amount\"]", "selects = [\"sum\"]", "orders.refund", "no parameter"),
            ("gives = \"{ id: text }\"", "gives = \"{ id: txet }\"", "orders.refund", "cannot be used"),
            ("danger = \"dangerous\"", "dangr = \"dangerous\"", "orders.refund", "unknown field"),
            ("Status = \"paid | refunded | missing\"", "Status = \"paid |\"", "orders.find", "types"),
            ("fails = \"timeout\"", "fails = \"slow\"", "orders.find", "`fails` is one of"),
        ];
        for (right, wrong, place, words) in cases {
            let error = parse("o.toml", "orders", &ORDERS.replace(right, wrong)).unwrap_err();
            assert_eq!(error.place, place, "{error}");
            assert!(error.problem.contains(words), "{error}");
        }
        assert_eq!(parse("o.toml", "orders", "= 1").unwrap_err().place, "the file");
    }
}
