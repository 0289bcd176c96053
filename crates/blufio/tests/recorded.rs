// SPDX-License-Identifier: MIT OR Apache-2.0
//! The mix of 50 sessions that ships with the repository, played to the shipped assistant: the real runtime and the real
//! client of Anthropic's API against the emulated service with its cache, on a clock moved by hand.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use blufio_agent::routes::{From, KeyPer, Routes, Rule, Target};
use blufio_agent::{AgentProgram, Handle, Limits, Options, Runtime};
use blufio_core::BoxFuture;
use blufio_core::channel::{Channel, InboundSink, SendError};
use blufio_core::message::{Address, ChatKind, Inbound, InboundKind, Sender};
use blufio_core::model::ModelProvider;
use blufio_core::secret::Secret;
use blufio_core::store::{LedgerRow, Store};
use blufio_core::testing::{ManualClock, MemoryStore};
use blufio_core::tool::{ToolError, ToolHost, ToolManifest, ToolRequest};
use blufio_lang::check::{Environment, Prices, ToolInfo, ToolScope, check};
use blufio_lang::compile::compile;
use blufio_lang::source::SourceMap;
use blufio_models::anthropic::{Anthropic, Options as AnthropicOptions};
use blufio_skills::Builtin;
use blufio_testkit::anthropic::{Answer, Count, Emulator, Marks, Piece, PrefixCache, Script, is_structured};
use serde::Deserialize;
use serde_json::{Value, json};

/// 2026-11-21 10:00 UTC.
const START_MS: i64 = 1_795_255_200_000;
/// Time between two sessions.
const BETWEEN_S: u64 = 1_800;

/// A session of the mix.
#[derive(Debug, Clone, Deserialize)]
pub struct Recorded {
    pub name: String,
    /// `simple`, `standard`, `complex`.
    pub class: String,
    pub messages: Vec<Said>,
}

/// What the person writes, and what the model answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Said {
    /// Since the message before.
    pub after_s: u64,
    pub said: String,
    pub answers: Vec<Answered>,
}

/// One answer of the model.
#[derive(Debug, Clone, Deserialize)]
pub struct Answered {
    pub text: String,
    #[serde(default)]
    pub calls: Vec<Called>,
}

/// A tool call with what the tool gave.
#[derive(Debug, Clone, Deserialize)]
pub struct Called {
    pub tool: String,
    pub input: Value,
    pub result: String,
}

/// The mix, in the order of its files.
pub fn sessions() -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../blufio-testkit/data/sessions");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    files.iter().map(read).collect()
}

/// Tokens as GPT-4o and its successors count them; rivals were measured with it. A history is counted again with every
/// step, so what was counted once is known.
pub fn o200k() -> Count {
    static KNOWN: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());
    Arc::new(|text| {
        let mut known = KNOWN.lock().unwrap();
        if let Some(tokens) = known.get(text) {
            return *tokens;
        }
        let tokens = bpe_openai::o200k_base().count(text) as u64;
        known.insert(text.to_string(), tokens);
        tokens
    })
}

/// One model call of the mix.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which session, counted from nought.
    pub session: usize,
    /// Tokens by the o200k tokenizer.
    pub prompt_tokens: u64,
    /// As the runtime has it on record.
    pub row: LedgerRow,
    /// What could have been read of this request at the most.
    pub readable_tokens: u64,
}

/// What is said next, for the service and the tools.
#[derive(Default)]
struct Scene {
    answers: VecDeque<Answered>,
    results: VecDeque<Called>,
    number: usize,
    /// Prompt and what of it could be read, call by call.
    requests: Vec<(u64, u64)>,
    unexpected: Vec<String>,
}

struct Screen;

impl Channel for Screen {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn run<'a>(&'a self, _: Arc<dyn InboundSink>, stop: BoxFuture<'static, ()>) -> BoxFuture<'a, ()> {
        stop
    }

    fn split(&self, text: &str) -> Vec<String> {
        vec![text.to_string()]
    }

    fn edits(&self) -> bool {
        false
    }

    fn send<'a>(&'a self, _: &'a Address, _: &'a str) -> BoxFuture<'a, Result<String, SendError>> {
        Box::pin(async { Ok("1".to_string()) })
    }

    fn edit<'a>(
        &'a self,
        _: &'a Address,
        _: &'a str,
        _: &'a str,
        _: bool,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async { Ok(()) })
    }

    fn typing<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

/// Offers the tools of the product and gives what was recorded.
struct RecordedTools(Arc<Mutex<Scene>>);

