// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scripted world.

mod tools;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use blufio_agent::replay::{Verdict, verify};
use blufio_agent::routes::{From, Group, KeyPer, Person, Room, Routes, Rule, Target};
use blufio_agent::{AgentProgram, Handle, Limits, Options, Price, Runtime, Window};
use blufio_core::BoxFuture;
use blufio_core::channel::{Channel, InboundSink, SendError};
use blufio_core::files::Files;
use blufio_core::message::{Address, Attachment, ChatKind, Inbound, InboundKind, Sender};
use blufio_core::model::{
    Block, Capabilities, ModelDelta, ModelError, ModelErrorKind, ModelProvider, ModelReply, ModelRequest,
    RawContent, Role, StopReason, Support, Turn, Usage,
};
use blufio_core::store::{JournalRow, Store};
use blufio_core::testing::{ManualClock, MemoryStore};
use blufio_lang::check::{Environment, Prices, ToolInfo, ToolScope, check};
use blufio_lang::compile::compile;
use blufio_lang::diagnostic::render;
use blufio_lang::machine::Machine;
use blufio_lang::program::Program;
use blufio_lang::source::SourceMap;
use blufio_lang::typed::{Danger, EffectClass as EffectKind};

pub use tools::FakeTools;

pub const START_MS: i64 = 1_800_000_000_000;
/// When the day ends at which everything begins.
pub const TOMORROW_MS: i64 = (START_MS / 86_400_000 + 1) * 86_400_000;

/// What a model does with a request.
#[derive(Clone)]
pub enum Answer {
    /// Shows these pieces, then answers.
    Reply(Vec<&'static str>, Box<ModelReply>),
    /// Fails.
    Fail(ModelErrorKind, Option<u64>),
    /// Shows these pieces, then never ends.
    Hang(Vec<&'static str>),
}

pub fn reply(blocks: Vec<Block>, stop: StopReason) -> Answer {
    let json = serde_json::to_string(&blocks).unwrap();
    let turn =
        Turn { role: Role::Assistant, blocks, raw: Some(RawContent { provider: "fake".into(), json }) };
    let usage = Some(Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() });
    Answer::Reply(
        Vec::new(),
        Box::new(ModelReply { turn, stop, usage, model: String::new(), request_id: None }),
    )
}

pub fn says(text: &str) -> Answer {
    reply(vec![Block::Text { text: text.into() }], StopReason::EndTurn)
}

pub fn calls(id: &str, name: &str, input: &str) -> Answer {
    let call = Block::ToolUse { id: id.into(), name: name.into(), input: input.into() };
    reply(vec![Block::Text { text: "Let me see.".into() }, call], StopReason::ToolUse)
}

type Script = Box<dyn Fn(&ModelRequest, usize) -> Answer + Send + Sync>;

/// The model.
pub struct FakeModel {
    name: &'static str,
    script: Script,
    pub requests: Mutex<Vec<ModelRequest>>,
    /// Calls that hang now.
    pub hanging: Arc<()>,
}

impl FakeModel {
    pub fn new(
        name: &'static str,
        script: impl Fn(&ModelRequest, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self { name, script: Box::new(script), requests: Mutex::default(), hanging: Arc::default() }
    }
}

impl ModelProvider for FakeModel {
    fn name(&self) -> &str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        let media = if self.name == "blind" { Support::Missing } else { Support::Native };
        let token_counts = if self.name == "spare" { Support::Emulated } else { Support::Native };
        Capabilities { images: media, documents: media, token_counts, ..Capabilities::full() }
    }

    fn stream<'a>(
        &'a self,
        request: &'a ModelRequest,
        on_delta: &'a mut (dyn FnMut(ModelDelta) + Send),
    ) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(async move {
            let number = {
                let mut requests = self.requests.lock().unwrap();
                requests.push(request.clone());
                requests.len() - 1
            };
            let mut show = |pieces: Vec<&'static str>| {
                pieces.into_iter().for_each(|p| on_delta(ModelDelta::Text(p.into())))
            };
            match (self.script)(request, number) {
                Answer::Reply(pieces, reply) => {
                    show(pieces);
                    // Gives the channel time to show the pieces.
                    for _ in 0..50 {
                        tokio::task::yield_now().await;
                    }
                    Ok(*reply)
                }
                Answer::Fail(kind, retry_after_ms) => Err(ModelError {
                    kind,
                    message: "scripted".into(),
                    retry_after_ms,
                    usage: None,
                    request_id: None,
                    status: (kind == ModelErrorKind::InvalidRequest).then_some(400),
                }),
                Answer::Hang(pieces) => {
                    let _hangs = self.hanging.clone();
                    show(pieces);
                    std::future::pending().await
                }
            }
        })
    }

    fn count_tokens<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<u64, ModelError>> {
        Box::pin(async { Ok(tokens_of(request)) })
    }
}

