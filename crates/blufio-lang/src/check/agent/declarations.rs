// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands outside of states: grants, models, budget, context, slots.

use super::*;

impl Checker<'_> {
    pub(super) fn declare_grants(&mut self, items: &[&ast::Item], declared: &mut Declared) {
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

    pub(super) fn declare_models(&mut self, items: &[&ast::Item]) {
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

    pub(super) fn declare_rest(&mut self, items: &[&ast::Item], declared: &mut Declared) {
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

    pub(super) fn declare_slots(&mut self, items: &[&ast::Item], header: &Header<'_>) {
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
}
