// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the mix of 50 recorded sessions costs in tokens, and how much of it is read from the provider's cache.

use blufio_agent::inspect::Inspection;

use crate::recorded::{Call, Player, assistant, sessions};

/// Sessions by which the estimator learns before it is judged.
const LEARNT_FROM: usize = 25;

#[tokio::test]
async fn the_mix_stays_within_its_tokens_and_is_read_from_the_cache() {
    let sessions = sessions();
    assert_eq!(sessions.len(), 50);
    let mut player = Player::start(assistant()).await;
    let mut calls: Vec<Call> = Vec::new();
    let mut ratios = Vec::new();
    for (number, session) in sessions.iter().enumerate() {
        calls.extend(player.play(number, session).await);
        if number + 1 == LEARNT_FROM {
            ratios = learnt(&player, &calls).await;
        }
    }
    // "hello" to the shipped assistant; rivals send 6,848 to 13,331 tokens.
    let hello = &calls[0];
    assert!(sessions[0].name == "hello" && hello.session == 0 && hello.prompt_tokens <= 1_500, "{hello:?}");
    let mean = |of: &dyn Fn(&Call) -> bool| {
        let tokens: Vec<u64> = calls.iter().filter(|call| of(call)).map(|call| call.prompt_tokens).collect();
        tokens.iter().sum::<u64>() as f64 / tokens.len() as f64
    };
    let simple = mean(&|call| sessions[call.session].class == "simple");
    let all = mean(&|_| true);
    println!("hello {}, simple {simple:.0}, all {all:.0} tokens a call", hello.prompt_tokens);
    assert!(simple <= 3_000.0, "{simple}");
    assert!(all <= 5_000.0, "{all}");
    let total = |of: &dyn Fn(&Call) -> u64| calls.iter().map(of).sum::<u64>() as f64;
    let read = total(&|call| call.row.usage.cache_read_tokens);
    let readable = total(&|call| call.readable_tokens);
    println!(
        "read {:.4} of what could be read, {:.4} of all",
        read / readable,
        read / total(&|c| c.prompt_tokens)
    );
    assert!(read >= 0.97 * readable, "{read} of {readable}");
    assert!(calls.iter().any(|call| call.row.purpose == "summary"), "no session is long enough");
    // Estimates, corrected by what was reported of the first half, on the second half.
    let mut errors: Vec<f64> = calls
        .iter()
        .filter(|call| call.session >= LEARNT_FROM && call.row.purpose != "summary")
        .map(|call| {
            let ratio =
                ratios.iter().find(|(model, _)| *model == call.row.model_asked).map_or(1.0, |(_, r)| *r);
            (call.row.estimated_tokens as f64 * ratio / call.prompt_tokens as f64 - 1.0).abs()
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    let (median, most) = (errors[errors.len() / 2], errors[errors.len() * 95 / 100]);
    println!(
        "estimates are {:.1} % off in the median, {:.1} % at the 95th percentile",
        median * 100.0,
        most * 100.0
    );
    assert!(median <= 0.10 && most <= 0.30, "{median} {most}");
}

/// What the estimator has learnt of each model.
async fn learnt(player: &Player, calls: &[Call]) -> Vec<(String, f64)> {
    let mut ratios: Vec<(String, f64)> = Vec::new();
    for call in calls.iter().rev() {
        let is_known = ratios.iter().any(|(model, _)| *model == call.row.model_asked);
        if is_known || call.row.purpose == "summary" {
            continue;
        }
        let key = format!("assistant/telegram:{}", 1_000 + call.session);
        let found = Inspection::read(&*player.store, &key, |_| Box::new(|_| None)).await.unwrap().unwrap();
        if found.model == call.row.model_asked {
            ratios.push((found.model, found.ratio));
        }
    }
    ratios
}