/// Tokens of a prompt in this world: one for four bytes.
pub fn tokens_of(request: &ModelRequest) -> u64 {
    let system: usize = request.system.iter().map(String::len).sum();
    let turns: usize = lines(request).iter().map(String::len).sum();
    (system + turns) as u64 / 4
}

/// The text of the newest turn of a request.
pub fn newest(request: &ModelRequest) -> String {
    let text = |block: &Block| match block {
        Block::Text { text } => text.clone(),
        Block::ToolResult { content, is_error, .. } => {
            format!("{}result: {content}", if *is_error { "error " } else { "" })
        }
        other => format!("{other:?}"),
    };
    request
        .turns
        .last()
        .map(|turn| turn.blocks.iter().map(text).collect::<Vec<_>>().join("|"))
        .unwrap_or_default()
}

/// All turns of a request as short lines: `U:hello`, `A:hi`, `U:=result`.
pub fn lines(request: &ModelRequest) -> Vec<String> {
    let line = |turn: &Turn| {
        let who = if turn.role == Role::User { "U" } else { "A" };
        let block = |block: &Block| match block {
            Block::Text { text } => text.clone(),
            Block::ToolUse { name, .. } => format!("!{name}"),
            Block::ToolResult { content, .. } => format!("={content}"),
            other => format!("{other:?}"),
        };
        format!("{who}:{}", turn.blocks.iter().map(block).collect::<Vec<_>>().join("|"))
    };
    request.turns.iter().map(|turn| line(turn)).collect()
}

/// A message as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub chat: String,
    pub id: String,
    pub text: String,
    /// Every text it had.
    pub texts: Vec<String>,
}

/// The channel.
pub struct FakeChannel {
    pub edits: bool,
    pub seen: Mutex<Vec<Seen>>,
    /// Results of the next requests, before everything succeeds again.
    pub send_errors: Mutex<VecDeque<SendError>>,
    pub edit_errors: Mutex<VecDeque<SendError>>,
    pub typing: Mutex<usize>,
    /// Files by handle.
    pub files: Mutex<HashMap<String, Vec<u8>>>,
    /// Results of the next downloads, before the files are given again.
    pub fetch_errors: Mutex<VecDeque<SendError>>,
    /// Handles that were asked for.
    pub fetched: Mutex<Vec<String>>,
    /// (text, message) of what was sent as an answer to a message.
    pub quotes: Mutex<Vec<(String, String)>>,
}

impl Channel for FakeChannel {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn run<'a>(&'a self, _: Arc<dyn InboundSink>, stop: BoxFuture<'static, ()>) -> BoxFuture<'a, ()> {
        stop
    }

    fn split(&self, text: &str) -> Vec<String> {
        assert!(!text.contains("split panics"), "split panics");
        text.chars().collect::<Vec<_>>().chunks(200).map(|chunk| chunk.iter().collect()).collect()
    }

    fn edits(&self) -> bool {
        self.edits
    }

    fn send<'a>(&'a self, to: &'a Address, text: &'a str) -> BoxFuture<'a, Result<String, SendError>> {
        Box::pin(async move {
            assert!(to.chat != "send panics", "send panics");
            let error = self.send_errors.lock().unwrap().pop_front();
            if let Some(
                error @ (SendError::NotSent { .. }
                | SendError::RateLimited { .. }
                | SendError::Permanent { .. }),
            ) = error
            {
                return Err(error);
            }
            let mut seen = self.seen.lock().unwrap();
            let id = format!("m{}", seen.len() + 1);
            seen.push(Seen {
                chat: to.chat.clone(),
                id: id.clone(),
                text: text.into(),
                texts: vec![text.into()],
            });
            error.map_or(Ok(id), Err)
        })
    }

    fn reply<'a>(
        &'a self,
        to: &'a Address,
        text: &'a str,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<String, SendError>> {
        self.quotes.lock().unwrap().push((text.into(), message_id.into()));
        self.send(to, text)
    }

    fn fetch<'a>(&'a self, file: &'a Attachment, max: u64) -> BoxFuture<'a, Result<Vec<u8>, SendError>> {
        Box::pin(async move {
            self.fetched.lock().unwrap().push(file.handle.clone());
            if let Some(error) = self.fetch_errors.lock().unwrap().pop_front() {
                return Err(error);
            }
            let bytes = self.files.lock().unwrap().get(&file.handle).cloned();
            let bytes = bytes.filter(|bytes| bytes.len() as u64 <= max);
            bytes.ok_or_else(|| SendError::Permanent { method: "fetch", reason: "no such file".into() })
        })
    }

    fn edit<'a>(
        &'a self,
        _: &'a Address,
        message_id: &'a str,
        text: &'a str,
        _: bool,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            if let Some(error) = self.edit_errors.lock().unwrap().pop_front() {
                return Err(error);
            }
            let mut seen = self.seen.lock().unwrap();
            let message =
                seen.iter_mut().find(|seen| seen.id == message_id).expect("an edited message exists");
            message.text = text.into();
            message.texts.push(text.into());
            Ok(())
        })
    }

    fn typing<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, ()> {
        *self.typing.lock().unwrap() += 1;
        Box::pin(async {})
    }
}

