// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which arms were taken: a copy of the program in which every arm begins with a progress line that nobody sees. The
//! machine stays as it is, and what is simulated is what runs.

use crate::source::Span;
use crate::typed::{
    Expr, ExprKind, HandlerAction, Program, Step, StepKind, SwitchValue, TextPart, Trigger, Type,
};

/// An arm: an edge of the program's graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// Index of the state that holds it; `None` in `anywhere`.
    pub state: Option<u32>,
    /// As written: `refund`, `no or late`, `on message`.
    pub label: String,
    /// Place.
    pub span: Span,
}

/// What the progress line of an arm begins with; no program can write this character.
const MARK: char = '\u{1}';

/// The number of the arm that a progress line marks.
pub(super) fn marked(line: &str) -> Option<usize> {
    line.strip_prefix(MARK)?.parse().ok()
}

/// The program with its arms marked.
pub(super) fn mark(program: &Program) -> (Program, Vec<Arm>) {
    let mut program = program.clone();
    let mut marker = Marker { state: None, arms: Vec::new() };
    let words: Vec<String> = program.types.iter().map(|ty| ty.name.clone()).collect();
    for (at, state) in program.states.iter_mut().enumerate() {
        marker.state = u32::try_from(at).ok();
        marker.block(&mut state.body);
        for handler in &mut state.handlers {
            marker.handler(&words, &handler.trigger, handler.span, &mut handler.action);
        }
        for timer in &mut state.timers {
            marker.arm("after", timer.span, &mut timer.steps);
        }
    }
    marker.state = None;
    for handler in &mut program.anywhere {
        marker.handler(&words, &handler.trigger, handler.span, &mut handler.action);
    }
    (program, marker.arms)
}

/// A trigger as programs write it.
pub(super) fn trigger_text(types: &[String], trigger: &Trigger) -> String {
    match trigger {
        Trigger::Message => "on message".into(),
        Trigger::Word(word) => format!("on \"{word}\""),
        Trigger::Failed => "on failed".into(),
        Trigger::Uncertain => "on uncertain".into(),
        Trigger::OverBudget => "on over_budget".into(),
        Trigger::Wake => "on wake".into(),
        Trigger::Declared(id) => {
            format!("on {}", types.get(id.0 as usize).map_or("an event", String::as_str))
        }
        Trigger::Channel(word) => format!("on {word}"),
        Trigger::Every(_) => "every".into(),
    }
}

struct Marker {
    state: Option<u32>,
    arms: Vec<Arm>,
}

impl Marker {
    fn handler(&mut self, types: &[String], trigger: &Trigger, span: Span, action: &mut HandlerAction) {
        if let HandlerAction::Run { steps, .. } = action {
            self.arm(&trigger_text(types, trigger), span, steps);
        }
    }

    fn arm(&mut self, label: &str, span: Span, steps: &mut Vec<Step>) {
        let line = format!("{MARK}{}", self.number(label, span));
        self.block(steps);
        let text = ExprKind::Text(vec![TextPart::Literal(line)]);
        let kind = StepKind::Show(Expr { ty: Type::Text(None), kind: text, span });
        steps.insert(0, Step { kind, span });
    }

    /// The number of an arm. `on failed or uncertain` is one arm, though each of its triggers has steps of its own.
    fn number(&mut self, label: &str, span: Span) -> usize {
        const HANDLER: &str = "on ";
        let is_it = |arm: &Arm| {
            let both_handle = label.starts_with(HANDLER) && arm.label.starts_with(HANDLER);
            arm.state == self.state && arm.span == span && (both_handle || arm.label == label)
        };
        if let Some(at) = self.arms.iter().position(is_it) {
            if let (Some(arm), Some(trigger)) = (self.arms.get_mut(at), label.strip_prefix(HANDLER))
                && arm.label != label
            {
                arm.label = format!("{} or {trigger}", arm.label);
            }
            return at;
        }
        self.arms.push(Arm { state: self.state, label: label.to_string(), span });
        self.arms.len() - 1
    }

    /// An arm whose label may have been left out: without steps there is none.
    fn side(&mut self, label: &str, steps: &mut Vec<Step>) {
        if let Some(span) = steps.first().map(|step| step.span) {
            self.arm(label, span, steps);
        }
    }

    fn block(&mut self, steps: &mut [Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &mut Step) {
        let span = step.span;
        match &mut step.kind {
            StepKind::If { yes, no, .. } => {
                self.side("yes", yes);
                self.side("no", no);
            }
            StepKind::Match { arms, otherwise, .. } => {
                for arm in arms {
                    self.arm(&arm.label, arm.span, &mut arm.steps);
                }
                if let Some(steps) = otherwise {
                    self.side("else", steps);
                }
            }
            StepKind::Switch { arms, otherwise, .. } => {
                for (values, steps) in arms {
                    self.side(&switch_label(values), steps);
                }
                self.side("else", otherwise);
            }
            StepKind::IfSome { some, none, .. } => {
                self.side("some", some);
                self.side("none", none);
            }
            StepKind::PickArms { arms, .. } => {
                for arm in arms {
                    self.arm(&arm.label, arm.span, &mut arm.steps);
                }
            }
            StepKind::Turn { says, calls, refuses, .. } => {
                self.arm("says", says.1.first().map_or(span, |step| step.span), &mut says.1);
                if let Some((_, steps)) = calls {
                    self.arm("calls", steps.first().map_or(span, |step| step.span), steps);
                }
                self.arm("refuses", refuses.1.first().map_or(span, |step| step.span), &mut refuses.1);
            }
            StepKind::Request(request) => {
                for arm in &mut request.arms {
                    self.arm(&arm.label, arm.span, &mut arm.steps);
                }
                if let Some(steps) = &mut request.otherwise {
                    self.side("else", steps);
                }
            }
            StepKind::Each(each) => self.block(&mut each.steps),
            _ => {}
        }
    }
}

fn switch_label(values: &[SwitchValue]) -> String {
    let words: Vec<String> = values
        .iter()
        .map(|value| match value {
            SwitchValue::Int(number) => number.to_string(),
            SwitchValue::Text(text) => format!("\"{text}\""),
        })
        .collect();
    words.join(" or ")
}
