// SPDX-License-Identifier: MIT OR Apache-2.0
//! States of one agent: bodies, caps, handlers, deadlines, and `anywhere`.

use super::*;

impl Checker<'_> {
    pub(super) fn states(&mut self, states: &[(&ast::StateDecl, Option<&String>)]) -> Vec<typed::State> {
        let mut out = Vec::new();
        for (at, (state, doc)) in states.iter().enumerate() {
            self.current = Some(StateId(at as u32));
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
                rest: None,
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
        self.current = None;
        for item in items {
            let ItemKind::Anywhere(body) = &item.kind else { continue };
            if let Some(step) = body.steps.first() {
                self.push(report::missing_part::report(
                    "`anywhere` holds handlers, not steps",
                    step.span,
                    "put the step behind an `on …`",
                ));
            }
            for handler in self.handlers(&body.handlers) {
                if let Some(first) = declared.anywhere.iter().find(|h| h.trigger == handler.trigger) {
                    let (first, text) = (first.span, self.trigger_words(&handler.trigger));
                    self.push(report::duplicate::report("handler", &text, handler.span, first));
                }
                declared.anywhere.push(handler);
            }
            for timer in &body.timers {
                self.later("`after` in `anywhere`", timer.span);
            }
            declared.anywhere.extend(self.schedules(&body.schedules));
        }
        declared.anywhere_locals = std::mem::take(&mut self.locals);
    }

    fn handlers(&mut self, handlers: &[ast::Handler]) -> Vec<Handler> {
        let mut out: Vec<Handler> = Vec::new();
        for handler in handlers {
            for written in &handler.triggers {
                let (trigger, payload) = self.trigger(written);
                if let Some(first) = out.iter().find(|h| h.trigger == trigger) {
                    let first = first.span;
                    let text = self.trigger_words(&trigger);
                    self.push(report::duplicate::report("handler", &text, written.span, first));
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
                self.needs(Construct::Wake, "`on wake`", written.span);
                (Trigger::Wake, Some(self.carried()))
            }
            TriggerKind::OverBudget => {
                self.needs(Construct::Budget, "`on over_budget`", written.span);
                (Trigger::OverBudget, None)
            }
            TriggerKind::Channel(word) => {
                self.needs(Construct::Channel, &format!("`on {word}`"), written.span);
                (Trigger::Channel(word.clone()), Some(Type::Message))
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
                self.needs(Construct::Declared, "events of a declared type", written.span);
                let trigger = match &payload {
                    Type::Named(id) => Trigger::Declared(*id),
                    _ => Trigger::Channel(name.clone()),
                };
                (trigger, Some(payload))
            }
        }
    }

    /// What a wake carries: text when the program itself never says.
    fn carried(&mut self) -> Type {
        self.wake.clone().unwrap_or_else(|| {
            self.guessed_wake = true;
            Type::Text(None)
        })
    }

    fn trigger_words(&self, trigger: &Trigger) -> String {
        match trigger {
            Trigger::Declared(id) => self.types[id.0 as usize].name.clone(),
            Trigger::Word(word) => format!("\"{word}\""),
            Trigger::Channel(word) => word.clone(),
            Trigger::Message => "message".into(),
            Trigger::Failed => "failed".into(),
            Trigger::Uncertain => "uncertain".into(),
            Trigger::OverBudget => "over_budget".into(),
            Trigger::Wake => "wake".into(),
            Trigger::Every(_) => "every".into(),
        }
    }

    fn timers(&mut self, timers: &[ast::AfterDecl]) -> Vec<Timer> {
        let mut out = Vec::new();
        for timer in timers {
            let (after, zone) = match &timer.when {
                AfterWhen::Duration(duration) => {
                    let after = self.expect(duration, &Type::Duration);
                    if crate::check::expressions::written_ms(&after).is_some_and(|ms| ms < 1_000) {
                        self.push(report::bad_bounds::report("`after` is at least one second", after.span));
                    }
                    (after, None)
                }
                AfterWhen::TimeOfDay { time, zone } => {
                    self.needs(Construct::TimeOfDay, "`after` a time of day", timer.span);
                    (self.expect(time, &Type::Time), self.zone_of(zone.as_ref()))
                }
            };
            let steps = self.block(&timer.body.steps);
            out.push(Timer { after, zone, steps, span: timer.span });
        }
        out
    }

    /// A zone as written, or the agent's.
    fn zone_of(&mut self, zone: Option<&ast::Text>) -> Option<String> {
        match zone {
            Some(zone) => {
                self.zone(zone);
                literal(zone)
            }
            None => self.zone.clone(),
        }
    }

    fn schedules(&mut self, schedules: &[ast::EveryDecl]) -> Vec<Handler> {
        let mut out = Vec::new();
        for schedule in schedules {
            self.needs(Construct::Every, "`every`", schedule.span);
            let zone = self.zone_of(schedule.zone.as_ref());
            let when = self.schedule_when(schedule);
            let mut when_changed = Vec::new();
            for invocation in &schedule.when_changed {
                if let Some((grant, arguments)) = self.invocation(invocation) {
                    self.fingerprint(grant, &arguments, invocation.span);
                    when_changed.push((grant, arguments));
                }
            }
            let index = self.schedules.len() as u32;
            if let Some(when) = when {
                let state = self.current;
                self.schedules.push(typed::Schedule { when, zone, when_changed, state, span: schedule.span });
            }
            let steps = self.block(&schedule.body.steps);
            out.push(Handler {
                trigger: Trigger::Every(index),
                action: HandlerAction::Run { binder: None, steps },
                span: schedule.span,
            });
        }
        out
    }

    /// A fingerprint call must be free of effects, and known before anything happened.
    fn fingerprint(&mut self, grant: u32, arguments: &[(String, typed::Expr)], span: Span) {
        let effect = self.tools[grant as usize].effect;
        if !matches!(effect, typed::EffectClass::Pure | typed::EffectClass::Read) {
            let title = "a call in `when changed` only looks: its tool must be pure or read";
            self.push(report::missing_part::report(title, span, "call a tool that changes nothing"));
        }
        for (_, argument) in arguments {
            if !is_constant(argument) {
                let expected = "a value that is written down here";
                self.push(report::type_mismatch::report(expected, "one that is computed", argument.span));
            }
        }
    }

    fn schedule_when(&mut self, schedule: &ast::EveryDecl) -> Option<typed::ScheduleWhen> {
        let minutes =
            |checker: &mut Self, written: &ast::Expr| match checker.expect(written, &Type::Time).kind {
                typed::ExprKind::Time(minutes) => Some(minutes),
                _ => None,
            };
        if let Some(period) = &schedule.period {
            let period_ms = match self.expect(period, &Type::Duration).kind {
                typed::ExprKind::Duration(ms) => ms,
                _ => return None,
            };
            if !(60_000..=366 * 86_400_000).contains(&period_ms) {
                self.push(report::bad_bounds::report("a period is one minute to one year", period.span));
            }
            let window = match &schedule.window {
                Some((from, to)) => {
                    let (from_minutes, to_minutes) = (minutes(self, from)?, minutes(self, to)?);
                    if from_minutes == to_minutes {
                        self.push(report::bad_bounds::report(
                            "this window is empty: it never fires",
                            from.span.to(to.span),
                        ));
                    }
                    Some((from_minutes, to_minutes))
                }
                None => None,
            };
            return Some(typed::ScheduleWhen::Period { period_ms, window });
        }
        let day = schedule.day.as_ref()?;
        const WEEK: [&str; 7] =
            ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let days = match (day.node.as_str(), WEEK.iter().position(|name| *name == day.node)) {
            ("day", _) => typed::Days::All,
            ("weekday", _) => typed::Days::Weekdays,
            (_, Some(at)) => typed::Days::One(at as u8),
            (other, None) => {
                let near = report::nearest(other, WEEK.into_iter().chain(["day", "weekday"]));
                self.push(report::unknown_name::report(other, day.span, near));
                return None;
            }
        };
        let Some(at) = &schedule.at else {
            self.push(report::missing_part::report("on which time of that day?", day.span, "add `at 09:00`"));
            return None;
        };
        Some(typed::ScheduleWhen::At { days, minutes: minutes(self, at)? })
    }
}

/// Whether an expression is the same whenever it is computed.
fn is_constant(expr: &typed::Expr) -> bool {
    !matches!(expr.kind, typed::ExprKind::Variable(_) | typed::ExprKind::Now | typed::ExprKind::Wakes)
        && closed::parts(expr).into_iter().all(is_constant)
}