/// The machine that a journal gives. What it records must be what its steps do.
pub fn replayed(program: &Program, journal: &[JournalRow]) -> Machine {
    match verify(Arc::new(program.clone()), journal, |_| None).unwrap() {
        Verdict::Same { machine, .. } => *machine,
        Verdict::Differs(difference) => panic!("{difference:#?}"),
    }
}

/// Compiles an agent; panics with its diagnostics.
pub fn program(text: &str) -> Program {
    program_with(text, |_| {})
}

/// Compiles an agent after a change that the checker does not allow yet.
pub fn program_with(text: &str, change: impl Fn(&mut blufio_lang::typed::Program)) -> Program {
    compiled(&[text], change).remove(0)
}

/// Compiles agents of one folder, in their order.
pub fn agents(texts: &[&str]) -> Vec<AgentProgram> {
    let mut programs = compiled(texts, |_| {});
    let of = |text: &&str| {
        let name = text.split_whitespace().nth(1).unwrap();
        let at = programs.iter().position(|program| program.name == name).unwrap();
        let program = programs.remove(at);
        AgentProgram { program, source: (*text).into(), static_files: vec![], folder: "/agents".into() }
    };
    texts.iter().map(of).collect()
}

fn compiled(texts: &[&str], change: impl Fn(&mut blufio_lang::typed::Program)) -> Vec<Program> {
    let tools = ["time.now", "files.read", "post.send", "orders.find", "rota.current", "files.write"];
    let tool = |name: &&str| {
        let info = ToolInfo::new(name, "text");
        match *name {
            "post.send" => {
                ToolInfo { effect: EffectKind::Once, danger: Danger::Dangerous, ..info.with("text", "text") }
            }
            "files.read" => ToolInfo { scope: ToolScope::Folder, ..info.with("path", "text") },
            "files.write" => {
                let effect = EffectKind::Idempotent;
                ToolInfo { scope: ToolScope::Folder, effect, ..info.with("path", "text") }
            }
            "orders.find" => ToolInfo {
                types: "type Status = paid | refunded".into(),
                ..ToolInfo::new(name, "{ id: text, status: Status }").with("order", "text")
            },
            _ => info,
        }
    };
    let environment = Environment {
        tools: tools.iter().map(tool).collect(),
        providers: ["fake", "spare", "blind"].map(Into::into).to_vec(),
        channels: vec!["telegram".into(), "shell".into()],
        zone_exists: |_| true,
        performs: |_| true,
        prices: Prices::any(),
    };
    let mut sources = SourceMap::default();
    // People that programs name stand in the routes.
    if texts.iter().any(|text| {
        text.contains("partners")
            || text.contains(" ben ")
            || text.contains("send ops")
            || text.contains("oncall")
    }) {
        let agent = texts[0].split_whitespace().nth(1).unwrap();
        let routes = format!(
            "routes\n\npeople {{\n  ada = telegram 20\n  ben = telegram 21\n  eve = telegram 22\n  partners = ada, ben, eve\n  ops = telegram group \"Tea\"\n  oncall = from rota.current\n}}\n\n\
             telegram from anyone -> {agent} per person\notherwise drop \"no\"\n"
        );
        sources.add("routes.agent", &routes).unwrap();
    }
    for (at, text) in texts.iter().enumerate() {
        sources.add(&format!("test{at}.agent"), text).unwrap();
    }
    let (checked, diagnostics) = check(&sources, &environment);
    assert!(!diagnostics.has_errors(), "{}", render(&diagnostics, &sources, false));
    let mut programs = Vec::new();
    for mut agent in checked.agents {
        change(&mut agent.program);
        let (program, diagnostics) = compile(&agent.program);
        assert!(!diagnostics.has_errors(), "{}", render(&diagnostics, &sources, false));
        programs.push(program);
    }
    programs
}

pub fn agent(text: &str) -> AgentProgram {
    let static_files = vec![("persona.md".to_string(), "You are Kettle.".to_string())];
    AgentProgram { program: program(text), source: text.into(), static_files, folder: "/agents".into() }
}

