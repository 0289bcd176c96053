// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random programs and random layouts of programs. Cuts texts by itself, so that a mistake of the formatter's own
//! scanner is seen.

/// A small reproducible generator (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// A piece of a text, with what stood before it.
struct Unit {
    text: String,
    /// White space before it, as written.
    before: String,
}

/// Cuts at white space and around brackets and commas, outside of texts in quotes.
fn units(text: &str) -> Vec<Unit> {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut at, mut before) = (Vec::new(), 0, String::new());
    while at < chars.len() {
        let start = at;
        match chars[at] {
            c if c.is_whitespace() => {
                before.push(c);
                at += 1;
                continue;
            }
            '/' if chars.get(at + 1) == Some(&'/') => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '"' => at = text_end(&chars, at),
            '(' | ')' | '{' | '}' | '[' | ']' | ',' => at += 1,
            _ => {
                while at < chars.len()
                    && !chars[at].is_whitespace()
                    && !chars[at..].starts_with(&['/', '/'])
                    && !matches!(chars[at], '(' | ')' | '{' | '}' | '[' | ']' | ',' | '"')
                {
                    at += 1;
                }
            }
        }
        let piece: String = chars[start..at].iter().collect();
        out.push(Unit { text: piece.trim_end().to_string(), before: std::mem::take(&mut before) });
    }
    out
}

