// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps whose names and types are settled.

use super::{Expr, ModelId, StateId, TextPart, Type, TypeId, Variable};
use crate::source::Span;

/// A step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which.
    pub kind: StepKind,
    /// Place.
    pub span: Span,
}

/// Common parts of model steps.
#[derive(Debug, Clone)]
pub struct ModelUse {
    /// Which model.
    pub model: ModelId,
    /// Named values, in order: the words written and the value.
    pub from: Vec<(String, Expr)>,
    /// `with history`.
    pub history: bool,
    /// Further attempts when the answer does not fit the type.
    pub retries: u32,
    /// The instruction; empty for `turn` without one.
    pub instruction: Vec<TextPart>,
}

/// Kinds of steps.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Leave for a state.
    Go(StateId),
    /// End the session.
    Done(Option<Expr>),
    /// Assign.
    Assign(Variable, Expr),
    /// Append to a list: `add x to xs`.
    Append(Variable, Expr),
    /// Insert, replace or (with the sum or difference) change a map entry: `m[k] = v`.
    PutEntry {
        /// Map.
        map: Variable,
        /// Key.
        key: Expr,
        /// Value.
        value: Expr,
    },
    /// `when` on a yes/no; either side may be empty and falls through.
    If {
        /// Condition.
        condition: Expr,
        /// `yes`.
        yes: Vec<Step>,
        /// `no`.
        no: Vec<Step>,
    },
    /// `when` on a union or failure kind: arms by case index.
    Match {
        /// Subject, of a union type.
        subject: Expr,
        /// Arms; together with `otherwise` they cover every case.
        arms: Vec<VariantArm>,
        /// `else`.
        otherwise: Option<Vec<Step>>,
    },
    /// `when` on an int or text with literal labels.
    Switch {
        /// Subject.
        subject: Expr,
        /// Literal values and steps.
        arms: Vec<(Vec<SwitchValue>, Vec<Step>)>,
        /// `else`.
        otherwise: Vec<Step>,
    },
    /// `when` on an optional.
    IfSome {
        /// Subject, of an optional type.
        subject: Expr,
        /// Receives the value.
        binder: Option<Variable>,
        /// `some(v)`.
        some: Vec<Step>,
        /// `none`.
        none: Vec<Step>,
    },
    /// `pick` with arms, of a union.
    PickArms {
        /// Union.
        ty: TypeId,
        /// Model parts.
        model: ModelUse,
        /// One arm per case or group of cases; all cases are covered.
        arms: Vec<VariantArm>,
    },
    /// `x = pick T …`.
    PickValue {
        /// Type asked for.
        ty: Type,
        /// Model parts.
        model: ModelUse,
        /// Receives the value.
        into: Variable,
    },
    /// `write x …`.
    Write {
        /// Model parts.
        model: ModelUse,
        /// Receives the text.
        into: Variable,
    },
    /// `turn …`.
    Turn {
        /// Partial text reaches the person.
        stream: bool,
        /// Model parts; history is always read.
        model: ModelUse,
        /// `says(t)`.
        says: (Option<Variable>, Vec<Step>),
        /// `calls(c)`; absent when the program grants no tool.
        calls: Option<(Option<Variable>, Vec<Step>)>,
        /// `refuses(why)`.
        refuses: (Option<Variable>, Vec<Step>),
    },
    /// `run c`.
    Run(Expr),
    /// `reply`.
    Reply(Expr),
    /// `send owner`.
    SendOwner(Expr),
    /// Parses and checks, does not run yet.
    Later(LaterStep),
    /// Stands where an error was reported.
    Error,
}

/// A step that is refused for now, with what the proofs and the graph need of it.
#[derive(Debug, Clone)]
pub struct LaterStep {
    /// Its words: `approve by`, `ask researcher`, `call orders.find`.
    pub what: String,
    /// Model calls that one run of it makes at the most.
    pub model_calls_max: u32,
    /// Whether the step can wait for an unbounded or long time (a person, another agent).
    pub waits: bool,
    /// Whether it can fail without an arm of its own.
    pub can_fail: bool,
    /// Whether its outcome can be uncertain without an arm of its own.
    pub can_be_uncertain: bool,
    /// Labelled arms.
    pub arms: Vec<(String, Vec<Step>)>,
    /// Whether a path goes on behind the step: none of the arms must be taken.
    pub falls_through: bool,
}

/// An arm of a match over cases.
#[derive(Debug, Clone)]
pub struct VariantArm {
    /// Case indexes.
    pub cases: Vec<u32>,
    /// Words as written (`failed or late`).
    pub label: String,
    /// Receives payload fields; one list, valid for each of the cases.
    pub binders: Vec<Variable>,
    /// Steps.
    pub steps: Vec<Step>,
    /// Place.
    pub span: Span,
}

/// A literal label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwitchValue {
    /// Number.
    Int(i64),
    /// Text.
    Text(String),
}
