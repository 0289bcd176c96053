// SPDX-License-Identifier: MIT OR Apache-2.0
//! What providers cache is an exact prefix of bytes, and newer models refuse a request whose earlier part changed. Here
//! 10,000 random sessions go through the real runtime, many at once, and every request is looked at as the bytes that
//! Anthropic gets, without the marks of the cache.
//!
//! The rule. A request begins with the static zone, which is the same bytes for a program for ever. Its messages are a
//! piece of the session's transcript, from where its epoch begins, and then what its step adds. The transcript part of
//! each request is a prefix of every later request of its epoch, of whatever kind. For a `turn` whose answer entered the
//! transcript that is all of the request: what was remembered, a nudge and a paused answer have stayed with the answer.
//!
//! What a step adds and what may go again, because nothing that stays was answered to it:
//! * the question of a `pick` or a `write`, with memory and repairs behind it: such steps leave no trace, as the rulings
//!   say; the next request extends what stood before the question;
//! * memory, nudges and paused answers at the end of a `turn` request that nothing came of: it was cancelled, its process
//!   died, or its provider failed or refused.
//!
//! An epoch begins where the store says that the history begins later than before, or with a summary that was just asked
//! for. It shows the transcript from a later turn on, byte for byte.
//!
//! `BLUFIO_PREFIX_BATCH=17 cargo test -p blufio-agent prefix` repeats one batch of sessions.

mod life;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use blufio_agent::{AgentProgram, Handle};
use blufio_core::BoxFuture;
use blufio_core::model::{ModelErrorKind, ModelRequest, StopReason, Turn};
use blufio_core::store::Store;
use blufio_core::tool::ToolError;
use blufio_models::anthropic::request::body;

use crate::world::{Answer, World, message, reply};
use life::{Counts, Dice, HAPPENINGS, Kind};

const SESSIONS: usize = 10_000;
const SESSIONS_PER_BATCH: usize = 25;
const WORKERS: usize = 2;
const SEED: u64 = 0x1b1f_4f10;
/// The first of the people of a batch; the owner is another.
const FIRST: usize = 100;

/// A request as it was sent.
struct Sent {
    chat: usize,
    kind: Kind,
    /// Everything before the messages.
    head: String,
    /// The messages without the bracket that closes them.
    messages: String,
    /// How many bytes of them are of the transcript in any case.
    lasting: usize,
    /// How many bytes a summary takes at their beginning, with the comma behind it.
    summary: usize,
    /// Where the history began, as the store knew it.
    start: i64,
    /// What the answer to it is known by.
    mark: String,
    /// It was refused before it was read.
    unread: bool,
}

/// What the model and the test both know.
struct Watch {
    agent: String,
    store: Arc<dyn Store>,
    dice: Mutex<Dice>,
    counts: Mutex<Counts>,
    sent: Mutex<Vec<Sent>>,
    /// Requests of which nobody knows whose they are.
    unsigned: Mutex<Vec<String>>,
    /// Nothing goes wrong any more.
    calm: AtomicBool,
}

/// What a store in memory says, which is never pending.
fn now<T>(mut future: BoxFuture<'_, T>) -> T {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the store is in memory"),
    }
}

