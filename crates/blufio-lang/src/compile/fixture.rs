// SPDX-License-Identifier: MIT OR Apache-2.0
//! Typed programs written by hand, for the tests of compiler and machine: they must not depend on the parser.

use crate::source::Span;
use crate::typed::*;
use crate::value::Currency;

pub const INT: Type = Type::Int(i64::MIN, i64::MAX);
pub const TEXT: Type = Type::Text(None);

pub fn optional(ty: Type) -> Type {
    Type::Optional(Box::new(ty))
}

pub fn expr(ty: Type, kind: ExprKind) -> Expr {
    Expr { ty, kind, span: Span::new(1, 2) }
}

pub fn int(value: i64) -> Expr {
    expr(INT, ExprKind::Int(value))
}

pub fn minutes(value: i64) -> Expr {
    expr(Type::Duration, ExprKind::Duration(value * 60_000))
}

pub fn text(text: &str) -> Expr {
    parts(vec![TextPart::Literal(text.into())])
}

pub fn parts(parts: Vec<TextPart>) -> Expr {
    expr(TEXT, ExprKind::Text(parts))
}

pub fn slot(index: u32, ty: Type) -> Expr {
    expr(ty, ExprKind::Variable(Variable::Slot(index)))
}

pub fn local(index: u32, ty: Type) -> Expr {
    expr(ty, ExprKind::Variable(Variable::Local(index)))
}

pub fn calculate(operator: ArithmeticOperator, left: Expr, right: Expr) -> Expr {
    let ty = left.ty.clone();
    expr(ty, ExprKind::Arithmetic(operator, Box::new(left), Box::new(right)))
}

pub fn compare(operator: CompareOperator, left: Expr, right: Expr) -> Expr {
    expr(Type::YesNo, ExprKind::Compare(operator, Box::new(left), Box::new(right)))
}

pub fn some(inner: Expr) -> Expr {
    expr(optional(inner.ty.clone()), ExprKind::ToOptional(Box::new(inner)))
}

pub fn step(kind: StepKind) -> Step {
    Step { kind, span: Span::new(3, 4) }
}

pub fn go(state: u32) -> Step {
    step(StepKind::Go(StateId(state)))
}

pub fn reply(of: Expr) -> Step {
    step(StepKind::Reply(of))
}

pub fn set(variable: Variable, value: Expr) -> Step {
    step(StepKind::Assign(variable, value))
}

/// `slot = slot + value`.
pub fn add_to(index: u32, value: i64) -> Step {
    set(Variable::Slot(index), calculate(ArithmeticOperator::Add, slot(index, INT), int(value)))
}

pub fn model(from: Vec<(String, Expr)>, history: bool, instruction: Vec<TextPart>) -> ModelUse {
    ModelUse { model: ModelId(0), from, history, memory: false, retries: 1, instruction }
}

pub fn literal(text: &str) -> Vec<TextPart> {
    vec![TextPart::Literal(text.into())]
}

pub fn arm(cases: &[u32], binders: Vec<Variable>, steps: Vec<Step>) -> VariantArm {
    VariantArm { cases: cases.to_vec(), label: "arm".into(), binders, steps, span: Span::new(5, 6) }
}

pub fn variable(name: &str, ty: Type, initial: Option<Expr>) -> VariableDef {
    VariableDef { name: name.into(), ty, initial, span: Span::new(7, 8) }
}

pub fn on(trigger: Trigger, binder: Option<Variable>, steps: Vec<Step>) -> Handler {
    Handler { trigger, action: HandlerAction::Run { binder, steps }, span: Span::new(9, 10) }
}

pub fn on_word(word: &str, steps: Vec<Step>) -> Handler {
    on(Trigger::Word(word.into()), None, steps)
}

pub fn keep(trigger: Trigger, action: HandlerAction) -> Handler {
    Handler { trigger, action, span: Span::new(9, 10) }
}

pub fn state(name: &str, body: Vec<Step>, handlers: Vec<Handler>) -> State {
    State {
        name: name.into(),
        span: Span::new(11, 12),
        doc: None,
        cap: None,
        locals: Vec::new(),
        body,
        handlers,
        timers: Vec::new(),
        rest: None,
    }
}

pub fn capped(mut state: State, visits_max: u32, per_event: bool, otherwise: u32) -> State {
    state.cap = Some(Cap { visits_max, per_event, otherwise: StateId(otherwise), span: Span::default() });
    state
}

pub fn after(mut state: State, after: Expr, steps: Vec<Step>) -> State {
    state.timers.push(Timer { after, zone: None, steps, span: Span::new(13, 14) });
    state
}

pub fn with_locals(mut state: State, locals: Vec<VariableDef>) -> State {
    state.locals = locals;
    state
}

pub fn field(name: &str, ty: Type) -> FieldDef {
    FieldDef { name: name.into(), doc: None, ty }
}

pub fn case(name: &str, fields: Vec<FieldDef>) -> VariantDef {
    VariantDef { name: name.into(), doc: None, fields }
}

pub fn declare(name: &str, shape: TypeShape) -> TypeDef {
    TypeDef { name: name.into(), doc: None, shape }
}

pub fn euro() -> Type {
    Type::Money(Currency::named("eur"))
}

