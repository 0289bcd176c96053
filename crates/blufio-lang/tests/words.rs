// SPDX-License-Identifier: MIT OR Apache-2.0
//! No word does nothing: for every keyword of the grammar there are two programs that differ by it, and what the
//! checker and the compiler make of them differs too, places in the text aside.

use std::collections::BTreeSet;

use blufio_lang::check::{Checked, check};
use blufio_lang::compile::compile;
use blufio_lang::source::SourceMap;

use crate::litmus::environment;
use crate::support::without_places;

/// Declarations that every program has; `|` marks where those of a case go.
const HEAD: &str = r#"agent w v1
goal "g"
models { fast = "anthropic/claude-haiku-5-5" }
budget { message = 60 calls }
can use orders.find, orders.refund, kb.search, tickets.untagged, time.now
can ask other
context { dynamic history last 9 messages max 900 tokens }
type Wish = a | b(x: text) | c
type Form = { day: date, n: int 1 to 9 }
keep { t: text = "", i: int = 0, m: map of int, l: list of text, f: Form so far, o: text?, q: message? }
"#;
const STATE: &str =
    "start state s {\n  on message x { q = x BODY }\n  HANDLER\n}\nstate z { on message -> s }\n";
const REST: &str =
    "anywhere { on \"/z\" -> z  on message hold  on failed or uncertain or over_budget -> s }\n";
const OTHER: &str = "agent other v1 (p: text) gives text\ngoal \"g\"\nstart state a { done p }\n";
const ROUTES: &str = "routes\npeople { owner  ben = telegram 22  two = owner, ben }\ntelegram from anyone -> w per person\nshell -> w\ngateway -> w\n";

/// Where the text of a case goes.
#[derive(Clone, Copy, PartialEq)]
pub enum At {
    /// In the handler of the start state.
    Body,
    /// Beside it.
    Handler,
    /// Among the declarations.
    Head,
    /// In place of `anywhere`.
    Rest,
    /// In place of all states.
    States,
    /// In a test block.
    Test,
    /// In place of the routes.
    Routes,
    /// In place of the other agent.
    Other,
}
use At::{Body, Handler, Head, Other, Rest, Routes, States, Test};