/// The bytes of a request in two parts, without the marks of the cache.
fn bytes(request: &ModelRequest) -> (String, String) {
    let whole = body(request, true).replace(r#","cache_control":{"type":"ephemeral"}"#, "");
    let whole = whole.replace(&format!(r#","max_tokens":{}"#, request.output_tokens_max), "");
    let (head, messages) = whole.split_once(r#","messages":["#).expect("a body has messages");
    (head.to_string(), messages.strip_suffix("]}").expect("messages end the body").to_string())
}

fn messages_of(request: &ModelRequest, turns: &[Arc<Turn>]) -> String {
    bytes(&ModelRequest { turns: turns.to_vec(), ..request.clone() }).1
}

impl Watch {
    fn key(&self, chat: usize) -> String {
        format!("{}/telegram:{chat}", self.agent)
    }

    fn answer(&self, request: &ModelRequest) -> Answer {
        let answered = |mark: usize| self.sent.lock().unwrap()[mark].chat;
        let (chat, kind) = (life::chat_of(request, answered), life::kind_of(request));
        let Some(chat) = chat else {
            self.unsigned.lock().unwrap().push(format!("{:?}", request.turns));
            return reply(Vec::new(), StopReason::EndTurn);
        };
        let (head, messages) = bytes(request);
        let turns = life::lasting_turns(request, kind);
        let lasting = if turns == request.turns.len() {
            messages.len()
        } else {
            messages_of(request, &request.turns[..turns]).len()
        };
        let begins = life::is_summary(&request.turns[0]);
        let summary = if begins { messages_of(request, &request.turns[..1]).len() + 1 } else { 0 };
        let session = now(self.store.session(&self.key(chat))).unwrap().expect("it asks, so it lives");
        let mut sent = self.sent.lock().unwrap();
        let mark = format!("#{}#", sent.len());
        let start = session.history_start;
        sent.push(Sent {
            chat,
            kind,
            head,
            messages,
            lasting,
            summary,
            start,
            mark: mark.clone(),
            unread: false,
        });
        if self.calm.load(Ordering::SeqCst) && kind != Kind::Pick {
            return reply(vec![life::words_of(&mark)], StopReason::EndTurn);
        }
        let (mut dice, mut counts) = (self.dice.lock().unwrap(), self.counts.lock().unwrap());
        counts.add("request");
        let answer = life::answer(&mut dice, request, (kind, &mark), &mut counts);
        let is_unread = |kind: &ModelErrorKind| *kind != ModelErrorKind::Incomplete;
        if let Some(last) = sent.last_mut() {
            last.unread = matches!(&answer, Answer::Fail(kind, _) if is_unread(kind));
        }
        answer
    }
}

/// Many sessions of one program in one world.
struct Batch {
    number: usize,
    program: usize,
    world: World,
    watch: Arc<Watch>,
    dice: Dice,
    /// Messages so far.
    said: usize,
}

impl Batch {
    fn new(number: usize, programs: &[AgentProgram]) -> Self {
        let program = number % programs.len();
        let seed = SEED ^ (number as u64) << 32;
        let agent = programs[program].program.name.clone();
        let store: Arc<dyn Store> = Arc::new(blufio_core::testing::MemoryStore::default());
        let watch = Arc::new(Watch {
            agent,
            store: store.clone(),
            dice: Mutex::new(Dice(!seed)),
            counts: Mutex::default(),
            sent: Mutex::default(),
            unsigned: Mutex::default(),
            calm: AtomicBool::new(false),
        });
        let script = Arc::clone(&watch);
        let mut world = World::of(vec![programs[program].clone()], move |request, _| script.answer(request));
        world.store = store;
        world.limits.sessions_cached_max = 8;
        world.limits.drain_ms = 0;
        world.channel.files.lock().unwrap().insert("p1".into(), life::JPEG.to_vec());
        Self { number, program, world, watch, dice: Dice(seed), said: 0 }
    }

    fn count(&self, what: &'static str) {
        self.watch.counts.lock().unwrap().add(what);
    }

    /// Lives all sessions to their end; each hears one more message when nothing goes wrong any more.
    async fn live(&mut self) {
        let length = |dice: &mut Dice| 3 + (0..5).map(|_| dice.below(23)).min().unwrap_or(0);
        let mut left: Vec<usize> = (0..SESSIONS_PER_BATCH).map(|_| length(&mut self.dice)).collect();
        let mut handle = self.world.start().await;
        while left.iter().any(|left| *left > 0) {
            let mut mail = Vec::new();
            for (chat, left) in (FIRST..).zip(&mut left).filter(|(_, left)| **left > 0) {
                *left -= 1;
                let mut counts = self.watch.counts.lock().unwrap();
                mail.extend(life::event(&mut self.dice, chat, &mut self.said, &mut counts));
            }
            handle.sink().deliver("telegram", mail, None).await.unwrap();
            for _ in 0..self.dice.one_of(&[10, 100, 400]) {
                tokio::task::yield_now().await;
            }
            handle = self.happens(handle).await;
        }
        self.watch.calm.store(true, Ordering::SeqCst);
        self.rest(&handle).await;
        let last = (FIRST..FIRST + SESSIONS_PER_BATCH)
            .map(|chat| message(self.said + 1 + chat, &chat.to_string(), &format!("and now? ⟦{chat}⟧")));
        handle.sink().deliver("telegram", last.collect(), None).await.unwrap();
        self.rest(&handle).await;
        handle.stop().await;
    }

    /// What happens to all sessions at once.
    async fn happens(&mut self, handle: Handle) -> Handle {
        if self.dice.once_in(3) {
            self.count("time");
            self.world.clock.advance(self.dice.one_of(&[500, 3_000, 3_000, 40_000, 700_000]));
        }
        if self.dice.once_in(3) {
            self.count("tool error");
            let broken = || Err(ToolError::Broken("down \"again\"".into()));
            self.world.tools.orders.lock().unwrap().extend([broken(), broken()]);
        }
        if self.dice.once_in(10) {
            self.count("reload");
            handle.reload(self.world.programs.clone(), self.world.routes()).await.unwrap();
        }
        if !self.dice.once_in(8) {
            return handle;
        }
        self.count("restart");
        if self.dice.once_in(2) {
            handle.stop().await;
        }
        drop(handle);
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        self.world.start().await
    }

    /// Time passes until nothing is left to do.
    async fn rest(&self, handle: &Handle) {
        for _ in 0..200 {
            let passes = async {
                for _ in 0..500 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                () = handle.quiet() => return,
                () = passes => self.world.clock.advance(60_000),
            };
        }
        panic!("batch {}: it never rests", self.number);
    }

    /// Looks at every request of every session.
    fn check(&self) -> Result<(), String> {
        if let Some(unsigned) = self.watch.unsigned.lock().unwrap().first() {
            return Err(format!("batch {}: whose request is this? {unsigned}", self.number));
        }
        let sent = self.watch.sent.lock().unwrap();
        let mut counts = self.watch.counts.lock().unwrap();
        for chat in FIRST..FIRST + SESSIONS_PER_BATCH {
            let Some(row) = now(self.watch.store.session(&self.watch.key(chat))).unwrap() else { continue };
            let rows = now(self.watch.store.transcript(row.id, 0)).unwrap();
            let turns: Vec<Turn> = rows.into_iter().map(|row| row.turn).collect();
            let transcript = Transcript::new(&turns);
            let requests: Vec<&Sent> = sent.iter().filter(|sent| sent.chat == chat).collect();
            counts.add("session");
            check_session(&requests, &transcript, life::summarizes(self.program), &mut counts)
                .map_err(|why| format!("batch {}, session {}: {why}", self.number, self.watch.key(chat)))?;
        }
        Ok(())
    }
}

/// A whole transcript as it would be sent, and where each of its turns begins.
struct Transcript {
    bytes: String,
    begins: Vec<usize>,
}

impl Transcript {
    fn new(turns: &[Turn]) -> Self {
        let mut request = ModelRequest {
            model: String::new(),
            system: Vec::new(),
            tools: Vec::new(),
            turns: Vec::new(),
            output_schema: None,
            output_tokens_max: 0,
            caches_static_for_an_hour: false,
        };
        let (mut whole, mut begins) = (String::new(), Vec::new());
        for turn in turns {
            request.turns = vec![Arc::new(turn.clone())];
            begins.push(whole.len());
            whole.push_str(&in_words(&bytes(&request).1));
            whole.push(',');
        }
        begins.push(whole.len());
        Self { bytes: whole, begins }
    }

    /// Whether it reads so from a turn on.
    fn reads(&self, from: usize, text: &str) -> bool {
        let text = &*in_words(text);
        self.begins.get(from).is_some_and(|begin| {
            let rest = &self.bytes[*begin..];
            rest.strip_prefix(text).is_some_and(|after| text.is_empty() || after.starts_with(','))
        })
    }
}

/// What stands in the place of a picture that the provider refused.
const REFUSED: &str = r#"{"type":"text","text":"[a picture, left out: the request was refused with it]"}"#;

/// Pictures as if all of them had been refused.
fn in_words(text: &str) -> String {
    let mut parts = text.split(r#"{"type":"image","#);
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (_, rest) = part.split_once("}}").expect("a picture ends");
        out.push_str(REFUSED);
        out.push_str(rest);
    }
    out
}

/// Whether a prompt begins with what was sent. Pictures that were refused are words from then on, and never pictures again:
/// those that nobody had answered yet, and all only where it was refused without those, too.
fn goes_on(now: &str, sent: &str) -> bool {
    let unread = sent.rfind(r#"{"role":"assistant""#).unwrap_or(0);
    let (read, rest) = sent.split_at(unread);
    now.starts_with(sent)
        || now.starts_with(&format!("{read}{}", in_words(rest)))
        || now.starts_with(&in_words(sent))
}

/// The rule that the module's comment tells.
fn check_session(
    requests: &[&Sent],
    transcript: &Transcript,
    summarizes: bool,
    counts: &mut Counts,
) -> Result<(), String> {
    // Where the epoch begins, what stands for the turns before it, and what of it was sent.
    let mut epoch: Option<(usize, &str)> = None;
    let mut sent = "";
    let mut was_summarized = false;
    for (at, request) in requests.iter().enumerate() {
        if request.kind == Kind::Summary {
            was_summarized = true;
            continue;
        }
        let stays = request.kind == Kind::Turn && transcript.bytes.contains(&request.mark);
        let lasting = if stays { request.messages.len() } else { request.lasting };
        let (summary, rest) = request.messages[..lasting].split_at(request.summary.min(lasting));
        let start = usize::try_from(request.start).map_err(|e| e.to_string())?;
        // What was summarised on the way to a step begins later than the store knows, until the step is over.
        let again = epoch.filter(|(_, known)| *known == summary).map(|(from, _)| from);
        let last = if was_summarized { transcript.begins.len() } else { start };
        let from = again
            .into_iter()
            .chain(start..=last)
            .find(|from| *from >= start && transcript.reads(*from, rest));
        let Some(from) = from else {
            return Err(format!(
                "request {at} is no piece of the transcript from turn {start} on:\n{}\n{}",
                request.messages,
                &transcript.bytes[transcript.begins.get(start).copied().unwrap_or(0)..]
            ));
        };
        if epoch != Some((from, summary)) {
            let may = epoch.is_none_or(|(before, _)| was_summarized || before < from);
            if !may || (!summarizes && !summary.is_empty()) {
                return Err(format!("request {at} begins an epoch at {from}, after {epoch:?}: {summary}"));
            }
            if epoch.is_some() {
                counts.add(if summary.is_empty() { "epoch" } else { "epoch with a summary" });
            }
            (epoch, sent) = (Some((from, summary)), "");
        }
        if !goes_on(&request.messages, sent) {
            return Err(format!("request {at} changes what was sent:\n{}\nwas\n{sent}", request.messages));
        }
        if request.unread {
            continue;
        }
        let next = requests.get(at + 1);
        if lasting < request.messages.len()
            && next.is_some_and(|next| !next.messages.starts_with(&request.messages))
        {
            counts.add(if request.kind == Kind::Turn {
                "additions nothing came of"
            } else {
                "questions that leave no trace"
            });
        }
        sent = &request.messages[..lasting];
        was_summarized = false;
    }
    Ok(())
}

/// The static zone: model, tools and system of the requests of each program.
#[derive(Default)]
struct Statics(BTreeMap<usize, BTreeSet<(String, String, String)>>);

impl Statics {
    fn add(&mut self, batch: &Batch) {
        let seen = self.0.entry(batch.program).or_default();
        for sent in batch.watch.sent.lock().unwrap().iter().filter(|sent| sent.kind != Kind::Summary) {
            let (model, rest) = sent.head.split_once(r#","stream":true"#).expect("it streams");
            let (tools, system) = rest.split_at(rest.find(r#","system":"#).expect("it has a static zone"));
            let system = system.split(r#","output_config":"#).next().unwrap_or_default();
            assert!(sent.kind != Kind::Turn || !tools.is_empty(), "a turn offers its tools");
            seen.insert((model.to_string(), tools.to_string(), system.to_string()));
        }
    }

    fn check(&self) {
        for (program, seen) in &self.0 {
            let systems: BTreeSet<&String> = seen.iter().map(|(_, _, system)| system).collect();
            let tools: BTreeSet<&String> =
                seen.iter().map(|(_, tools, _)| tools).filter(|t| !t.is_empty()).collect();
            assert_eq!(systems.len(), 1, "program {program}: {systems:#?}");
            assert_eq!(tools.len(), 1, "program {program}: {tools:#?}");
        }
    }
}

/// What came of all batches.
#[derive(Default)]
struct Totals {
    counts: Counts,
    statics: Statics,
    failures: Vec<String>,
}

/// Takes batches until none is left.
fn work(batches: &Mutex<std::vec::IntoIter<usize>>, programs: &[AgentProgram], totals: &Mutex<Totals>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    loop {
        let Some(number) = batches.lock().unwrap().next() else { return };
        let mut batch = Batch::new(number, programs);
        runtime.block_on(batch.live());
        let checked = batch.check();
        let mut totals = totals.lock().unwrap();
        totals.failures.extend(checked.err());
        totals.statics.add(&batch);
        for (what, many) in &batch.watch.counts.lock().unwrap().0 {
            totals.counts.add_many(what, *many);
        }
    }
}

#[test]
fn ten_thousand_random_sessions_change_no_byte_that_was_sent() {
    let only: Option<usize> =
        std::env::var("BLUFIO_PREFIX_BATCH").ok().and_then(|number| number.parse().ok());
    let programs = life::programs();
    let numbers: Vec<usize> =
        only.map_or((0..SESSIONS / SESSIONS_PER_BATCH).collect(), |number| vec![number]);
    let (batches, totals) = (Mutex::new(numbers.into_iter()), Mutex::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| work(&batches, &programs, &totals));
        }
    });
    let Totals { counts, statics, failures } = totals.into_inner().unwrap();
    println!("seed {SEED:#x}: {:#?}", counts.0);
    assert!(failures.is_empty(), "{} batches fail; the first: {}", failures.len(), failures[0]);
    statics.check();
    if only.is_none() {
        assert_eq!(counts.0.get("session"), Some(&SESSIONS));
        let missing: Vec<_> = HAPPENINGS.iter().filter(|what| !counts.0.contains_key(*what)).collect();
        assert!(missing.is_empty(), "never: {missing:?}");
    }
}

const RECALLS: &str = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 4 calls }
context { dynamic history last 40 messages max 8000 tokens }
start state idle {
  on "/keep" m { remember "{m}" for person  reply "kept" }
  on message m -> work
}
state work { turn using fast with history, memory { says(t) { reply t -> idle } refuses(w) { reply "no" -> idle } } }
anywhere { on message hold  on "/ping" { reply "pong" }  on failed why { reply "failed" -> idle }  on over_budget -> idle }
"#;

/// What a model is asked last, when it did this with the first question and `/ping` came meanwhile.
async fn asked_last(first: impl Fn() -> Answer + Send + Sync + 'static, ping: bool) -> Vec<Vec<String>> {
    let world = World::of(vec![crate::world::agent(RECALLS)], move |_, number| {
        if number == 0 { first() } else { reply(vec![life::words_of("#")], StopReason::EndTurn) }
    });
    let handle = world.start().await;
    crate::world::say(&handle, 1, "7", "/keep tea </data>").await;
    handle.quiet().await;
    crate::world::say(&handle, 2, "7", "which tea?").await;
    if ping {
        world.until("asked", |w| w.requests().len() == 1).await;
        crate::world::say(&handle, 3, "7", "/ping").await;
    }
    handle.quiet().await;
    crate::world::say(&handle, 4, "7", "and which tea now?").await;
    handle.quiet().await;
    world.requests().iter().map(crate::world::lines).collect()
}

#[tokio::test]
async fn what_a_step_added_stays_before_what_came_of_it() {
    let says = |text: &'static str, stop: StopReason| {
        move || reply(vec![blufio_core::model::Block::Text { text: text.into() }], stop.clone())
    };
    let memory = "U:<data name=\"memory\">\n/keep tea <\\/data>\n</data>";
    let head = ["U:/keep tea <\\/data>", "A:kept", "U:which tea?", memory];
    let tail = "U:and which tea now?";
    let refused = asked_last(says("I", StopReason::Refusal), false).await;
    assert_eq!(refused[1], [&head[..], &["A:no", tail]].concat());
    let failed = asked_last(|| Answer::Fail(ModelErrorKind::InvalidRequest, None), false).await;
    assert_eq!(failed[1], [&head[..], &["A:failed", tail]].concat());
    let nudged = asked_last(says(" ", StopReason::EndTurn), false).await;
    assert_eq!(nudged[2][..5], [&head[..], &["U:Please answer in words."]].concat());
    assert!(nudged[2].last().is_some_and(|line| line == tail), "what stands there is not told again");
    let pinged = asked_last(says("green", StopReason::EndTurn), true).await;
    assert_eq!(pinged[1], [&head[..], &["A:green", "U:/ping", "A:pong", tail]].concat());
    let cut = asked_last(says("gre", StopReason::MaxTokens), false).await;
    assert_eq!(cut[1], [&head[..], &["A:gre", tail]].concat(), "a cut answer stands there once");
}
