// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models that want all the money they can get, against one cap that 64 people share. What is charged and what is
//! reserved stay below it at every look, over ten minutes of their messages, and the work goes on until it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use blufio_core::model::{ModelRequest, Usage};
use blufio_core::store::OPEN;

use crate::money::{cost, priced, used};
use crate::world::{Answer, TOMORROW_MS, World, calls, message, newest, says, tokens_of};

const PEOPLE: usize = 64;
const MINUTES: usize = 10;
const LOOK_MS: usize = 5_000;
const SAY_EVERY_LOOKS: usize = 4;
/// Shortest attempt that is made: a prompt, and an answer of 256 tokens.
const LEAST_USD_MICROS: i64 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Greed {
    /// Answers as long as it may.
    Long,
    /// Asks for another tool, at length.
    Tools,
    /// Answers, and does not say what that used.
    Silent,
    /// Never answers, and is paid all the same: every call ends with its event's time.
    Hangs,
}

fn desk(most_usd: &str) -> String {
    format!(
        r#"agent desk v1
goal "Help."
models {{ fast = "fake/small" }}
budget {{ message = 20 calls, 20s  day = {most_usd} usd }}
can use time.now
context {{ dynamic history last 12 messages max 8000 tokens }}
start state idle {{ on message m -> think }}
state think max 20 per event else idle {{
  turn using fast with history {{
    says(text) {{ reply text -> idle }}
    calls(tools) {{ run tools -> think }}
    refuses(why) -> idle
  }}
}}
anywhere {{ on message hold  on failed why {{ reply "Failed: {{why.kind}}" -> idle }}  on over_budget {{ reply "too dear" -> idle }} }}
"#
    )
}

/// What came of ten minutes.
struct Spent {
    /// What the provider would bill.
    bill_usd_micros: i64,
    charged_usd_micros: i64,
    /// When the last call was made, looks.
    last_call_at: usize,
    refused: usize,
}

async fn ten_minutes(greed: Greed, most_usd: &str, most_usd_micros: i64) -> Spent {
    let bill = Arc::new(AtomicI64::new(0));
    let charge = bill.clone();
    let script = move |request: &ModelRequest, number: usize| {
        let output_tokens = u64::from(request.output_tokens_max);
        let usage = Usage { input_tokens: tokens_of(request), output_tokens, ..Usage::default() };
        charge.fetch_add(cost(&usage), Ordering::SeqCst);
        match greed {
            Greed::Long => used(says(&newest(request)), Some(usage)),
            Greed::Tools => used(calls(&format!("c{number}"), "time_now", "{}"), Some(usage)),
            Greed::Silent => used(says("a"), None),
            Greed::Hangs => Answer::Hang(vec![]),
        }
    };
    let mut world = World::new(&desk(most_usd), script);
    priced(&mut world);
    let handle = world.start().await;
    let mut spent = Spent { bill_usd_micros: 0, charged_usd_micros: 0, last_call_at: 0, refused: 0 };
    let mut asked = 0;
    for look in 0..MINUTES * 60_000 / LOOK_MS {
        if look % SAY_EVERY_LOOKS == 0 {
            let say = |person: usize| message(look * PEOPLE + person, &(100 + person).to_string(), "more");
            handle.sink().deliver("telegram", (0..PEOPLE).map(say).collect(), None).await.unwrap();
        }
        // Looked at in the middle of the work, too.
        for _ in 0..20 {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            let counted = world.store.spent("desk/usd/day", TOMORROW_MS).await.unwrap();
            assert!(counted <= most_usd_micros, "{greed:?}: {counted} of {most_usd}");
        }
        let ledger = world.store.ledger(None, 10_000).await.unwrap();
        let charged = ledger.iter().map(|row| row.usd_micros.unwrap()).sum();
        let counted = world.store.spent("desk/usd/day", TOMORROW_MS).await.unwrap();
        assert_eq!(counted, charged, "{greed:?}: the cap counts what is charged and what is reserved");
        let billed = bill.load(Ordering::SeqCst);
        assert!(
            billed <= charged && charged <= most_usd_micros,
            "{greed:?}: {billed}, {charged} of {most_usd}"
        );
        if world.requests().len() > asked {
            (asked, spent.last_call_at) = (world.requests().len(), look);
        }
        world.clock.advance(LOOK_MS as u64);
    }
    world.clock.advance(60_000);
    handle.quiet().await;
    let ledger = world.store.ledger(None, 10_000).await.unwrap();
    assert!(ledger.iter().all(|row| row.outcome != OPEN), "everything is settled");
    assert_eq!(ledger.len(), world.requests().len(), "each attempt once");
    spent.bill_usd_micros = bill.load(Ordering::SeqCst);
    spent.charged_usd_micros = ledger.iter().filter_map(|row| row.usd_micros).sum();
    let texts = (100..100 + PEOPLE).flat_map(|person| world.texts(&person.to_string()));
    spent.refused = texts.filter(|text| text == "too dear").count();
    handle.stop().await;
    spent
}

async fn caps_hold_against(greed: Greed) {
    for (most_usd, most_usd_micros) in [("0.1", 100_000), ("1", 1_000_000), ("10", 10_000_000)] {
        let spent = ten_minutes(greed, most_usd, most_usd_micros).await;
        let Spent { bill_usd_micros, charged_usd_micros, last_call_at, refused } = spent;
        println!(
            "{greed:?}: {charged_usd_micros} charged, {bill_usd_micros} billed of {most_usd} usd, last call at look \
             {last_call_at}, {refused} refused"
        );
        assert!(bill_usd_micros <= charged_usd_micros && charged_usd_micros <= most_usd_micros);
        // The cap is not kept by asking nothing: what is left would not pay for another attempt.
        let left = most_usd_micros - charged_usd_micros;
        assert!(left <= LEAST_USD_MICROS, "{greed:?}: {left} of {most_usd} usd are left");
        assert!(refused > PEOPLE, "{greed:?}: {refused} refused, and messages came all along");
    }
}

#[tokio::test]
async fn caps_hold_against_a_model_that_answers_at_length() {
    caps_hold_against(Greed::Long).await;
}

#[tokio::test]
async fn caps_hold_against_a_model_that_always_asks_for_another_tool() {
    caps_hold_against(Greed::Tools).await;
}

#[tokio::test]
async fn caps_hold_against_a_model_that_reports_no_usage() {
    caps_hold_against(Greed::Silent).await;
}

#[tokio::test]
async fn caps_hold_against_a_model_that_always_times_out() {
    caps_hold_against(Greed::Hangs).await;
}