/// Keywords, where, with them, without them.
const CASES: &[(&str, At, &str, &str)] = &[
    ("goal", Head, "", "goal \"another\""),
    ("language", Head, "language \"de\"", ""),
    ("zone", Head, "zone \"Europe/Berlin\"", ""),
    (
        "models else",
        Head,
        "models { two = \"anthropic/a\" else \"anthropic/b\" }",
        "models { two = \"anthropic/a\" }",
    ),
    (
        "by complexity",
        Head,
        "models { two = by complexity (simple: fast, standard: fast, complex: fast) }",
        "models { two = \"anthropic/a\" }",
    ),
    (
        "when under use",
        Head,
        "models { two = by complexity (simple: fast) when budget under 20% use fast }",
        "models { two = by complexity (simple: fast) }",
    ),
    ("budget calls", Head, "budget { heartbeat = 7 calls }", ""),
    ("can use", Head, "can use web.fetch", ""),
    ("to", Head, "can use http.get to [\"a.example\"]", "can use http.get"),
    ("in", Head, "can use files.read in \"a/\"", "can use files.read in \"b/\""),
    ("only", Head, "can use shell.run only [\"ls\"]", "can use shell.run only [\"git status\"]"),
    ("max per", Head, "can use metrics.read max 3 per day", "can use metrics.read"),
    ("skill", Head, "can use skill weather", ""),
    ("mcp", Head, "can use mcp github", ""),
    ("ask", Head, "can ask nobody", ""),
    ("context static", Head, "context { static \"a.md\" }", ""),
    ("tokens", Head, "context { static \"a.md\" max 9 tokens }", "context { static \"a.md\" }"),
    ("cache", Head, "context { static \"a.md\" cache 1h }", "context { static \"a.md\" }"),
    ("skills", Head, "context { static \"a.md\", skills }", "context { static \"a.md\" }"),
    ("conditional recall top above", Head, "context { conditional recall person top 6 above 0.35 }", ""),
    ("dynamic history last messages", Head, "context { dynamic history last 3 messages }", ""),
    (
        "then summarize using",
        Head,
        "context { dynamic history max 900 tokens then summarize using fast }",
        "context { dynamic history max 900 tokens }",
    ),
    ("type", Head, "type T = { a: text }\nkeep { v: T? }", "type T = { b: text }\nkeep { v: T? }"),
    ("list of", Head, "keep { v: list max 3 of text }", "keep { v: list max 4 of text }"),
    ("map", Head, "keep { v: map max 3 of text }", "keep { v: list max 3 of text }"),
    ("text", Head, "keep { v: text max 3 = \"\" }", "keep { v: text max 4 = \"\" }"),
    ("int", Head, "keep { v: int 1 to 5 = 1 }", "keep { v: int 1 to 6 = 1 }"),
    ("money", Head, "keep { v: money eur = 1 eur }", "keep { v: money usd = 1 usd }"),
    ("so far", Head, "keep { v: Form so far }", "keep { v: Form? }"),
    ("keep", Head, "keep { v: int = 3 }", ""),
    ("rules never unless approved", Head, "rules { never orders.refund unless approved by owner }", ""),
    ("reaches", Head, "rules { never web reaches orders.find }", ""),
    ("every leads", Head, "rules { every message leads to s }", ""),
    ("at most", Head, "rules { at most 1 reply per event }", ""),
    ("migrate from drop", Head, "migrate from v0 { a -> s  drop b }", ""),
    (
        "start state",
        States,
        "start state s { on message -> z }\nstate z { on message -> s }\n",
        "state s { on message -> z }\nstart state z { on message -> s }\n",
    ),
    (
        "agent",
        Other,
        "agent other v2 (p: text) gives text\nstart state a { done p }\n",
        "agent other v3 (p: text) gives text\nstart state a { done p }\n",
    ),
    (
        "gives done",
        Other,
        "agent other v1 (p: text) gives text\nstart state a { done \"x\" }\n",
        "agent other v1 (p: text) gives int\nstart state a { done 1 }\n",
    ),
    (
        "shared",
        Other,
        "shared other\ntype Q = a | b\n",
        "agent other v1 (p: text) gives text\nstart state a { done p }\n",
    ),
    ("anywhere", Rest, "anywhere { on message drop  on failed -> s }\n", "anywhere { on message drop }\n"),
    ("on", Handler, "on \"/x\" -> z", ""),
    (
        "or",
        Rest,
        "anywhere { on message hold  on failed or uncertain -> z }\n",
        "anywhere { on message hold  on failed -> z }\n",
    ),
    (
        "hold",
        Rest,
        "anywhere { on message hold  on failed -> s }\n",
        "anywhere { on message drop  on failed -> s }\n",
    ),
    (
        "join",
        Rest,
        "anywhere { on message join  on failed -> s }\n",
        "anywhere { on message drop  on failed -> s }\n",
    ),
    ("after", Handler, "after 5m -> z", ""),
    ("wake", Handler, "on wake x { reply x }", ""),
    ("changed", Handler, "every 30m when changed [time.now()] -> z", "every 30m -> z"),
    ("event", Test, "event Form(day: 2026-01-01, n: 1)", ""),
    (
        "pick using from with history retry",
        Body,
        "pick Wish using fast from x with history retry 2 \"?\" { a {} b(v) {} c {} }",
        "pick Wish using fast \"?\" { a {} b(v) {} c {} }",
    ),
    ("fill", Body, "fill f using fast \"?\" { complete {} missing(v) {} nothing {} }", ""),
    ("write", Body, "write v using fast \"?\"", ""),
    (
        "turn",
        Body,
        "turn using fast with history { says(v) { reply v } calls(v) { run v } refuses(v) {} }",
        "",
    ),
    (
        "stream",
        Body,
        "turn stream using fast with history { says(v) {} calls(v) { run v } refuses(v) {} }",
        "turn using fast with history { says(v) {} calls(v) { run v } refuses(v) {} }",
    ),
    (
        "run",
        Body,
        "turn using fast with history { says(v) {} calls(v) { run v } refuses(w) {} }",
        "turn using fast with history { says(v) {} calls(v) {} refuses(w) {} }",
    ),
    (
        "within",
        Body,
        "approve by owner \"x\" within 1h { yes {} no {} late {} }",
        "approve by owner \"x\" { yes {} no {} }",
    ),
    ("approve", Body, "approve by owner \"x\" { yes { reply \"a\" } no {} }", "reply \"a\""),
    (
        "editing",
        Body,
        "approve by owner editing t \"x\" { yes {} no {} }",
        "approve by owner \"x\" { yes {} no {} }",
    ),
    ("call", Body, "call kb.search(query: \"x\")", ""),
    (
        "here",
        Body,
        "ask other(p: \"x\") here within 1h { done(v) {} failed(w) {} late {} }",
        "ask other(p: \"x\") within 1h { done(v) {} failed(w) {} late {} }",
    ),
    ("reply", Body, "reply \"x\"", ""),
    ("send", Body, "send owner \"x\"", "send ben \"x\""),
    ("with next message", Body, "send owner \"x\" with next message", "send owner \"x\""),
    ("show", Body, "show \"x\"", ""),
    ("remember for", Body, "remember \"x\" for all", "remember \"x\" for person"),
    ("recall", Body, "r = recall \"x\" top 3", "r = recall \"x\" top 4"),
    ("forget", Body, "forget history", ""),
    (
        "together",
        Body,
        "together { v = call kb.search(query: \"x\")  w = call time.now() }",
        "v = call kb.search(query: \"x\")  w = call time.now()",
    ),
    (
        "each once",
        Body,
        "v = each x1 in l, 2 at once { write y using fast from x1 \"?\" }",
        "v = each x1 in l, 3 at once { write y using fast from x1 \"?\" }",
    ),
    ("add", Body, "add \"x\" to l", ""),
    ("with", Body, "wake after 1h with \"x\"", "wake after 1h with \"y\""),
    ("wakes", Body, "reply \"{wakes}\"", "reply \"{l}\""),
    ("is", Body, "when i is 1 { yes -> z }", "when i < 1 { yes -> z }"),
    ("not", Body, "when not (i is 1) { yes -> z }", "when i is 1 { yes -> z }"),
    ("and", Body, "when i is 1 and i is 2 { yes -> z }", "when i is 1 or i is 2 { yes -> z }"),
    ("contains", Body, "when t contains \"x\" { yes -> z }", "when t is \"x\" { yes -> z }"),
    ("between", Body, "when i between 1 and 5 { yes -> z }", "when i between 1 and 6 { yes -> z }"),
    ("length", Body, "i = length l", "i = length m"),
    ("first", Body, "o = first l", "o = none"),
    ("now", Body, "reply \"{now}\"", "reply \"{i}\""),
    ("none", Body, "o = none", "o = \"x\""),
    ("yes no", Body, "v = yes", "v = no"),
    ("edited", Test, "edited \"x\"", "say \"x\""),
    ("reaction", Test, "reaction \"x\"", "edited \"x\""),
    ("joined", Test, "joined \"x\"", "left \"x\""),
    ("left", Test, "left \"x\"", "left \"y\""),
    ("test say expect", Test, "say \"x\" expect state s", ""),
    ("model picks", Test, "model picks a", "model picks c"),
    ("says", Test, "model says \"x\"", "model says \"y\""),
    ("tool fails", Test, "tool kb.search fails", "tool kb.search gives (value: [])"),
    ("crash", Test, "crash", ""),
    ("wait", Test, "wait 1h", "wait 2h"),
    (
        "routes",
        Routes,
        "routes\ntelegram from anyone -> w per person\nshell -> w\n",
        "routes\ntelegram from anyone -> w per chat\nshell -> w\n",
    ),
    (
        "people",
        Routes,
        "routes\npeople { ben = telegram 22 }\ntelegram from anyone -> w\n",
        "routes\ntelegram from anyone -> w\n",
    ),
    (
        "group",
        Routes,
        "routes\ntelegram in group \"G\" -> w per chat\ntelegram from anyone -> w\n",
        "routes\ntelegram from anyone -> w\n",
    ),
    (
        "people telegram",
        Routes,
        "routes\npeople { ben = telegram 22 }\ntelegram from anyone -> w\n",
        "routes\npeople { ben = telegram 23 }\ntelegram from anyone -> w\n",
    ),
    (
        "people group",
        Routes,
        "routes\npeople { team = telegram group \"G\" }\ntelegram from anyone -> w\n",
        "routes\npeople { team = telegram group \"H\" }\ntelegram from anyone -> w\n",
    ),
    (
        "people from",
        Routes,
        "routes\npeople { duty = from rota.current }\ntelegram from anyone -> w\n",
        "routes\npeople { duty = from kb.search }\ntelegram from anyone -> w\n",
    ),
    (
        "people members",
        Routes,
        "routes\npeople { ben = telegram 22  two = owner, ben }\ntelegram from anyone -> w\n",
        "routes\npeople { ben = telegram 22  two = ben }\ntelegram from anyone -> w\n",
    ),
    ("otherwise", Routes, "routes\notherwise drop\n", "routes\ntelegram from anyone -> w\n"),
    (
        "http post signed as",
        Routes,
        "routes\nhttp post \"/a\" signed by k as Posted a -> w per a.id\ntelegram from anyone -> w\n",
        "routes\ntelegram from anyone -> w\n",
    ),
];

