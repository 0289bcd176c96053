// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random agents. Most of what a program can say is said somewhere, in places where labels meet: values, branches,
//! loops over states, handlers while steps are pending, memory, wakes, other agents.

use super::dice::Dice;

/// States besides the start.
const STATES: usize = 3;

/// What the accepted programs must hold between them.
pub const CONSTRUCTS: [&str; 36] = [
    "on message join",
    "on message drop",
    "on message hold",
    "on failed",
    "on \"/stop\"",
    "on \"/note\"",
    "on Alarm",
    "on wake",
    "every monday",
    "after pause",
    "per session",
    "approve by owner",
    "approve by sender",
    "approve by ben",
    "editing order",
    "orders.refund",
    "ask b(",
    "ask ben",
    "each ",
    "2 at once",
    "= each",
    "together",
    "pick Verdict",
    "choice = pick",
    "write ",
    "fill want",
    "turn using",
    "run ",
    "with memory",
    "with history",
    "retry 1",
    "recall",
    "remember",
    "forget history",
    "forget wakes",
    "when heard",
];

/// A program that grows.
struct Author<'d> {
    dice: &'d mut Dice,
    /// Texts that may be read here.
    texts: Vec<String>,
    locals: usize,
    public: bool,
    /// Tools with dangerous calls, and how often those stand alone.
    bare_calls: bool,
}

/// A folder: the agent, one that it asks, and routes or not.
pub fn folder(dice: &mut Dice, bare_calls: bool) -> String {
    let public = dice.one_in(2);
    let mut author = Author { dice, texts: Vec::new(), locals: 0, public, bare_calls };
    let mut out = author.agent();
    out.push_str(&author.asked());
    if public {
        let per = author.dice.of(&["person", "person", "chat"]);
        out.push_str(&format!(
            "=== file routes.agent\nroutes\n\npeople {{ owner  ben = telegram 2222 }}\n\
             telegram from anyone -> a per {per}\notherwise drop\n"
        ));
    } else {
        out.push_str(
            "=== file routes.agent\nroutes\n\npeople { owner  ben = telegram 2222 }\ntelegram from owner -> a per person\n\
             otherwise drop\n",
        );
    }
    out
}

