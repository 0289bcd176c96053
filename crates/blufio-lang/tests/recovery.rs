// SPDX-License-Identifier: MIT OR Apache-2.0
//! One mistake costs one declaration: every token of every example is deleted, doubled and replaced in turn.

use std::time::Duration;

use blufio_lang::ast::ItemKind;

use crate::examples::examples;
use crate::support::{codes, parsed, processor_time, shapes, tokens, without_places};

/// Damages one token of each example in turn and checks what must survive.
fn damage_every_token(step: usize, replacement: impl Fn(&str) -> String) -> (usize, usize) {
    let (mut damaged, mut refused) = (0, 0);
    for (name, text) in examples() {
        let (whole, _) = parsed(&text);
        let before = shapes(&whole.items);
        for token in tokens(&text).into_iter().step_by(step) {
            let start = token.start as u32;
            // A word at the start of a line is where files are cut, so damage there may cost the declaration above too.
            if token.start == 0 || text.as_bytes()[token.start - 1] == b'\n' {
                continue;
            }
            let mut broken = text.clone();
            broken.replace_range(token.clone(), &replacement(&text[token.clone()]));
            let (file, diagnostics) = parsed(&broken);
            let after = shapes(&file.items);
            damaged += 1;
            let place = format!("{name}: `{}` at {start}", &text[token.clone()]);
            let others = whole
                .items
                .iter()
                .zip(&before)
                .filter(|(item, _)| start < item.span.start || start >= item.span.end);
            let missing = others.filter(|(_, shape)| !after.contains(shape)).count();
            if file.recovered {
                assert!(diagnostics.has_errors(), "{place}: lost without a word");
                refused += 1;
            }
            assert_eq!(missing, 0, "{place}: {:?}", codes(&diagnostics));
            for found in diagnostics.iter() {
                assert!(
                    found.label.span.end as usize <= broken.len()
                        && found.label.span.start <= found.label.span.end,
                    "{place}"
                );
                assert!(
                    !found.title.contains("kw_") && !found.label.message.contains('_'),
                    "{place}: {found:?}"
                );
            }
            assert!(
                diagnostics.iter().filter(|d| d.code == "E0003").count() <= 1,
                "{place}: one mistake, one syntax error"
            );
        }
    }
    (damaged, refused)
}

#[test]
fn a_deleted_token_costs_one_declaration_at_the_most() {
    let (damaged, refused) = damage_every_token(1, |_| String::new());
    assert!(damaged > 1_500 && refused * 2 > damaged, "{damaged} damaged, {refused} refused");
}

#[test]
fn a_foreign_sign_costs_one_declaration_at_the_most() {
    let (damaged, refused) = damage_every_token(2, |token| format!("{token} ;"));
    assert_eq!(damaged, refused, "`;` is never part of a program");
}

#[test]
fn a_doubled_token_costs_one_declaration_at_the_most() {
    let (damaged, refused) = damage_every_token(3, |token| format!("{token} {token}"));
    assert!(refused * 2 > damaged, "{damaged} damaged, {refused} refused");
}

#[test]
fn two_broken_states_give_two_errors_and_the_third_state_is_there() {
    let text = "agent a v1\n\nstart state one { on message m - > two }\nstate two { reply }\nstate three { -> one }\n";
    let (file, diagnostics) = parsed(text);
    assert_eq!(codes(&diagnostics), ["E0003", "E0003"]);
    assert!(file.recovered);
    let [only] = file.items.as_slice() else { panic!("{:?}", file.items) };
    assert!(matches!(&only.kind, ItemKind::State(state) if state.name.node == "three"));
}

#[test]
fn a_label_without_arrow_or_block_is_told_what_is_missing() {
    let text = "agent a v1\nstart state one {\n  when x {\n    yes\n    no -> one\n  }\n}\n";
    let (_, diagnostics) = parsed(text);
    let found = diagnostics.iter().next().unwrap();
    assert_eq!(found.code, "E0003");
    assert_eq!(&text[found.label.span.start as usize..found.label.span.end as usize], "no");
    assert!(found.label.message == "expected `->` or `{` after the label", "{}", found.label.message);
    assert!(found.hint.as_deref().unwrap().contains("-> STATE"));
}

