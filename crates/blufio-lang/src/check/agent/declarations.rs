// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands outside of states: grants, models, budget, context, slots.

use super::*;

/// How long providers keep the beginning of a prompt, milliseconds.
const CACHE_MS: [i64; 2] = [5 * 60_000, 60 * 60_000];

impl Checker<'_> {
    /// A path below the program's folder, or an error.
    pub fn path(&mut self, text: &ast::Text) -> Option<String> {
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

    pub(super) fn declare_models(&mut self, items: &[&ast::Item]) {
        let mut routed = Vec::new();
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
                let mut routing = None;
                let chain = match &model.kind {
                    ast::ModelDeclKind::Fixed(texts) => {
                        texts.iter().filter_map(|t| self.model_name(t)).collect()
                    }
                    ast::ModelDeclKind::ByComplexity { levels, step_down } => {
                        self.needs(Construct::Routing, "`by complexity`", model.name.span);
                        routing = Some((levels, step_down));
                        Vec::new()
                    }
                };
                routed.extend(routing.map(|routing| (self.models.len(), routing)));
                self.model_ids.insert(model.name.node.clone(), typed::ModelId(self.models.len() as u32));
                self.models.push(typed::Model { name: model.name.node.clone(), chain, routing: None });
            }
        }
        for (at, (levels, step_down)) in routed {
            self.route_model(at, levels, step_down.as_ref());
        }
    }

    /// `by complexity`: its models are named before or behind it.
    fn route_model(
        &mut self,
        at: usize,
        levels: &[(ast::Ident, ast::Ident)],
        step_down: Option<&(ast::Spanned<u32>, ast::Ident)>,
    ) {
        const LEVELS: [&str; 3] = ["simple", "standard", "complex"];
        let mut out = Vec::new();
        for (level, model) in levels {
            if !LEVELS.contains(&level.node.as_str()) {
                let near = report::nearest(&level.node, LEVELS);
                self.push(report::unknown_name::report(&level.node, level.span, near));
            }
            out.extend(self.model_index(model).map(|id| (level.node.clone(), id)));
        }
        let step_down = step_down.and_then(|(percent, model)| {
            if percent.node == 0 || percent.node > 100 {
                self.push(report::bad_bounds::report("a budget is under 1 to 100 %", percent.span));
            }
            Some((percent.node, self.model_index(model)?))
        });
        self.models[at].routing = Some(typed::Routing { levels: out, step_down });
    }

    fn model_index(&mut self, name: &ast::Ident) -> Option<u32> {
        if let Some(id) = self.model_ids.get(&name.node) {
            return Some(id.0);
        }
        let near = report::nearest(&name.node, self.model_ids.keys().map(String::as_str)).map(str::to_string);
        self.push(report::unknown_model::report(&name.node, name.span, near.as_deref()));
        None
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
        if self.environment.provider(provider).is_none() {
            let known = self.environment.providers.iter().map(|known| known.name.as_str());
            let near = report::nearest(provider, known);
            self.push(report::unknown_model::provider(provider, text.span, near));
        }
        Some(name)
    }

    pub(super) fn declare_rest(&mut self, items: &[&ast::Item], declared: &mut Declared) {
        let mut seen = Vec::new();
        for item in items {
            match &item.kind {
                ItemKind::Goal(text) => {
                    self.once("goal", item.span, &mut seen);
                    declared.goal = self.plain_text(text);
                }
                ItemKind::Language(text) => {
                    self.once("language", item.span, &mut seen);
                    self.needs(Construct::Locale, "`language`", text.span);
                    declared.language = literal(text);
                }
                ItemKind::Zone(text) => {
                    self.once("zone", item.span, &mut seen);
                    self.zone(text);
                    self.needs(Construct::Locale, "`zone` of an agent", text.span);
                    self.zone = literal(text);
                }
                ItemKind::Budget(lines) => self.budget(lines, declared),
                ItemKind::Context(zones) => self.context(zones, declared),
                ItemKind::Migrate { from, moves, drops } => {
                    self.needs(Construct::Migrate, "`migrate`", from.span);
                    declared.migrations.push(Migration {
                        from: from.node,
                        moves: moves.iter().map(|(old, new)| (old.node.clone(), new.node.clone())).collect(),
                        drops: drops.iter().map(|name| name.node.clone()).collect(),
                        span: from.span,
                    });
                }
                _ => {}
            }
        }
        // A program that says nothing about its context keeps a short history; one that does decides for itself.
        if !items.iter().any(|item| matches!(item.kind, ItemKind::Context(_))) {
            declared.context.history =
                Some(History { messages_max: Some(20), tokens_max: Some(4_000), summarize: None });
        }
        self.has_history = declared.context.history.is_some();
    }

    /// Reports a second declaration of which one is allowed: it would win or be lost without a word.
    fn once(&mut self, what: &'static str, span: Span, seen: &mut Vec<(&'static str, Span)>) {
        match seen.iter().find(|(known, _)| *known == what) {
            Some((_, first)) => {
                let first = *first;
                self.push(report::duplicate::report("declaration", what, span, first));
            }
            None => seen.push((what, span)),
        }
    }

    /// A text that holds no values; they would have nothing to come from.
    fn plain_text(&mut self, text: &ast::Text) -> String {
        literal(text).unwrap_or_else(|| {
            let expected = "plain words here";
            self.push(report::type_mismatch::report(expected, "a text with values", text.span));
            String::new()
        })
    }

    fn budget(&mut self, lines: &[ast::BudgetLine], declared: &mut Declared) {
        for line in lines {
            let first =
                declared.budget_lines.iter().find(|(scope, _)| *scope == line.scope.node).map(|(_, at)| *at);
            if let Some(first) = first {
                self.push(report::duplicate::report("budget", &line.scope.node, line.scope.span, first));
            }
            declared.budget_lines.push((line.scope.node.clone(), line.scope.span));
            let limits = match line.scope.node.as_str() {
                "message" => &mut declared.budget.message,
                "heartbeat" => &mut declared.budget.heartbeat,
                "day" => &mut declared.budget.day,
                "month" => &mut declared.budget.month,
                other => {
                    let near = report::nearest(other, ["message", "heartbeat", "day", "month"]);
                    self.push(report::unknown_name::report(other, line.scope.span, near));
                    continue;
                }
            };
            let mut unfinished = Vec::new();
            let scope = line.scope.node.as_str();
            for limit in &line.limits {
                match limit {
                    ast::BudgetLimit::Calls(calls) => {
                        limits.calls = Some((calls.node, calls.span));
                        if scope != "message" {
                            unfinished.push((Construct::Budget, format!("a budget per {scope}"), calls.span));
                        }
                    }
                    ast::BudgetLimit::Money { amount, currency } => {
                        limits.money = money(amount, &currency.node, self.diagnostics);
                        unfinished.push((Construct::Money, "a budget in money".to_string(), amount.span));
                    }
                    ast::BudgetLimit::Time(time) => {
                        limits.time_ms = Some((time.node, time.span));
                        if !matches!(scope, "message" | "heartbeat") {
                            let why = "time is limited per message or per heartbeat";
                            self.diagnostics.push(report::bad_bounds::report(why, time.span));
                        } else if time.node == 0 {
                            let nothing = report::bad_bounds::report("a budget of no time", time.span);
                            self.diagnostics.push(nothing.hint("write how long it may take, like `5m`"));
                        }
                        unfinished.push((Construct::Money, "a budget in time".to_string(), time.span));
                    }
                }
            }
            for (construct, what, span) in unfinished {
                self.needs(construct, &what, span);
            }
        }
    }

    fn context(&mut self, zones: &[ast::ContextZone], declared: &mut Declared) {
        for zone in zones {
            let word = match &zone.kind {
                ast::ContextZoneKind::Static { .. } => "static",
                ast::ContextZoneKind::Conditional { .. } => "conditional",
                ast::ContextZoneKind::Dynamic { .. } => "dynamic",
            };
            let mut seen = std::mem::take(&mut declared.zones);
            self.once(word, zone.span, &mut seen);
            declared.zones = seen;
            let tokens_max = zone.tokens_max.as_ref().map(|t| t.node);
            match &zone.kind {
                ast::ContextZoneKind::Static { items, cache_ms } => {
                    for item in items {
                        match item {
                            ast::StaticItem::File(path) => {
                                declared.context.static_files.extend(self.path(path))
                            }
                            ast::StaticItem::Skills(span) => {
                                self.needs(Construct::Context, "`skills` in the static zone", *span);
                                declared.context.skills = true;
                            }
                        }
                    }
                    if let Some(cache) = cache_ms {
                        self.needs(Construct::Context, "`cache` with a duration", cache.span);
                        declared.context.static_cache_ms = Some(cache.node);
                        if !CACHE_MS.contains(&cache.node) {
                            let why = "providers keep a prompt for 5m or for 1h";
                            self.push(report::bad_bounds::report(why, cache.span));
                        }
                    }
                    declared.context.static_tokens_max = tokens_max;
                }
                ast::ContextZoneKind::Conditional { scope, top, above } => {
                    self.needs(Construct::Context, "the conditional zone", zone.span);
                    let scope = self.memory_scope(Some(scope));
                    let written =
                        above.as_ref().map(|above| (above.node.parse::<f64>().unwrap_or(-1.0), above.span));
                    if let Some((_, span)) = written.filter(|(value, _)| !(0.0..=1.0).contains(value)) {
                        self.push(report::bad_bounds::report("a similarity is between 0 and 1", span));
                    }
                    let above_thousandths =
                        written.map_or(0, |(value, _)| (value.clamp(0.0, 1.0) * 1_000.0).round() as u32);
                    let top = top.as_ref().map_or(5, |top| top.node);
                    declared.context.recall = Some(Recall { scope, top, above_thousandths, tokens_max });
                }
                ast::ContextZoneKind::Dynamic { messages_max, summarize } => {
                    let summarize = summarize.as_ref().and_then(|model| {
                        self.needs(Construct::Context, "`then summarize`", model.span);
                        self.model_index(model)
                    });
                    let messages_max = messages_max.as_ref().map(|m| m.node);
                    declared.context.history = Some(History { messages_max, tokens_max, summarize });
                }
            }
        }
    }

    pub(super) fn declare_slots(&mut self, items: &[&ast::Item], header: &Header<'_>) {
        let mut declarations: Vec<(&ast::Field, Option<&ast::Expr>)> = Vec::new();
        if let Some(first) = header.parameters.first() {
            self.needs(Construct::AskAgent, "an agent with parameters", first.name.span);
            declarations.extend(header.parameters.iter().map(|f| (f, None)));
        }
        if let Some(gives) = header.gives {
            self.needs(Construct::AskAgent, "`gives`", gives.span);
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
}

/// The money of a budget; `None` where it says nothing that could be kept.
fn money(
    amount: &ast::Spanned<String>,
    currency: &str,
    diagnostics: &mut Diagnostics,
) -> Option<(i64, Currency, Span)> {
    let span = amount.span;
    let Some((unit, millionths)) = Currency::named(currency).zip(millionths(&amount.node)) else {
        let found = format!("`{} {currency}`", amount.node);
        let expected = "an amount with at most six decimals of a known currency";
        let mismatch = report::type_mismatch::report(expected, &found, span);
        diagnostics.push(mismatch.hint("write what may be spent, like `2 usd` or `0.50 usd`"));
        return None;
    };
    if unit.code() != "usd" {
        let why = format!("prices are in usd, the budget is in {}", unit.code());
        diagnostics.push(report::unpriced::report(&why, span));
        return None;
    }
    if millionths == 0 {
        let nothing = report::bad_bounds::report("a budget of 0 usd pays for nothing", span);
        diagnostics.push(
            nothing.hint("write what may be spent, like `0.50 usd`; `0 calls` is for what asks no model"),
        );
        return None;
    }
    Some((millionths, unit, span))
}

/// Millionths of a decimal amount; `None` when it has more than six decimals or is too large.
fn millionths(amount: &str) -> Option<i64> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 6 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<6}").parse().ok()? };
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}