impl ToolHost for RecordedTools {
    fn manifest(&self, tool: &str) -> Option<ToolManifest> {
        Builtin.manifest(tool)
    }

    fn call<'a>(&'a self, request: &'a ToolRequest) -> BoxFuture<'a, Result<String, ToolError>> {
        Box::pin(async move {
            let mut scene = self.0.lock().unwrap();
            let arguments: Value = serde_json::from_str(&request.arguments).unwrap_or_default();
            let is_it = |call: &Called| call.tool == request.tool && call.input == arguments;
            match scene.results.iter().position(is_it) {
                Some(at) => Ok(scene.results.remove(at).unwrap().result),
                // The heartbeat looks at the list.
                None => Ok("- water the plants".to_string()),
            }
        })
    }
}

/// The assistant that `blufio init` writes.
pub fn assistant() -> AgentProgram {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agents/assistant");
    let source = std::fs::read_to_string(folder.join("assistant.agent")).unwrap();
    let persona = std::fs::read_to_string(folder.join("persona.md")).unwrap();
    AgentProgram { static_files: vec![("persona.md".into(), persona)], folder, ..agent(&source) }
}

/// An agent from its text.
pub fn agent(source: &str) -> AgentProgram {
    let files = ToolInfo { scope: ToolScope::Folder, ..ToolInfo::new("files.read", "text") };
    let environment = Environment {
        tools: vec![ToolInfo::new("time.now", "text").with("zone", "text?"), files.with("path", "text")],
        providers: vec!["anthropic".into()],
        channels: vec!["telegram".into(), "shell".into()],
        zone_exists: |_| true,
        performs: |_| true,
        prices: Prices::any(),
    };
    let mut sources = SourceMap::default();
    sources.add("test.agent", source).unwrap();
    let (checked, diagnostics) = check(&sources, &environment);
    assert!(!diagnostics.has_errors(), "{diagnostics:?}");
    let (program, _) = compile(&checked.agents[0].program);
    AgentProgram { program, source: source.into(), static_files: Vec::new(), folder: "/agents".into() }
}

/// A runtime in which everybody talks to one agent.
pub fn options(
    program: AgentProgram,
    provider: Arc<dyn ModelProvider>,
    tools: Arc<dyn ToolHost>,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
) -> Options {
    let target = Target::Agent { agent: program.program.name.clone(), key: KeyPer::Person };
    let rule = Rule { channel: None, from: From::Anyone, group: None, to: target };
    let routes = Routes {
        rules: vec![rule],
        people: Vec::new(),
        groups: Vec::new(),
        rooms: Vec::new(),
        webhooks: Vec::new(),
    };
    Options {
        store,
        clock,
        channels: vec![Arc::new(Screen)],
        providers: vec![provider],
        tools,
        files: None,
        programs: vec![program],
        routes,
        owner_telegram: Some("1".into()),
        owner_address: None,
        pairing: None,
        price: Some(Arc::new(|asked, used, usage| {
            blufio_models::prices::Prices::built_in().charge(asked, used, usage)
        })),
        window: None,
        limits: Limits::default(),
    }
}

/// Somebody writes, for the `number`th time.
pub async fn say(handle: &Handle, number: usize, person: &str, text: &str) {
    let message = Inbound {
        kind: InboundKind::Message,
        source_id: format!("update:{number}"),
        address: Address { channel: "telegram".into(), chat: person.into(), thread: None },
        chat: ChatKind::Private,
        sender: Sender { id: person.into(), name: "Ada".into() },
        text: text.into(),
        own_words: true,
        quoted: None,
        quoted_id: None,
        message_id: Some(number.to_string()),
        sent_ms: START_MS,
        attachments: Vec::new(),
    };
    handle.sink().deliver("telegram", vec![message], Some(number.to_string())).await.unwrap();
}

/// The mix on its way through the runtime.
pub struct Player {
    pub store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    emulator: Emulator,
    handle: Handle,
    scene: Arc<Mutex<Scene>>,
    /// The cache that nobody can beat with these requests.
    best: Arc<Mutex<PrefixCache>>,
    sent: usize,
}