/// One past the end of a text in quotes, values inside included.
fn text_end(chars: &[char], start: usize) -> usize {
    let is_long = |at: usize| chars[at..].starts_with(&['"', '"', '"']);
    let long = is_long(start);
    let mut at = start + if long { 3 } else { 1 };
    let mut depth = 0;
    while at < chars.len() {
        match chars[at] {
            '\\' if depth == 0 => at += 1,
            '"' if depth > 0 => at = text_end(chars, at) - 1,
            '"' if long && is_long(at) => return at + 3,
            '"' if !long => return at + 1,
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// The code without white space and comments.
pub fn tokens(text: &str) -> String {
    units(text).into_iter().filter(|unit| !unit.text.starts_with("//")).map(|unit| unit.text).collect()
}

/// The comments in order.
pub fn comments(text: &str) -> Vec<String> {
    units(text).into_iter().filter(|unit| unit.text.starts_with("//")).map(|unit| unit.text).collect()
}

/// The same program in another layout: other blanks, and with `lines` also other line ends and more comments.
pub fn relaid(text: &str, dice: &mut Dice, lines: bool) -> String {
    let units = units(text);
    let mut out = String::new();
    for (at, unit) in units.iter().enumerate() {
        let above = at.checked_sub(1).map(|above| &units[above]);
        if above.is_none() {
            out.push_str(if dice.one_in(2) { "" } else { "\n\n" });
        } else if let Some(above) = above {
            out.push_str(&space(above, unit, dice, lines));
        }
        out.push_str(&unit.text);
        if unit.text.starts_with("//") {
            out.push_str(if dice.one_in(3) && !unit.text.starts_with("///") { "   " } else { "" });
        }
    }
    out.push_str(dice.of(&["", "\n", "  \n\n"]));
    out
}

fn blanks(dice: &mut Dice, least: usize) -> String {
    " ".repeat(least + if dice.one_in(3) { dice.below(5) } else { 0 })
}

fn space(above: &Unit, unit: &Unit, dice: &mut Dice, lines: bool) -> String {
    let was_line = unit.before.contains('\n');
    let is_top = was_line && unit.before.ends_with('\n');
    let is_documented = above.text.starts_with("///");
    let is_bracket = |text: &str| matches!(text, "(" | ")" | "{" | "}" | "[" | "]" | ",");
    let is_loose = is_bracket(&above.text) || is_bracket(&unit.text);
    if is_documented && is_top {
        return "\n".to_string();
    }
    if is_top || (was_line && !lines) {
        // As many line ends as before, so that only blanks differ; a declaration stays at the beginning of its line.
        let ends = unit.before.matches('\n').count();
        let extra = if lines && dice.one_in(4) { comment(dice) } else { String::new() };
        let more = if lines { dice.below(3) } else { 0 };
        let indent = if is_top { String::new() } else { blanks(dice, 1) };
        return format!("{}{extra}{}{indent}", blanks(dice, 0), "\n".repeat(ends + more));
    }
    if above.text.starts_with("//") {
        return format!("\n{}", blanks(dice, 1));
    }
    // Between amount and currency only blanks are allowed.
    let is_amount = above.text.starts_with(|c: char| c.is_ascii_digit());
    let is_currency = unit.text.len() >= 3 && unit.text.chars().take(3).all(|c| c.is_ascii_lowercase());
    if !lines || (is_amount && is_currency) {
        return blanks(dice, usize::from(!unit.before.is_empty() || (!is_loose && !above.text.is_empty())));
    }
    match dice.below(12) {
        0 | 1 => format!("{}\n{}", blanks(dice, 0), blanks(dice, 1)),
        2 => format!("\n\n\n{}", blanks(dice, 1)),
        3 => format!("{}{}\n{}", blanks(dice, 1), comment(dice), blanks(dice, 1)),
        4 => format!("\n  {}\n\n{}", comment(dice), blanks(dice, 1)),
        5 => "\t".to_string(),
        _ => blanks(dice, usize::from(!is_loose)),
    }
}

fn comment(dice: &mut Dice) -> String {
    let word = dice.of(&["why", "\"quoted", "{ open", "}", "-> x", "ä ö", "", "//", "state x {"]);
    format!("// {} {word}", dice.below(1000)).trim_end().to_string()
}

/// A program that parses. Names are not resolved: the formatter does not ask.
pub fn program(dice: &mut Dice) -> String {
    let mut out = format!("agent a{} v{}\n", dice.below(9), dice.below(9));
    for _ in 0..dice.below(4) {
        let line = match dice.below(6) {
            0 => "goal \"g\"".to_string(),
            1 => format!("models {{ fast = \"a/b\" smart = \"c/d\" else {} }}", text(dice)),
            2 => "budget { message = 8 calls, 0.06 usd day = 3 eur }".to_string(),
            3 => format!("type T{} = {}", dice.below(9), types(dice, 2)),
            4 => format!("keep {{ a: {}, b: int = {} }}", types(dice, 1), value(dice, 2)),
            _ => "/// about it\ntype W = x | y(a: text max 3, b: T?) | z".to_string(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    for number in 0..1 + dice.below(3) {
        let start = if number == 0 { "start " } else { "" };
        out.push_str(&format!("{start}state s{number} {{ {} {} }}\n", steps(dice, 3), handlers(dice)));
    }
    out
}

fn types(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth == 0 { 4 } else { 7 }) {
        0 => "text".to_string(),
        1 => "int -1 to 5".to_string(),
        2 => "orders.find?".to_string(),
        3 => "money eur".to_string(),
        4 => format!("list max 3 of {}", types(dice, depth - 1)),
        5 => format!("map of {}", types(dice, depth - 1)),
        _ => format!("{}?", types(dice, depth - 1)),
    }
}

fn text(dice: &mut Dice) -> String {
    dice.of(&[
        "\"\"",
        "\"a {b} c\"",
        "\"é // no comment\"",
        "\"\"\"x\n  {y or \"z\"}\n\"\"\"",
        "\"q \\\" \\{\"",
    ])
    .to_string()
}

fn value(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return dice
            .of(&["a", "b.c", "5", "-3", "2.50 eur", "08:00", "2026-01-31", "30m", "none", "now", "yes"])
            .to_string();
    }
    let inner = |dice: &mut Dice| value(dice, depth - 1);
    match dice.below(9) {
        0 => format!("{} {} {}", inner(dice), dice.of(&["+", "-", "*", "/", "%"]), inner(dice)),
        1 => format!(
            "({} {} {})",
            inner(dice),
            dice.of(&["and", "or", "<", ">=", "is", "is not"]),
            inner(dice)
        ),
        2 => format!("[{}, {}]", inner(dice), inner(dice)),
        3 => format!("refund(order: {}, {})", inner(dice), inner(dice)),
        4 => format!("not {}", inner(dice)),
        5 => format!("length m[{}]", inner(dice)),
        6 => text(dice),
        7 => format!("- ({})", inner(dice)),
        _ => inner(dice),
    }
}

fn steps(dice: &mut Dice, depth: usize) -> String {
    (0..dice.below(4)).map(|_| step(dice, depth)).collect::<Vec<_>>().join(" ")
}

fn step(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth == 0 { 6 } else { 11 }) {
        0 => "-> s0".to_string(),
        1 => format!("x = {}", value(dice, 2)),
        2 => format!("reply {}", value(dice, 1)),
        3 => format!("m[{}] += {}", value(dice, 1), value(dice, 1)),
        4 => format!("call orders.find(a: {}) retry 2", value(dice, 1)),
        5 => format!("send owner {}{}", text(dice), dice.of(&["", " with next message"])),
        6 => format!("when a {{ {} }}", arms(dice, depth - 1)),
        7 => {
            format!("pick W using fast from a, b with history {} {{ {} }}", text(dice), arms(dice, depth - 1))
        }
        8 => format!("call a.b() else {{ {} }}", steps(dice, depth - 1)),
        9 => format!("did = each t in a, 5 at once {{ {} }}", steps(dice, depth - 1)),
        _ => format!("ask ben {} within 2h {{ {} }}", text(dice), arms(dice, depth - 1)),
    }
}

fn arms(dice: &mut Dice, depth: usize) -> String {
    let arm = |dice: &mut Dice| {
        let label =
            dice.of(&["yes", "no or late", "done(x)", "refund(a, b)", "-4", "12 or 3", "\"/x\"", "else"]);
        match dice.below(3) {
            0 => format!("{label} -> s0"),
            _ => format!("{label} {{ {} }}", steps(dice, depth)),
        }
    };
    (0..1 + dice.below(3)).map(|_| arm(dice)).collect::<Vec<_>>().join(" ")
}

fn handlers(dice: &mut Dice) -> String {
    let handler = |dice: &mut Dice| match dice.below(5) {
        0 => "on message m -> s0".to_string(),
        1 => "on failed or uncertain hold".to_string(),
        2 => format!("on \"/stop\" {{ {} }}", steps(dice, 1)),
        3 => "after 08:00 in \"UTC\" -> s0".to_string(),
        _ => format!("every 30m when changed [a.b(x: {})] {{ {} }}", value(dice, 1), steps(dice, 1)),
    };
    (0..dice.below(3)).map(|_| handler(dice)).collect::<Vec<_>>().join(" ")
}
