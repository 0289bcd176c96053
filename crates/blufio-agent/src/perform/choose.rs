// SPDX-License-Identifier: MIT OR Apache-2.0
//! `by complexity`: which model a step asks. A deterministic score of what is asked, so that the same step chooses the
//! same model after a crash, with its reason for the ledger; the money that is left may overrule it.
//!
//! What is scored belongs to the exchange, not to the step: while a model works with its tools the question is the same,
//! so that its model, and what is cached of its prompt, stay.

use std::sync::Arc;

use blufio_core::model::{Block, Turn};
use blufio_core::store::Cap;
use blufio_lang::effect::ModelEffect;
use blufio_lang::program::{Model, Program};
use blufio_lang::typed::Routing;

use crate::shared::Shared;
use crate::transcript::begins_exchange as is_question;

/// From this score on a step is not simple any more.
const STANDARD_FROM: u32 = 2;
/// From this score on it is complex.
const COMPLEX_FROM: u32 = 5;
/// Questions of so many characters are long, and very long.
const LONG_CHARACTERS: [usize; 2] = [400, 1_500];
/// Exchanges after which a conversation is deep.
const DEEP_EXCHANGES: usize = 8;
/// Calls since the question after which it is a hunt.
const HUNT_CALLS: usize = 4;

/// Marks of code.
const CODE: [&str; 8] = ["```", "();", "{\n", "};", "=>", "</", "def ", "SELECT "];
/// Words that ask for reasons rather than facts.
const REASONING: [&str; 14] = [
    "why",
    "how",
    "compare",
    "explain",
    "analyse",
    "analyze",
    "design",
    "prove",
    "plan",
    "debug",
    "refactor",
    "warum",
    "erkläre",
    "vergleiche",
];
/// Words that ask for depth.
const DEPTH: [&str; 8] = [
    "in detail",
    "detailed",
    "thorough",
    "step by step",
    "carefully",
    "in depth",
    "ausführlich",
    "gründlich",
];

/// The models of a step in the order of their asking, and why these.
pub(super) struct Choice {
    pub chain: Vec<String>,
    pub reason: Option<String>,
}

/// Chooses the models of a step.
pub(super) async fn choose(
    shared: &Shared,
    program: &Program,
    effect: &ModelEffect,
    turns: &[Arc<Turn>],
    caps: &[Cap],
) -> Choice {
    let Some(model) = program.models.get(effect.model as usize) else {
        return Choice { chain: Vec::new(), reason: None };
    };
    let Some(routing) = &model.routing else { return Choice { chain: model.chain.clone(), reason: None } };
    if let Some((percent, instead)) = routing.step_down
        && let Some(left) = least_left_percent(shared, caps).await
        && left < percent
    {
        let reason = format!("{left} % of the budget is left, under {percent} %");
        return Choice { chain: chain_of(program, instead), reason: Some(reason) };
    }
    let (score, marks) = score(effect, turns);
    let level = level(score);
    let marks = if marks.is_empty() { "nothing special".to_string() } else { marks.join(", ") };
    let reason = format!("{level}, score {score}: {marks}");
    Choice { chain: chain_of(program, model_of(routing, level)), reason: Some(reason) }
}

/// The models of one that is not chosen by what is asked: of a routed one, those for simple things.
pub(super) fn plain_chain(program: &Program, model: u32) -> Vec<String> {
    let routing = program.models.get(model as usize).and_then(|model| model.routing.as_ref());
    chain_of(program, routing.map_or(model, |routing| model_of(routing, "simple")))
}

fn chain_of(program: &Program, model: u32) -> Vec<String> {
    program.models.get(model as usize).map(|model: &Model| model.chain.clone()).unwrap_or_default()
}

/// The smallest share that is left of any cap, percent.
async fn least_left_percent(shared: &Shared, caps: &[Cap]) -> Option<u32> {
    let mut least = None;
    for cap in caps {
        let spent = match shared.store.spent(&cap.what, cap.period).await {
            Ok(spent) => spent,
            Err(error) => {
                shared.store_failed(&error);
                return None;
            }
        };
        let left = i128::from(cap.most_usd_micros.saturating_sub(spent).max(0)) * 100;
        let percent = u32::try_from(left / i128::from(cap.most_usd_micros.max(1))).unwrap_or(100);
        least = Some(least.map_or(percent, |known: u32| known.min(percent)));
    }
    least
}

fn level(score: u32) -> &'static str {
    match score {
        0..STANDARD_FROM => "simple",
        STANDARD_FROM..COMPLEX_FROM => "standard",
        _ => "complex",
    }
}

/// The model of a level; of one that the program does not name, the next stronger, else the strongest it names.
fn model_of(routing: &Routing, level: &str) -> u32 {
    const LEVELS: [&str; 3] = ["simple", "standard", "complex"];
    let from = LEVELS.iter().position(|known| *known == level).unwrap_or(0);
    let named = |level: &str| routing.levels.iter().find(|(name, _)| name == level).map(|(_, model)| *model);
    let stronger = LEVELS.iter().skip(from).find_map(|level| named(level));
    stronger.or_else(|| LEVELS.iter().rev().find_map(|level| named(level))).unwrap_or(0)
}