#[test]
fn a_word_of_a_prompt_at_the_start_of_a_line_cuts_nothing() {
    let text = "agent a v1\nstart state one {\n  reply \"\"\"\nstate your wish.\ntype it here, {x} of \\{two}\n\"\"\"\n}\nkeep {\nzone: text\ntype: text\n}\n";
    let (file, diagnostics) = parsed(text);
    assert!(diagnostics.is_empty(), "{:?}", codes(&diagnostics));
    assert_eq!(file.items.len(), 2);
    let shape = without_places(&file.items);
    assert!(shape.contains("state your wish.\\ntype it here, ") && shape.contains(" of {two}\\n"), "{shape}");
}

#[test]
fn spans_begin_at_the_base_of_the_file() {
    let text = "agent a v1\nstart state one { -> one }\n";
    let (near, _) = blufio_lang::parse::parse("a.agent", text, 0);
    let (far, _) = blufio_lang::parse::parse("a.agent", text, 1_000);
    assert_eq!(near.items[0].span.start, 11);
    assert_eq!(far.items[0].span.start, 1_011);
    assert_eq!(far.items[0].span.end, near.items[0].span.end + 1_000);
    let (_, diagnostics) =
        blufio_lang::parse::parse("a.agent", "agent a v1\nstart state one { => }\n", 1_000);
    assert_eq!(diagnostics.iter().next().unwrap().label.span.start, 1_029);
}

#[test]
fn line_ends_and_byte_order_marks_change_nothing() {
    for (name, text) in examples() {
        let (file, _) = parsed(&text);
        let expected = without_places(&file);
        let windows = text.replace('\n', "\r\n");
        let old = text.replace('\n', "\r");
        let marked = format!("\u{feff}{text}");
        for other in [windows, old, marked] {
            let decoded = blufio_lang::parse::decode(other.as_bytes()).unwrap();
            assert_eq!(decoded, text);
            assert_eq!(without_places(&parsed(&decoded).0), expected, "{name}");
        }
        // Also undecoded, for callers that hold the text of an editor.
        assert_eq!(without_places(&parsed(&text.replace('\n', "\r\n")).0), expected, "{name}");
    }
}

/// A program of about `bytes` bytes whose states all differ.
pub fn generated(bytes: usize) -> (String, usize) {
    use std::fmt::Write as _;
    let mut text = String::from(
        "agent big v1\n\ntype Wish = question | refund(order: text, amount: money eur) | other\n\n",
    );
    let mut states = 0;
    while text.len() < bytes {
        let start = if states == 0 { "start " } else { "" };
        write!(
            text,
            "/// State number {states}.\n{start}state s{states} max 4 per event else s0 {{\n  x = a.b + {states} * (c - 1)\n  pick Wish using fast from m, x with history \"What, {{x}}?\" {{\n    \
             question -> s{states}\n    refund(order, amount) {{ reply \"One {{order}}.\" -> s0 }}\n    other {{ when x > 3 and not y {{ yes {{ when y {{ yes -> s0  no -> s1 }} }}  no -> s0 }} }}\n  }}\n  \
             on message m -> s0\n}}\n\n"
        )
        .unwrap();
        states += 1;
    }
    (text, states)
}

#[test]
fn a_large_program_is_read_in_linear_time() {
    let (small, _) = generated(50_000);
    let (large, states) = generated(200_000);
    let time = |text: &str| {
        let begin = processor_time();
        let (file, diagnostics) = parsed(text);
        assert!(diagnostics.is_empty(), "{:?}", codes(&diagnostics));
        (processor_time() - begin, file.items.len())
    };
    let (first, _) = time(&small);
    let (second, items) = time(&large);
    assert_eq!(items, states + 1);
    assert!(second < Duration::from_secs(10), "200 KB took {second:?}");
    // Four times the text; a quadratic parser would need sixteen times as long.
    assert!(second < first * 10 + Duration::from_millis(200), "50 KB took {first:?}, 200 KB took {second:?}");
}
