// SPDX-License-Identifier: MIT OR Apache-2.0
//! One file per diagnostic: its meaning, its page and its construction. Codes are stable.

pub mod approval_hides;
pub mod approval_reused;
pub mod approval_stale;
pub mod bad_bounds;
pub mod bad_path;
pub mod bad_route;
pub mod callee_costs_more;
pub mod callee_needs_more;
pub mod cap_without_else;
pub mod code_after_arrow;
pub mod dead_arm;
pub mod dead_end;
pub mod dead_handler;
pub mod delegation;
pub mod duplicate;
pub mod failure_open;
pub mod infinite_type;
pub mod label_reaches;
pub mod message_lost;
pub mod missing_part;
pub mod model_lacks;
pub mod no_budget;
pub mod no_field;
pub mod no_routes;
pub mod not_assignable;
pub mod not_exhaustive;
pub mod not_yet;
pub mod nothing_emits;
pub mod over_budget;
pub mod over_money;
pub mod over_time;
pub mod period_too_short;
pub mod prompt_too_large;
pub mod rule_broken;
pub mod run_unapproved;
pub mod same_agent;
pub mod secret_leaves;
pub mod shadowed_route;
pub mod start_state;
pub mod type_mismatch;
pub mod unassigned;
pub mod unbounded_loop;
pub mod uncertain_open;
pub mod uncovered;
pub mod unknown_agent;
pub mod unknown_model;
pub mod unknown_name;
pub mod unknown_state;
pub mod unknown_tool;
pub mod unknown_type;
pub mod unknown_zone;
pub mod unpriced;
pub mod unreachable;
pub mod untrusted_control;
pub mod untrusted_selector;
pub mod unused_policy;
pub mod vacuous_rule;
pub mod within_too_short;
pub mod wrong_approver;
pub mod wrong_count;
pub mod zero_time;

/// What `blufio explain CODE` prints.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Stable code.
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    /// Markdown: what it means, a program that is refused, one that is accepted.
    pub text: &'static str,
}

/// The compiler's own limit; it needs no program of its own to show it, only a very long one.
pub const TOO_LARGE: Page = Page {
    code: "E0902",
    title: "a program that is too large",
    text: "One agent compiles to at most 65,535 instructions. Split it into agents of their own, which a `routes` file tells\napart.\n",
};

/// Pages of the checker, by code.
pub const PAGES: &[Page] = &[
    unknown_name::PAGE,
    duplicate::PAGE,
    unknown_state::PAGE,
    unknown_type::PAGE,
    unknown_model::PAGE,
    unknown_tool::PAGE,
    start_state::PAGE,
    same_agent::PAGE,
    unknown_agent::PAGE,
    missing_part::PAGE,
    bad_path::PAGE,
    unknown_zone::PAGE,
    type_mismatch::PAGE,
    no_field::PAGE,
    not_exhaustive::PAGE,
    dead_arm::PAGE,
    wrong_count::PAGE,
    unassigned::PAGE,
    infinite_type::PAGE,
    bad_bounds::PAGE,
    not_assignable::PAGE,
    code_after_arrow::PAGE,
    unreachable::PAGE,
    dead_end::PAGE,
    unbounded_loop::PAGE,
    cap_without_else::PAGE,
    failure_open::PAGE,
    uncertain_open::PAGE,
    message_lost::PAGE,
    dead_handler::PAGE,
    unused_policy::PAGE,
    over_budget::PAGE,
    no_budget::PAGE,
    bad_route::PAGE,
    shadowed_route::PAGE,
    no_routes::PAGE,
    uncovered::PAGE,
    over_money::PAGE,
    over_time::PAGE,
    unpriced::PAGE,
    prompt_too_large::PAGE,
    zero_time::PAGE,
    period_too_short::PAGE,
    within_too_short::PAGE,
    model_lacks::PAGE,
    untrusted_selector::PAGE,
    untrusted_control::PAGE,
    approval_hides::PAGE,
    approval_stale::PAGE,
    approval_reused::PAGE,
    wrong_approver::PAGE,
    run_unapproved::PAGE,
    label_reaches::PAGE,
    secret_leaves::PAGE,
    callee_needs_more::PAGE,
    callee_costs_more::PAGE,
    delegation::PAGE,
    nothing_emits::PAGE,
    rule_broken::PAGE,
    vacuous_rule::PAGE,
    not_yet::PAGE,
    TOO_LARGE,
];

/// "did you mean" where a near name is known, general advice otherwise.
fn near_hint(near: Option<&str>, otherwise: &str) -> Option<String> {
    Some(near.map_or_else(|| otherwise.to_string(), |near| format!("did you mean `{near}`?")))
}

/// The candidate nearest to a name, close enough to be a typing error.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 1 + name.len().max(candidate.len()) / 4 && *distance < name.len()
        })
        .min()
        .map(|(_, candidate)| candidate)
}
