// SPDX-License-Identifier: MIT OR Apache-2.0
//! Expressions with their types: every conversion is a node of its own.

use super::{Type, TypeId, Variable};
use crate::source::Span;
use crate::value::Currency;

/// Part of an interpolated text.
#[derive(Debug, Clone)]
pub enum TextPart {
    /// Literal.
    Literal(String),
    /// Value, printed as its type prints.
    Value(Expr),
}

/// An expression with its type.
#[derive(Debug, Clone)]
pub struct Expr {
    /// Type.
    pub ty: Type,
    /// Kind.
    pub kind: ExprKind,
    /// Place.
    pub span: Span,
}

/// Kinds of expressions.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// Integer.
    Int(i64),
    /// Decimal.
    Number(f64),
    /// Text with interpolation.
    Text(Vec<TextPart>),
    /// Money, minor units.
    Money(i64, Currency),
    /// Milliseconds.
    Duration(i64),
    /// Minutes after midnight.
    Time(u32),
    /// Days since 1970.
    Date(i32),
    /// `yes`/`no`.
    YesNo(bool),
    /// `none`.
    None,
    /// The event's time.
    Now,
    /// Pending wakes: a list of records of their moment and what they carry.
    Wakes,
    /// Whether a moment lies between two times of day, in a zone (the agent's, or UTC): moment, from, to.
    TimeBetween(Box<Expr>, Box<Expr>, Box<Expr>, Option<String>),
    /// A variable.
    Variable(Variable),
    /// Field of a record (by index).
    Field(Box<Expr>, u32),
    /// `m.text`, `m.sender` of a message; `why.kind`, `why.detail`, `why.until` of a failure.
    Property(Box<Expr>, Property),
    /// `m[k]`: an optional.
    Index(Box<Expr>, Box<Expr>),
    /// A record: fields in declaration order.
    Record(TypeId, Vec<Expr>),
    /// A case: payload in declaration order.
    Variant(TypeId, u32, Vec<Expr>),
    /// A failure kind by name (`why.kind is limited`).
    FailureKind(u32),
    /// A list.
    List(Vec<Expr>),
    /// `not`.
    Not(Box<Expr>),
    /// `-x`.
    Negate(Box<Expr>),
    /// Arithmetic on int, number, money, duration, moment ± duration.
    Arithmetic(ArithmeticOperator, Box<Expr>, Box<Expr>),
    /// Comparison of ordered scalars, or equality of anything.
    Compare(CompareOperator, Box<Expr>, Box<Expr>),
    /// `xs contains x`, `text contains text`.
    Contains(Box<Expr>, Box<Expr>),
    /// `a and b`, short-circuit.
    And(Box<Expr>, Box<Expr>),
    /// `a or b`, short-circuit.
    Or(Box<Expr>, Box<Expr>),
    /// `optional or default`.
    Default(Box<Expr>, Box<Expr>),
    /// `length x`.
    Length(Box<Expr>),
    /// `first xs`: an optional.
    First(Box<Expr>),
    /// Wraps a plain value where an optional is expected.
    ToOptional(Box<Expr>),
    /// Takes the value out of an optional that is proven to hold one here (must-analysis of `check`); a machine
    /// that finds it empty all the same raises `failed(invalid)`.
    Present(Box<Expr>),
    /// Converts to text: the value as it prints.
    Print(Box<Expr>),
    /// Stands where an error was reported, or where a construct does not run yet.
    Error,
}

/// Built-in properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// Text of a message.
    MessageText,
    /// Sender's display name.
    MessageSender,
    /// Kind of a failure (a [`Type::FailureKind`]).
    FailureKind,
    /// Detail of a failure (text).
    FailureDetail,
    /// `until` of a failure (moment?).
    FailureUntil,
}

/// Arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArithmeticOperator {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `%`.
    Remainder,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOperator {
    /// `is`.
    Equal,
    /// `is not`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}
