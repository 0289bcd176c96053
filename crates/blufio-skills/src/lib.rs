// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs tools. Today the two that are built in: `time.now` and `files.read`. Neither changes anything.

mod files;
mod statics;
mod time;

use blufio_core::BoxFuture;
use blufio_core::tool::{EffectClass, ToolError, ToolHost, ToolManifest, ToolRequest};

pub use files::{FILE_BYTES_MAX, read_text_below};
pub use statics::{Disk, read_static};
pub use time::zone_exists;

const NOW_SCHEMA: &str = r#"{"type":"object","properties":{"zone":{"type":"string","description":"IANA time zone, for example Europe/Berlin; UTC when absent"}},"additionalProperties":false}"#;
const READ_SCHEMA: &str = r#"{"type":"object","properties":{"path":{"type":"string","description":"path of the file, relative to the granted folder"}},"required":["path"],"additionalProperties":false}"#;

/// Names of the tools that are built in.
pub const BUILTIN: [&str; 2] = ["time.now", "files.read"];

/// The built-in tools.
#[derive(Debug, Clone, Copy, Default)]
pub struct Builtin;

impl ToolHost for Builtin {
    fn manifest(&self, tool: &str) -> Option<ToolManifest> {
        let (description, input_schema) = match tool {
            "time.now" => ("The current date and time with its weekday, in a time zone.", NOW_SCHEMA),
            "files.read" => ("Reads a text file of the granted folder (UTF-8, at most 64 KiB).", READ_SCHEMA),
            _ => return None,
        };
        Some(ToolManifest {
            name: tool.to_string(),
            description: description.to_string(),
            input_schema: input_schema.to_string(),
            effect: EffectClass::Read,
            dangerous: false,
        })
    }

    fn call<'a>(&'a self, request: &'a ToolRequest) -> BoxFuture<'a, Result<String, ToolError>> {
        Box::pin(async move {
            match request.tool.as_str() {
                "time.now" => time::now(&request.arguments, request.now_ms),
                "files.read" => {
                    let folder = request
                        .folder
                        .clone()
                        .ok_or_else(|| ToolError::Denied("no folder is granted".into()))?;
                    let arguments = request.arguments.clone();
                    // Disks can stall; the runtime's threads must not.
                    let read = tokio::task::spawn_blocking(move || files::read(&folder, &arguments));
                    read.await.map_err(|error| ToolError::Broken(error.to_string()))?
                }
                other => Err(ToolError::Denied(format!("there is no tool `{other}`"))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    async fn every_manifest_runs_and_has_a_schema_that_is_json() {
        for tool in BUILTIN {
            let manifest = Builtin.manifest(tool).unwrap();
            let schema: serde_json::Value = serde_json::from_str(&manifest.input_schema).unwrap();
            assert_eq!(schema["additionalProperties"], false, "{}", manifest.name);
            let answer = Builtin.call(&request(&manifest.name, "{}")).await;
            assert!(
                !matches!(&answer, Err(ToolError::Denied(words)) if words.contains("no tool")),
                "{answer:?}"
            );
        }
    }

    #[tokio::test]
    async fn unknown_tools_and_missing_grants_are_denied() {
        assert!(matches!(Builtin.call(&request("shell.run", "{}")).await, Err(ToolError::Denied(_))));
        let ungranted = Builtin.call(&request("files.read", r#"{"path":"a"}"#)).await;
        assert_eq!(ungranted, Err(ToolError::Denied("no folder is granted".into())));
    }
}
