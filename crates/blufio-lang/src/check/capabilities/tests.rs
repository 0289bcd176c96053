// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rows of agents that ask one another.

use super::super::labels::tests::{codes, found};

/// An agent that asks the next one with these tools; the last one uses `web.fetch`.
fn row(length: usize, with: &str) -> String {
    let mut out = format!(
        "agent a v1\ngoal \"g\"\ncan ask b1 {with}\n\
         start state idle {{ on message m {{ ask b1(q: \"x\") within 1m {{ done(t) {{ reply t -> idle }} failed or late -> idle }} }} }}\n\
         anywhere {{ on message hold }}\n"
    );
    for at in 1..=length {
        let body = if at == length {
            "can use web.fetch\nstart state look { page = call web.fetch(query: q) else -> nothing_found  done page }".to_string()
        } else {
            let next = at + 1;
            format!(
                "can ask b{next} {with}\nstart state look {{ ask b{next}(q: q) within 1m {{ done(t) {{ done t }} failed or late -> nothing_found }} }}"
            )
        };
        out.push_str(&format!(
            "=== file b{at}.agent\nagent b{at} v1 (q: text) gives text\ngoal \"g\"\n{body}\nstate nothing_found {{ done \"none\" }}\n"
        ));
    }
    out
}

#[test]
fn tools_are_passed_on_along_the_whole_row() {
    assert_eq!(
        codes(&row(3, "with web.fetch")),
        Vec::<&str>::new(),
        "{:?}",
        found(&row(3, "with web.fetch"))
    );
    // Every grant that is too small is named, not only the last.
    assert_eq!(codes(&row(3, "")), ["E0610", "E0610", "E0610"]);
    let first_only = row(2, "with web.fetch").replacen("can ask b1 with web.fetch", "can ask b1", 1);
    assert_eq!(codes(&first_only), ["E0610"]);
}

#[test]
fn at_most_three_are_asked_in_a_row() {
    let found = found(&row(4, "with web.fetch"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == "E0612" && found[0].1.starts_with("more than 3"), "{found:?}");
}
