// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Bot API over bare TCP, so that it can also misbehave below HTTP. It keeps a queue of updates with Telegram's
//! offset rule, holds polls open, and checks every request against the published table of methods.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::{TOKEN, until};

/// What the server does with one request instead of serving it.
#[derive(Clone)]
pub enum Fault {
    /// This status and body, with `Content-Length`.
    Body(u16, &'static str, Vec<u8>),
    /// A JSON answer.
    Json(u16, Value),
    /// Announces more than it sends, then closes.
    Truncated(&'static str),
    /// Takes the request and never answers.
    Silence,
    /// Takes the request and closes.
    Close,
    /// Takes the request and resets the connection.
    Reset,
}

impl Fault {
    pub fn refusal(code: u16, description: &str) -> Self {
        Self::Json(code, json!({"ok": false, "error_code": code, "description": description}))
    }

    pub fn retry_after(seconds: Value) -> Self {
        let parameters = json!({"retry_after": seconds});
        Self::Json(
            429,
            json!({"ok": false, "error_code": 429, "description": "Too Many Requests", "parameters": parameters}),
        )
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub parameters: Value,
    /// Number of the connection it came over.
    pub connection: usize,
}

#[derive(Default)]
struct State {
    faults: VecDeque<(String, Fault)>,
    updates: Vec<String>,
    requests: Vec<Request>,
    violations: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    next_message_id: i64,
    connections: usize,
}

#[derive(Clone)]
pub struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    table: Arc<Value>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let table = serde_json::from_str(include_str!("../data/bot_api_9_2.json")).unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::default(),
            changed: Arc::default(),
            table: Arc::new(table),
        };
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = {
                    let mut state = accepting.state();
                    state.connections += 1;
                    state.connections
                };
                let server = accepting.clone();
                tokio::spawn(async move { server.serve(stream, connection).await });
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Does this with the next request of a method.
    pub fn fault(&self, method: &str, fault: Fault) {
        self.state().faults.push_back((method.to_string(), fault));
    }

    /// Queues an update, as text so that it may be broken.
    pub fn push(&self, update: impl ToString) {
        self.state().updates.push(update.to_string());
        self.changed.notify_waiters();
    }

    pub fn add_file(&self, path: &str, bytes: &[u8]) {
        self.state().files.push((path.to_string(), bytes.to_vec()));
    }

    /// Updates that were not acknowledged.
    pub fn pending(&self) -> usize {
        self.state().updates.len()
    }

    /// Requests of a method so far.
    pub fn requests(&self, method: &str) -> Vec<Request> {
        self.state().requests.iter().filter(|request| request.method == method).cloned().collect()
    }

    /// Waits for the n-th request of a method, counted from 1.
    pub async fn nth(&self, method: &str, n: usize) -> Request {
        until(&format!("request {n} of {method}"), || self.requests(method).len() >= n).await;
        self.requests(method)[n - 1].clone()
    }

    /// Every request was one that the Bot API documents.
    #[track_caller]
    pub fn finish(&self) {
        assert_eq!(self.state().violations, Vec::<String>::new());
        for request in self.requests("getUpdates") {
            let offset = request.parameters.get("offset").and_then(Value::as_i64);
            assert!(offset.is_none_or(|offset| offset >= 0), "T-27: offset {offset:?}");
        }
    }

    async fn serve(self, mut stream: TcpStream, connection: usize) {
        let mut buffer = Vec::new();
        while let Some((path, body)) = read_request(&mut stream, &mut buffer).await {
            let Some(rest) = path.strip_prefix(&format!("/bot{TOKEN}/")) else {
                self.serve_file(&mut stream, &path).await;
                continue;
            };
            let method = rest.to_string();
            let parameters: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let fault = self.note(&method, &parameters, connection);
            let alive = match fault {
                Some(fault) => misbehave(&mut stream, fault).await,
                None => match self.answer(&method, &parameters, &mut stream).await {
                    Some(result) => {
                        write(
                            &mut stream,
                            200,
                            "application/json",
                            format!(r#"{{"ok":true,"result":{result}}}"#).as_bytes(),
                        )
                        .await
                    }
                    None => false,
                },
            };
            if !alive {
                return;
            }
        }
    }

    fn note(&self, method: &str, parameters: &Value, connection: usize) -> Option<Fault> {
        let mut state = self.state();
        let violations = self.violations(method, parameters);
        state.violations.extend(violations);
        let request = Request { method: method.to_string(), parameters: parameters.clone(), connection };
        state.requests.push(request);
        let place = state.faults.iter().position(|(of, _)| of == method)?;
        state.faults.remove(place).map(|(_, fault)| fault)
    }

    async fn serve_file(&self, stream: &mut TcpStream, path: &str) {
        let prefix = format!("/file/bot{TOKEN}/");
        let path = path.strip_prefix(&prefix).unwrap_or("");
        let file = self.state().files.iter().find(|(name, _)| name == path).map(|(_, bytes)| bytes.clone());
        match file {
            Some(bytes) => write(stream, 200, "application/octet-stream", &bytes).await,
            None => write(stream, 404, "text/html", b"not found").await,
        };
    }

    /// The `result` of a method, `None` when the peer went away meanwhile.
    async fn answer(&self, method: &str, parameters: &Value, stream: &mut TcpStream) -> Option<String> {
        match method {
            "getMe" => Some(
                json!({"id": 4242, "is_bot": true, "first_name": "Blufio", "username": "blufio_bot"})
                    .to_string(),
            ),
            "getUpdates" => self.updates(parameters, stream).await,
            "sendMessage" => {
                let mut state = self.state();
                state.next_message_id += 1;
                let chat = &parameters["chat_id"];
                Some(json!({"message_id": state.next_message_id, "date": 1, "chat": {"id": chat, "type": "private"}}).to_string())
            }
            "getFile" => {
                let path = &parameters["file_id"];
                Some(json!({"file_id": path, "file_unique_id": "u", "file_path": path}).to_string())
            }
            _ => Some("true".to_string()),
        }
    }

    async fn updates(&self, parameters: &Value, stream: &mut TcpStream) -> Option<String> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.state();
                if let Some(offset) = parameters.get("offset").and_then(Value::as_i64) {
                    state.updates.retain(|update| update_id(update).is_none_or(|id| id >= offset));
                }
                let limit = usize::try_from(parameters["limit"].as_u64().unwrap_or(100)).unwrap();
                if !state.updates.is_empty() {
                    let batch = state.updates.iter().take(limit).cloned().collect::<Vec<_>>();
                    return Some(format!("[{}]", batch.join(",")));
                }
            }
            let mut byte = [0];
            tokio::select! {
                () = changed => {}
                _ = stream.peek(&mut byte) => return None,
            }
        }
    }

    fn violations(&self, method: &str, parameters: &Value) -> Vec<String> {
        let Some(fields) = self.table["methods"].get(method) else {
            return vec![format!("no method {method}")];
        };
        let mut violations = Vec::new();
        self.compare(method, fields, parameters, &mut violations);
        let units = parameters["text"].as_str().map(|text| text.encode_utf16().count());
        if units.is_some_and(|units| units == 0 || units > 4096) {
            violations.push(format!("{method}: a text of {units:?} units"));
        }
        violations
    }

    fn compare(&self, at: &str, fields: &Value, given: &Value, violations: &mut Vec<String>) {
        let Some(given) = given.as_object() else {
            violations.push(format!("{at}: {given} is no object"));
            return;
        };
        let fields = fields.as_array().unwrap();
        for (name, value) in given {
            let Some(field) = fields.iter().find(|field| field["name"] == name.as_str()) else {
                violations.push(format!("{at}: no parameter {name}"));
                continue;
            };
            let types: Vec<&str> =
                field["types"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            if !types.iter().any(|of| self.fits(of, value, violations)) {
                violations.push(format!("{at}: {name} = {value} is none of {types:?}"));
            }
        }
        for field in fields.iter().filter(|field| field["required"] == true) {
            if field["name"].as_str().is_none_or(|name| !given.contains_key(name)) {
                violations.push(format!("{at}: {} is missing", field["name"]));
            }
        }
    }

    fn fits(&self, of: &str, value: &Value, violations: &mut Vec<String>) -> bool {
        if let Some(of) = of.strip_prefix("Array of ") {
            return value
                .as_array()
                .is_some_and(|items| items.iter().all(|item| self.fits(of, item, violations)));
        }
        match of {
            "Integer" => value.is_i64() || value.is_u64(),
            "String" => value.is_string(),
            "Boolean" => value.is_boolean(),
            _ => match self.table["types"].get(of) {
                Some(fields) => {
                    self.compare(of, fields, value, violations);
                    true
                }
                None => false,
            },
        }
    }
}

