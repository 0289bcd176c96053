// SPDX-License-Identifier: MIT OR Apache-2.0
//! Failure and uncertainty are closed: every step that can fail has somebody who takes the failure.

use super::flow::blocks;
use super::report;
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{
    EffectClass, Expr, ExprKind, HandlerAction, ModelUse, OutcomeKind, Program, Request, RequestStep, Step,
    StepKind, TextPart, Trigger, Type,
};

/// What a sum is called that may not be computable.
const ARITHMETIC: &str = "arithmetic";

/// Reports failures and uncertain outcomes that nobody handles, and handlers for what never happens.
pub(super) fn check(program: &Program, diagnostics: &mut Diagnostics) {
    let handles = |state: usize, trigger: &Trigger| {
        program.states[state].handlers.iter().chain(&program.anywhere).any(|h| h.trigger == *trigger)
    };
    let runs_once = program.tools.iter().any(|grant| grant.effect == EffectClass::Once);
    let mut any_failure = false;
    for (at, state) in program.states.iter().enumerate() {
        let blocks = all_blocks(program, at);
        any_failure |= deadline_fails(program, at) || blocks.iter().any(|steps| fail(steps));
        let mut deadlines = state.timers.iter().map(|timer| &timer.after);
        let deadline =
            deadlines.find(|after| can_overflow(after)).map(|after| (ARITHMETIC.into(), after.span));
        if let Some((what, span)) = deadline.or_else(|| blocks.iter().find_map(|steps| first_failure(steps)))
            && !handles(at, &Trigger::Failed)
        {
            diagnostics.push(report::failure_open::report(&what, &state.name, span));
        }
        if let Some((what, span)) = blocks.iter().find_map(|steps| first_uncertain(program, steps, runs_once))
            && !handles(at, &Trigger::Uncertain)
        {
            diagnostics.push(report::uncertain_open::report(&what, &state.name, span));
        }
    }
    let never = |trigger: &Trigger| match trigger {
        Trigger::Failed => !any_failure,
        // With tools it may stand there for those to come.
        Trigger::Uncertain => program.tools.is_empty(),
        _ => false,
    };
    let handlers: Vec<_> =
        program.anywhere.iter().chain(program.states.iter().flat_map(|s| &s.handlers)).collect();
    for (at, handler) in handlers.iter().enumerate() {
        // `on failed or uncertain` is one handler: it is dead only if all of its triggers are.
        let is_first = handlers[..at].iter().all(|h| h.span != handler.span);
        let is_dead = handlers.iter().filter(|h| h.span == handler.span).all(|h| never(&h.trigger));
        if is_first && is_dead {
            diagnostics.push(report::dead_handler::report(
                &super::agent::trigger_text(program, &handler.trigger),
                handler.span,
            ));
        }
    }
}

/// Every block of a state that can fail while the session is in it: body, handlers (its own and `anywhere`'s), deadlines.
pub(super) fn all_blocks(program: &Program, state: usize) -> Vec<&[Step]> {
    let state = &program.states[state];
    let handlers = state.handlers.iter().chain(&program.anywhere).filter_map(|h| match &h.action {
        HandlerAction::Run { steps, .. } if !super::flow::is_failure(&h.trigger) => Some(steps.as_slice()),
        _ => None,
    });
    std::iter::once(state.body.as_slice())
        .chain(handlers)
        .chain(state.timers.iter().map(|t| t.steps.as_slice()))
        .collect()
}

/// Whether anything that runs in a state can raise `failed`, `uncertain` or `over_budget` without an arm of its own.
pub(super) fn can_raise(program: &Program, state: usize, trigger: &Trigger) -> bool {
    let in_deadline = *trigger == Trigger::Failed && deadline_fails(program, state);
    in_deadline || all_blocks(program, state).iter().any(|steps| raises(program, steps, trigger))
}

/// The same of what runs without an event: the steps on entry and those of deadlines.
pub(super) fn raises_by_itself(program: &Program, state: usize, trigger: &Trigger) -> bool {
    let in_deadline = *trigger == Trigger::Failed && deadline_fails(program, state);
    let state = &program.states[state];
    let timers = state.timers.iter().map(|timer| timer.steps.as_slice());
    in_deadline || timers.chain([state.body.as_slice()]).any(|steps| raises(program, steps, trigger))
}

