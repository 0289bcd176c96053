// SPDX-License-Identifier: MIT OR Apache-2.0
//! `test` blocks: their names and types are settled with the program's, so that a test cannot rot unseen.

use super::expressions::literal;
use super::report;
use super::scope::Checker;
use crate::ast::{self, ItemKind, TestLineKind as Written};
use crate::source::Span;
use crate::typed::{
    Expected, Expr, ExprKind, FieldDef, Subject, Test, TestLine, TestLineKind, Type, TypeShape, Who,
};

impl Checker<'_> {
    /// Tests of the agent's file.
    pub fn tests(&mut self, items: &[ast::Item]) -> Vec<Test> {
        let mut out: Vec<Test> = Vec::new();
        for item in items {
            let ItemKind::Test(test) = &item.kind else { continue };
            let name = literal(&test.name).unwrap_or_default();
            if let Some(first) = out.iter().find(|t| t.name == name) {
                let first = first.span;
                self.push(report::duplicate::report("test", &name, test.name.span, first));
            }
            let lines = test.lines.iter().filter_map(|line| {
                let kind = self.test_line(&line.kind, line.span)?;
                Some(TestLine { kind, span: line.span })
            });
            let lines = lines.collect();
            out.push(Test { name, lines, span: test.name.span });
        }
        out
    }

    fn test_line(&mut self, line: &Written, span: Span) -> Option<TestLineKind> {
        Some(match line {
            Written::Say(text) => TestLineKind::Say(self.plain(text)),
            Written::Happens(what, text) => TestLineKind::Happens(what.node.clone(), self.plain(text)),
            Written::ModelSays(text) => TestLineKind::ModelSays(self.plain(text)),
            Written::ModelPicks(value) => TestLineKind::ModelPicks(self.picked(value)),
            Written::ModelCalls(invocation) => {
                let (grant, arguments) = self.invocation(invocation)?;
                TestLineKind::ModelCalls(grant, arguments)
            }
            Written::Event { event, fields } => {
                let Some(id) = self.type_ids.get(&event.node).copied() else {
                    let near = report::nearest(&event.node, self.type_ids.keys().map(String::as_str))
                        .map(str::to_string);
                    self.push_unknown(report::unknown_type::report(&event.node, event.span, near.as_deref()));
                    return None;
                };
                let Some(TypeShape::Record(declared)) = self.shape(id).cloned() else {
                    let expected = "a record, as events are";
                    self.push(report::type_mismatch::report(
                        expected,
                        &format!("`{}`", event.node),
                        event.span,
                    ));
                    return None;
                };
                let values = self.arguments(&event.node, &declared, fields, span);
                let value = Expr { ty: Type::Named(id), kind: ExprKind::Record(id, values), span };
                TestLineKind::Event(id, value)
            }
            Written::Tool { tool, gives } => {
                let Some(Subject::Tool(grant)) = self.test_tool(tool) else { return None };
                match gives {
                    None => TestLineKind::ToolFails(grant),
                    Some(arguments) => TestLineKind::ToolGives(grant, self.result(grant, arguments, span)),
                }
            }
            Written::Expect { negated, what, value } => {
                TestLineKind::Expect { negated: *negated, what: self.expected(what, value.as_ref())? }
            }
            Written::Crash => TestLineKind::Crash,
            Written::Wait(duration) => match self.expect(duration, &Type::Duration).kind {
                ExprKind::Duration(ms) => TestLineKind::Wait(ms),
                _ => return None,
            },
            Written::Person { who, answer } => {
                let who =
                    if who.node == "sender" { Who::Sender } else { self.who(&ast::Who::One(who.clone()))? };
                match &answer.kind {
                    ast::ExprKind::YesNo(yes) => TestLineKind::Answers(who, *yes),
                    ast::ExprKind::Text(text) => TestLineKind::Says(who, self.plain(text)),
                    // The grammar has no other answer.
                    _ => return None,
                }
            }
        })
    }

    fn test_tool(&mut self, tool: &ast::Ident) -> Option<Subject> {
        if self.grants.contains_key(&tool.node) {
            return self.subject_of(tool);
        }
        let near = report::nearest(&tool.node, self.grants.keys().map(String::as_str)).map(str::to_string);
        self.push_unknown(report::unknown_tool::report(&tool.node, tool.span, near.as_deref()));
        None
    }

    fn plain(&mut self, text: &ast::Text) -> String {
        literal(text).unwrap_or_else(|| {
            self.push(report::type_mismatch::report(
                "plain words in a test",
                "a text with values",
                text.span,
            ));
            String::new()
        })
    }

    /// What a model gives: a value, or a record of which fields are missing, for `fill`.
    fn picked(&mut self, value: &ast::Expr) -> Expr {
        if let ast::ExprKind::Construct { name, arguments } = &value.kind
            && let Some(id) = self.type_ids.get(&name.node).copied()
            && let Some(TypeShape::Record(fields)) = self.shape(id).cloned()
            && arguments.len() < fields.len()
        {
            let optional: Vec<FieldDef> = fields
                .into_iter()
                .map(|field| match field.ty {
                    Type::Optional(_) => field,
                    ty => FieldDef { ty: Type::Optional(Box::new(ty)), ..field },
                })
                .collect();
            let values = self.arguments(&name.node, &optional, arguments, value.span);
            return Expr { ty: Type::SoFar(id), kind: ExprKind::Record(id, values), span: value.span };
        }
        self.constant(value, None)
    }

    fn constant(&mut self, value: &ast::Expr, expected: Option<&Type>) -> Expr {
        let value = match expected {
            Some(ty) => self.expect(value, ty),
            None => self.expr(value, None),
        };
        if matches!(value.kind, ExprKind::Variable(_)) {
            self.push(report::type_mismatch::report(
                "a value that is written down here",
                "a slot",
                value.span,
            ));
        }
        value
    }

    /// `gives (a: v, …)`: the result of a tool, field by field; a result that is no record is written `(value: v)`.
    fn result(&mut self, grant: u32, arguments: &[ast::Argument], span: Span) -> Expr {
        let gives = self.tools[grant as usize].gives.clone();
        let tool = self.tools[grant as usize].tool.clone();
        if let Type::Named(id) = gives
            && let Some(TypeShape::Record(fields)) = self.shape(id).cloned()
        {
            let values = self.arguments(&tool, &fields, arguments, span);
            return Expr { ty: gives, kind: ExprKind::Record(id, values), span };
        }
        let fields = [FieldDef { name: "value".into(), doc: None, ty: gives }];
        let mut values = self.arguments(&tool, &fields, arguments, span);
        values.pop().unwrap_or(Expr { ty: Type::Unknown, kind: ExprKind::Error, span })
    }

    fn expected(&mut self, what: &ast::Ident, value: Option<&ast::Expr>) -> Option<Expected> {
        let text = |checker: &mut Self| match value.map(|v| &v.kind) {
            Some(ast::ExprKind::Text(text)) => Some(checker.plain(text)),
            _ => None,
        };
        match what.node.as_str() {
            "state" => {
                let name = match value.map(|v| (&v.kind, v.span)) {
                    Some((ast::ExprKind::Name(name), span)) => (name.clone(), span),
                    _ => return None,
                };
                match self.states.get(&name.0) {
                    Some(state) => Some(Expected::State(*state)),
                    None => {
                        let near = report::nearest(&name.0, self.states.keys().map(String::as_str))
                            .map(str::to_string);
                        self.push_unknown(report::unknown_state::report(&name.0, name.1, near.as_deref()));
                        None
                    }
                }
            }
            "reply" => Some(Expected::Reply(text(self))),
            "send" => Some(Expected::Sent(text(self))),
            _ => match self.test_tool(what)? {
                Subject::Tool(grant) => Some(Expected::Call(grant)),
                _ => None,
            },
        }
    }
}
