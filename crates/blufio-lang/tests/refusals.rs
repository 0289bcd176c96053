// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the checker refuses, one small case for every place that can say so: the pairs in `litmus/` show each code
//! once, these show each reason. `contrib/mutate_checker.py` silences the places one by one and expects a failure here.

use blufio_lang::check::check;
use blufio_lang::source::SourceMap;

use crate::litmus::environment;
use crate::words::At::{self, Body, Handler, Head, Other, Rest, Routes, States, Test};
use crate::words::program;

/// Code, words of the finding's title, where, text.
const CASES: &[(&str, &str, At, &str)] = &[
    // Declarations
    (
        "E0107",
        "more than one start state",
        States,
        "start state s { on message -> z }\nstart state z { on message -> s }\n",
    ),
    ("E0107", "no start state", States, "state s { on message -> z }\nstate z { on message -> s }\n"),
    (
        "E0102",
        "state",
        States,
        "start state s { on message -> z }\nstate z { on message -> s }\nstate z { on message -> s }\n",
    ),
    ("E0102", "model", Head, "models { fast = \"anthropic/x\" }"),
    ("E0110", "provider/model", Head, "models { m = \"haiku\" }"),
    ("E0105", "anthropc", Head, "models { m = \"anthropc/x\" }"),
    ("E0105", "fsat", Head, "models { m = by complexity (simple: fsat) }"),
    ("E0101", "simpel", Head, "models { m = by complexity (simpel: fast) }"),
    ("E0208", "1 to 100", Head, "models { m = by complexity (simple: fast) when budget under 0% use fast }"),
    ("E0101", "mesage", Head, "budget { mesage = 3 calls }"),
    ("E0201", "six decimals", Head, "budget { message = 0.0000001 eur }"),
    ("E0112", "Mars", Head, "zone \"Mars\""),
    ("E0111", "..", Head, "context { static \"../x\" }"),
    ("E0208", "similarity", Head, "context { conditional recall person above 7 }"),
    ("E0101", "persn", Head, "context { conditional recall persn }"),
    ("E0105", "fsat", Head, "context { dynamic history then summarize using fsat }"),
    ("E0102", "slot", Head, "keep { i: int = 1 }"),
    ("E0209", "family of tools", Head, "keep { orders: int = 1 }"),
    ("E0102", "grant", Head, "can use kb.search"),
    ("E0106", "metrics.raed", Head, "can use metrics.raed"),
    ("E0110", "no such scope", Head, "can use metrics.read in \"x/\""),
    ("E0110", "needs the folder", Head, "can use files.read"),
    ("E0110", "needs the commands", Head, "can use shell.run"),
    ("E0101", "week", Head, "can use metrics.read max 3 per week"),
    ("E0208", "rate of 0", Head, "can use metrics.read max 0 per day"),
    ("E0109", "nobody", Head, "can ask nobody"),
    ("E0102", "can ask", Head, "can ask other"),
    ("E0901", "no manifest", Head, "can ask other with gramophone.play"),
    ("E0102", "goal", Head, "goal \"another\""),
    ("E0201", "plain words", Head, "goal \"Speak to {i}.\""),
    ("E0102", "language", Head, "language \"de\"\nlanguage \"en\""),
    ("E0102", "zone", Head, "zone \"Europe/Berlin\"\nzone \"Europe/Paris\""),
    ("E0102", "message", Head, "budget { message = 3 calls }"),
    ("E0102", "dynamic", Head, "context { dynamic history last 3 messages }"),
    ("E0102", "static", Head, "context { static \"a.md\" static \"b.md\" }"),
    (
        "E0102",
        "handler",
        Rest,
        "anywhere { on \"/z\" -> z  on message hold }\nanywhere { on message drop  on failed or uncertain or over_budget -> s }\n",
    ),
    ("E0208", "at least one second", Handler, "after 0s -> z"),
    // Types
    ("E0102", "type", Head, "type Wish = x | y"),
    ("E0102", "case", Head, "type T = x | x"),
    ("E0102", "field", Head, "type T = { x: int, x: int }"),
    ("E0104", "itn", Head, "keep { v: itn = 1 }"),
    ("E0104", "money xyz", Head, "keep { v: money xyz }"),
    ("E0208", "holds nothing", Head, "keep { v: text max 0 = \"\" }"),
    ("E0208", "is empty", Head, "keep { v: int 5 to 1 = 3 }"),
    ("E0208", "at most 0", Head, "keep { v: list max 0 of text }"),
    ("E0207", "T", Head, "type T = { a: T }"),
    ("E0201", "so far", Head, "keep { v: Wish so far }"),
    // States and handlers
    (
        "E0304",
        "cap",
        States,
        "start state s { on message -> z }\nstate z max 3 per event { on message -> s }\n",
    ),
    (
        "E0101",
        "evnt",
        States,
        "start state s { on message -> z }\nstate z max 3 per evnt else s { on message -> s }\n",
    ),
    (
        "E0208",
        "cap of 0",
        States,
        "start state s { on message -> z }\nstate z max 0 per event else s { on message -> s }\n",
    ),
    (
        "E0103",
        "nowhere",
        States,
        "start state s { on message -> z }\nstate z max 3 per event else nowhere { on message -> s }\n",
    ),
    ("E0110", "not steps", Rest, "anywhere { reply \"x\"  on message hold  on failed or uncertain -> s }\n"),
    ("E0102", "handler", Handler, "on message -> z"),
    (
        "E0201",
        "a failure cannot wait",
        Rest,
        "anywhere { on message hold  on failed hold  on uncertain -> s }\n",
    ),
    ("E0205", "this event", Handler, "on uncertain x { reply \"x\" }"),
    ("E0201", "begins with `/`", Handler, "on \"stop\" -> z"),
    ("E0104", "Alrt", Handler, "on Alrt a -> z"),
    ("E0112", "Mars", Handler, "after 08:00 in \"Mars\" -> z"),
    ("E0208", "one minute", Handler, "every 3s -> z"),
    ("E0208", "never fires", Handler, "every 30m from 08:00 to 08:00 -> z"),
    ("E0101", "mnday", Handler, "every mnday at 08:00 -> z"),
    ("E0110", "which time", Handler, "every monday -> z"),
    (
        "E0110",
        "only looks",
        Handler,
        "every 30m when changed [orders.refund(order: \"1\", amount: 1 eur)] -> z",
    ),
    ("E0201", "written down", Handler, "every 30m when changed [kb.search(query: t)] -> z"),
    ("E0106", "orders.lost", Handler, "every 30m when changed [orders.lost()] -> z"),
    // Steps
    ("E0103", "zz", Body, "-> zz"),
    ("E0210", "nothing after", Body, "-> z reply \"x\""),
    ("E0201", "without a value", Body, "done 5"),
    ("E0201", "no value", Other, "agent other v1 (p: text) gives text\nstart state a { done }\n"),
    ("E0209", "it is a state", Body, "z = 5"),
    ("E0209", "it is a type", Body, "Wish = 5"),
    ("E0209", "it is a model", Body, "fast = 5"),
    (
        "E0209",
        "nothing may hide it",
        Body,
        "x = 5\nwhen i { 1 { pick Wish using fast \"?\" { a {} b(x) {} c {} } } else {} }",
    ),
    ("E0101", "nn", Body, "nn[\"a\"] = 5"),
    ("E0201", "a map", Body, "i[\"a\"] = 5"),
    ("E0101", "nn", Body, "nn += 5"),
    ("E0201", "a list", Body, "add \"x\" to t"),
    ("E0101", "nn", Body, "add \"x\" to nn"),
    ("E0201", "a yes/no, a union", Body, "when l { yes {} }"),
    ("E0201", "a label of type", Body, "when i { \"x\" {} else {} }"),
    ("E0204", "1", Body, "when i { 1 {} 1 {} else {} }"),
    ("E0203", "else", Body, "when i { 1 {} }"),
    ("E0203", "`none`", Body, "when o { some(v) {} }"),
    ("E0203", "`c`", Body, "pick Wish using fast \"?\" { a {} b(v) {} }"),
    ("E0204", "d", Body, "pick Wish using fast \"?\" { a {} b(v) {} c {} d {} }"),
    ("E0204", "else", Body, "pick Wish using fast \"?\" { a {} b(v) {} c {} else {} }"),
    ("E0205", "one value", Body, "pick Wish using fast \"?\" { a {} b(v, w) {} c {} }"),
    ("E0205", "several labels", Body, "pick Wish using fast \"?\" { a or b(v) {} c {} }"),
    ("E0110", "which model", Body, "pick Wish from t \"?\" { a {} b(v) {} c {} }"),
    ("E0105", "fsat", Body, "write v using fsat \"?\""),
    ("E0110", "no instruction", Body, "write v using fast from t"),
    ("E0101", "memry", Body, "write v using fast with memry \"?\""),
    ("E0110", "neither arms", Body, "pick Wish using fast \"?\""),
    ("E0201", "a union", Body, "pick int using fast \"?\" { a {} }"),
    ("E0201", "that a model can give", Body, "v = pick json using fast \"?\""),
    ("E0110", "continues the conversation", Body, "turn using fast { says(v) {} calls(v) {} refuses(v) {} }"),
    ("E0203", "`refuses`", Body, "turn using fast with history { says(v) {} calls(v) {} }"),
    ("E0201", "the calls of a `turn`", Body, "run t"),
    // Requests
    (
        "E0110",
        "must not be repeated",
        Body,
        "call orders.refund(order: \"1\", amount: 1 eur) retry 2 { done(v) {} failed(w) {} uncertain {} }",
    ),
    ("E0106", "kb.serch", Body, "call kb.serch(query: \"x\")"),
    ("E0205", "the fields query", Body, "call kb.search()"),
    ("E0202", "qury", Body, "call kb.search(qury: \"x\")"),
    ("E0203", "`done`", Body, "call kb.search(query: \"x\") { failed(w) {} }"),
    ("E0208", "late at once", Body, "approve by owner \"x\" within 0s { yes {} no {} late {} }"),
    ("E0110", "no question", Body, "ask owner within 1h { says(v) {} late {} }"),
    ("E0203", "`late`", Body, "ask owner \"x\" within 1h { says(v) {} }"),
    ("E0109", "othr", Body, "ask othr(p: \"x\") within 1h { done(v) {} late {} }"),
    ("E0109", "bne", Body, "send bne \"x\""),
    ("E0208", "`0 of`", Body, "approve by 0 of two \"x\" { yes {} no {} }"),
    ("E0208", "are never reached", Body, "approve by 3 of two \"x\" { yes {} no {} }"),
    ("E0201", "a group of `people`", Body, "approve by 2 of owner \"x\" { yes {} no {} }"),
    ("E0110", "shows nothing", Body, "approve by owner { yes {} no {} }"),
    ("E0101", "tt", Body, "approve by owner editing tt \"x\" { yes {} no {} }"),
    ("E0201", "after `editing`", Body, "approve by owner editing i \"x\" { yes {} no {} }"),
    ("E0201", "`so far` type", Body, "fill t using fast \"?\" { complete {} missing(v) {} nothing {} }"),
    ("E0101", "ff", Body, "fill ff using fast \"?\" { complete {} missing(v) {} nothing {} }"),
    ("E0203", "`nothing`", Body, "fill f using fast \"?\" { complete {} missing(v) {} }"),
    ("E0208", "1 to 50", Body, "v = recall \"x\" top 0"),
    ("E0101", "evrybody", Body, "remember \"x\" for evrybody"),
    ("E0201", "a list", Body, "v = each a1 in t { write w using fast \"?\" }"),
    ("E0208", "may run at once", Body, "v = each a1 in l, 0 at once { write w using fast \"?\" }"),
    ("E0210", "run to their end", Body, "v = each a1 in l { -> z }"),
    ("E0201", "again", Body, "v = each a1 in l { w = each a2 in l { write y using fast \"?\" } }"),
    ("E0201", "without arms", Body, "together { call kb.search(query: \"x\") { done(v) {} failed(w) {} } }"),
    ("E0201", "another step", Body, "together { reply \"x\" }"),
    ("E0110", "`together` is empty", Body, "together { }"),
    ("E0201", "as every other `wake`", Body, "wake after 1h with \"x\"  wake after 2h"),
    ("E0101", "histry", Body, "forget histry"),
    // Expressions
    ("E0101", "nn", Body, "reply \"{nn}\""),
    ("E0202", "nope", Body, "reply \"{x.nope}\""),
    ("E0201", "1/100", Body, "v = 1.234 eur"),
    ("E0201", "none", Body, "i = none"),
    ("E0201", "a list, a map or a text", Body, "i = length i"),
    ("E0201", "a list", Body, "v = first i"),
    ("E0201", "a map", Body, "v = i[\"x\"]"),
    ("E0101", "Nope", Body, "v = Nope(a: 1)"),
    ("E0205", "the fields day, n", Body, "v = Form(day: 2026-01-01)"),
    ("E0202", "when", Body, "v = Form(day: 2026-01-01, n: 1, when: 2)"),
    ("E0208", "a list of at most", Head, "keep { v: list max 1 of int = [1, 2] }"),
    ("E0201", "a number, money or a duration", Body, "v = -t"),
    ("E0201", "before `or`", Body, "v = i or 5"),
    ("E0201", "before `contains`", Body, "when i contains 5 { yes {} }"),
    ("E0201", "with an order", Body, "when t < \"x\" { yes {} }"),
    ("E0201", "fit together", Body, "v = i + t"),
    ("E0201", "write `… or DEFAULT`", Body, "v = m[\"x\"] + 1"),
    ("E0206", "`o`", Body, "v = length o"),
    ("E0206", "`f`", Body, "v = f.n + 1"),
    ("E0112", "Mars", Body, "when now between 08:00 and 09:00 in \"Mars\" { yes {} }"),
    // Rules and tests
    ("E0101", "orders.fnid", Head, "rules { never orders.fnid unless approved by owner }"),
    ("E0109", "bne", Head, "rules { never orders.refund unless approved by bne }"),
    ("E0101", "evnt", Head, "rules { at most 1 reply per evnt }"),
    ("E0101", "wbe", Head, "rules { never wbe reaches orders.find }"),
    ("E0201", "granted with", Head, "rules { never web reaches reply }"),
    ("E0106", "kb.serch", Test, "tool kb.serch fails"),
    ("E0205", "id, status", Test, "tool orders.find gives (id: \"7\")"),
    ("E0103", "zz", Test, "expect state zz"),
    ("E0106", "kb.serch", Test, "expect kb.serch"),
    ("E0104", "Frm", Test, "event Frm(n: 1)"),
    ("E0201", "as events are", Test, "event Wish(n: 1)"),
    ("E0201", "plain words", Test, "say \"{i}\""),
    ("E0201", "written down", Test, "model picks i"),
    ("E0109", "bne", Test, "bne yes"),
    // Routes
    (
        "E0102",
        "person",
        Routes,
        "routes\npeople { ben = telegram 1  ben = telegram 2 }\ntelegram from anyone -> w\n",
    ),
    ("E0112", "Mars", Routes, "routes\npeople { owner zone \"Mars\" }\ntelegram from anyone -> w\n"),
    ("E0501", "no identity", Routes, "routes\npeople { ben }\ntelegram from anyone -> w\n"),
    (
        "E0501",
        "comes from pairing",
        Routes,
        "routes\npeople { owner = telegram 5 }\ntelegram from anyone -> w\n",
    ),
    ("E0501", "positive number", Routes, "routes\npeople { ben = telegram -5 }\ntelegram from anyone -> w\n"),
    ("E0109", "bne", Routes, "routes\npeople { two = owner, bne }\ntelegram from anyone -> w\n"),
    (
        "E0307",
        "`edited`",
        Rest,
        "anywhere { on edited hold  on message hold  on failed or uncertain or over_budget -> s }",
    ),
    ("E0501", "no channel", Routes, "routes\ntelegrm from anyone -> w\ntelegram from anyone -> w\n"),
    ("E0501", "whose messages", Routes, "routes\ntelegram -> w\notherwise drop\n"),
    ("E0109", "bne", Routes, "routes\ntelegram from bne -> w\notherwise drop\n"),
    ("E0109", "ww", Routes, "routes\ntelegram from anyone -> ww\n"),
    ("E0501", "has parameters", Routes, "routes\ntelegram from anyone -> other\n"),
    ("E0501", "a person, a chat, or a field", Routes, "routes\ntelegram from anyone -> w per 5\n"),
    ("E0501", "only a webhook has a value", Routes, "routes\ntelegram from anyone -> w per x.id\n"),
    (
        "E0501",
        "begins with `/`",
        Routes,
        "routes\nhttp post \"a\" signed by k as Posted a -> w per a.id\ntelegram from anyone -> w\n",
    ),
    (
        "E0501",
        "not signed",
        Routes,
        "routes\nhttp post \"/a\" as Posted a -> w per a.id\ntelegram from anyone -> w\n",
    ),
    (
        "E0104",
        "Posted1",
        Routes,
        "routes\nhttp post \"/a\" signed by k as Posted1 a -> w\ntelegram from anyone -> w\n",
    ),
    (
        "E0501",
        "neither a person nor a chat",
        Routes,
        "routes\nhttp post \"/a\" signed by k as Posted a -> w per person\ntelegram from anyone -> w\n",
    ),
    (
        "E0501",
        "to be keyed by",
        Routes,
        "routes\nhttp post \"/a\" signed by k as Posted a -> w per a.nope\ntelegram from anyone -> w\n",
    ),
    ("E0502", "", Routes, "routes\ntelegram from anyone -> w\ntelegram from owner -> w\n"),
    ("E0504", "", Routes, "routes\ntelegram from owner -> w\n"),
];

#[test]
fn every_reason_to_refuse_is_found() {
    let mut wrong = Vec::new();
    for (code, words, at, text) in CASES {
        let files = program(*at, text);
        let mut sources = SourceMap::default();
        for (name, text) in &files {
            sources.add(name, text).unwrap();
        }
        let (_, diagnostics) = check(&sources, &environment());
        let said = |d: &&blufio_lang::diagnostic::Diagnostic| {
            let hint = d.hint.as_deref().unwrap_or_default();
            d.code == *code
                && [d.title.as_str(), d.label.message.as_str(), hint].iter().any(|t| t.contains(words))
        };
        if !diagnostics.iter().any(|d| said(&d)) {
            let shown = blufio_lang::diagnostic::render(&diagnostics, &sources, false);
            wrong.push(format!("{code} `{words}` is not said of `{text}`:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}