pub fn program(at: At, text: &str) -> Vec<(&'static str, String)> {
    let put = |wanted: At| if at == wanted { text } else { "" };
    let or = |wanted: At, usual: &str| if at == wanted { text.to_string() } else { usual.to_string() };
    let state = STATE.replace("BODY", put(Body)).replace("HANDLER", put(Handler));
    let test = if at == Test { format!("test \"t\" {{ {text} }}\n") } else { String::new() };
    let agent = format!("{HEAD}{}\n{}{}{test}", put(Head), or(States, &state), or(Rest, REST));
    vec![
        ("w.agent", agent),
        ("other.agent", or(Other, OTHER)),
        ("posted.agent", "shared posted\ntype Kind = one | two\ntype Name = Kind\ntype Posted = { id: text, n: number, o: text?, l: list of text, k: Name, s: Posted2 }\ntype Posted2 = { id: text }\n".to_string()),
        ("routes.agent", or(Routes, ROUTES)),
    ]
}

/// Everything that checker and compiler make of a program, without places.
fn meaning(files: &[(&str, String)]) -> String {
    let mut sources = SourceMap::default();
    for (name, text) in files {
        sources.add(name, text).unwrap();
    }
    let (checked, diagnostics) = check(&sources, &environment());
    let syntax = diagnostics.iter().find(|d| d.code < "E0100" && d.code.starts_with("E00"));
    assert!(syntax.is_none(), "{}", blufio_lang::diagnostic::render(&diagnostics, &sources, false));
    let found: Vec<(&str, &str)> = diagnostics.iter().map(|d| (d.code, d.title.as_str())).collect();
    let Checked { agents, routes } = checked;
    let mut out = format!("{found:?}\n{}\n", without_places(&routes));
    for agent in agents {
        let (program, _) = compile(&agent.program);
        let proofs = (&agent.facts, &agent.program.tests, &agent.program.rules, &agent.program.types);
        out.push_str(&without_places(&(&program, proofs)));
    }
    // The identity covers places.
    let mut parts = out.split("hash: [");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| text + part.split_once(']').map_or(part, |(_, rest)| rest))
}

#[test]
fn no_keyword_does_nothing() {
    let mut silent = Vec::new();
    for (words, at, with, without) in CASES {
        if meaning(&program(*at, with)) == meaning(&program(*at, without)) {
            silent.push(format!("{words}: `{with}` means the same as `{without}`"));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn every_keyword_of_the_grammar_has_its_case() {
    let grammar = include_str!("../../../grammar/agent.pest");
    let keywords = grammar.lines().filter_map(|line| {
        let (name, rest) = line.split_once('=')?;
        let name = name.trim().strip_prefix("kw_")?;
        rest.contains("!id_char").then_some(name)
    });
    let covered: BTreeSet<&str> = CASES.iter().flat_map(|(words, ..)| words.split(' ')).collect();
    let open: Vec<&str> = keywords.filter(|keyword| !covered.contains(keyword)).collect();
    assert!(open.is_empty(), "no case for {open:?}");
}
