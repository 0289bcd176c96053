// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parameters of a call from wherever a client puts them (query, form, JSON), and their check against the table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

/// Method → parameter → whether it is required.
static METHODS: LazyLock<BTreeMap<String, BTreeMap<String, bool>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/bot_api_9_2_methods.json")).unwrap_or_default()
});

/// Collects parameters. Values of forms and queries that are JSON become JSON.
pub(super) fn collect(query: Option<&str>, content_type: &str, body: &[u8]) -> Map<String, Value> {
    let mut out = Map::new();
    form(query.unwrap_or(""), &mut out);
    if content_type.starts_with("application/json") {
        if let Ok(Value::Object(fields)) = serde_json::from_slice(body) {
            out.extend(fields);
        }
    } else if content_type.starts_with("application/x-www-form-urlencoded") {
        form(&String::from_utf8_lossy(body), &mut out);
    } else if let Some((_, boundary)) = content_type.split_once("boundary=") {
        multipart(&String::from_utf8_lossy(body), boundary.trim_matches('"'), &mut out);
    }
    out
}

fn value(name: &str, text: String) -> Value {
    if matches!(name, "text" | "caption") {
        return Value::String(text);
    }
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

fn form(text: &str, out: &mut Map<String, Value>) {
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        let (name, encoded) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name);
        let value = value(&name, decode(encoded));
        out.insert(name, value);
    }
}

fn multipart(text: &str, boundary: &str, out: &mut Map<String, Value>) {
    for part in text.split(&format!("--{boundary}")) {
        let Some((head, body)) = part.split_once("\r\n\r\n") else { continue };
        let Some(name) = head.split("name=\"").nth(1).and_then(|rest| rest.split('"').next()) else {
            continue;
        };
        // One line end belongs to the boundary, the others are the value's own.
        out.insert(name.to_string(), value(name, body.strip_suffix("\r\n").unwrap_or(body).to_string()));
    }
}

/// Percent-decoding of `application/x-www-form-urlencoded`.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[at], hex) {
            (b'+', _) => out.push(b' '),
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What the real server would not understand in a call.
pub(super) fn violations(method: &str, parameters: &Map<String, Value>) -> Vec<String> {
    let Some(known) = METHODS.get(method) else { return vec![format!("unknown method {method}")] };
    let unknown = parameters
        .keys()
        .filter(|p| !known.contains_key(*p))
        .map(|p| format!("{method}: unknown parameter {p}"));
    let missing = known
        .iter()
        .filter(|(p, required)| **required && !parameters.contains_key(*p))
        .map(|(p, _)| format!("{method}: missing {p}"));
    unknown.chain(missing).collect()
}