/// Whether it may fail to set a deadline, which is done before the steps on entry.
pub(super) fn deadline_fails(program: &Program, state: usize) -> bool {
    program.states[state].timers.iter().any(|timer| may_fail(&timer.after))
}

/// Whether steps can raise `failed`, `uncertain` or `over_budget`.
pub(super) fn raises(program: &Program, steps: &[Step], trigger: &Trigger) -> bool {
    match trigger {
        Trigger::Failed => fail(steps),
        Trigger::Uncertain => first_uncertain(program, steps, true).is_some(),
        _ => super::bounds::calls_of(program, steps) > 0,
    }
}

/// Whether steps can raise a failure, even one that nobody has to take: that a list is full parks a session which says
/// nothing of it.
fn fail(steps: &[Step]) -> bool {
    first_failure(steps).is_some()
        || steps.iter().any(|step| match step.kind {
            StepKind::Each(_) => false,
            _ => fails_at_once(step) || blocks(step).into_iter().any(fail),
        })
}

/// Whether a step can fail without waiting. A list or a map may be full, and there may be too many wakes.
pub(super) fn fails_at_once(step: &Step) -> bool {
    let may_be_full =
        matches!(step.kind, StepKind::Append(..) | StepKind::PutEntry { .. } | StepKind::Wake { .. });
    may_be_full || step_expressions(step).into_iter().any(may_fail)
}

fn may_fail(expr: &Expr) -> bool {
    is_mixed(expr)
        || matches!(expr.kind, ExprKind::Arithmetic(..) | ExprKind::Negate(_) | ExprKind::Present(_))
        || parts(expr).into_iter().any(may_fail)
}

/// Money of two currencies cannot be compared.
fn is_mixed(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Compare(_, a, b) if [a, b].iter().any(|e| e.ty == Type::Money(None)))
}

/// Whether an expression may not be computable, given that every value in it is there.
pub(super) fn may_trap(expr: &Expr) -> bool {
    is_mixed(expr)
        || matches!(expr.kind, ExprKind::Arithmetic(..) | ExprKind::Negate(_))
        || parts(expr).into_iter().any(may_trap)
}

fn first_failure(steps: &[Step]) -> Option<(String, Span)> {
    steps.iter().find_map(|step| {
        let own = match &step.kind {
            StepKind::PickArms { .. } | StepKind::PickValue { .. } => Some("`pick`".to_string()),
            StepKind::Write { .. } => Some("`write`".into()),
            StepKind::Turn { .. } => Some("`turn`".into()),
            StepKind::Request(request) => open_failure(request).map(|_| describe(&request.request)),
            StepKind::Together(branches) => {
                branches.iter().any(|b| open_failure(b).is_some()).then(|| "`together`".to_string())
            }
            StepKind::Later(later) if later.can_fail => Some(later.what.clone()),
            // A step that fails inside of `each` costs its item, not the state.
            StepKind::Each(_) => return None,
            _ => step_expressions(step).into_iter().any(can_overflow).then(|| ARITHMETIC.into()),
        };
        own.map(|what| (what, step.span)).or_else(|| blocks(step).into_iter().find_map(first_failure))
    })
}

/// A request's failure that neither an arm nor `else` takes.
fn open_failure(step: &RequestStep) -> Option<()> {
    let can_fail = !matches!(step.request, Request::Approve { .. } | Request::Recall { .. });
    let taken =
        step.otherwise.is_some() || step.arms.iter().any(|a| a.outcomes.contains(&OutcomeKind::Failed));
    (can_fail && !taken).then_some(())
}

/// A request's uncertain outcome that neither an arm nor `else` takes.
fn open_uncertain(program: &Program, step: &RequestStep) -> bool {
    let Request::Call { grant, .. } = &step.request else { return false };
    let once = program.tools.get(*grant as usize).is_some_and(|t| t.effect == EffectClass::Once);
    let taken =
        step.otherwise.is_some() || step.arms.iter().any(|a| a.outcomes.contains(&OutcomeKind::Uncertain));
    once && !taken
}

/// A request in the words of the program.
pub(super) fn describe(request: &Request) -> String {
    match request {
        Request::Call { .. } => "`call`",
        Request::AskAgent { .. } | Request::AskPerson { .. } => "`ask`",
        Request::Approve { .. } => "`approve`",
        Request::Fill { .. } => "`fill`",
        Request::Recall { .. } => "`recall`",
    }
    .to_string()
}

