// SPDX-License-Identifier: MIT OR Apache-2.0
//! Splitting: small limits show the rules, random texts show the laws.

use super::*;

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

#[test]
fn t09_counts_utf16_units() {
    let fits = "😀".repeat(2048);
    assert_eq!(split(&fits, MESSAGE_UNITS_MAX), [fits.as_str()]);
    let parts = split(&format!("{fits}😀"), MESSAGE_UNITS_MAX);
    assert_eq!(parts.iter().map(|part| utf16(part)).collect::<Vec<_>>(), [4096, 2]);
    assert_eq!(split(&"ä".repeat(4096), MESSAGE_UNITS_MAX).len(), 1);
}

#[test]
fn t09_never_inside_a_grapheme() {
    let family = "👩‍👩‍👧‍👦";
    assert_eq!(utf16(family), 11);
    for units_max in 11..40 {
        let parts = split(&family.repeat(20), units_max);
        assert!(
            parts.iter().all(|part| part.starts_with('👩') && utf16(part).is_multiple_of(11)),
            "{units_max}"
        );
        assert_eq!(parts.concat(), family.repeat(20));
    }
    let accents = "e\u{301}".repeat(50);
    assert!(split(&accents, 7).iter().all(|part| part.starts_with('e') && part.ends_with('\u{301}')));
}

#[test]
fn t09_a_grapheme_longer_than_a_message_is_cut_between_characters() {
    let zalgo = format!("z{}", "\u{301}".repeat(10_000));
    let parts = split(&zalgo, MESSAGE_UNITS_MAX);
    assert_eq!((parts.len(), parts.concat()), (3, zalgo));
}

#[test]
fn t09_cuts_at_ends_of_lines_and_words() {
    assert_eq!(split("one two\nthree four\nfive", 19), ["one two\nthree four", "five"]);
    assert_eq!(split("alpha beta gamma delta", 12), ["alpha beta", "gamma delta"]);
}

#[test]
fn t09_fences_are_closed_and_opened_again() {
    let code = format!("Look:\n```rust\n{}```\nDone.", "    let x = 1;\n".repeat(20));
    let parts = split(&code, 100);
    assert!(parts.len() > 3);
    for part in &parts {
        assert!(utf16(part) <= 100, "{part}");
        assert_eq!(part.matches("```").count() % 2, 0, "{part}");
        assert!(!part.contains("let x") || part.contains("```rust\n    let x"), "{part}");
    }
    let lines: usize = parts.iter().map(|part| part.matches("    let x = 1;").count()).sum();
    assert_eq!((lines, parts.last().map(|part| part.ends_with("Done."))), (20, Some(true)));
    // Four backticks are not closed by three.
    let nested = format!("````md\n```\n{}\n```\n````", "x".repeat(60));
    assert!(split(&nested, 50).iter().all(|part| part.starts_with("````md\n") && part.ends_with("````")));
    assert_eq!(split("```\ncut off", 100), ["```\ncut off\n```"]);
}

#[test]
fn t09_fences_that_are_absurdly_long_are_text() {
    let ticks = "`".repeat(10_000);
    let spaces = " ".repeat(10_000);
    for text in [ticks.clone(), format!("```\n{ticks}\n"), format!("{spaces}```\nx\n{spaces}```\ny")] {
        let parts = split(&text, MESSAGE_UNITS_MAX);
        assert!(parts.iter().all(|part| utf16(part) <= MESSAGE_UNITS_MAX));
    }
}

#[test]
fn never_empty() {
    for blank in ["", " ", "\n\n", "\u{0}\u{7}", "\u{200B}"] {
        assert_eq!(split(blank, MESSAGE_UNITS_MAX), [NOTHING], "{blank:?}");
    }
    assert_eq!(split("a\u{0}b\r\nc", MESSAGE_UNITS_MAX), ["ab\nc"]);
}

/// xorshift64, so that a failure can be repeated from the seed.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap()
}

#[test]
fn t09_nothing_that_prints_is_lost_and_no_message_is_too_long() {
    let pieces = [
        "word ",
        "😀",
        "e\u{301}",
        "\n",
        "\n\n",
        "```\n",
        "```q\n",
        "\n```\n",
        "long".repeat(30).leak(),
        "`",
        " ",
        "中文",
        "👩‍👩‍👧‍👦",
    ];
    for seed in 1..=2_000_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let text: String =
            (0..next(&mut state) % 60).map(|_| pieces[next(&mut state) % pieces.len()]).collect();
        let units_max = 40 + next(&mut state) % 100;
        let parts = split(&text, units_max);
        assert!(!parts.is_empty(), "{seed}");
        for part in &parts {
            assert!(utf16(part) <= units_max, "seed {seed}: {} > {units_max}: {part:?}", utf16(part));
            assert!(part.chars().any(prints), "seed {seed}: {part:?}");
        }
        // Fences are added in pairs, with the word `q` of some; everything else stays in order.
        let printed =
            |text: &str| text.chars().filter(|c| prints(*c) && !matches!(c, '`' | 'q')).collect::<String>();
        let expected = printed(&text);
        let got = printed(&parts.concat());
        assert!(
            got == expected || (expected.is_empty() && got == NOTHING),
            "seed {seed}: {text:?} → {parts:?}"
        );
    }
}
