// SPDX-License-Identifier: MIT OR Apache-2.0
//! One agent: declarations first, then states, then the proofs over the whole graph.

use super::expressions::literal;
use super::folder::FolderNames;
use super::scope::Checker;
use super::{CheckedAgent, Environment, Facts, assigned, bounds, closed, mailbox, reach, report};
use crate::ast::{self, AfterWhen, ItemKind, TriggerKind};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{
    self, Cap, Context, Handler, HandlerAction, History, StateId, Timer, ToolGrant, Trigger, Type,
    VariableDef,
};

/// First line of an agent file.
pub(super) struct Header<'a> {
    pub name: &'a ast::Ident,
    pub version: &'a ast::Spanned<u32>,
    pub parameters: &'a [ast::Field],
    pub gives: Option<&'a ast::TypeExpr>,
}

/// What the declarations outside of states say.
#[derive(Default)]
struct Declared {
    goal: String,
    budget: Option<(u32, Span)>,
    tools: Vec<ToolGrant>,
    context: Context,
    anywhere: Vec<Handler>,
    anywhere_locals: Vec<VariableDef>,
}

/// Checks an agent.
pub(super) fn check_agent(
    file: &ast::File,
    header: Header<'_>,
    names: &FolderNames<'_>,
    environment: &Environment,
    diagnostics: &mut Diagnostics,
) -> CheckedAgent {
    let items: Vec<&ast::Item> = names.shared.iter().copied().chain(&file.items).collect();
    let mut checker = Checker::new(environment, names, diagnostics, names.recovered);
    let mut declared = Declared::default();
    let states: Vec<(&ast::StateDecl, Option<&String>)> = file
        .items
        .iter()
        .filter_map(|item| match &item.kind {
            ItemKind::State(state) => Some((state, item.doc.as_ref())),
            _ => None,
        })
        .collect();
    checker.declare_states(&states);
    checker.declare_grants(&items, &mut declared);
    checker.declare_types(&items);
    checker.declare_models(&items);
    checker.declare_rest(&items, &mut declared);
    checker.declare_slots(&items, &header);
    let typed_states = checker.states(&states);
    checker.anywhere(&file.items, &mut declared);
    checker.report_later();
    let start = checker.start(&states, file.kind_span);
    let program = typed::Program {
        name: header.name.node.clone(),
        version: header.version.node,
        goal: declared.goal,
        types: checker.types,
        models: checker.models,
        calls_per_event_max: declared.budget.map(|b| b.0),
        tools: declared.tools,
        context: declared.context,
        slots: checker.slots,
        states: typed_states,
        anywhere: declared.anywhere,
        anywhere_locals: declared.anywhere_locals,
        start,
    };
    let facts = prove(&program, declared.budget, environment, diagnostics, names.recovered);
    CheckedAgent { program, span: file.kind_span, facts }
}

fn prove(
    program: &typed::Program,
    budget: Option<(u32, Span)>,
    environment: &Environment,
    diagnostics: &mut Diagnostics,
    recovered: bool,
) -> Facts {
    if program.states.is_empty() {
        return Facts::default();
    }
    let has_broken_arrows =
        recovered || diagnostics.iter().any(|d| d.code == report::unknown_state::PAGE.code);
    let flow = super::flow::flow(program);
    if !has_broken_arrows {
        reach::check(program, &flow, diagnostics);
        mailbox::check(program, &flow, diagnostics);
        assigned::check(program, &flow, diagnostics);
    }
    if !recovered {
        closed::check(program, environment, diagnostics);
    }
    bounds::check(program, &flow, budget, diagnostics)
}