fn update_id(update: &str) -> Option<i64> {
    // Broken updates stay in the text; their id still counts for the queue.
    let (_, rest) = update.split_once("\"update_id\":")?;
    rest.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect::<String>().parse().ok()
}

/// A private text message from person 7.
pub fn text_update(id: i64, text: &str) -> Value {
    json!({"update_id": id, "message": {
        "message_id": id, "date": 1_700_000_000, "text": text,
        "from": {"id": 7, "is_bot": false, "first_name": "Ada"}, "chat": {"id": 7, "type": "private", "first_name": "Ada"}
    }})
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_string();
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
            });
            let total = end + 4 + length.unwrap_or(0);
            if buffer.len() >= total {
                let body = buffer[end + 4..total].to_vec();
                buffer.drain(..total);
                return Some((path, body));
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

async fn write(stream: &mut TcpStream, status: u16, kind: &str, body: &[u8]) -> bool {
    let head =
        format!("HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.is_ok() && stream.write_all(body).await.is_ok()
}

/// Whether the connection lives on.
async fn misbehave(stream: &mut TcpStream, fault: Fault) -> bool {
    match fault {
        Fault::Body(status, kind, body) => write(stream, status, kind, &body).await,
        Fault::Json(status, body) => {
            write(stream, status, "application/json", body.to_string().as_bytes()).await
        }
        Fault::Truncated(body) => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n";
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            false
        }
        Fault::Silence => {
            let mut byte = [0];
            // Until the client gives up.
            let _ = stream.peek(&mut byte).await;
            false
        }
        Fault::Close => false,
        Fault::Reset => {
            stream.set_zero_linger().unwrap();
            false
        }
    }
}
