// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions and versions of their program.

use std::sync::Arc;

use blufio_agent::Envelope;
use blufio_agent::replay::{Verdict, moved_between, verify};
use blufio_lang::program::Program;

use crate::requests::silent;
use crate::world::{agent, say};

#[tokio::test]
async fn idle_sessions_move_to_the_next_version_and_busy_ones_finish_on_theirs() {
    let first = r#"agent count v1
goal "Count."
models { fast = "fake/small" }
type Mood = good | bad
keep { count: int = 0  mood: Mood = good  old: text = "x" }
start state idle {
  on "/pause" -> paused
  on "/bad" { mood = bad  reply "bad" }
  on message m { count = count + 1  reply "v1 {count} {mood}" }
}
state paused { on message m { reply "v1 paused" -> idle } }
anywhere { on failed why -> idle }
"#;
    let second = first
        .replace("v1", "v2")
        .replace("good | bad", "bad | fine | good")
        .replace("count: int = 0", "sum: int = 0")
        .replace("count = count + 1", "sum = sum + 1")
        .replace("{count}", "{sum}")
        .replace("  old: text = \"x\" }", "  more: int = 5 }")
        + "migrate from v1 { count -> sum  drop old }\n";
    let world = silent(first);
    let handle = world.start().await;
    for (number, chat, words) in [(1, "7", "a"), (2, "7", "/bad"), (3, "8", "b")] {
        say(&handle, number, chat, words).await;
        handle.quiet().await;
    }
    handle.reload(vec![agent(&second)], world.routes()).await.unwrap();
    for (number, chat) in [(4, "7"), (5, "8")] {
        say(&handle, number, chat, "c").await;
        handle.quiet().await;
    }
    assert_eq!(world.texts("7"), ["v1 1 good", "bad", "v2 2 bad"]);
    assert_eq!(world.texts("8"), ["v1 1 good", "v2 2 good"]);
    // Without a word about it, a slot that is gone keeps the session on its version.
    let third = second
        .replace("v2", "v3")
        .replace("migrate from v1 { count -> sum  drop old }\n", "")
        .replace("sum", "total");
    handle.reload(vec![agent(&third)], world.routes()).await.unwrap();
    say(&handle, 6, "7", "d").await;
    say(&handle, 7, "9", "d").await;
    handle.quiet().await;
    assert_eq!(world.texts("7")[3], "v2 3 bad");
    // The journal gives the same session again, through both of its programs.
    let row = world.store.session("count/telegram:7").await.unwrap().unwrap();
    let journal = world.store.journal(row.id, 0, 10_000).await.unwrap();
    let (from, to) = journal.iter().find_map(moved_between).unwrap();
    assert_eq!(to, row.program);
    let mut programs = Vec::new();
    for hash in [from, to] {
        let bytes = world.store.program(hash).await.unwrap().unwrap();
        programs.push((hash, Arc::new(Program::from_bytes(&bytes).unwrap())));
    }
    let known =
        |hash| programs.iter().find(|(known, _)| *known == hash).map(|(_, program)| Arc::clone(program));
    let Verdict::Same { machine, steps } = verify(known(from).unwrap(), &journal, known).unwrap() else {
        panic!("the journal is not what its programs do");
    };
    assert!(steps > 3);
    assert_eq!(machine.encode(), Envelope::decode(&row.state).unwrap().machine);
    assert_eq!(world.texts("9"), ["v3 1 good"]);
}

/// The text of a file changes and its version does not: what strangers wrote is not taken for the owner's own choice.
#[tokio::test]
async fn a_file_edited_in_place_takes_over_only_what_its_proofs_count_on() {
    let first = r#"agent note v1
// Whoever writes as ben does is not the owner.
goal "Note."
models { fast = "fake/small" }
keep { last: text = "none" }
start state idle {
  on message m { last = m.text  reply "noted" }
}
anywhere { on failed why -> idle }
"#;
    let world = silent(first);
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    handle.quiet().await;
    // The slot is never written there, so every proof would take it for `none`.
    let trusting = first.replace("last = m.text  reply \"noted\"", "reply \"only {last}\"");
    handle.reload(vec![agent(&trusting)], world.routes()).await.unwrap();
    say(&handle, 2, "7", "b").await;
    say(&handle, 3, "8", "b").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["noted", "noted"]);
    assert_eq!(world.texts("8"), ["only none"]);
    let counting = first.replace("reply \"noted\"", "reply \"again {last}\"");
    handle.reload(vec![agent(&counting)], world.routes()).await.unwrap();
    say(&handle, 4, "7", "c").await;
    handle.quiet().await;
    assert_eq!(world.texts("7")[2], "again c");
}
