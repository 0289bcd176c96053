// SPDX-License-Identifier: MIT OR Apache-2.0
//! Texts and expressions as written.

use super::{Argument, Ident};
use crate::source::Span;

/// A string with its interpolations; `""` has no parts.
#[derive(Debug, Clone)]
pub struct Text {
    /// Literal pieces and expressions, in order.
    pub parts: Vec<TextPart>,
    /// From quote to quote.
    pub span: Span,
}

/// Part of a [`Text`].
#[derive(Debug, Clone)]
pub enum TextPart {
    /// Text with escapes resolved.
    Literal(String),
    /// `{expr}`.
    Value(Expr),
}

/// An expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// Which.
    pub kind: ExprKind,
    /// Its place.
    pub span: Span,
}

/// Kinds of expressions.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// `42`.
    Int(i64),
    /// `0.5`, as written.
    Number(String),
    /// `"…"`.
    Text(Text),
    /// `20 eur`, `0.06 usd`: amount as written and currency in lower case.
    Money {
        /// Literal.
        amount: String,
        /// ISO code, lower case.
        currency: String,
    },
    /// `4h`, `30m`, `1d`, in milliseconds.
    Duration(i64),
    /// `08:00`, in minutes after midnight.
    TimeOfDay(u32),
    /// `2026-11-21`, as (year, month, day).
    Date(i32, u8, u8),
    /// `yes` / `no`.
    YesNo(bool),
    /// `none`.
    None,
    /// `now`.
    Now,
    /// `wakes`.
    Wakes,
    /// A name (slot, local, parameter, nullary variant).
    Name(String),
    /// `e.field`.
    Field(Box<Expr>, Ident),
    /// `m[k]`.
    Index(Box<Expr>, Box<Expr>),
    /// `Name(a: x)` or `variant(order: x)`.
    Construct {
        /// Type or variant.
        name: Ident,
        /// Fields.
        arguments: Vec<Argument>,
    },
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `not e`, `-e`.
    Unary(UnaryOperator, Box<Expr>),
    /// `a + b`, `a is b`, `a or b` …
    Binary(BinaryOperator, Box<Expr>, Box<Expr>),
    /// `x between a and b [in "zone"]`.
    Between {
        /// What is tested.
        value: Box<Expr>,
        /// Lower end, included.
        low: Box<Expr>,
        /// Upper end, excluded for times of day.
        high: Box<Expr>,
        /// Zone, for `now between 08:00 and 20:00 in "…"`.
        zone: Option<Text>,
    },
    /// `length xs`.
    Length(Box<Expr>),
    /// `first xs`.
    First(Box<Expr>),
}

/// Unary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOperator {
    /// `not`.
    Not,
    /// `-`.
    Negate,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
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
    /// `is`.
    Is,
    /// `is not`.
    IsNot,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `contains`.
    Contains,
    /// `and`.
    And,
    /// `or`: yes/no disjunction, or a default for an optional (the types decide).
    Or,
}