impl Player {
    pub async fn start(program: AgentProgram) -> Self {
        let emulator = Emulator::start().await.unwrap();
        emulator.forget_requests();
        emulator.cache(PrefixCache::new(Marks::AsRequested, o200k()));
        let scene: Arc<Mutex<Scene>> = Arc::default();
        let best = Arc::new(Mutex::new(PrefixCache::new(Marks::Everywhere, o200k())));
        let (of_scene, of_best) = (Arc::clone(&scene), Arc::clone(&best));
        emulator.answer_with(move |body| answer(&mut of_scene.lock().unwrap(), &of_best, body));
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(ManualClock::new(START_MS));
        let key = Secret::new("key");
        let anthropic = Anthropic::new(AnthropicOptions::new(&emulator.url(), key)).unwrap();
        let tools = Arc::new(RecordedTools(Arc::clone(&scene)));
        let options = options(program, Arc::new(anthropic), tools, store.clone(), clock.clone());
        let handle = Runtime::start(options).await.unwrap();
        Self { store, clock, emulator, handle, scene, best, sent: 0 }
    }

    /// Lets so much time pass for everybody.
    async fn wait(&self, seconds: u64) {
        let ms = i64::try_from(seconds * 1_000).unwrap();
        self.emulator.advance_cache(ms);
        self.best.lock().unwrap().advance(ms);
        self.clock.advance(seconds * 1_000);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        self.handle.quiet().await;
    }

    /// Plays one session; its calls.
    pub async fn play(&mut self, number: usize, session: &Recorded) -> Vec<Call> {
        let person = (1_000 + number).to_string();
        let mut calls = Vec::new();
        for (at, message) in session.messages.iter().enumerate() {
            self.wait(if at == 0 { BETWEEN_S } else { message.after_s }).await;
            {
                let mut scene = self.scene.lock().unwrap();
                scene.answers = message.answers.clone().into();
                scene.results = message.answers.iter().flat_map(|answer| answer.calls.clone()).collect();
                scene.requests.clear();
            }
            let known = self.store.ledger(None, 1_000_000).await.unwrap().len();
            self.sent += 1;
            say(&self.handle, self.sent, &person, &message.said).await;
            self.handle.quiet().await;
            let mut rows = self.store.ledger(None, 1_000_000).await.unwrap();
            rows.truncate(rows.len() - known);
            rows.reverse();
            let scene = self.scene.lock().unwrap();
            assert!(scene.unexpected.is_empty(), "{}/{at}: {:?}", session.name, scene.unexpected);
            assert!(scene.answers.is_empty(), "{}/{at}: {} not asked for", session.name, scene.answers.len());
            assert_eq!(rows.len(), scene.requests.len(), "{}/{at}", session.name);
            for (row, (prompt_tokens, readable_tokens)) in rows.into_iter().zip(&scene.requests) {
                assert_eq!(row.usage.prompt_tokens(), *prompt_tokens);
                calls.push(Call {
                    session: number,
                    prompt_tokens: *prompt_tokens,
                    row,
                    readable_tokens: *readable_tokens,
                });
            }
        }
        calls
    }
}

/// The recorded answer, and for the record what the request holds.
fn answer(scene: &mut Scene, best: &Mutex<PrefixCache>, body: &Value) -> Script {
    let mut best = best.lock().unwrap();
    scene.requests.push((best.prompt_tokens(body), best.take(body).cache_read));
    let system = body["system"].to_string();
    if system.contains("You keep the notes of a conversation") {
        return Script::Answer(Answer::text(&summary(body)));
    }
    if is_structured(body) {
        return Script::Answer(Answer::json(&json!({"choice": "nothing"})));
    }
    let Some(next) = scene.answers.pop_front() else {
        scene.unexpected.push(blufio_testkit::anthropic::last_user_text(body));
        return Script::Answer(Answer::text("(nothing recorded)"));
    };
    let mut pieces = Vec::new();
    if !next.text.is_empty() {
        pieces.push(Piece::Text(next.text));
    }
    let stop = if next.calls.is_empty() { "end_turn" } else { "tool_use" };
    for call in next.calls {
        scene.number += 1;
        pieces.push(Piece::Tool(
            format!("toolu_{:06}", scene.number),
            call.tool.replace('.', "_"),
            call.input,
        ));
    }
    Script::Answer(Answer { pieces, ..Answer::text("").stop(stop) })
}

/// Notes as long as a model makes them: the first words of what everybody said.
fn summary(body: &Value) -> String {
    let asked = blufio_testkit::anthropic::last_user_text(body);
    let line = |line: &str| line.split_whitespace().take(14).collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = asked
        .lines()
        .filter(|line| line.starts_with("user: ") || line.starts_with("assistant: "))
        .map(line)
        .take(24)
        .collect();
    format!("What was talked about:\n{}", lines.join("\n"))
}
