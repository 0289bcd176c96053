// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the formatter asks the tree: which tokens begin a declaration, a line of one, a step, an arm.

use std::collections::HashMap;

use super::token::Token;
use crate::ast::{
    Arm, ArmBody, AssignValue, Field, File, FileKind, HandlerAction, ItemKind, StateBody, Step, StepKind,
    TypeBody,
};
use crate::source::Span;

/// Lines that are aligned with their neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    /// `name = …`
    Equals,
    /// A zone of `context`.
    Zone,
    /// An arm, a handler or a route whose action begins at this token; `None` for `hold`, `join`, `drop`.
    Arm(Option<usize>),
}

/// What is known of the tokens, by their index.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Begins a step, an arm, a field, a line of a declaration, or a declaration.
    pub starts: Vec<bool>,
    /// Begins a declaration or the head of the file.
    pub items: Vec<bool>,
    /// Tables, by the token that begins the line.
    pub rows: HashMap<usize, Row>,
    pub is_routes: bool,
}

struct Walk<'a> {
    tokens: &'a [Token<'a>],
    base: u32,
    places: Places,
}

/// Collects them.
pub(super) fn places(file: &File, tokens: &[Token<'_>], base: u32) -> Places {
    let places =
        Places { starts: vec![false; tokens.len()], items: vec![false; tokens.len()], ..Places::default() };
    let mut walk = Walk { tokens, base, places };
    walk.places.is_routes = matches!(file.kind, FileKind::Routes);
    walk.declaration(Span::new(base, base));
    if let FileKind::Agent { parameters, .. } = &file.kind {
        walk.fields(parameters);
    }
    for item in &file.items {
        let first = walk.declaration(item.span);
        walk.item(&item.kind, first);
    }
    walk.places
}

impl Walk<'_> {
    /// The token at or behind the beginning of a place.
    fn index(&self, span: Span) -> usize {
        let offset = span.start.saturating_sub(self.base) as usize;
        self.tokens.partition_point(|token| token.offset < offset)
    }

    fn start(&mut self, span: Span) -> usize {
        let index = self.index(span);
        if let Some(start) = self.places.starts.get_mut(index) {
            *start = true;
        }
        index
    }

    fn declaration(&mut self, span: Span) -> usize {
        let mut index = self.index(span);
        while self.tokens.get(index).is_some_and(Token::is_comment) {
            index += 1;
        }
        if let Some(item) = self.places.items.get_mut(index) {
            *item = true;
            self.places.starts[index] = true;
        }
        index
    }

    fn row(&mut self, span: Span, row: Row) {
        let index = self.start(span);
        self.places.rows.insert(index, row);
    }

    fn fields(&mut self, fields: &[Field]) {
        for field in fields {
            self.start(field.name.span);
        }
    }

    fn item(&mut self, kind: &ItemKind, first: usize) {
        match kind {
            ItemKind::Models(models) => {
                models.iter().for_each(|model| self.row(model.name.span, Row::Equals))
            }
            ItemKind::Budget(lines) => lines.iter().for_each(|line| {
                self.start(line.span);
            }),
            ItemKind::Context(zones) => zones.iter().for_each(|zone| self.row(zone.span, Row::Zone)),
            ItemKind::Type(declaration) => {
                self.places.rows.insert(first, Row::Equals);
                match &declaration.body {
                    TypeBody::Union(variants) => {
                        variants.iter().for_each(|variant| self.fields(&variant.fields))
                    }
                    TypeBody::Record(fields) => self.fields(fields),
                    TypeBody::Alias(_) => {}
                }
            }
            ItemKind::Keep(slots) => slots.iter().for_each(|slot| {
                self.start(slot.field.name.span);
            }),
            ItemKind::Rules(rules) => rules.iter().for_each(|rule| {
                self.start(rule.span);
            }),
            ItemKind::State(state) => self.body(&state.body),
            ItemKind::Anywhere(body) => self.body(body),
            ItemKind::Migrate { moves, drops, .. } => {
                for (old, _) in moves {
                    self.start(old.span);
                }
                for name in drops {
                    // The line begins with `drop`.
                    let drop =
                        (0..self.index(name.span)).rev().find(|index| !self.tokens[*index].is_comment());
                    if let Some(drop) = drop {
                        self.places.starts[drop] = true;
                    }
                }
            }
            ItemKind::Test(test) => test.lines.iter().for_each(|line| {
                self.start(line.span);
            }),
            ItemKind::People(people) => people.iter().for_each(|person| self.row(person.span, Row::Equals)),
            ItemKind::Route(_) => {
                let arrow = (first..self.tokens.len()).find(|index| {
                    self.tokens[*index].is_sign("->") || (*index > first && self.places.items[*index])
                });
                let arrow = arrow.filter(|index| self.tokens[*index].is_sign("->"));
                self.places.rows.insert(first, Row::Arm(arrow));
            }
            ItemKind::Goal(_)
            | ItemKind::Language(_)
            | ItemKind::Zone(_)
            | ItemKind::CanUse(_)
            | ItemKind::CanAsk(_) => {}
        }
    }

    fn body(&mut self, body: &StateBody) {
        self.steps(&body.steps);
        for handler in &body.handlers {
            match &handler.action {
                HandlerAction::Body(arm) => self.arm(handler.span, arm),
                _ => self.row(handler.span, Row::Arm(None)),
            }
        }
        for timer in &body.timers {
            self.arm(timer.span, &timer.body);
        }
        for schedule in &body.schedules {
            self.arm(schedule.span, &schedule.body);
        }
    }

    fn arm(&mut self, span: Span, body: &ArmBody) {
        let action = self.index(body.span);
        self.row(span, Row::Arm(Some(action)));
        self.arm_body(body);
    }

    fn arm_body(&mut self, body: &ArmBody) {
        for step in &body.steps {
            // The arrow of `label -> S` begins no new step.
            if step.span.start == body.span.start {
                continue;
            }
            self.start(step.span);
            self.step(&step.kind);
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.start(step.span);
            self.step(&step.kind);
        }
    }

    fn arms(&mut self, arms: &[Arm]) {
        for arm in arms {
            self.arm(arm.span, &arm.body);
        }
    }

    fn step(&mut self, kind: &StepKind) {
        match kind {
            StepKind::Assign { value: AssignValue::Step(step), .. } => self.step(&step.kind),
            StepKind::When { arms, .. } => self.arms(arms),
            StepKind::Pick(pick) => self.arms(pick.arms.as_deref().unwrap_or_default()),
            StepKind::Fill(fill) => self.arms(&fill.arms),
            StepKind::Turn(turn) => self.arms(&turn.arms),
            StepKind::Approve(approve) => self.arms(&approve.arms),
            StepKind::Call(call) => self.arms_or_else(call.arms.as_deref(), call.otherwise.as_ref()),
            StepKind::Ask(ask) => self.arms_or_else(ask.arms.as_deref(), ask.otherwise.as_ref()),
            StepKind::Together(steps) => self.steps(steps),
            StepKind::Each(each) => self.steps(&each.steps),
            _ => {}
        }
    }

    fn arms_or_else(&mut self, arms: Option<&[Arm]>, otherwise: Option<&ArmBody>) {
        self.arms(arms.unwrap_or_default());
        if let Some(otherwise) = otherwise {
            self.arm_body(otherwise);
        }
    }
}