fn first_uncertain(program: &Program, steps: &[Step], runs_once: bool) -> Option<(String, Span)> {
    steps.iter().find_map(|step| {
        let own = match &step.kind {
            StepKind::Run { .. } if runs_once => Some("`run`".to_string()),
            StepKind::Request(request) if open_uncertain(program, request) => {
                Some(describe(&request.request))
            }
            StepKind::Together(branches) if branches.iter().any(|b| open_uncertain(program, b)) => {
                Some("`together`".to_string())
            }
            _ => None,
        };
        own.map(|what| (what, step.span))
            .or_else(|| blocks(step).into_iter().find_map(|steps| first_uncertain(program, steps, runs_once)))
    })
}

/// Expressions directly in a step (not those of its blocks).
pub(super) fn step_expressions(step: &Step) -> Vec<&Expr> {
    match &step.kind {
        StepKind::Assign(_, e)
        | StepKind::Append(_, e)
        | StepKind::Reply(e)
        | StepKind::Send(_, e, _)
        | StepKind::Show(e)
        | StepKind::Remember(e, _) => vec![e],
        StepKind::Run { calls, approved_by } => std::iter::once(calls)
            .chain(approved_by.iter().filter_map(|(_, within)| within.as_ref()))
            .collect(),
        StepKind::Wake { when, with, .. } => std::iter::once(when).chain(with).collect(),
        StepKind::Request(request) => request_expressions(&request.request),
        StepKind::Together(branches) => {
            branches.iter().flat_map(|b| request_expressions(&b.request)).collect()
        }
        StepKind::Each(each) => std::iter::once(&each.list).chain(&each.within).collect(),
        StepKind::Done(e) => e.iter().collect(),
        StepKind::PutEntry { key, value, .. } => vec![key, value],
        StepKind::If { condition, .. } => vec![condition],
        StepKind::Match { subject, .. }
        | StepKind::Switch { subject, .. }
        | StepKind::IfSome { subject, .. } => vec![subject],
        StepKind::PickArms { model, .. }
        | StepKind::PickValue { model, .. }
        | StepKind::Write { model, .. }
        | StepKind::Turn { model, .. } => model_expressions(model),
        _ => Vec::new(),
    }
}

/// Values that a prompt holds.
pub(super) fn model_expressions(model: &ModelUse) -> Vec<&Expr> {
    let values = model.instruction.iter().filter_map(|part| match part {
        TextPart::Value(e) => Some(e),
        TextPart::Literal(_) => None,
    });
    model.from.iter().map(|(_, e)| e).chain(values).collect()
}

/// Expressions of a request.
pub(super) fn request_expressions(request: &Request) -> Vec<&Expr> {
    match request {
        Request::Call { arguments, .. } => arguments.iter().map(|(_, e)| e).collect(),
        Request::AskAgent { arguments, within, .. } => arguments.iter().chain(within).collect(),
        Request::AskPerson { question, within, .. } | Request::Approve { question, within, .. } => {
            std::iter::once(question).chain(within).collect()
        }
        Request::Fill { model, .. } => model_expressions(model),
        Request::Recall { query, .. } => vec![query],
    }
}

/// Direct parts of an expression.
pub(super) fn parts(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Text(parts) => parts
            .iter()
            .filter_map(|part| match part {
                TextPart::Value(e) => Some(e),
                TextPart::Literal(_) => None,
            })
            .collect(),
        ExprKind::Field(a, _)
        | ExprKind::Property(a, _)
        | ExprKind::Not(a)
        | ExprKind::Negate(a)
        | ExprKind::Length(a)
        | ExprKind::First(a) => vec![a],
        ExprKind::ToOptional(a) | ExprKind::Present(a) | ExprKind::Print(a) => vec![a],
        ExprKind::TimeBetween(a, b, c, _) => vec![a, b, c],
        ExprKind::Index(a, b)
        | ExprKind::Arithmetic(_, a, b)
        | ExprKind::Compare(_, a, b)
        | ExprKind::Contains(a, b) => vec![a, b],
        ExprKind::And(a, b) | ExprKind::Or(a, b) | ExprKind::Default(a, b) => vec![a, b],
        ExprKind::Record(_, items) | ExprKind::Variant(_, _, items) | ExprKind::List(items) => {
            items.iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Whether arithmetic in an expression can fail.
pub(super) fn can_overflow(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Arithmetic(..) | ExprKind::Negate(_))
        || parts(expr).into_iter().any(can_overflow)
}
