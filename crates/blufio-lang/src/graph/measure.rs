// SPDX-License-Identifier: MIT OR Apache-2.0
//! How wide a text will be. No font is at hand, so the widths are those of common sans-serif fonts, rounded up.

/// Height of a line as a part of its font size.
pub(super) const LINE: f64 = 1.35;

/// Width in pixels at a font size.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(of).sum::<f64>() * size
}

fn of(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.33,
        'f' | 't' | 'r' | ' ' | '/' | '(' | ')' | '[' | ']' | '-' | '"' => 0.42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.95,
        'A'..='Z' => 0.72,
        c if u32::from(c) >= 0x1100 => 1.05,
        _ => 0.62,
    }
}

/// At most this many characters, the rest as `…`.
pub(super) fn cut(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_string();
    }
    text.chars().take(characters_max.saturating_sub(1)).chain(['…']).collect()
}

/// Words of a list in lines of at most this many characters; a single word may be longer.
pub(super) fn wrapped(words: &[String], characters_max: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let word = if at + 1 < words.len() { format!("{word},") } else { word.clone() };
        match out.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= characters_max => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => out.push(word),
        }
    }
    out
}