/// The score, and what made it.
fn score(effect: &ModelEffect, turns: &[Arc<Turn>]) -> (u32, Vec<String>) {
    let asked = question(effect, turns);
    let lower = asked.to_lowercase();
    let characters = asked.chars().count();
    let mut score = 0;
    let mut marks = Vec::new();
    let mut mark = |points: u32, what: String| {
        if points > 0 {
            score += points;
            marks.push(what);
        }
    };
    let long = LONG_CHARACTERS.iter().filter(|least| characters >= **least).count() as u32;
    mark(long, format!("{characters} characters"));
    let code = CODE.iter().filter(|sign| asked.contains(**sign)).count();
    mark(if code >= 2 || asked.contains("```") { 2 } else { 0 }, "code".to_string());
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let reasons = REASONING.iter().filter(|word| words.contains(*word)).count() as u32;
    mark(reasons.min(2), "asks for reasons".to_string());
    let questions = asked.matches('?').count();
    mark(u32::from(questions >= 2), format!("{questions} questions"));
    let deep = DEPTH.iter().any(|word| lower.contains(word));
    mark(if deep { 2 } else { 0 }, "asks for depth".to_string());
    let exchanges = turns.iter().filter(|turn| is_question(turn)).count();
    mark(u32::from(exchanges >= DEEP_EXCHANGES), format!("{exchanges} exchanges"));
    let calls = calls_since_question(turns);
    mark(u32::from(calls >= HUNT_CALLS), format!("{calls} calls"));
    (score, marks)
}

/// What is asked: the values a step names, else what was said last.
fn question(effect: &ModelEffect, turns: &[Arc<Turn>]) -> String {
    if !effect.from.is_empty() {
        return effect.from.iter().map(|(_, value)| &**value).collect::<Vec<_>>().join("\n");
    }
    let last = turns.iter().rev().find(|turn| is_question(turn));
    let text = |block: &Block| match block {
        Block::Text { text } => Some(text.clone()),
        _ => None,
    };
    last.map(|turn| turn.blocks.iter().filter_map(text).collect::<Vec<_>>().join("\n")).unwrap_or_default()
}

fn calls_since_question(turns: &[Arc<Turn>]) -> usize {
    let since = turns.iter().rev().take_while(|turn| !is_question(turn));
    since.flat_map(|turn| &turn.blocks).filter(|block| matches!(block, Block::ToolUse { .. })).count()
}

#[cfg(test)]
mod tests {
    use blufio_core::model::Role;
    use blufio_lang::effect::ModelPurpose;

    use super::*;
    use crate::transcript::text_turn;

    fn turn_step() -> ModelEffect {
        ModelEffect {
            purpose: ModelPurpose::Turn { stream: false },
            model: 0,
            from: Vec::new(),
            from_messages: Vec::new(),
            history: true,
            memory: false,
            retries: 0,
            instruction: "".into(),
        }
    }

    fn level_of(asked: &str) -> &'static str {
        level(score(&turn_step(), &[text_turn(Role::User, asked).into()]).0)
    }

    #[test]
    fn small_talk_is_simple_and_long_reasoning_over_code_is_complex() {
        for simple in ["hello", "What time is it?", "Danke!", "remind me tomorrow at 9", "こんにちは"] {
            assert_eq!(level_of(simple), "simple", "{simple}");
        }
        for standard in
            ["Compare the two offers and explain which is better.", "why? and how?", &"word ".repeat(400)]
        {
            assert_eq!(level_of(standard), "standard", "{standard}");
        }
        let complex = "Why does this fail? Explain step by step.\n```rust\nfn main() { loop {} }\n```";
        assert_eq!(level_of(complex), "complex");
    }

    #[test]
    fn tool_results_do_not_change_the_question() {
        let mut turns = vec![Arc::new(text_turn(Role::User, "Compare and explain the logs."))];
        let before = score(&turn_step(), &turns).0;
        for at in 0..2 {
            let call = Block::ToolUse { id: at.to_string(), name: "t".into(), input: "{}".into() };
            turns.push(Turn { role: Role::Assistant, blocks: vec![call], raw: None }.into());
            let content = "```\nwhy? how? in detail\n".repeat(100);
            let result = Block::ToolResult { id: at.to_string(), content, is_error: false };
            turns.push(Turn { role: Role::User, blocks: vec![result], raw: None }.into());
        }
        assert_eq!(score(&turn_step(), &turns).0, before);
    }

    #[test]
    fn a_level_without_a_model_takes_the_next_stronger_one() {
        let routing = |levels: &[(&str, u32)]| Routing {
            levels: levels.iter().map(|(name, model)| (name.to_string(), *model)).collect(),
            step_down: None,
        };
        let two = routing(&[("simple", 1), ("complex", 3)]);
        assert_eq!(["simple", "standard", "complex"].map(|level| model_of(&two, level)), [1, 3, 3]);
        let weak = routing(&[("simple", 1)]);
        assert_eq!(model_of(&weak, "complex"), 1);
    }
}
