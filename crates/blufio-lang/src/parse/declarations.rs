// SPDX-License-Identifier: MIT OR Apache-2.0
//! Declarations of agent and shared files.

use super::{Builder, Node, Rule, child, children};
use crate::ast::{
    AskGrant, BudgetLimit, BudgetLine, ContextZone, ContextZoneKind, FileKind, Grant, GrantScope, ItemKind,
    ModelDecl, ModelDeclKind, Rule as ProgramRule, RuleKind, SlotDecl, Spanned, StateDecl, StaticItem,
    TestDecl, TestLine, TestLineKind, Text, TypeBody, TypeDecl, TypeExpr, TypeExprKind, Variant, VisitCap,
};
use crate::source::Span;

impl Builder<'_> {
    pub fn header(&mut self, node: Node<'_>) -> FileKind {
        if let Some(agent) = child(&node, Rule::agent_header) {
            let name = self.ident_of(&agent);
            let version = child(&agent, Rule::version)
                .map(|n| self.uint(&n))
                .unwrap_or(Spanned { node: 1, span: name.span });
            let parameters = child(&agent, Rule::parameters)
                .map(|n| children(&n, Rule::field).map(|f| self.field(f)).collect())
                .unwrap_or_default();
            let gives = child(&agent, Rule::gives).map(|n| self.type_of(&n));
            return FileKind::Agent { name, version, parameters, gives };
        }
        let shared = child(&node, Rule::shared_header).unwrap_or(node);
        FileKind::Shared { name: self.ident_of(&shared) }
    }

    pub fn declaration(&mut self, node: Node<'_>) -> ItemKind {
        match node.as_rule() {
            Rule::goal => ItemKind::Goal(self.text_of(&node)),
            Rule::language => ItemKind::Language(self.text_of(&node)),
            Rule::zone => ItemKind::Zone(self.text_of(&node)),
            Rule::models => {
                ItemKind::Models(children(&node, Rule::model_decl).map(|n| self.model(n)).collect())
            }
            Rule::budget => {
                ItemKind::Budget(children(&node, Rule::budget_line).map(|n| self.budget_line(n)).collect())
            }
            Rule::can_use => ItemKind::CanUse(children(&node, Rule::grant).map(|n| self.grant(n)).collect()),
            Rule::can_ask => {
                ItemKind::CanAsk(children(&node, Rule::ask_grant).map(|n| self.ask_grant(n)).collect())
            }
            Rule::context => {
                ItemKind::Context(node.into_inner().filter_map(|n| self.context_zone(n)).collect())
            }
            Rule::type_decl => self.type_decl(&node),
            Rule::keep => ItemKind::Keep(children(&node, Rule::slot).map(|n| self.slot(n)).collect()),
            Rule::rules => {
                ItemKind::Rules(children(&node, Rule::rule_line).filter_map(|n| self.rule(n)).collect())
            }
            Rule::state => self.state(&node),
            Rule::migrate => self.migrate(&node),
            Rule::test => self.test(&node),
            _ => ItemKind::Anywhere(
                child(&node, Rule::state_body).map(|n| self.state_body(n)).unwrap_or_default(),
            ),
        }
    }

    /// The first text below a node; the grammar guarantees that there is one.
    pub fn text_of(&mut self, node: &Node<'_>) -> Text {
        let span = self.span(node);
        self.string_of(node).unwrap_or(Text { parts: Vec::new(), span })
    }

    fn model(&mut self, node: Node<'_>) -> ModelDecl {
        let name = child(&node, Rule::ident)
            .map(|n| self.declared(&n))
            .unwrap_or(Spanned { node: String::new(), span: self.span(&node) });
        let kind = match child(&node, Rule::by_complexity) {
            Some(by) => {
                let mut levels = Vec::new();
                for level in children(&by, Rule::level) {
                    let mut words: Vec<_> = children(&level, Rule::ident).map(|n| self.ident(&n)).collect();
                    if let (Some(model), Some(word)) = (words.pop(), words.pop()) {
                        levels.push((word, model));
                    }
                }
                let step_down = child(&by, Rule::step_down).map(|n| (self.uint_of(&n), self.ident_of(&n)));
                ModelDeclKind::ByComplexity { levels, step_down }
            }
            None => {
                let fixed = child(&node, Rule::fixed_model).unwrap_or(node);
                ModelDeclKind::Fixed(children(&fixed, Rule::string).map(|n| self.text(n)).collect())
            }
        };
        ModelDecl { name, kind }
    }

    fn budget_line(&mut self, node: Node<'_>) -> BudgetLine {
        let span = self.span(&node);
        let scope = self.ident_of(&node);
        let mut limits = Vec::new();
        for limit in children(&node, Rule::budget_limit).filter_map(|n| n.into_inner().next()) {
            let place = self.span(&limit);
            limits.push(match limit.as_rule() {
                Rule::calls_limit => BudgetLimit::Calls(self.uint_of(&limit)),
                Rule::duration => {
                    BudgetLimit::Time(Spanned { node: self.duration(&limit).unwrap_or(0), span: place })
                }
                _ => {
                    let part = |rule| child(&limit, rule).map(|n| n.as_str().to_string()).unwrap_or_default();
                    let (amount, currency) = (part(Rule::amount), part(Rule::money_code));
                    BudgetLimit::Money {
                        amount: Spanned { node: amount, span: place },
                        currency: Spanned { node: currency, span: place },
                    }
                }
            });
        }
        BudgetLine { scope, limits, span }
    }

    fn grant(&mut self, node: Node<'_>) -> Grant {
        let span = self.span(&node);
        let (prefix, name) = match child(&node, Rule::prefixed) {
            Some(prefixed) => {
                let kind = child(&prefixed, Rule::grant_kind)
                    .map(|n| Spanned { node: n.as_str().trim().to_string(), span: self.span(&n) });
                (
                    kind,
                    child(&prefixed, Rule::dotted)
                        .map(|n| self.ident(&n))
                        .unwrap_or(Spanned { node: String::new(), span }),
                )
            }
            None => (None, self.ident_of(&node)),
        };
        let mut scopes = Vec::new();
        for scope in children(&node, Rule::grant_scope).filter_map(|n| n.into_inner().next()) {
            scopes.push(match scope.as_rule() {
                Rule::scope_to => GrantScope::To(self.words(&scope)),
                Rule::scope_in => GrantScope::In(self.text_of(&scope)),
                _ => GrantScope::Only(self.words(&scope)),
            });
        }
        let rate = child(&node, Rule::rate).map(|n| (self.uint_of(&n), self.ident_of(&n)));
        Grant { prefix, name, scopes, rate, span }
    }

    fn words(&mut self, node: &Node<'_>) -> Vec<Text> {
        let Some(words) = child(node, Rule::words) else { return Vec::new() };
        words
            .into_inner()
            .filter_map(|n| match n.as_rule() {
                Rule::string => Some(self.text(n)),
                Rule::dotted => Some(Text {
                    parts: vec![crate::ast::TextPart::Literal(n.as_str().to_string())],
                    span: self.span(&n),
                }),
                _ => None,
            })
            .collect()
    }

    fn ask_grant(&mut self, node: Node<'_>) -> AskGrant {
        let span = self.span(&node);
        let agent = self.ident_of(&node);
        let with = children(&node, Rule::dotted).map(|n| self.ident(&n)).collect();
        let calls_max = child(&node, Rule::calls_max).map(|n| self.uint_of(&n));
        AskGrant { agent, with, calls_max, span }
    }

    fn context_zone(&mut self, node: Node<'_>) -> Option<ContextZone> {
        let span = self.span(&node);
        let tokens_max = child(&node, Rule::tokens_max).map(|n| self.uint_of(&n));
        let kind = match node.as_rule() {
            Rule::zone_static => {
                let mut items = Vec::new();
                for item in children(&node, Rule::static_item) {
                    let place = self.span(&item);
                    items.push(self.string_of(&item).map_or(StaticItem::Skills(place), StaticItem::File));
                }
                let cache_ms = child(&node, Rule::cache).and_then(|n| child(&n, Rule::duration)).map(|n| {
                    let place = self.span(&n);
                    Spanned { node: self.duration(&n).unwrap_or(0), span: place }
                });
                ContextZoneKind::Static { items, cache_ms }
            }
            Rule::zone_conditional => {
                let above = child(&node, Rule::above).map(|n| {
                    let span = self.span(&n);
                    // The text of the whole would include a comment between the word and the number.
                    let number = n.into_inner().find(|n| matches!(n.as_rule(), Rule::number | Rule::int));
                    Spanned { node: number.map(|n| n.as_str().to_string()).unwrap_or_default(), span }
                });
                let top = child(&node, Rule::top).map(|n| self.uint_of(&n));
                ContextZoneKind::Conditional { scope: self.ident_of(&node), top, above }
            }
            Rule::zone_dynamic => {
                let messages_max = child(&node, Rule::last).map(|n| self.uint_of(&n));
                let summarize = child(&node, Rule::summarize).map(|n| self.ident_of(&n));
                ContextZoneKind::Dynamic { messages_max, summarize }
            }
            _ => return None,
        };
        Some(ContextZone { kind, tokens_max, span })
    }

    fn type_decl(&mut self, node: &Node<'_>) -> ItemKind {
        let name = child(node, Rule::ident)
            .map(|n| self.declared(&n))
            .unwrap_or(Spanned { node: String::new(), span: self.span(node) });
        let body = if let Some(record) = child(node, Rule::record) {
            TypeBody::Record(children(&record, Rule::field).map(|n| self.field(n)).collect())
        } else if let Some(union) = child(node, Rule::union) {
            let variants = union
                .into_inner()
                .filter(|n| matches!(n.as_rule(), Rule::variant | Rule::variant_with_payload));
            TypeBody::Union(variants.map(|n| self.variant(n)).collect())
        } else {
            TypeBody::Alias(self.type_of(node))
        };
        ItemKind::Type(TypeDecl { name, body })
    }

    fn variant(&mut self, node: Node<'_>) -> Variant {
        let doc = self.doc(&node);
        let name = self.ident_of(&node);
        let fields = children(&node, Rule::field).map(|n| self.field(n)).collect();
        Variant { name, fields, doc }
    }

    fn slot(&mut self, node: Node<'_>) -> SlotDecl {
        let field = match child(&node, Rule::field) {
            Some(field) => {
                if let Some(name) = child(&field, Rule::ident) {
                    self.declared(&name);
                }
                self.field(field)
            }
            None => {
                let span = self.span(&node);
                crate::ast::Field {
                    name: Spanned { node: String::new(), span },
                    ty: TypeExpr { kind: TypeExprKind::Name("text".into()), span },
                    doc: None,
                }
            }
        };
        let initial = child(&node, Rule::expr).map(|n| self.expr(n));
        SlotDecl { field, initial }
    }

    fn rule(&mut self, node: Node<'_>) -> Option<ProgramRule> {
        let span = self.span(&node);
        let inner = node.into_inner().next()?;
        let mut names: Vec<_> = inner
            .clone()
            .into_inner()
            .filter(|n| matches!(n.as_rule(), Rule::ident | Rule::dotted))
            .map(|n| self.ident(&n))
            .collect();
        let count = child(&inner, Rule::int).map(|n| self.uint(&n));
        let who = child(&inner, Rule::who).map(|n| self.who(n));
        let kind = match inner.as_rule() {
            Rule::rule_approved => RuleKind::NeverUnlessApproved { what: names.pop()?, by: who? },
            Rule::rule_reaches => RuleKind::NeverReaches { tool: names.pop()?, label: names.pop()? },
            Rule::rule_unless => RuleKind::NeverUnless { unless: names.pop()?, what: names.pop()? },
            Rule::rule_at_most => RuleKind::AtMost { count: count?, per: names.pop()?, what: names.pop()? },
            _ if names.is_empty() => return None,
            _ => RuleKind::LeadsTo { to: names.split_off(1), what: names.pop()? },
        };
        Some(ProgramRule { kind, span })
    }

    fn state(&mut self, node: &Node<'_>) -> ItemKind {
        let start = child(node, Rule::kw_start).map(|n| self.span(&n));
        let name = child(node, Rule::ident)
            .map(|n| self.declared(&n))
            .unwrap_or(Spanned { node: String::new(), span: self.span(node) });
        let cap = child(node, Rule::cap).map(|n| self.cap(n));
        let body = child(node, Rule::state_body).map(|n| self.state_body(n)).unwrap_or_default();
        ItemKind::State(StateDecl { name, start, cap, body })
    }

    fn cap(&mut self, node: Node<'_>) -> VisitCap {
        let span = self.span(&node);
        let count = self.uint_of(&node);
        let mut words = children(&node, Rule::ident).map(|n| self.ident(&n)).collect::<Vec<_>>().into_iter();
        VisitCap {
            count,
            per: words.next().unwrap_or(Spanned { node: "event".into(), span }),
            otherwise: words.next(),
            span,
        }
    }

    fn migrate(&mut self, node: &Node<'_>) -> ItemKind {
        let from = child(node, Rule::version)
            .map(|n| self.uint(&n))
            .unwrap_or(Spanned { node: 0, span: self.span(node) });
        let mut moves = Vec::new();
        for line in children(node, Rule::migrate_move) {
            let mut words: Vec<_> = children(&line, Rule::ident).map(|n| self.ident(&n)).collect();
            if let (Some(to), Some(old)) = (words.pop(), words.pop()) {
                moves.push((old, to));
            }
        }
        let drops = children(node, Rule::migrate_drop).map(|n| self.ident_of(&n)).collect();
        ItemKind::Migrate { from, moves, drops }
    }

    fn test(&mut self, node: &Node<'_>) -> ItemKind {
        let name = self.text_of(node);
        let lines = children(node, Rule::test_line).filter_map(|n| self.test_line(n)).collect();
        ItemKind::Test(TestDecl { name, lines })
    }

    fn test_line(&mut self, node: Node<'_>) -> Option<TestLine> {
        let span = self.span(&node);
        let line = node.into_inner().next()?;
        let kind = match line.as_rule() {
            Rule::test_say => TestLineKind::Say(self.text_of(&line)),
            Rule::test_happens => {
                let what = child(&line, Rule::happening)?;
                let word = Spanned { node: what.as_str().trim().to_string(), span: self.span(&what) };
                TestLineKind::Happens(word, self.text_of(&line))
            }
            Rule::test_event => {
                TestLineKind::Event { event: self.ident_of(&line), fields: self.arguments(&line) }
            }
            Rule::test_calls => TestLineKind::ModelCalls(self.invocation(child(&line, Rule::invocation)?)),
            Rule::test_picks => TestLineKind::ModelPicks(self.expr(child(&line, Rule::expr)?)),
            Rule::test_says => TestLineKind::ModelSays(self.text_of(&line)),
            Rule::test_tool => TestLineKind::Tool {
                tool: self.ident_of(&line),
                gives: child(&line, Rule::test_gives).map(|n| self.arguments(&n)),
            },
            Rule::test_expect => self.expectation(&line, span),
            Rule::test_crash => TestLineKind::Crash,
            Rule::test_wait => TestLineKind::Wait(self.expr(child(&line, Rule::expr)?)),
            _ => {
                let who = self.ident_of(&line);
                let answer = line.into_inner().nth(1)?;
                let place = self.span(&answer);
                let kind = match answer.as_rule() {
                    Rule::test_answer => crate::ast::ExprKind::Text(self.text_of(&answer)),
                    _ => self.literal(&answer),
                };
                TestLineKind::Person { who, answer: crate::ast::Expr { kind, span: place } }
            }
        };
        Some(TestLine { kind, span })
    }

    /// The text of a line, when it has one.
    fn words_of(&mut self, node: &Node<'_>) -> Option<crate::ast::Expr> {
        let text = self.string_of(node)?;
        Some(crate::ast::Expr { span: text.span, kind: crate::ast::ExprKind::Text(text) })
    }

    fn expectation(&mut self, line: &Node<'_>, span: Span) -> TestLineKind {
        let negated = child(line, Rule::kw_no).is_some();
        let word = |text: &str| Spanned { node: text.to_string(), span };
        if let Some(state) = child(line, Rule::expect_state) {
            let name = self.ident_of(&state);
            let value = crate::ast::Expr { kind: crate::ast::ExprKind::Name(name.node), span: name.span };
            return TestLineKind::Expect { negated, what: word("state"), value: Some(value) };
        }
        if let Some(reply) = child(line, Rule::expect_reply) {
            return TestLineKind::Expect { negated, what: word("reply"), value: self.words_of(&reply) };
        }
        if let Some(send) = child(line, Rule::expect_send) {
            return TestLineKind::Expect { negated, what: word("send"), value: self.words_of(&send) };
        }
        TestLineKind::Expect { negated, what: self.ident_of(line), value: None }
    }
}