impl Author<'_> {
    fn agent(&mut self) -> String {
        let mut out = String::from(
            "agent a v1\ngoal \"g\"\nmodels { fast = \"anthropic/claude-haiku-5-5\" }\nbudget { message = 5000 calls }\n\
             can use orders.refund, web.fetch, metrics.read, mail.send, files.read in \"notes/\"\ncan ask b with web.fetch\n\
             context { dynamic history last 20 messages max 4000 tokens }\n\
             type Verdict = pay_it | leave_it(why: text) | more(order: text)\n\
             type Want = {\n  /// Which order?\n  order: text\n  /// What about it?\n  note: text\n}\n\
             type Alarm = { host: text }\n\
             keep { order: text = \"7\", seen: text = \"\", all: list max 2 of text, by: map max 2 of text, n: int = 0, \
             want: Want so far, heard: message?, choice: Verdict = pay_it, pause: duration = 2h }\n",
        );
        out.push_str(&self.state("start state idle", 0));
        for at in 1..=STATES {
            let cap = self.dice.below(3) + 1;
            let per = self.dice.of(&["event", "event", "session"]);
            let to = self.dice.of(&["idle", "idle", "s1"]);
            let to = if to == "s1" && at == 1 { "idle" } else { to };
            let header = format!("state s{at} max {cap} per {per} else {to}");
            out.push_str(&self.state(&header, at));
        }
        out.push_str(&self.anywhere());
        out
    }

    fn anywhere(&mut self) -> String {
        self.texts = Self::slots();
        let message = match self.dice.below(5) {
            0 => "on message join".to_string(),
            1 => "on message drop".to_string(),
            2 => format!("on message m {{ {} }}", self.quick()),
            _ => "on message hold".to_string(),
        };
        let failed = match self.dice.below(4) {
            0 => format!("on failed why {{ {} -> idle }}\n  on uncertain -> idle", self.quick()),
            1 => format!(
                "on failed why {{ seen = why.detail {} -> s1 }}\n  on uncertain -> idle",
                self.quick()
            ),
            2 => format!("on failed or uncertain {{ {} -> idle }}", self.quick()),
            _ => "on failed or uncertain -> idle".to_string(),
        };
        let stop = if self.dice.one_in(3) { "on \"/stop\" -> idle\n  " } else { "" };
        format!("anywhere {{\n  {message}\n  {stop}{failed}\n}}\n")
    }

    fn slots() -> Vec<String> {
        ["order", "seen", "(first all or \"7\")", "(by[\"k\"] or \"7\")", "(want.note or \"\")"]
            .map(String::from)
            .to_vec()
    }

    fn state(&mut self, header: &str, at: usize) -> String {
        self.texts = Self::slots();
        let mut out = format!("{header} {{\n");
        let is_start = at == 0;
        let waits = is_start || self.dice.one_in(3);
        if !is_start || self.dice.one_in(5) {
            let steps = self.dice.below(4) + 1;
            out.push_str(&self.steps(steps, 2));
        }
        if !waits {
            out.push_str(&format!("  -> {}\n", self.target()));
        }
        if waits {
            if is_start || self.dice.one_in(2) {
                out.push_str(&self.message_handler());
            }
            if self.dice.one_in(3) {
                let steps = self.steps(1, 1);
                let to = self.target();
                out.push_str(&format!("  on \"/pay\" {{ {steps} -> {to} }}\n"));
            }
            if self.dice.one_in(4) {
                let local = self.local();
                let to = self.target();
                out.push_str(&format!("  on Alarm {local} {{ seen = {local}.host -> {to} }}\n"));
            }
            if self.dice.one_in(4) {
                let to = self.target();
                out.push_str(&format!("  every monday at 09:00 -> {to}\n"));
            }
            if self.dice.one_in(3) || is_start {
                let local = self.local();
                let to = self.target();
                out.push_str(&format!("  on wake {local} {{ order = {local} -> {to} }}\n"));
            }
        }
        if !is_start {
            let to = self.target();
            match self.dice.below(4) {
                0 => out.push_str(&format!("  after pause -> {to}\n")),
                1 => {
                    let quick = self.quick();
                    out.push_str(&format!("  after 1h {{ {quick} -> {to} }}\n"));
                }
                _ if waits => out.push_str("  after 3h -> idle\n"),
                _ => {}
            }
        }
        if !waits || !is_start {
            out.push_str(&self.reaction());
        }
        out.push_str("}\n");
        out
    }

    /// A handler that may run while a step is pending, or that takes a failure.
    fn reaction(&mut self) -> String {
        let mut out = String::new();
        match self.dice.below(6) {
            0 => {
                let (local, quick) = (self.local(), self.quick());
                out.push_str(&format!("  on \"/note\" {local} {{ {quick} seen = {local}.text }}\n"));
            }
            1 => {
                let (local, quick, to) = (self.local(), self.quick(), self.target());
                out.push_str(&format!(
                        "  on \"/note\" {local} {{ when {local}.text contains \"x\" {{ yes -> {to} }} {quick} }}\n"
                    ));
            }
            2 => {
                let (local, to) = (self.local(), self.target());
                out.push_str(&format!("  on failed {local} {{ order = {local}.detail -> {to} }}\n"));
            }
            3 => {
                let (local, quick) = (self.local(), self.quick());
                out.push_str(&format!("  on failed {local} {{ {quick} }}\n  after 9h -> idle\n"));
            }
            _ => {}
        }
        out
    }

    fn message_handler(&mut self) -> String {
        let local = self.local();
        let kept = self.texts.len();
        self.texts.push(format!("{local}.text"));
        let mut out = match self.dice.below(3) {
            0 => format!("  on message {local} {{ order = {local}.text "),
            1 => format!("  on message {local} {{ heard = {local} "),
            _ => format!("  on message {local} {{ "),
        };
        let (count, to) = (self.dice.below(2), self.target());
        out.push_str(&self.steps(count, 1));
        self.texts.truncate(kept);
        out.push_str(&format!(" -> {to} }}\n"));
        out
    }

    fn target(&mut self) -> String {
        match self.dice.below(STATES + 1) {
            0 => "idle".into(),
            at => format!("s{at}"),
        }
    }

    fn local(&mut self) -> String {
        self.locals += 1;
        format!("x{}", self.locals)
    }

    fn text(&mut self) -> String {
        match self.dice.below(6) {
            0 => "\"7\"".into(),
            1 => {
                let (a, b) = (self.read(), self.read());
                if a.contains('"') || b.contains('"') { a } else { format!("\"{{{a}}} {{{b}}}\"") }
            }
            _ => self.read(),
        }
    }

    fn read(&mut self) -> String {
        let at = self.dice.below(self.texts.len());
        self.texts[at].clone()
    }

    /// A step that does not wait.
    fn quick(&mut self) -> String {
        let text = self.text();
        match self.dice.below(13) {
            0 | 1 => format!("order = {text} "),
            2 => format!("seen = {text} "),
            3 => format!("add {text} to all "),
            4 => {
                let key = self.text();
                format!("by[{key}] = {text} ")
            }
            5 => format!("n = n + length ({text}) "),
            6 => {
                let delivery = if text.len().is_multiple_of(2) { "" } else { "with next message " };
                format!("send owner {text} {delivery}")
            }
            7 => format!("show {text} "),
            8 => {
                let scope = self.dice.of(&["person", "chat", "all"]);
                format!("remember {text} for {scope} ")
            }
            9 => format!("wake after 1d with {text} "),
            10 => "forget wakes ".into(),
            11 => "forget history ".into(),
            _ => {
                let inner = self.dice.of(&["order = \"8\"", "seen = order", "n = n + 1", "add \"9\" to all"]);
                format!("when {text} contains \"x\" {{ yes {{ {inner} }} }} ")
            }
        }
    }

    /// Steps one behind the other.
    fn steps(&mut self, count: usize, depth: usize) -> String {
        let mut out = String::new();
        for _ in 0..count {
            let step = if self.dice.one_in(3) || depth == 0 { self.quick() } else { self.step(depth) };
            out.push_str("  ");
            out.push_str(&step);
            out.push('\n');
        }
        out
    }

    /// Steps in an arm: what they bind ends with it.
    fn arm(&mut self, bound: &[String], depth: usize) -> String {
        let kept = self.texts.len();
        self.texts.extend_from_slice(bound);
        let count = self.dice.below(2);
        let mut out = self.steps(count, depth - 1);
        if self.dice.one_in(4) {
            out.push_str(&format!(" -> {}", self.target()));
        }
        self.texts.truncate(kept);
        format!("{{ {out} }}")
    }

    fn call(&mut self) -> String {
        let text = self.text();
        match self.dice.below(4) {
            0 | 1 => format!("web.fetch(query: {text})"),
            2 => format!("metrics.read(id: {text})"),
            _ => format!("files.read(path: {text})"),
        }
    }

    fn step(&mut self, depth: usize) -> String {
        match self.dice.below(20) {
            0 | 1 => {
                let (local, call) = (self.local(), self.call());
                self.texts.push(local.clone());
                format!("{local} = call {call}")
            }
            2 => {
                let (x, w, call) = (self.local(), self.local(), self.call());
                let done = self.arm(std::slice::from_ref(&x), depth);
                let failed = self.arm(&[format!("{w}.detail")], depth);
                format!("call {call} {{ done({x}) {done} failed({w}) {failed} }}")
            }
            3 => {
                let (call, to) = (self.call(), self.target());
                format!("call {call} else -> {to}")
            }
            4 | 5 => self.danger(depth),
            6 => {
                let (condition, yes, no) = (self.condition(), self.arm(&[], depth), self.arm(&[], depth));
                format!("when {condition} {{ yes {yes} no {no} }}")
            }
            7 => {
                let v = self.local();
                let (none, some) = (self.arm(&[], depth), self.arm(&[format!("{v}.text")], depth));
                format!("when heard {{ none {none} some({v}) {some} }}")
            }
            8 => {
                let (model, w, o) = (self.model(), self.local(), self.local());
                let pay = self.arm(&[], depth);
                let leave = self.arm(std::slice::from_ref(&w), depth);
                let more = self.arm(std::slice::from_ref(&o), depth);
                format!("pick Verdict {model} {{ pay_it {pay} leave_it({w}) {leave} more({o}) {more} }}")
            }
            9 => {
                let (model, w) = (self.model(), self.local());
                let pay = self.arm(&[], depth);
                let leave = self.arm(std::slice::from_ref(&w), depth);
                let more = self.arm(&[], depth);
                let o = self.local();
                format!(
                    "choice = pick Verdict {model} when choice {{ pay_it {pay} leave_it({w}) {leave} more({o}) {more} }}"
                )
            }
            kind => self.asking(kind, depth),
        }
    }

    /// A step that asks somebody or something.
    fn asking(&mut self, kind: usize, depth: usize) -> String {
        match kind {
            10 => {
                let (local, model) = (self.local(), self.model());
                self.texts.push(local.clone());
                format!("write {local} {model}")
            }
            11 => {
                let (model, q) = (self.model(), self.local());
                let complete = self.arm(&["(want.order or \"\")".into()], depth);
                let missing = self.arm(std::slice::from_ref(&q), depth);
                let nothing = self.arm(&[], depth);
                format!(
                    "fill want {model} {{ complete {complete} missing({q}) {missing} nothing {nothing} }}"
                )
            }
            12 => self.turn(depth),
            13 => {
                let (text, t) = (self.text(), self.local());
                let (done, late) = (self.arm(std::slice::from_ref(&t), depth), self.arm(&[], depth));
                format!("ask b(q: {text}) within 1m {{ done({t}) {done} failed or late {late} }}")
            }
            14 => {
                let (text, t, who) = (self.shown(), self.local(), self.dice.of(&["ben", "owner"]));
                let (says, late) = (self.arm(std::slice::from_ref(&t), depth), self.arm(&[], depth));
                format!("ask {who} {text} within 1h {{ says({t}) {says} late {late} }}")
            }
            15 => self.each(),
            16 => {
                let (a, b) = (self.local(), self.local());
                let (first, second) = (self.call(), self.call());
                self.texts.extend([a.clone(), b.clone()]);
                format!("together {{ {a} = call {first} {b} = call {second} }}")
            }
            17 => {
                let (local, query) = (self.local(), self.text());
                let scope = self.dice.of(&["person", "chat", "all"]);
                self.texts.push(format!("(first {local} or \"7\")"));
                format!("{local} = recall {query} from {scope} top 2")
            }
            18 => {
                let (to, text) = (self.text(), self.text());
                format!("call mail.send(to: {to}, text: {text}) else -> idle")
            }
            _ => {
                let (a, b) = (self.arm(&[], depth), self.arm(&[], depth));
                let by = self.dice.of(&["owner", "sender", "ben"]);
                let editing = self.dice.of(&["", "", " editing order"]);
                let shown = self.shown();
                format!("approve by {by}{editing} {shown} within 1h {{ yes {a} no or late {b} }}")
            }
        }
    }

    fn shown(&mut self) -> String {
        let text = self.read();
        if text.contains('"') { "\"Well?\"".into() } else { format!("\"Well: {{{text}}}?\"") }
    }

    fn condition(&mut self) -> String {
        let text = self.text();
        match self.dice.below(5) {
            0 => "n > 1".into(),
            1 => "length wakes > 0".into(),
            2 => format!("length all > 0 and {text} contains \"x\""),
            3 => "length by is 0".into(),
            _ => format!("{text} contains \"x\""),
        }
    }

    fn model(&mut self) -> String {
        let names: Vec<String> =
            self.texts.iter().filter(|text| !text.contains(['"', '('])).cloned().collect();
        let text = names[self.dice.below(names.len())].clone();
        let with = self.dice.of(&["", "", " with history", " with memory"]);
        let retry = self.dice.of(&["", "", " retry 1"]);
        format!("using fast from {text}{with}{retry} \"What now?\"")
    }

    fn turn(&mut self, depth: usize) -> String {
        let (t, c, w) = (self.local(), self.local(), self.local());
        let says = self.arm(std::slice::from_ref(&t), depth);
        let refuses = self.arm(&[], depth);
        let by = self.dice.of(&[
            " approved by owner within 1h",
            " approved by owner within 1h",
            "",
            " approved by sender within 1h",
        ]);
        let to = self.dice.of(&["", " -> idle", " -> s1"]);
        format!(
            "turn using fast with history {{ says({t}) {says} calls({c}) {{ run {c}{by}{to} }} refuses({w}) {refuses} }}"
        )
    }

    fn each(&mut self) -> String {
        let (item, at_once) = (self.local(), self.dice.of(&["", ", 2 at once"]));
        let kept = self.texts.len();
        self.texts.push(item.clone());
        let (y, call) = (self.local(), self.call());
        let body = match self.dice.below(4) {
            0 => format!("{y} = call {call}"),
            1 => format!("order = {item}"),
            2 => format!("{y} = call {call} add {y} to all"),
            _ => format!("{y} = call {call} seen = {y}"),
        };
        self.texts.truncate(kept);
        if self.dice.one_in(2) {
            format!("each {item} in all{at_once} {{ {body} }}")
        } else {
            let got = self.local();
            self.texts.push(format!("(first {got} or \"7\")"));
            format!("{got} = each {item} in all{at_once} {{ {y} = call {call} }}")
        }
    }

    /// A dangerous call, as a rule behind an approval that shows what it does.
    fn danger(&mut self, depth: usize) -> String {
        let text = self.read();
        let quoted = text.contains('"');
        if self.bare_calls || self.dice.one_in(8) || quoted {
            let text = if self.dice.one_in(2) { "\"7\"".into() } else { text };
            return format!("call orders.refund(order: {text}, amount: 5 eur)");
        }
        let who = if self.public { self.dice.of(&["owner", "owner", "sender", "ben"]) } else { "owner" };
        let no = self.arm(&[], depth);
        let between = if self.dice.one_in(5) { self.quick() } else { String::new() };
        format!(
            "approve by {who} \"Refund on {{{text}}}?\" within 1h {{ yes {{ {between}call orders.refund(order: {text}, amount: 5 eur) }} no or late {no} }}"
        )
    }

    /// The agent that is asked.
    fn asked(&mut self) -> String {
        self.texts = vec!["q".into()];
        self.locals = 0;
        let mut steps = String::new();
        if self.dice.one_in(2) {
            steps.push_str("page = call web.fetch(query: q) ");
            self.texts.push("page".into());
        }
        if self.dice.one_in(3) {
            steps.push_str("hits = recall q from person top 2 ");
            self.texts.push("(first hits or \"7\")".into());
        }
        if self.dice.one_in(3) {
            let text = self.read();
            steps.push_str(&format!("remember {text} for person "));
        }
        if self.dice.one_in(3) {
            steps.push_str("write t using fast from q retry 1 \"?\" ");
            self.texts.push("t".into());
        }
        if self.dice.one_in(3) {
            let (text, kept) = (self.read(), self.read());
            steps.push_str(&format!(
                "when {text} contains \"x\" {{ yes {{ done \"8\" }} no {{ done {kept} }} }}"
            ));
        } else {
            let text = self.read();
            steps.push_str(&format!("done {text}"));
        }
        format!(
            "=== file b.agent\nagent b v1 (q: text) gives text\ngoal \"g\"\nmodels {{ fast = \"anthropic/claude-haiku-5-5\" }}\n             budget {{ message = 9 calls }}\ncan use web.fetch\nstart state look {{ x0 = 1 + 1 {steps} }}\n\
             state nothing_found {{ done \"none\" }}\nanywhere {{ on failed -> nothing_found }}\n"
        )
    }
}
