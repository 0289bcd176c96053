// SPDX-License-Identifier: MIT OR Apache-2.0
//! States, handlers and steps.

use super::{Builder, Node, Rule, child, children};
use crate::ast::{
    AfterDecl, AfterWhen, ApproveStep, Arm, ArmBody, AskStep, AssignValue, BinaryOperator, CallStep,
    EachStep, EveryDecl, Expr, ExprKind, FillStep, Handler, HandlerAction, Label, LabelKind, ModelParts,
    PickStep, Place, PlacePart, RunStep, Spanned, StateBody, Step, StepKind, ToolInvocation, Trigger,
    TriggerKind, TurnStep, Who, WriteStep,
};

impl Builder<'_> {
    pub fn state_body(&mut self, node: Node<'_>) -> StateBody {
        let mut body = StateBody { span: self.span(&node), ..StateBody::default() };
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::handler => body.handlers.push(self.handler(part)),
                Rule::after => body.timers.push(self.after(part)),
                Rule::every => body.schedules.push(self.every(part)),
                Rule::step => body.steps.push(self.step(part)),
                _ => {}
            }
        }
        body
    }

    fn handler(&mut self, node: Node<'_>) -> Handler {
        let span = self.span(&node);
        let triggers = children(&node, Rule::trigger).map(|n| self.trigger(n)).collect();
        let binder =
            child(&node, Rule::binder).and_then(|n| child(&n, Rule::ident)).map(|n| self.declared(&n));
        let action =
            match child(&node, Rule::waiting).and_then(|n| n.into_inner().next()).map(|n| n.as_rule()) {
                Some(Rule::kw_hold) => HandlerAction::Hold,
                Some(Rule::kw_join) => HandlerAction::Join,
                Some(_) => HandlerAction::Drop,
                None => HandlerAction::Body(self.arm_body_of(&node)),
            };
        Handler { triggers, binder, action, span }
    }

    fn trigger(&mut self, node: Node<'_>) -> Trigger {
        let span = self.span(&node);
        if let Some(text) = self.string_of(&node) {
            let word = text.parts.iter().map(|p| match p {
                crate::ast::TextPart::Literal(literal) => literal.as_str(),
                crate::ast::TextPart::Value(_) => "{…}",
            });
            return Trigger { kind: TriggerKind::Word(word.collect()), span };
        }
        let kind = match node.as_str().trim() {
            "message" => TriggerKind::Message,
            "wake" => TriggerKind::Wake,
            "failed" => TriggerKind::Failed,
            "uncertain" => TriggerKind::Uncertain,
            "over_budget" => TriggerKind::OverBudget,
            word @ ("edited" | "reaction" | "joined" | "left") => TriggerKind::Channel(word.to_string()),
            word => TriggerKind::Declared(word.to_string()),
        };
        Trigger { kind, span }
    }

    fn after(&mut self, node: Node<'_>) -> AfterDecl {
        let span = self.span(&node);
        let zone = child(&node, Rule::in_zone).and_then(|n| self.string_of(&n));
        let when = match child(&node, Rule::time_of_day) {
            Some(time) => AfterWhen::TimeOfDay { time: self.literal_expr(&time), zone },
            None => AfterWhen::Duration(self.expr_of(&node)),
        };
        AfterDecl { when, body: self.arm_body_of(&node), span }
    }

    fn every(&mut self, node: Node<'_>) -> EveryDecl {
        let span = self.span(&node);
        let period = child(&node, Rule::duration).map(|n| self.literal_expr(&n));
        let day = child(&node, Rule::ident).map(|n| self.ident(&n));
        let at = child(&node, Rule::at_time)
            .and_then(|n| child(&n, Rule::time_of_day))
            .map(|n| self.literal_expr(&n));
        let window = child(&node, Rule::window).and_then(|n| {
            let mut times = children(&n, Rule::time_of_day)
                .map(|t| self.literal_expr(&t))
                .collect::<Vec<_>>()
                .into_iter();
            Some((times.next()?, times.next()?))
        });
        let zone = child(&node, Rule::in_zone).and_then(|n| self.string_of(&n));
        let when_changed = child(&node, Rule::when_changed)
            .map(|n| children(&n, Rule::invocation).map(|i| self.invocation(i)).collect())
            .unwrap_or_default();
        EveryDecl { period, day, at, window, zone, when_changed, body: self.arm_body_of(&node), span }
    }

    fn literal_expr(&mut self, node: &Node<'_>) -> Expr {
        let span = self.span(node);
        Expr { kind: self.literal(node), span }
    }

    /// The first expression below a node; the grammar guarantees that there is one.
    fn expr_of(&mut self, node: &Node<'_>) -> Expr {
        match child(node, Rule::expr) {
            Some(found) => self.expr(found),
            None => Expr { kind: ExprKind::None, span: self.span(node) },
        }
    }

    fn arm_body_of(&mut self, node: &Node<'_>) -> ArmBody {
        let Some(body) = child(node, Rule::arm_body) else { return ArmBody::default() };
        let span = self.span(&body);
        let mut steps = Vec::new();
        for part in body.into_inner() {
            match part.as_rule() {
                Rule::go => {
                    steps.push(Step { span: self.span(&part), kind: StepKind::Go(self.ident_of(&part)) })
                }
                _ => steps.extend(self.steps_of(&part)),
            }
        }
        ArmBody { steps, span }
    }

    fn steps_of(&mut self, node: &Node<'_>) -> Vec<Step> {
        children(node, Rule::step).map(|n| self.step(n)).collect()
    }

    fn step(&mut self, node: Node<'_>) -> Step {
        let span = self.span(&node);
        match node.into_inner().next() {
            Some(inner) => Step { kind: self.step_kind(inner), span },
            None => Step { kind: StepKind::Done(None), span },
        }
    }

    fn step_kind(&mut self, node: Node<'_>) -> StepKind {
        match node.as_rule() {
            Rule::go => StepKind::Go(self.ident_of(&node)),
            Rule::assign => self.assign(&node),
            Rule::change => {
                let minus = child(&node, Rule::change_operator).is_some_and(|n| n.as_str().starts_with('-'));
                let operator = if minus { BinaryOperator::Subtract } else { BinaryOperator::Add };
                StepKind::Change { target: self.place_of(&node, false), operator, value: self.expr_of(&node) }
            }
            Rule::done => StepKind::Done(child(&node, Rule::expr).map(|n| self.expr(n))),
            Rule::add_to => StepKind::AddTo { value: self.expr_of(&node), list: self.place_of(&node, false) },
            Rule::when => {
                StepKind::When { subject: self.expr_of(&node), arms: self.arms_of(&node).unwrap_or_default() }
            }
            Rule::pick => {
                let ty = self.type_of(&node);
                StepKind::Pick(PickStep { ty, model: self.model_parts(&node), arms: self.arms_of(&node) })
            }
            Rule::fill => {
                let slot = self.ident_of(&node);
                StepKind::Fill(FillStep {
                    slot,
                    model: self.model_parts(&node),
                    arms: self.arms_of(&node).unwrap_or_default(),
                })
            }
            Rule::write => {
                StepKind::Write(WriteStep { target: self.declared_of(&node), model: self.model_parts(&node) })
            }
            Rule::turn => StepKind::Turn(TurnStep {
                stream: child(&node, Rule::kw_stream).is_some(),
                model: self.model_parts(&node),
                arms: self.arms_of(&node).unwrap_or_default(),
            }),
            Rule::call => self.call(&node),
            Rule::run => {
                let approver = child(&node, Rule::who).map(|n| self.who(n));
                let within = self.within_of(&node);
                StepKind::Run(RunStep {
                    calls: self.expr_of(&node),
                    approved_by: approver.map(|who| (who, within)),
                })
            }
            Rule::ask => self.ask(&node),
            Rule::approve => {
                let by = child(&node, Rule::who)
                    .map(|n| self.who(n))
                    .unwrap_or(Who::One(Spanned { node: "owner".into(), span: self.span(&node) }));
                let editing = child(&node, Rule::editing).map(|n| self.ident_of(&n));
                let (question, within) = (self.string_of(&node), self.within_of(&node));
                StepKind::Approve(ApproveStep {
                    by,
                    editing,
                    question,
                    within,
                    arms: self.arms_of(&node).unwrap_or_default(),
                })
            }
            Rule::each => self.each(&node),
            _ => self.simple_step(node),
        }
    }

    fn simple_step(&mut self, node: Node<'_>) -> StepKind {
        match node.as_rule() {
            Rule::reply => StepKind::Reply(self.expr_of(&node)),
            Rule::send => StepKind::Send {
                to: self.ident_of(&node),
                what: self.expr_of(&node),
                with_next_message: child(&node, Rule::next_message).is_some(),
            },
            Rule::show => StepKind::Show(self.expr_of(&node)),
            Rule::remember => {
                let scope = child(&node, Rule::for_scope).map(|n| self.ident_of(&n));
                StepKind::Remember { what: self.expr_of(&node), scope }
            }
            Rule::recall => {
                let scope = child(&node, Rule::from_scope).map(|n| self.ident_of(&n));
                let top = child(&node, Rule::top).map(|n| self.uint_of(&n));
                StepKind::Recall { query: self.expr_of(&node), scope, top }
            }
            Rule::forget => StepKind::Forget(self.ident_of(&node)),
            Rule::wake => {
                let with = child(&node, Rule::wake_with).map(|n| self.expr_of(&n));
                match child(&node, Rule::wake_after) {
                    Some(after) => StepKind::Wake { relative: true, when: self.expr_of(&after), with },
                    None => {
                        let at = child(&node, Rule::wake_at).unwrap_or(node);
                        StepKind::Wake { relative: false, when: self.expr_of(&at), with }
                    }
                }
            }
            _ => StepKind::Together(child(&node, Rule::block).map(|n| self.steps_of(&n)).unwrap_or_default()),
        }
    }

    fn declared_of(&mut self, node: &Node<'_>) -> crate::ast::Ident {
        match child(node, Rule::ident) {
            Some(ident) => self.declared(&ident),
            None => Spanned { node: String::new(), span: self.span(node) },
        }
    }

    fn place_of(&mut self, node: &Node<'_>, declares: bool) -> Place {
        let Some(place) = child(node, Rule::place) else {
            let span = self.span(node);
            return Place { name: Spanned { node: String::new(), span }, path: Vec::new(), span };
        };
        let span = self.span(&place);
        let name = if declares { self.declared_of(&place) } else { self.ident_of(&place) };
        let mut path = Vec::new();
        for part in children(&place, Rule::place_part) {
            path.push(match child(&part, Rule::expr) {
                Some(key) => PlacePart::Index(self.expr(key)),
                None => PlacePart::Field(self.ident_of(&part)),
            });
        }
        Place { name, path, span }
    }

    fn assign(&mut self, node: &Node<'_>) -> StepKind {
        let target = self.place_of(node, true);
        let Some(value) = child(node, Rule::step_value).and_then(|n| n.into_inner().next()) else {
            return StepKind::Assign { target, value: AssignValue::Expr(self.expr_of(node)) };
        };
        let span = self.span(&value);
        if value.as_rule() == Rule::write_value && target.path.is_empty() {
            return StepKind::Write(WriteStep { target: target.name, model: self.model_parts(&value) });
        }
        let step = Step { kind: self.step_kind(value), span };
        StepKind::Assign { target, value: AssignValue::Step(Box::new(step)) }
    }

    fn model_parts(&mut self, node: &Node<'_>) -> ModelParts {
        let mut parts = ModelParts::default();
        for part in children(node, Rule::model_part).filter_map(|n| n.into_inner().next()) {
            match part.as_rule() {
                Rule::using => parts.using = Some(self.ident_of(&part)),
                Rule::from => parts.from.extend(children(&part, Rule::expr).map(|n| self.expr(n))),
                Rule::with => parts.with.extend(children(&part, Rule::ident).map(|n| self.ident(&n))),
                Rule::retry => parts.retry = Some(self.uint_of(&part)),
                _ => parts.instruction = Some(self.text(part)),
            }
        }
        parts
    }

    fn arms_of(&mut self, node: &Node<'_>) -> Option<Vec<Arm>> {
        let arms = child(node, Rule::arms)?;
        Some(children(&arms, Rule::arm).map(|n| self.arm(n)).collect())
    }

    fn arm(&mut self, node: Node<'_>) -> Arm {
        let span = self.span(&node);
        let labels = children(&node, Rule::label).map(|n| self.label(n)).collect();
        Arm { labels, body: self.arm_body_of(&node), span }
    }

    fn label(&mut self, node: Node<'_>) -> Label {
        let span = self.span(&node);
        let binders = child(&node, Rule::binders)
            .map(|n| children(&n, Rule::ident).map(|i| self.declared(&i)).collect())
            .unwrap_or_default();
        let kind = match node.clone().into_inner().next() {
            Some(n) if n.as_rule() == Rule::kw_else => LabelKind::Else,
            Some(n) if n.as_rule() == Rule::signed => LabelKind::Int(self.signed(&n)),
            Some(n) if n.as_rule() == Rule::string => {
                let text = self.text(n);
                LabelKind::Text(
                    text.parts
                        .into_iter()
                        .map(|p| match p {
                            crate::ast::TextPart::Literal(literal) => literal,
                            crate::ast::TextPart::Value(_) => "{…}".to_string(),
                        })
                        .collect(),
                )
            }
            _ => LabelKind::Name(self.ident_of(&node).node),
        };
        Label { kind, binders, span }
    }

    pub fn invocation(&mut self, node: Node<'_>) -> ToolInvocation {
        let span = self.span(&node);
        ToolInvocation { tool: self.ident_of(&node), arguments: self.arguments(&node), span }
    }

    fn otherwise_of(&mut self, node: &Node<'_>) -> Option<ArmBody> {
        child(node, Rule::otherwise).map(|n| self.arm_body_of(&n))
    }

    fn within_of(&mut self, node: &Node<'_>) -> Option<Expr> {
        child(node, Rule::within).map(|n| self.expr_of(&n))
    }

    fn call(&mut self, node: &Node<'_>) -> StepKind {
        let invocation = match child(node, Rule::invocation) {
            Some(invocation) => self.invocation(invocation),
            None => {
                ToolInvocation { tool: self.ident_of(node), arguments: Vec::new(), span: self.span(node) }
            }
        };
        let retry = child(node, Rule::retry).map(|n| self.uint_of(&n));
        StepKind::Call(CallStep {
            invocation,
            retry,
            arms: self.arms_of(node),
            otherwise: self.otherwise_of(node),
        })
    }

    fn ask(&mut self, node: &Node<'_>) -> StepKind {
        StepKind::Ask(AskStep {
            whom: self.ident_of(node),
            arguments: child(node, Rule::ask_arguments).map(|n| self.arguments(&n)),
            question: self.string_of(node),
            here: child(node, Rule::kw_here).is_some(),
            with: child(node, Rule::ask_with).map(|n| self.ident_of(&n)),
            within: self.within_of(node),
            arms: self.arms_of(node),
            otherwise: self.otherwise_of(node),
        })
    }

    fn each(&mut self, node: &Node<'_>) -> StepKind {
        StepKind::Each(EachStep {
            variable: self.declared_of(node),
            list: self.expr_of(node),
            at_once: child(node, Rule::at_once).map(|n| self.uint_of(&n)),
            within: self.within_of(node),
            steps: child(node, Rule::block).map(|n| self.steps_of(&n)).unwrap_or_default(),
        })
    }

    pub fn who(&mut self, node: Node<'_>) -> Who {
        match child(&node, Rule::quorum) {
            Some(quorum) => Who::Quorum(self.uint_of(&quorum), self.ident_of(&quorum)),
            None => Who::One(self.ident_of(&node)),
        }
    }
}