/// Everything outside the runtime; survives it.
pub struct World {
    pub store: Arc<dyn Store>,
    pub clock: Arc<ManualClock>,
    pub model: Arc<FakeModel>,
    pub channel: Arc<FakeChannel>,
    pub tools: Arc<FakeTools>,
    pub programs: Vec<AgentProgram>,
    pub limits: Limits,
    pub people: Vec<Person>,
    pub groups: Vec<Group>,
    pub rooms: Vec<Room>,
    pub price: Price,
    /// Window of every model.
    pub window_tokens: Option<u64>,
    pub files: Option<Arc<dyn Files>>,
}

impl World {
    pub fn new(text: &str, script: impl Fn(&ModelRequest, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::of(vec![agent(text)], script)
    }

    pub fn of(
        programs: Vec<AgentProgram>,
        script: impl Fn(&ModelRequest, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self {
            store: Arc::new(MemoryStore::default()),
            clock: Arc::new(ManualClock::new(START_MS)),
            model: Arc::new(FakeModel::new("fake", script)),
            channel: Arc::new(FakeChannel {
                edits: true,
                seen: Mutex::default(),
                send_errors: Mutex::default(),
                edit_errors: Mutex::default(),
                typing: Mutex::default(),
                files: Mutex::default(),
                fetch_errors: Mutex::default(),
                fetched: Mutex::default(),
                quotes: Mutex::default(),
            }),
            tools: Arc::new(FakeTools {
                calls: Mutex::default(),
                hang: Mutex::new(false),
                panic: Mutex::new(false),
                orders: Mutex::default(),
            }),
            programs,
            limits: Limits::default(),
            people: Vec::new(),
            groups: Vec::new(),
            rooms: Vec::new(),
            price: Arc::new(|_, _, usage| Some(usage.input_tokens as i64)),
            window_tokens: None,
            files: None,
        }
    }

    pub fn plain_channel(mut self) -> Self {
        Arc::get_mut(&mut self.channel).unwrap().edits = false;
        self
    }

    pub fn routes(&self) -> Routes {
        let to = Target::Agent { agent: self.programs[0].program.name.clone(), key: KeyPer::Person };
        let rule = |group: Option<&str>| {
            let group = group.map(str::to_string);
            Rule { channel: None, from: From::Anyone, group, to: to.clone() }
        };
        Routes {
            rules: vec![rule(None), rule(Some("Tea"))],
            people: self.people.clone(),
            groups: self.groups.clone(),
            rooms: self.rooms.clone(),
            webhooks: Vec::new(),
        }
    }

    pub fn options(&self) -> Options {
        Options {
            store: self.store.clone(),
            clock: self.clock.clone(),
            channels: vec![self.channel.clone()],
            providers: vec![self.model.clone()],
            tools: self.tools.clone(),
            files: self.files.clone(),
            programs: self.programs.clone(),
            routes: self.routes(),
            owner_telegram: Some("1".into()),
            owner_address: None,
            pairing: None,
            price: Some(self.price.clone()),
            window: self.window_tokens.map(|tokens| Arc::new(move |_: &str| Some(tokens)) as Window),
            limits: self.limits.clone(),
        }
    }

    pub async fn start(&self) -> Handle {
        Runtime::start(self.options()).await.unwrap()
    }

    /// Texts that people in a chat see, except placeholders of interrupted sends.
    pub fn texts(&self, chat: &str) -> Vec<String> {
        let seen = self.channel.seen.lock().unwrap();
        seen.iter().filter(|s| s.chat == chat && s.text != "…").map(|s| s.text.clone()).collect()
    }

    pub fn requests(&self) -> Vec<ModelRequest> {
        self.model.requests.lock().unwrap().clone()
    }

    /// Runs other tasks until a condition holds.
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if condition(self) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("never: {what}; seen: {:?}", self.channel.seen.lock().unwrap());
    }

    /// Lets everything run that can run without time passing.
    pub async fn settle(&self) {
        for _ in 0..2_000 {
            tokio::task::yield_now().await;
        }
    }

    pub async fn state_of(&self, key: &str) -> String {
        self.store.session(key).await.unwrap().map_or("(none)".into(), |row| row.state_name)
    }
}

pub fn message(number: usize, from: &str, text: &str) -> Inbound {
    Inbound {
        kind: InboundKind::Message,
        source_id: format!("update:{number}"),
        address: Address { channel: "telegram".into(), chat: from.into(), thread: None },
        chat: ChatKind::Private,
        sender: Sender { id: from.into(), name: format!("Person {from}") },
        text: text.into(),
        own_words: true,
        quoted: None,
        quoted_id: None,
        message_id: Some(number.to_string()),
        sent_ms: START_MS,
        attachments: Vec::new(),
    }
}

/// Delivers one message of a person.
pub async fn say(handle: &Handle, number: usize, from: &str, text: &str) {
    handle
        .sink()
        .deliver("telegram", vec![message(number, from, text)], Some(number.to_string()))
        .await
        .unwrap();
}