impl Checker<'_> {
    fn declare_states(&mut self, states: &[(&ast::StateDecl, Option<&String>)]) {
        for (at, (state, _)) in states.iter().enumerate() {
            if self.states.contains_key(&state.name.node) {
                let first = states
                    .iter()
                    .find(|(s, _)| s.name.node == state.name.node)
                    .map_or(state.name.span, |(s, _)| s.name.span);
                self.push(report::duplicate::report("state", &state.name.node, state.name.span, first));
            } else {
                self.states.insert(state.name.node.clone(), StateId(at as u32));
            }
        }
    }

    fn start(&mut self, states: &[(&ast::StateDecl, Option<&String>)], header: Span) -> StateId {
        let starts: Vec<usize> = (0..states.len()).filter(|at| states[*at].0.start.is_some()).collect();
        match starts.as_slice() {
            [] => self.push_unknown(report::start_state::report("no start state", header)),
            [_] => {}
            [_, second, ..] => self
                .push(report::start_state::report("more than one start state", states[*second].0.name.span)),
        }
        StateId(starts.first().copied().unwrap_or(0) as u32)
    }

    fn declare_grants(&mut self, items: &[&ast::Item], declared: &mut Declared) {
        for item in items {
            match &item.kind {
                ItemKind::CanUse(grants) => {
                    for grant in grants {
                        self.grant(grant, declared);
                    }
                }
                ItemKind::CanAsk(asks) => {
                    for ask in asks {
                        self.later("`can ask`", ask.span);
                        if !self.folder.agents.contains_key(ask.agent.node.as_str()) {
                            let near = report::nearest(&ask.agent.node, self.folder.agents.keys().copied());
                            self.push_unknown(report::unknown_agent::report(
                                "agent",
                                &ask.agent.node,
                                ask.agent.span,
                                near,
                            ));
                        }
                        self.asks.insert(ask.agent.node.clone(), ask.calls_max.as_ref().map(|c| c.node));
                    }
                }
                _ => {}
            }
        }
    }

    fn grant(&mut self, grant: &ast::Grant, declared: &mut Declared) {
        if let Some(prefix) = &grant.prefix {
            self.later(format!("`can use {} …`", prefix.node), grant.span);
            return;
        }
        if let Some((_, per)) = &grant.rate {
            self.later("a rate on a tool", per.span);
        }
        self.grants.insert(grant.name.node.clone(), grant.span);
        let Some(tool) = self.environment.tools.iter().find(|t| t.name == grant.name.node) else {
            let known = self.environment.tools.iter().map(|t| t.name.as_str());
            match report::nearest(&grant.name.node, known) {
                Some(near) => {
                    self.push(report::unknown_tool::report(&grant.name.node, grant.name.span, Some(near)))
                }
                None => {
                    self.later(format!("tool `{}` (it has no manifest)", grant.name.node), grant.name.span)
                }
            }
            return;
        };
        let mut folder = None;
        for scope in &grant.scopes {
            match scope {
                ast::GrantScope::In(path) if tool.needs_folder => folder = self.path(path),
                _ => self.later("this scope of a tool", grant.span),
            }
        }
        if tool.needs_folder && folder.is_none() {
            let title = format!("`{}` needs the folder that it may read", tool.name);
            self.push(report::missing_part::report(
                &title,
                grant.span,
                &format!("can use {} in \"notes/\"", tool.name),
            ));
        }
        declared.tools.push(ToolGrant { tool: tool.name.clone(), folder, span: grant.span });
    }

    /// A path below the program's folder, or an error.
    fn path(&mut self, text: &ast::Text) -> Option<String> {
        let path = literal(text);
        let written = path.clone().unwrap_or_default();
        let why = match &path {
            None => Some("it must not contain values"),
            Some(p) if p.is_empty() => Some("it is empty"),
            Some(p) if p.starts_with('/') || p.starts_with('~') => Some("it is absolute"),
            Some(p) if p.contains("://") => Some("it is an address"),
            Some(p) if p.contains('\\') || p.contains('\0') => {
                Some("it has a character that paths cannot have")
            }
            Some(p) if p.split('/').any(|part| part == "..") => Some("it leaves the folder with `..`"),
            Some(_) => None,
        };
        match why {
            Some(why) => {
                self.push(report::bad_path::report(&written, text.span, why));
                None
            }
            None => path,
        }
    }

    fn declare_models(&mut self, items: &[&ast::Item]) {
        for item in items {
            let ItemKind::Models(models) = &item.kind else { continue };
            for model in models {
                if self.model_ids.contains_key(&model.name.node) {
                    self.push(report::duplicate::report(
                        "model",
                        &model.name.node,
                        model.name.span,
                        item.span,
                    ));
                    continue;
                }
                let chain = match &model.kind {
                    ast::ModelDeclKind::Fixed(texts) => {
                        if let [_, second, ..] = texts.as_slice() {
                            self.later("a fallback model", second.span);
                        }
                        texts.iter().filter_map(|t| self.model_name(t)).collect()
                    }
                    ast::ModelDeclKind::ByComplexity { levels, step_down } => {
                        self.later("`by complexity`", model.name.span);
                        for name in levels.iter().map(|(_, m)| m).chain(step_down.iter().map(|(_, m)| m)) {
                            if !models.iter().any(|m| m.name.node == name.node) {
                                let near =
                                    report::nearest(&name.node, models.iter().map(|m| m.name.node.as_str()));
                                self.push(report::unknown_model::report(&name.node, name.span, near));
                            }
                        }
                        Vec::new()
                    }
                };
                self.model_ids.insert(model.name.node.clone(), typed::ModelId(self.models.len() as u32));
                self.models.push(typed::Model { name: model.name.node.clone(), chain });
            }
        }
    }

    fn model_name(&mut self, text: &ast::Text) -> Option<String> {
        let name = literal(text).unwrap_or_default();
        let provider =
            name.split_once('/').filter(|(_, model)| !model.is_empty()).map(|(provider, _)| provider);
        let Some(provider) = provider else {
            self.push(report::missing_part::report(
                "a model is named provider/model",
                text.span,
                "for example \"anthropic/claude-haiku-5-5\"",
            ));
            return None;
        };
        if !self.environment.providers.iter().any(|p| p == provider) {
            match report::nearest(provider, self.environment.providers.iter().map(String::as_str)) {
                Some(near) => self.push(report::unknown_model::report(&name, text.span, Some(near))),
                None => self.later(format!("provider `{provider}`"), text.span),
            }
        }
        Some(name)
    }

    fn declare_rest(&mut self, items: &[&ast::Item], declared: &mut Declared) {
        for item in items {
            match &item.kind {
                ItemKind::Goal(text) => declared.goal = literal(text).unwrap_or_default(),
                ItemKind::Language(text) => self.later("`language`", text.span),
                ItemKind::Zone(text) => {
                    self.zone(text);
                    self.later("`zone` of an agent", text.span);
                }
                ItemKind::Budget(lines) => self.budget(lines, declared),
                ItemKind::Context(zones) => self.context(zones, declared),
                ItemKind::Rules(rules) => {
                    if let Some(first) = rules.first() {
                        self.later("`rules`", first.span);
                    }
                }
                ItemKind::Test(test) => self.later("`test`", test.name.span),
                ItemKind::Migrate { from, .. } => self.later("`migrate`", from.span),
                _ => {}
            }
        }
        self.has_history = declared.context.history.is_some();
    }

    fn budget(&mut self, lines: &[ast::BudgetLine], declared: &mut Declared) {
        for line in lines {
            match line.scope.node.as_str() {
                "message" | "heartbeat" | "day" | "month" => {}
                other => {
                    let near = report::nearest(other, ["message", "heartbeat", "day", "month"]);
                    self.push(report::unknown_name::report(other, line.scope.span, near));
                }
            }
            for limit in &line.limits {
                match limit {
                    ast::BudgetLimit::Calls(calls) if line.scope.node == "message" => {
                        declared.budget = Some((calls.node, calls.span))
                    }
                    ast::BudgetLimit::Calls(calls) => {
                        self.later(format!("a budget per {}", line.scope.node), calls.span)
                    }
                    ast::BudgetLimit::Money { amount, .. } => self.later("a budget in money", amount.span),
                    ast::BudgetLimit::Time(time) => self.later("a budget in time", time.span),
                }
            }
        }
    }

    fn context(&mut self, zones: &[ast::ContextZone], declared: &mut Declared) {
        for zone in zones {
            let tokens_max = zone.tokens_max.as_ref().map(|t| t.node);
            match &zone.kind {
                ast::ContextZoneKind::Static { items, cache_ms } => {
                    for item in items {
                        match item {
                            ast::StaticItem::File(path) => {
                                declared.context.static_files.extend(self.path(path))
                            }
                            ast::StaticItem::Skills(span) => self.later("`skills` in the static zone", *span),
                        }
                    }
                    if let Some(cache) = cache_ms {
                        self.later("`cache` with a duration", cache.span);
                    }
                    declared.context.static_tokens_max = tokens_max;
                }
                ast::ContextZoneKind::Conditional { .. } => self.later("the conditional zone", zone.span),
                ast::ContextZoneKind::Dynamic { messages_max, summarize } => {
                    if let Some(model) = summarize {
                        self.later("`then summarize`", model.span);
                    }
                    declared.context.history =
                        Some(History { messages_max: messages_max.as_ref().map(|m| m.node), tokens_max });
                }
            }
        }
    }

    fn declare_slots(&mut self, items: &[&ast::Item], header: &Header<'_>) {
        let mut declarations: Vec<(&ast::Field, Option<&ast::Expr>)> = Vec::new();
        if let Some(first) = header.parameters.first() {
            self.later("an agent with parameters", first.name.span);
            declarations.extend(header.parameters.iter().map(|f| (f, None)));
        }
        if let Some(gives) = header.gives {
            self.later("`gives`", gives.span);
            let ty = self.resolve_type(gives);
            self.gives = Some(ty);
        }
        for item in items {
            if let ItemKind::Keep(slots) = &item.kind {
                declarations.extend(slots.iter().map(|s| (&s.field, s.initial.as_ref())));
            }
        }
        for (field, initial) in declarations {
            if let Some(at) = self.slot_ids.get(&field.name.node) {
                let first = self.slots[*at as usize].span;
                self.push(report::duplicate::report("slot", &field.name.node, field.name.span, first));
                continue;
            }
            let families = self
                .grants
                .keys()
                .any(|tool| tool.split('.').next() == Some(&field.name.node) && tool.contains('.'));
            if families {
                self.push(report::not_assignable::report(
                    &field.name.node,
                    field.name.span,
                    "a family of tools has this name",
                ));
            }
            let ty = self.resolve_type(&field.ty);
            let is_parameter = header.parameters.iter().any(|p| p.name.span == field.name.span);
            let initial = match initial {
                Some(written) => Some(self.expect(written, &ty)),
                // A parameter always holds what the asking agent gave.
                None => is_parameter.then(|| typed::Expr {
                    ty: ty.clone(),
                    kind: typed::ExprKind::Error,
                    span: field.name.span,
                }),
            };
            self.slot_ids.insert(field.name.node.clone(), self.slots.len() as u32);
            self.slots.push(VariableDef {
                name: field.name.node.clone(),
                ty,
                initial,
                span: field.name.span,
            });
        }
    }

    fn states(&mut self, states: &[(&ast::StateDecl, Option<&String>)]) -> Vec<typed::State> {
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

    fn anywhere(&mut self, items: &[ast::Item], declared: &mut Declared) {
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

/// A trigger as it is written.
pub(super) fn trigger_text(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Message => "message".into(),
        Trigger::Word(word) => format!("\"{word}\""),
        Trigger::Failed => "failed".into(),
        Trigger::Uncertain => "uncertain".into(),
        Trigger::Later(what) => what.clone(),
    }
}
