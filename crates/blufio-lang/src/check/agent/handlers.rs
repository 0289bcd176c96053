// SPDX-License-Identifier: MIT OR Apache-2.0
//! States of one agent: bodies, caps, handlers, deadlines, and `anywhere`.

use super::*;

impl Checker<'_> {
    pub(super) fn states(&mut self, states: &[(&ast::StateDecl, Option<&String>)]) -> Vec<typed::State> {
        let mut out = Vec::new();
        for (state, doc) in states {
            self.start_frame();
            self.open_scope();
            let body = self.steps(&state.body.steps);
            let mut handlers = self.handlers(&state.body.handlers);
            let timers = self.timers(&state.body.timers);
            handlers.extend(self.schedules(&state.body.schedules));
            self.close_scope();
            let cap = state.cap.as_ref().and_then(|cap| self.cap(cap, &state.name));
            out.push(typed::State {
                name: state.name.node.clone(),
                span: state.name.span,
                doc: doc.cloned(),
                cap,
                locals: std::mem::take(&mut self.locals),
                body,
                handlers,
                timers,
            });
        }
        out
    }

    fn cap(&mut self, cap: &ast::VisitCap, state: &ast::Ident) -> Option<Cap> {
        let Some(otherwise) = &cap.otherwise else {
            self.push(report::cap_without_else::report(&state.node, cap.span));
            return None;
        };
        let per_event = match cap.per.node.as_str() {
            "event" => true,
            "session" => false,
            other => {
                let near = report::nearest(other, ["event", "session"]);
                self.push(report::unknown_name::report(other, cap.per.span, near));
                true
            }
        };
        if cap.count.node == 0 {
            self.push(report::bad_bounds::report(
                "a cap of 0 visits makes the state unreachable",
                cap.count.span,
            ));
        }
        let target = self.states.get(&otherwise.node).copied();
        if target.is_none() {
            let near =
                report::nearest(&otherwise.node, self.states.keys().map(String::as_str)).map(str::to_string);
            self.push_unknown(report::unknown_state::report(
                &otherwise.node,
                otherwise.span,
                near.as_deref(),
            ));
        }
        // With a misspelt target the cap still bounds the loop, so that one mistake gives one message.
        let otherwise = target.or_else(|| self.states.get(&state.node).copied())?;
        Some(Cap { visits_max: cap.count.node, per_event, otherwise, span: cap.span })
    }

    pub(super) fn anywhere(&mut self, items: &[ast::Item], declared: &mut Declared) {
        self.start_frame();
        self.open_scope();
        for item in items {
            let ItemKind::Anywhere(body) = &item.kind else { continue };
            if let Some(step) = body.steps.first() {
                self.push(report::missing_part::report(
                    "`anywhere` holds handlers, not steps",
                    step.span,
                    "put the step behind an `on …`",
                ));
            }
            declared.anywhere.extend(self.handlers(&body.handlers));
            for timer in &body.timers {
                self.later("`after` in `anywhere`", timer.span);
            }
            declared.anywhere.extend(self.schedules(&body.schedules));
        }
        self.close_scope();
        declared.anywhere_locals = std::mem::take(&mut self.locals);
    }

    fn handlers(&mut self, handlers: &[ast::Handler]) -> Vec<Handler> {
        let mut out: Vec<Handler> = Vec::new();
        for handler in handlers {
            for written in &handler.triggers {
                let (trigger, payload) = self.trigger(written);
                if let Some(first) = out.iter().find(|h| h.trigger == trigger) {
                    let first = first.span;
                    self.push(report::duplicate::report(
                        "handler",
                        &trigger_text(&trigger),
                        written.span,
                        first,
                    ));
                    continue;
                }
                let action = match &handler.action {
                    ast::HandlerAction::Hold => HandlerAction::Hold,
                    ast::HandlerAction::Join => HandlerAction::Join,
                    ast::HandlerAction::Drop => HandlerAction::Drop,
                    ast::HandlerAction::Body(body) => {
                        self.handler_body(handler.binder.as_ref(), payload, &body.steps)
                    }
                };
                self.waiting_words(&trigger, &action, written.span);
                out.push(Handler { trigger, action, span: handler.span });
            }
        }
        out
    }

    fn waiting_words(&mut self, trigger: &Trigger, action: &HandlerAction, span: Span) {
        let waits = matches!(action, HandlerAction::Hold | HandlerAction::Join | HandlerAction::Drop);
        if waits && matches!(trigger, Trigger::Failed | Trigger::Uncertain) {
            self.push(report::type_mismatch::report(
                "steps or an arrow: a failure cannot wait",
                "hold, join or drop",
                span,
            ));
        }
        if matches!(action, HandlerAction::Join) && matches!(trigger, Trigger::Word(_)) {
            self.later("`join` of a command", span);
        }
    }

    fn handler_body(
        &mut self,
        binder: Option<&ast::Ident>,
        payload: Option<Type>,
        steps: &[ast::Step],
    ) -> HandlerAction {
        self.open_scope();
        let mut typed_steps = Vec::new();
        let binder = binder.map(|name| {
            if payload.is_none() {
                self.push(report::wrong_count::report("this event", "no payload", 1, name.span));
            }
            let (variable, pass_on) = self.bind(name, payload.as_ref().unwrap_or(&Type::Unknown));
            typed_steps.extend(pass_on);
            variable
        });
        typed_steps.extend(self.steps(steps));
        self.close_scope();
        HandlerAction::Run { binder, steps: typed_steps }
    }

    fn trigger(&mut self, written: &ast::Trigger) -> (Trigger, Option<Type>) {
        match &written.kind {
            TriggerKind::Message => (Trigger::Message, Some(Type::Message)),
            TriggerKind::Word(word) => {
                if !word.starts_with('/') || word.contains(char::is_whitespace) || word.len() < 2 {
                    self.push(report::type_mismatch::report(
                        "one word that begins with `/`",
                        &format!("\"{word}\""),
                        written.span,
                    ));
                }
                (Trigger::Word(word.clone()), Some(Type::Message))
            }
            TriggerKind::Failed => (Trigger::Failed, Some(Type::Failure)),
            TriggerKind::Uncertain => (Trigger::Uncertain, None),
            TriggerKind::Wake => {
                self.later("`on wake`", written.span);
                (Trigger::Later("wake".into()), Some(Type::Unknown))
            }
            TriggerKind::OverBudget => {
                self.later("`on over_budget`", written.span);
                (Trigger::Later("over_budget".into()), None)
            }
            TriggerKind::Channel(word) => {
                self.later(format!("`on {word}`"), written.span);
                (Trigger::Later(word.clone()), Some(Type::Message))
            }
            TriggerKind::Declared(name) => {
                let payload = match self.type_ids.get(name) {
                    Some(id) => Type::Named(*id),
                    None => {
                        let near = report::nearest(
                            name,
                            self.type_ids.keys().map(String::as_str).chain([
                                "message",
                                "failed",
                                "uncertain",
                                "wake",
                            ]),
                        )
                        .map(str::to_string);
                        self.push_unknown(report::unknown_type::report(name, written.span, near.as_deref()));
                        Type::Unknown
                    }
                };
                self.later("events of a declared type", written.span);
                (Trigger::Later(name.clone()), Some(payload))
            }
        }
    }

    fn timers(&mut self, timers: &[ast::AfterDecl]) -> Vec<Timer> {
        let mut out = Vec::new();
        for timer in timers {
            let after = match &timer.when {
                AfterWhen::Duration(duration) => self.expect(duration, &Type::Duration),
                AfterWhen::TimeOfDay { time, zone } => {
                    if let Some(zone) = zone {
                        self.zone(zone);
                    }
                    self.later("`after` a time of day", timer.span);
                    self.expect(time, &Type::Time)
                }
            };
            let steps = self.block(&timer.body.steps);
            out.push(Timer { after, steps, span: timer.span });
        }
        out
    }

    fn schedules(&mut self, schedules: &[ast::EveryDecl]) -> Vec<Handler> {
        let mut out = Vec::new();
        for schedule in schedules {
            self.later("`every`", schedule.span);
            if let Some(zone) = &schedule.zone {
                self.zone(zone);
            }
            for invocation in &schedule.when_changed {
                self.invocation(invocation);
            }
            let steps = self.block(&schedule.body.steps);
            out.push(Handler {
                trigger: Trigger::Later("every".into()),
                action: HandlerAction::Run { binder: None, steps },
                span: schedule.span,
            });
        }
        out
    }
}
