// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sums over the ledger are right, saturate, and are the same whatever the grouping.

use super::{attempt, first_step, good};
use crate::model::Usage;
use crate::store::{
    Announced, Announcement, Attempted, Cap, CostGroup, CostQuery, CostRow, Costs, LedgerRow, OPEN, Store,
};

const DAY_MS: i64 = 86_400_000;
const GROUPS: [CostGroup; 6] = [
    CostGroup::Agent,
    CostGroup::Model,
    CostGroup::State,
    CostGroup::Day,
    CostGroup::Purpose,
    CostGroup::Session,
];

fn by(by: CostGroup) -> CostQuery {
    CostQuery { by, since_ms: None, agent: None, groups_max: 1_000 }
}

fn names(costs: &Costs) -> Vec<&str> {
    costs.groups.iter().map(|row| row.name.as_str()).collect()
}

/// Attempts of two agents: an ordinary one, one without usage, one that nobody bills, one without a price, an open one.
async fn some_attempts(store: &dyn Store) {
    good(store.record_attempt(attempt("ok").into()).await);
    let silent = LedgerRow {
        usage: Usage::default(),
        usage_known: false,
        usd_micros: Some(500),
        agent: "desk".into(),
        at_ms: DAY_MS,
        ..attempt("incomplete")
    };
    // One that nobody bills, one without a price, both by another model.
    let unbilled = LedgerRow { usd_micros: Some(0), model_asked: "b".into(), ..silent.clone() };
    let unpriced = LedgerRow { usd_micros: None, at_ms: -1, ..unbilled.clone() };
    let mut step = first_step("desk/\"1\",\n🦀");
    step.ledger = [silent, unbilled, unpriced].map(Attempted::from).to_vec();
    good(store.commit(step).await);
    let caps = vec![Cap {
        what: "day".into(),
        most_usd_micros: 100,
        period: DAY_MS,
        warns: false,
        frees_up_ms: Some(DAY_MS),
    }];
    let row = LedgerRow { usd_micros: Some(70), usage_known: false, ..attempt(OPEN) };
    let announcement = Announcement { row, worst_usd_micros: 70, caps };
    assert!(matches!(good(store.announce_attempt(announcement).await), Announced::Granted { .. }));
}

pub(super) async fn costs_are_summed_by_group(store: &dyn Store) {
    assert_eq!(good(store.costs(by(CostGroup::Agent)).await), Costs::default());
    some_attempts(store).await;
    let desk = CostRow {
        name: "desk".into(),
        calls: 3,
        unknown_calls: 2,
        unpriced_calls: 1,
        usd_micros: 500,
        unknown_usd_micros: 500,
        ..CostRow::default()
    };
    let support = CostRow {
        name: "support".into(),
        calls: 1,
        open_calls: 1,
        input_tokens: 3,
        output_tokens: 5,
        cache_read_tokens: 7,
        cache_write_tokens: 11,
        usd_micros: 12,
        open_usd_micros: 70,
        ..CostRow::default()
    };
    let mut total = CostRow { name: String::new(), ..desk.clone() };
    total.add(&support);
    let costs = good(store.costs(by(CostGroup::Agent)).await);
    assert_eq!(
        costs,
        Costs { total: total.clone(), groups: vec![desk, support.clone()] },
        "the dearest first"
    );
    for (group, wanted) in [
        (CostGroup::Model, vec!["anthropic/claude", "b"]),
        (CostGroup::State, vec!["desk/idle", "support/idle"]),
        (CostGroup::Day, vec!["86400000", "0", "-86400000"]),
        (CostGroup::Purpose, vec!["pick"]),
        (CostGroup::Session, vec!["desk/\"1\",\n🦀", ""]),
    ] {
        let costs = good(store.costs(by(group)).await);
        assert_eq!((names(&costs), &costs.total), (wanted, &total), "{group:?}");
    }
    let of = CostQuery { agent: Some("support".into()), ..by(CostGroup::State) };
    assert_eq!(names(&good(store.costs(of).await)), ["support/idle"]);
    let since = CostQuery { since_ms: Some(DAY_MS), ..by(CostGroup::Model) };
    assert_eq!(good(store.costs(since).await).total.calls, 2);
    let dearest = good(store.costs(CostQuery { groups_max: 1, ..by(CostGroup::Agent) }).await);
    assert_eq!((names(&dearest), &dearest.total), (vec!["desk"], &total), "the total counts the others");
}

