// SPDX-License-Identifier: MIT OR Apache-2.0
//! A construct that the host cannot perform is refused, never accepted and ignored: for every place that needs
//! something of the host, a program that is refused when just that is missing, and said to need it.

use std::cell::Cell;

use blufio_lang::check::{Construct, Environment, check};
use blufio_lang::source::SourceMap;

use crate::litmus::environment;
use crate::words::At::{self, Body, Handler, Head, Other, Routes};
use crate::words::program;

/// What the host lacks, how the finding names it, where, text.
const CASES: &[(Construct, &str, At, &str)] = &[
    (Construct::Call, "`call`", Body, "call kb.search(query: \"x\")"),
    (Construct::AskAgent, "`can ask`", Head, ""),
    (
        Construct::AskAgent,
        "an agent with parameters",
        Other,
        "agent other v1 (p: text)\nstart state a { done }\n",
    ),
    (
        Construct::AskAgent,
        "`gives`",
        Other,
        "agent other v1 (p: text) gives text\nstart state a { done p }\n",
    ),
    (
        Construct::AskAgent,
        "`ask` of an agent",
        Body,
        "ask other(p: \"x\") within 1h { done(v) {} failed(w) {} late {} }",
    ),
    (Construct::AskPerson, "`ask` of a person", Body, "ask owner \"x\" within 1h { says(v) {} late {} }"),
    (Construct::Approve, "`approve`", Body, "approve by owner \"x\" { yes {} no {} }"),
    (
        Construct::Approve,
        "`approved by`",
        Body,
        "turn using fast with history { says(v) {} calls(v) { run v approved by owner } refuses(w) {} }",
    ),
    (Construct::Fill, "`fill`", Body, "fill f using fast \"?\" { complete {} missing(v) {} nothing {} }"),
    (Construct::Fill, "`so far`", Head, "keep { v: Form so far }"),
    (Construct::Each, "`each`", Body, "v = each a1 in l { write y using fast from a1 \"?\" }"),
    (
        Construct::Together,
        "`together`",
        Body,
        "together { v = call kb.search(query: \"x\")  w = call time.now() }",
    ),
    (Construct::Show, "`show`", Body, "show \"x\""),
    (Construct::Send, "`send` to anybody but the owner", Body, "send ben \"x\""),
    (Construct::Memory, "`remember`", Body, "remember \"x\""),
    (Construct::Memory, "`recall`", Body, "r = recall \"x\" top 3"),
    (Construct::Memory, "`forget` of memory", Body, "forget memory"),
    (Construct::Memory, "`with memory`", Body, "write v using fast with memory \"?\""),
    (Construct::ForgetHistory, "`forget history`", Body, "forget history"),
    (Construct::Wake, "`wake`", Body, "wake after 1h with \"x\""),
    (Construct::Wake, "`wakes`", Body, "reply \"{wakes}\""),
    (Construct::Wake, "`forget wakes`", Body, "forget wakes"),
    (Construct::Wake, "`on wake`", Handler, "on wake x { reply \"x\" }"),
    (Construct::Every, "`every`", Handler, "every 30m -> z"),
    (Construct::TimeOfDay, "`after` a time of day", Handler, "after 08:00 -> z"),
    (Construct::TimeOfDay, "`now between` times of day", Body, "when now between 08:00 and 09:00 { yes {} }"),
    (Construct::Declared, "events of a declared type", Handler, "on Form x -> z"),
    (Construct::Channel, "`on edited`", Handler, "on edited x -> z"),
    (Construct::Budget, "`on over_budget`", Handler, "on over_budget -> z"),
    (Construct::Budget, "a budget per day", Head, "budget { day = 900 calls }"),
    (Construct::Money, "a budget in money", Head, "budget { day = 900 usd }"),
    (Construct::Money, "a budget in time", Head, "budget { day = 20h }"),
    (Construct::Rate, "a rate on a tool", Head, "can use metrics.read max 3 per day"),
    (Construct::Rules, "`rules`", Head, "rules { at most 3 reply per event }"),
    (Construct::Migrate, "`migrate`", Head, "migrate from v0 { a -> s  drop b }"),
    (Construct::Routing, "`by complexity`", Head, "models { two = by complexity (simple: fast) }"),
    (Construct::Context, "`skills` in the static zone", Head, "context { static skills }"),
    (Construct::Context, "`cache` with a duration", Head, "context { static \"a.md\" cache 1h }"),
    (Construct::Context, "the conditional zone", Head, "context { conditional recall person }"),
    (Construct::Locale, "`language`", Head, "language \"de\""),
    (Construct::Locale, "`zone` of an agent", Head, "zone \"Europe/Berlin\""),
    (
        Construct::Routes,
        "a group as a person",
        Routes,
        "routes\npeople { team = telegram group \"G\" }\ntelegram from anyone -> w\n",
    ),
    (
        Construct::Routes,
        "a route for a group",
        Routes,
        "routes\ntelegram in group \"G\" -> w per chat\ntelegram from anyone -> w\n",
    ),
    (
        Construct::People,
        "a person from a tool",
        Routes,
        "routes\npeople { duty = from rota.current }\ntelegram from anyone -> w\n",
    ),
    (
        Construct::Webhooks,
        "a webhook",
        Routes,
        "routes\nhttp post \"/a\" signed by k as Posted a -> w per a.id\ntelegram from anyone -> w\n",
    ),
    (
        Construct::Webhooks,
        "a session key other than person or chat",
        Routes,
        "routes\nhttp post \"/a\" signed by k as Posted a -> w per a.id\ntelegram from anyone -> w\n",
    ),
    (
        Construct::Context,
        "`then summarize`",
        Head,
        "context { dynamic history last 9 messages then summarize using fast }",
    ),
];

thread_local! {
    static MISSING: Cell<Option<Construct>> = const { Cell::new(None) };
}

/// Titles of what is said not to run by a host without this construct.
fn refused(missing: Option<Construct>, files: &[(&str, String)]) -> Vec<String> {
    let mut sources = SourceMap::default();
    for (name, text) in files {
        sources.add(name, text).unwrap();
    }
    MISSING.set(missing);
    let host = Environment { performs: |construct| MISSING.get() != Some(construct), ..environment() };
    let (_, diagnostics) = check(&sources, &host);
    diagnostics.iter().filter(|d| d.code == "E0901").map(|d| d.title.clone()).collect()
}

#[test]
fn what_the_host_lacks_is_refused() {
    let mut wrong = Vec::new();
    for (construct, words, at, text) in CASES {
        let files = program(*at, text);
        let said = format!("{words} ");
        let begins = |titles: Vec<String>| titles.iter().any(|title| title.starts_with(&said));
        if begins(refused(None, &files)) {
            wrong.push(format!("{words} is refused of `{text}` by a host that has everything"));
        }
        let found = refused(Some(*construct), &files);
        if !begins(found.clone()) {
            wrong.push(format!("{words} is not refused of `{text}` without {construct:?}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_construct_has_its_case() {
    for construct in Construct::ALL {
        assert!(CASES.iter().any(|(covered, ..)| *covered == construct), "{construct:?}");
    }
}
