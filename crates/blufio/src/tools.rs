// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tools of a running daemon: those that are built in, and those whose manifests beside the programs record their
//! answers. Recorded answers stand for tools that no skill brings yet; `serve` says which tools they are.

use std::sync::{Arc, PoisonError, RwLock};

use blufio_core::BoxFuture;
use blufio_core::tool::{EffectClass, ToolError, ToolHost, ToolManifest, ToolRequest};
use blufio_lang::manifest::{Manifest, Recorded};
use blufio_lang::typed;
use blufio_lang::value::FailureKind;
use blufio_skills::Builtin;

/// Built-in and recorded tools. The recorded ones follow the folder when it is loaded again.
#[derive(Debug, Default)]
pub struct Tools {
    recorded: RwLock<Arc<[Manifest]>>,
}

impl Tools {
    /// Tools with these manifests.
    pub fn new(manifests: &[Manifest]) -> Self {
        let tools = Self::default();
        tools.replace(manifests);
        tools
    }

    /// Takes other manifests over.
    pub fn replace(&self, manifests: &[Manifest]) {
        *self.recorded.write().unwrap_or_else(PoisonError::into_inner) = manifests.into();
    }

    fn recorded(&self, tool: &str) -> Option<Manifest> {
        let all = Arc::clone(&self.recorded.read().unwrap_or_else(PoisonError::into_inner));
        all.iter().find(|manifest| manifest.info.name == tool).cloned()
    }
}

impl ToolHost for Tools {
    fn manifest(&self, tool: &str) -> Option<ToolManifest> {
        let of = |manifest: Manifest| ToolManifest {
            name: manifest.info.name,
            description: manifest.about,
            input_schema: manifest.input_schema,
            effect: match manifest.info.effect {
                typed::EffectClass::Pure => EffectClass::Pure,
                typed::EffectClass::Read => EffectClass::Read,
                typed::EffectClass::Idempotent => EffectClass::Idempotent,
                typed::EffectClass::Once => EffectClass::Once,
            },
            dangerous: manifest.info.danger == typed::Danger::Dangerous,
        };
        Builtin.manifest(tool).or_else(|| self.recorded(tool).map(of))
    }

    fn call<'a>(&'a self, request: &'a ToolRequest) -> BoxFuture<'a, Result<String, ToolError>> {
        match self.recorded(&request.tool) {
            Some(manifest) => Box::pin(async move { answer(&manifest, &request.arguments) }),
            None => Builtin.call(request),
        }
    }
}

/// What a manifest records for these arguments.
fn answer(manifest: &Manifest, arguments: &str) -> Result<String, ToolError> {
    let arguments = serde_json::from_str(arguments).map_err(|error| ToolError::Invalid(error.to_string()))?;
    match manifest.answer(&arguments) {
        Some(Recorded::Gives(value)) => Ok(value.to_string()),
        Some(Recorded::Fails(kind, why)) => Err(match kind {
            FailureKind::Invalid => ToolError::Invalid(why.clone()),
            FailureKind::Denied => ToolError::Denied(why.clone()),
            _ => ToolError::Broken(format!("{}: {why}", kind.word())),
        }),
        Some(Recorded::Uncertain) => Err(ToolError::Uncertain("recorded as uncertain".to_string())),
        None => Err(ToolError::Broken(format!(
            "no answer of {} is recorded for these arguments",
            manifest.info.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &str = r#"
[find]
about = "Finds an order."
parameters = { order = "text" }
gives = "{ id: text }"
effect = "read"
answers = [
  { when = { order = "7" }, gives = { id = "7" } },
  { when = { order = "8" }, fails = "denied", why = "not yours" },
  { when = { order = "9" }, uncertain = true },
]
"#;

    fn request(tool: &str, arguments: &str) -> ToolRequest {
        ToolRequest {
            tool: tool.into(),
            arguments: arguments.into(),
            idempotency_key: "k".into(),
            folder: None,
            hosts: Vec::new(),
            commands: Vec::new(),
            now_ms: 0,
        }
    }

    #[tokio::test]
    async fn recorded_answers_stand_for_tools_that_are_not_built_in() {
        let manifests = blufio_lang::manifest::parse("tools/orders.toml", "orders", ORDERS).unwrap();
        let tools = Tools::new(&manifests);
        let says = async |order: &str| {
            tools.call(&request("orders.find", &format!(r#"{{"order":"{order}"}}"#))).await
        };
        assert_eq!(says("7").await, Ok(r#"{"id":"7"}"#.into()));
        assert_eq!(says("8").await, Err(ToolError::Denied("not yours".into())));
        assert!(matches!(says("9").await, Err(ToolError::Uncertain(_))));
        assert!(matches!(says("10").await, Err(ToolError::Broken(why)) if why.contains("no answer")));
        assert!(tools.call(&request("time.now", "{}")).await.is_ok());
        assert_eq!(tools.manifest("orders.find").map(|m| m.effect), Some(EffectClass::Read));
        tools.replace(&[]);
        assert!(tools.manifest("orders.find").is_none());
        assert!(matches!(says("7").await, Err(ToolError::Denied(_))));
    }
}