pub fn euros(minor: i64) -> Expr {
    expr(euro(), ExprKind::Money(minor, Currency::named("eur").unwrap()))
}

pub fn program(slots: Vec<VariableDef>, states: Vec<State>, anywhere: Vec<Handler>) -> Program {
    Program {
        name: "fixture".into(),
        version: 1,
        goal: "Be tested.".into(),
        types: vec![
            declare(
                "Wish",
                TypeShape::Union(vec![
                    case("question", vec![]),
                    case("refund", vec![field("order", Type::Text(Some(20))), field("amount", euro())]),
                    case("other", vec![]),
                ]),
            ),
            declare("Label", TypeShape::Union(vec![case("bug", vec![]), case("praise", vec![])])),
            declare(
                "Table",
                TypeShape::Record(vec![field("day", Type::Date), field("people", Type::Int(1, 12))]),
            ),
        ],
        models: vec![Model {
            name: "fast".into(),
            chain: vec!["anthropic/claude-haiku-5-5".into()],
            routing: None,
        }],
        language: None,
        zone: None,
        parameters: 0,
        gives: None,
        budget: Budget {
            message: Limits { calls: Some((8, Span::default())), ..Limits::default() },
            ..Budget::default()
        },
        asks: Vec::new(),
        wake: None,
        schedules: Vec::new(),
        rules: Vec::new(),
        migrations: Vec::new(),
        tests: Vec::new(),
        tools: vec![ToolGrant {
            tool: "files.read".into(),
            folder: Some("notes/".into()),
            to: Vec::new(),
            only: Vec::new(),
            rate: None,
            parameters: Vec::new(),
            gives: TEXT,
            effect: EffectClass::Read,
            danger: Danger::Safe,
            label: Some(Label::File),
            span: Span::default(),
        }],
        context: Context::default(),
        slots,
        states,
        anywhere,
        anywhere_locals: Vec::new(),
        start: StateId(0),
    }
}

pub const WISH: TypeId = TypeId(0);
pub const LABEL: TypeId = TypeId(1);
pub const TABLE: TypeId = TypeId(2);

/// A support desk: message → pick with payload into slots → write → reply; `/stop` anywhere, a quick note while a
/// model works, a deadline, a cap, and failure handlers.
pub fn support() -> Program {
    let asked = || slot(0, optional(Type::Message));
    let note = Variable::Local(0);
    let idle = after(
        state("idle", vec![], vec![on(Trigger::Message, Some(Variable::Slot(0)), vec![go(1)])]),
        minutes(30),
        vec![reply(text("Still here."))],
    );
    let pick = StepKind::PickArms {
        ty: WISH,
        model: model(
            vec![("asked".into(), asked()), ("notes".into(), slot(3, TEXT))],
            true,
            literal("What is wanted?"),
        ),
        arms: vec![
            arm(&[0], vec![], vec![go(2)]),
            arm(&[1], vec![Variable::Slot(1), Variable::Slot(2)], vec![reply(text("One moment.")), go(3)]),
            arm(&[2], vec![], vec![reply(text("I can help with orders.")), go(0)]),
        ],
    };
    let triage = after(state("triage", vec![step(pick)], vec![]), minutes(5), vec![go(4)]);
    let write = StepKind::Write {
        model: model(vec![("asked".into(), asked())], false, literal("Answer.")),
        into: note,
    };
    let answer = with_locals(
        state("answer", vec![step(write), reply(local(0, TEXT)), add_to(4, 1), go(0)], vec![]),
        vec![variable("note", TEXT, None)],
    );
    let answer = capped(answer, 2, true, 4);
    let refund_text = vec![
        TextPart::Literal("Refund of ".into()),
        TextPart::Value(slot(2, euro())),
        TextPart::Literal(" for ".into()),
        TextPart::Value(slot(1, TEXT)),
    ];
    let refund = state(
        "refund",
        vec![step(StepKind::Send(Who::Owner, parts(refund_text), Delivery::Now)), go(0)],
        vec![],
    );
    let human = state(
        "human",
        vec![reply(text("A human will answer."))],
        vec![on(Trigger::Message, None, vec![go(1)])],
    );
    let notes = vec![set(Variable::Slot(3), text("in a hurry")), reply(text("Noted."))];
    let failed = vec![
        reply(parts(vec![TextPart::Literal("Failed: ".into()), TextPart::Value(kind_of_failure())])),
        go(0),
    ];
    let mut program = program(
        vec![
            variable("asked", optional(Type::Message), None),
            variable("order", TEXT, Some(text(""))),
            variable("amount", euro(), Some(euros(0))),
            variable("notes", TEXT, Some(text(""))),
            variable("answered", INT, Some(int(0))),
        ],
        vec![idle, triage, answer, refund, human],
        vec![
            on_word("/stop", vec![reply(text("Stopped.")), go(0)]),
            on_word("/hurry", notes),
            keep(Trigger::Message, HandlerAction::Hold),
            on(Trigger::Failed, Some(Variable::Local(0)), failed),
            on(Trigger::Uncertain, None, vec![go(4)]),
        ],
    );
    program.anywhere_locals = vec![variable("why", Type::Failure, None)];
    program
}

pub fn kind_of_failure() -> Expr {
    expr(Type::FailureKind, ExprKind::Property(Box::new(local(0, Type::Failure)), Property::FailureKind))
}