pub(super) async fn costs_saturate(store: &dyn Store) {
    let usage = Usage { input_tokens: u64::MAX, output_tokens: 1 << 62, ..Usage::default() };
    for agent in ["a", "a", "a", "b"] {
        let row = LedgerRow { agent: agent.into(), usage, usd_micros: Some(i64::MAX), ..attempt("ok") };
        good(store.record_attempt(row.into()).await);
    }
    let costs = good(store.costs(by(CostGroup::Agent)).await);
    let sums = |row: &CostRow| (row.usd_micros, row.input_tokens, row.output_tokens);
    assert_eq!(sums(&costs.total), (i64::MAX, i64::MAX, i64::MAX));
    assert_eq!(sums(&costs.groups[1]), (i64::MAX, i64::MAX, 1 << 62));
}

/// Numbers that look like chance and are the same in every run.
fn chance(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

pub(super) async fn the_sum_over_groups_is_the_total(store: &dyn Store) {
    let mut seed = 4;
    for step in 0..40 {
        let mut commit = first_step(&format!("a/{step}"));
        for _ in 0..chance(&mut seed, 10) {
            let mut any = |below| chance(&mut seed, below);
            let tokens = [any(5_000), any(900), any(90_000), any(9_000)];
            let [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens] = tokens;
            let cost = i64::try_from(any(1 << 31)).unwrap_or_default();
            let row = LedgerRow {
                agent: format!("agent {}", any(3)),
                state: format!("s{}", any(5)),
                purpose: ["pick", "write", "turn"][any(3) as usize].into(),
                model_asked: format!("p/{}", any(4)),
                usage: Usage {
                    input_tokens,
                    output_tokens,
                    cache_read_tokens,
                    cache_write_tokens,
                    cache_write_1h_tokens: 0,
                },
                usage_known: any(2) == 0,
                usd_micros: [None, Some(0), Some(cost), Some(cost)][any(4) as usize],
                at_ms: i64::try_from(any(9)).unwrap_or_default() * DAY_MS / 3 - DAY_MS,
                ..attempt(if any(6) == 0 { OPEN } else { "ok" })
            };
            commit.ledger.push(row.into());
        }
        good(store.commit(commit).await);
    }
    for agent in [None, Some("agent 1".to_string())] {
        for since_ms in [None, Some(0), Some(DAY_MS)] {
            let query = |group| CostQuery { since_ms, agent: agent.clone(), ..by(group) };
            let total = good(store.costs(query(CostGroup::Agent)).await).total;
            assert!(total.calls > 3 && total.open_calls > 0, "{total:?}");
            for group in GROUPS {
                let costs = good(store.costs(query(group)).await);
                let mut sum = CostRow::default();
                costs.groups.iter().for_each(|row| sum.add(row));
                assert_eq!((&sum, &costs.total), (&total, &total), "{group:?}");
            }
        }
    }
}

pub(super) async fn uses_can_be_counted(store: &dyn Store) {
    assert_eq!(good(store.used("calls", 1_000).await), 0);
    for token in ["a", "b", "a"] {
        assert!(good(store.reserve("calls", 1_000, token, 2).await));
    }
    assert!(good(store.reserve("others", 1_000, "a", 2).await));
    assert_eq!((good(store.used("calls", 1_000).await), good(store.used("calls", 2_000).await)), (2, 0));
}
