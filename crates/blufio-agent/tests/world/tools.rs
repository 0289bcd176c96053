// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tools of the scripted world.

use std::collections::VecDeque;
use std::sync::Mutex;

use blufio_core::BoxFuture;
use blufio_core::tool::{EffectClass, ToolError, ToolHost, ToolManifest, ToolRequest};

/// The tools: `time.now` looks, `files.read` looks in a folder, `post.send` must not be repeated.
pub struct FakeTools {
    pub calls: Mutex<Vec<ToolRequest>>,
    /// A call of `post.send` never ends.
    pub hang: Mutex<bool>,
    /// A call of `time.now` panics.
    pub panic: Mutex<bool>,
    /// Answers of the next calls of `orders.find`, before it finds every order, and of `rota.current`, before it says "ben".
    pub orders: Mutex<VecDeque<Result<String, ToolError>>>,
}

impl ToolHost for FakeTools {
    fn manifest(&self, tool: &str) -> Option<ToolManifest> {
        let empty = r#"{"type":"object","properties":{},"additionalProperties":false}"#;
        let path = r#"{"type":"object","properties":{"path":{"type":"string"}},"required":["path"],"additionalProperties":false}"#;
        let order = r#"{"type":"object","properties":{"order":{"type":"string"}},"required":["order"],"additionalProperties":false}"#;
        let text = r#"{"type":"object","properties":{"text":{"type":"string"}},"required":["text"],"additionalProperties":false}"#;
        let (input_schema, effect) = match tool {
            "time.now" => (empty, EffectClass::Read),
            "files.read" => (path, EffectClass::Read),
            "post.send" => (text, EffectClass::Once),
            "orders.find" => (order, EffectClass::Read),
            "files.write" => (path, EffectClass::Idempotent),
            _ => return None,
        };
        Some(ToolManifest {
            name: tool.into(),
            description: "A tool.".into(),
            input_schema: input_schema.into(),
            effect,
            dangerous: false,
        })
    }

    fn call<'a>(&'a self, request: &'a ToolRequest) -> BoxFuture<'a, Result<String, ToolError>> {
        Box::pin(async move {
            self.calls.lock().unwrap().push(request.clone());
            if request.tool == "post.send" && *self.hang.lock().unwrap() {
                std::future::pending::<()>().await;
            }
            match request.tool.as_str() {
                "time.now" if *self.panic.lock().unwrap() => panic!("the tool panics"),
                "time.now" => Ok("12:00".into()),
                "rota.current" => self.orders.lock().unwrap().pop_front().unwrap_or(Ok("ben".into())),
                "post.send" => Ok("posted".into()),
                "files.write" => Ok("written".into()),
                "orders.find" => self.orders.lock().unwrap().pop_front().unwrap_or_else(|| {
                    let order: serde_json::Value = serde_json::from_str(&request.arguments).unwrap();
                    Ok(format!(r#"{{"id":{},"status":"paid"}}"#, order["order"]))
                }),
                "files.read" => Ok(format!(
                    "from {}",
                    request.folder.as_ref().map_or("?".into(), |f| f.display().to_string())
                )),
                other => Err(ToolError::Denied(other.into())),
            }
        })
    }
}
