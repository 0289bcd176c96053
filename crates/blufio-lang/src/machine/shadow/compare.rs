// SPDX-License-Identifier: MIT OR Apache-2.0
//! The comparison: what a session meets at a place against what the checker said of it.

use super::Shadow;
use crate::check::labels::places::{Labels, Place};
use crate::program::Program;
use crate::program::instruction::Instruction as I;
use crate::source::Span;
use crate::typed::Label;

impl Shadow {
    pub(super) fn place(&self, span: Span) -> Option<Place> {
        self.known.places.places.get(&(self.state, self.beside, span)).cloned()
    }

    pub(super) fn compare(&mut self, program: &Program, pc: usize, instruction: I, span: Span) {
        if matches!(instruction, I::Jump(_) | I::End()) {
            return;
        }
        self.compared += 1;
        let known = self.known.clone();
        let Some(place) = known.places.places.get(&(self.state, self.beside, span)) else {
            self.unplaced += 1;
            return self.violate(
                program,
                span,
                &format!("instruction {pc} stands at a place that nothing leads to"),
            );
        };
        let others = self.decisions.iter().filter(|decision| decision.span != span);
        let control = others.fold(Labels::default(), |all, decision| all.union(decision.labels));
        self.within(program, span, "control", control, place.control);
        self.within(program, span, "history", self.world.history, place.history);
        let Some(variables) = place.variables.as_ref().filter(|_| self.last_span != span) else { return };
        let locals =
            if place.is_anywhere { known.locals.last() } else { known.locals.get(self.state as usize) };
        let registers = known.slots.iter().chain(locals.into_iter().flatten());
        for (at, (register, allowed)) in registers.zip(variables).enumerate() {
            let held = self.held(*register);
            if !held.is_within(*allowed) {
                self.within(program, span, &format!("variable {at}"), held, *allowed);
            }
        }
    }

    pub(super) fn compare_asked(&mut self, program: &Program, site: u16, arguments: &[Labels]) {
        let site = &program.sites[usize::from(site)];
        let Some(place) = self.place(site.span) else { return };
        for (held, allowed) in arguments.iter().zip(&place.arguments) {
            self.within(program, site.span, "argument", held.but(self.own_control()), *allowed);
        }
        if let (Some(held), Some(allowed)) = (arguments.first(), place.calls) {
            self.within(program, site.span, "calls", held.but(self.own_control()), allowed);
        }
    }

    /// Arguments carry what decides the step, which the checker keeps apart.
    fn own_control(&self) -> Labels {
        self.control()
    }

    pub(super) fn compare_result(&mut self, span: Span, labels: Labels) {
        let Some(place) = self.place(span) else { return };
        let allowed = place.result.union(place.control);
        if !labels.is_within(allowed) {
            self.violations.push(format!("{span:?}: result {labels:?} is not within {allowed:?}"));
        }
    }

    fn within(&mut self, program: &Program, span: Span, what: &str, held: Labels, allowed: Labels) {
        if !held.is_within(allowed) {
            let words = |labels: Labels| labels.iter().map(Label::word).collect::<Vec<_>>().join(" ");
            let text = format!("{what} carries `{}`, not within `{}`", words(held), words(allowed));
            self.violate(program, span, &text);
        }
    }

    fn violate(&mut self, program: &Program, span: Span, text: &str) {
        let state = program.states.get(self.state as usize).map_or("?", |state| state.name.as_str());
        let beside = if self.beside { ", another step pending" } else { "" };
        self.violations.push(format!("{}..{} in {state}{beside}: {text}", span.start, span.end));
    }
}
