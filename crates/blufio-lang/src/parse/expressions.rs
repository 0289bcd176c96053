// SPDX-License-Identifier: MIT OR Apache-2.0
//! Expressions, texts, literals and types. Precedence, loosest first: `or`, `and`, `not`, comparisons, sums, products.

use std::sync::LazyLock;

use pest::pratt_parser::{Assoc, Op, PrattParser};

use super::{Builder, Node, Rule, child, children, report};
use crate::ast::{
    Argument, BinaryOperator, Expr, ExprKind, Field, Text, TextPart, TypeExpr, TypeExprKind, UnaryOperator,
};
use crate::source::Span;

static PRATT: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    PrattParser::new()
        .op(Op::infix(Rule::or, Assoc::Left))
        .op(Op::infix(Rule::and, Assoc::Left))
        .op(Op::prefix(Rule::not))
        .op(Op::infix(Rule::is_not, Assoc::Left)
            | Op::infix(Rule::is, Assoc::Left)
            | Op::infix(Rule::contains, Assoc::Left)
            | Op::infix(Rule::less_or_equal, Assoc::Left)
            | Op::infix(Rule::greater_or_equal, Assoc::Left)
            | Op::infix(Rule::less, Assoc::Left)
            | Op::infix(Rule::greater, Assoc::Left))
        .op(Op::postfix(Rule::between))
        .op(Op::infix(Rule::add, Assoc::Left) | Op::infix(Rule::subtract, Assoc::Left))
        .op(Op::infix(Rule::multiply, Assoc::Left)
            | Op::infix(Rule::divide, Assoc::Left)
            | Op::infix(Rule::remainder, Assoc::Left))
        .op(Op::prefix(Rule::negate))
        .op(Op::postfix(Rule::field_of) | Op::postfix(Rule::index))
});

/// Most operators of one expression with those around it: keeps the tree, and everything that walks it, shallow.
const OPERATORS_MAX: usize = 64;

/// Most characters of an amount of money: minor units of every currency still fit 64 bits.
const AMOUNT_DIGITS_MAX: usize = 16;

impl Builder<'_> {
    pub fn expr(&mut self, node: Node<'_>) -> Expr {
        let operators = node.clone().into_inner().filter(|n| is_operator(n.as_rule())).count();
        if self.operators + operators > OPERATORS_MAX {
            let span = self.span(&node);
            self.push(report::too_deep(span, "this expression has too many operators", OPERATORS_MAX));
            return Expr { kind: ExprKind::None, span };
        }
        self.operators += operators;
        let expr = self.climb(node);
        self.operators -= operators;
        expr
    }

    fn climb(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(&node);
        // Errors inside are reported by the builder, which the three closures share in turn.
        let builder = std::cell::RefCell::new(self);
        PRATT
            .map_primary(|primary| builder.borrow_mut().primary(primary))
            .map_prefix(|operator, inner: Expr| {
                let place = builder.borrow().span(&operator).to(inner.span);
                let kind =
                    if operator.as_rule() == Rule::not { UnaryOperator::Not } else { UnaryOperator::Negate };
                Expr { kind: ExprKind::Unary(kind, Box::new(inner)), span: place }
            })
            .map_postfix(|inner: Expr, operator| builder.borrow_mut().postfix(inner, operator))
            .map_infix(|left: Expr, operator, right: Expr| {
                let place = left.span.to(right.span);
                Expr {
                    kind: ExprKind::Binary(binary(operator.as_rule()), Box::new(left), Box::new(right)),
                    span: place,
                }
            })
            .parse(node.into_inner())
            .with_span_if_empty(span)
    }

    fn postfix(&mut self, inner: Expr, operator: Node<'_>) -> Expr {
        let span = inner.span.to(self.span(&operator));
        let kind = match operator.as_rule() {
            Rule::field_of => {
                let field = self.ident_of(&operator);
                ExprKind::Field(Box::new(inner), field)
            }
            Rule::index => match child(&operator, Rule::expr) {
                Some(key) => ExprKind::Index(Box::new(inner), Box::new(self.expr(key))),
                None => inner.kind,
            },
            _ => {
                let mut sums =
                    children(&operator, Rule::sum).map(|n| self.expr(n)).collect::<Vec<_>>().into_iter();
                let zone = child(&operator, Rule::in_zone).and_then(|n| self.string_of(&n));
                match (sums.next(), sums.next()) {
                    (Some(low), Some(high)) => ExprKind::Between {
                        value: Box::new(inner),
                        low: Box::new(low),
                        high: Box::new(high),
                        zone,
                    },
                    _ => inner.kind,
                }
            }
        };
        Expr { kind, span }
    }

    fn primary(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::expr | Rule::sum => return self.expr(node),
            Rule::string => ExprKind::Text(self.text(node)),
            Rule::length | Rule::first => return self.prefix_word(node),
            Rule::list => ExprKind::List(children(&node, Rule::expr).map(|n| self.expr(n)).collect()),
            Rule::construct => {
                let name = self.ident_of(&node);
                let arguments = self.arguments(&node);
                ExprKind::Construct { name, arguments }
            }
            Rule::name => ExprKind::Name(self.ident(&node).node),
            _ => self.literal(&node),
        };
        Expr { kind, span }
    }

    /// `length x.y` and `first xs`: bind tighter than any operator.
    fn prefix_word(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(&node);
        let is_length = node.as_rule() == Rule::length;
        let mut inner: Option<Expr> = None;
        for part in node.into_inner() {
            inner = match (part.as_rule(), inner) {
                (Rule::kw_length | Rule::kw_first, so_far) => so_far,
                (Rule::field_of | Rule::index, Some(so_far)) => Some(self.postfix(so_far, part)),
                (_, _) => Some(self.primary(part)),
            };
        }
        let inner = Box::new(inner.unwrap_or(Expr { kind: ExprKind::None, span }));
        Expr { kind: if is_length { ExprKind::Length(inner) } else { ExprKind::First(inner) }, span }
    }

    pub fn arguments(&mut self, node: &Node<'_>) -> Vec<Argument> {
        let mut out = Vec::new();
        for argument in children(node, Rule::argument) {
            let name = child(&argument, Rule::argument_name).map(|n| self.ident_of(&n));
            if let Some(value) = child(&argument, Rule::expr) {
                out.push(Argument { name, value: self.expr(value) });
            }
        }
        out
    }

    pub fn literal(&mut self, node: &Node<'_>) -> ExprKind {
        let (text, span) = (node.as_str().trim(), self.span(node));
        match node.as_rule() {
            Rule::yes => ExprKind::YesNo(true),
            Rule::no => ExprKind::YesNo(false),
            Rule::now => ExprKind::Now,
            Rule::wakes => ExprKind::Wakes,
            Rule::int => match text.parse() {
                Ok(value) => ExprKind::Int(value),
                Err(_) => self.malformed(text, "it does not fit 64 bits", span),
            },
            Rule::number => match text.parse::<f64>() {
                Ok(value) if value.is_finite() && text.len() <= 40 => ExprKind::Number(text.to_string()),
                _ => self.malformed(text, "it is too large or has too many digits", span),
            },
            Rule::money => {
                let part = |rule| child(node, rule).map(|n| n.as_str().to_string()).unwrap_or_default();
                let amount = part(Rule::amount);
                if amount.len() > AMOUNT_DIGITS_MAX {
                    return self.malformed(text, "it has too many digits", span);
                }
                ExprKind::Money { amount, currency: part(Rule::money_code) }
            }
            Rule::duration => match self.duration(node) {
                Some(ms) => ExprKind::Duration(ms),
                None => ExprKind::None,
            },
            Rule::time_of_day => self.time(text, span),
            Rule::date => self.date(text, span),
            Rule::bad_number => {
                let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                let is_unit = !text[digits..].is_empty()
                    && text[digits..].bytes().all(|b| b.is_ascii_alphabetic())
                    && !text.starts_with('0');
                if is_unit && !text[digits..].eq_ignore_ascii_case("e") {
                    self.push(report::unknown_unit(text, span));
                    return ExprKind::None;
                }
                self.malformed(text, "numbers are decimal, without exponent", span)
            }
            _ => ExprKind::None,
        }
    }

    fn malformed(&mut self, text: &str, why: &str, span: Span) -> ExprKind {
        self.push(report::bad_number(text, why, span));
        ExprKind::None
    }

    /// Milliseconds.
    pub fn duration(&mut self, node: &Node<'_>) -> Option<i64> {
        let text = node.as_str().trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit = match &text[digits..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => 604_800_000,
        };
        // A thousand years: far beyond any deadline, far below overflow of a moment plus a duration.
        let max = 1_000 * 366 * 86_400_000_i64;
        let value =
            text[..digits].parse::<i64>().ok().and_then(|n| n.checked_mul(unit)).filter(|ms| *ms <= max);
        if value.is_none() {
            let span = self.span(node);
            self.push(report::bad_number(text, "it is longer than a thousand years", span));
        }
        value
    }

    fn time(&mut self, text: &str, span: Span) -> ExprKind {
        let parts =
            text.split_once(':').and_then(|(h, m)| Some((h.parse::<u32>().ok()?, m.parse::<u32>().ok()?)));
        match parts {
            Some((hours, minutes)) if hours < 24 && minutes < 60 => ExprKind::TimeOfDay(hours * 60 + minutes),
            _ => self.malformed(text, "times go from 00:00 to 23:59", span),
        }
    }

    fn date(&mut self, text: &str, span: Span) -> ExprKind {
        let mut parts = text.split('-').map(|p| p.parse::<u32>().unwrap_or(0));
        let (year, month, day) =
            (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(leap),
            _ => 0,
        };
        if day == 0 || day > days {
            return self.malformed(text, "there is no such day", span);
        }
        ExprKind::Date(year as i32, month as u8, day as u8)
    }

    /// The first text below a node.
    pub fn string_of(&mut self, node: &Node<'_>) -> Option<Text> {
        child(node, Rule::string).map(|n| self.text(n))
    }

    pub fn text(&mut self, node: Node<'_>) -> Text {
        let span = self.span(&node);
        let mut parts: Vec<TextPart> = Vec::new();
        let mut written_braces = 0;
        let inner =
            child(&node, Rule::long_string).map(Node::into_inner).unwrap_or_else(|| node.into_inner());
        for part in inner {
            match part.as_rule() {
                Rule::interpolation => {
                    if let Some(value) = child(&part, Rule::expr) {
                        parts.push(TextPart::Value(self.expr(value)));
                    }
                }
                Rule::escape => {
                    written_braces += usize::from(part.as_str() == "\\{");
                    push_literal(&mut parts, &escaped(part.as_str()));
                }
                _ => {
                    self.check_braces(&part, &mut written_braces);
                    push_literal(&mut parts, part.as_str());
                }
            }
        }
        Text { parts, span }
    }

    /// A closing brace in a text belongs to a `\{` before it; `open` counts those.
    fn check_braces(&mut self, plain: &Node<'_>, open: &mut usize) {
        for (at, _) in plain.as_str().match_indices('}') {
            if *open > 0 {
                *open -= 1;
                continue;
            }
            let brace = self.span(plain).start + at as u32;
            self.push(report::unbalanced(
                Span::new(brace, brace + 1),
                "nothing opens what this brace closes",
            ));
        }
    }

    pub fn field(&mut self, node: Node<'_>) -> Field {
        let doc = self.doc(&node);
        let name = self.ident_of(&node);
        let ty = self.type_of(&node);
        Field { name, ty, doc }
    }

    /// The first type below a node.
    pub fn type_of(&mut self, node: &Node<'_>) -> TypeExpr {
        match child(node, Rule::type_expr) {
            Some(found) => self.type_expr(found),
            None => TypeExpr { kind: TypeExprKind::Name("text".into()), span: self.span(node) },
        }
    }

    pub fn type_expr(&mut self, node: Node<'_>) -> TypeExpr {
        let span = self.span(&node);
        let mut out = TypeExpr { kind: TypeExprKind::Name("text".into()), span };
        for part in node.into_inner() {
            out.kind = match part.as_rule() {
                Rule::optional => TypeExprKind::Optional(Box::new(out.clone())),
                Rule::so_far => TypeExprKind::SoFar(Box::new(out.clone())),
                _ => self.type_base(part),
            };
        }
        out
    }

    fn type_base(&mut self, node: Node<'_>) -> TypeExprKind {
        let Some(base) = node.into_inner().next() else { return TypeExprKind::Name("text".into()) };
        match base.as_rule() {
            Rule::list_type | Rule::map_type => {
                let max = child(&base, Rule::max).map(|n| self.uint_of(&n).node);
                let of = Box::new(self.type_of(&base));
                if base.as_rule() == Rule::list_type {
                    TypeExprKind::List { max, of }
                } else {
                    TypeExprKind::Map { max, of }
                }
            }
            Rule::text_max => TypeExprKind::TextMax(self.uint_of(&base).node),
            Rule::int_range => {
                let mut bounds =
                    children(&base, Rule::signed).map(|n| self.signed(&n)).collect::<Vec<_>>().into_iter();
                TypeExprKind::IntRange(bounds.next().unwrap_or(0), bounds.next().unwrap_or(0))
            }
            Rule::money_type => TypeExprKind::Money(
                child(&base, Rule::currency).map(|n| n.as_str().to_string()).unwrap_or_default(),
            ),
            _ => TypeExprKind::Name(self.ident(&base).node),
        }
    }

    pub fn signed(&mut self, node: &Node<'_>) -> i64 {
        let (text, span) = (node.as_str(), self.span(node));
        text.parse().unwrap_or_else(|_| {
            self.push(report::bad_number(text, "it does not fit 64 bits", span));
            0
        })
    }
}

/// Gives the place of the whole to an expression (parentheses are not nodes of their own).
trait WithSpan {
    fn with_span_if_empty(self, span: Span) -> Self;
}

impl WithSpan for Expr {
    fn with_span_if_empty(mut self, span: Span) -> Self {
        if self.span.start == self.span.end {
            self.span = span;
        }
        self
    }
}

fn push_literal(parts: &mut Vec<TextPart>, text: &str) {
    match parts.last_mut() {
        Some(TextPart::Literal(literal)) => literal.push_str(text),
        _ => parts.push(TextPart::Literal(text.to_string())),
    }
}

fn escaped(escape: &str) -> String {
    match escape.chars().nth(1) {
        Some('n') => "\n".into(),
        Some('t') => "\t".into(),
        Some(c) => c.to_string(),
        None => String::new(),
    }
}

fn is_operator(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::not
            | Rule::negate
            | Rule::field_of
            | Rule::index
            | Rule::between
            | Rule::or
            | Rule::and
            | Rule::contains
    ) || matches!(
        rule,
        Rule::is | Rule::is_not | Rule::less | Rule::greater | Rule::less_or_equal | Rule::greater_or_equal
    ) || matches!(rule, Rule::add | Rule::subtract | Rule::multiply | Rule::divide | Rule::remainder)
}

fn binary(rule: Rule) -> BinaryOperator {
    match rule {
        Rule::or => BinaryOperator::Or,
        Rule::and => BinaryOperator::And,
        Rule::is_not => BinaryOperator::IsNot,
        Rule::is => BinaryOperator::Is,
        Rule::contains => BinaryOperator::Contains,
        Rule::less_or_equal => BinaryOperator::LessOrEqual,
        Rule::greater_or_equal => BinaryOperator::GreaterOrEqual,
        Rule::less => BinaryOperator::Less,
        Rule::greater => BinaryOperator::Greater,
        Rule::subtract => BinaryOperator::Subtract,
        Rule::multiply => BinaryOperator::Multiply,
        Rule::divide => BinaryOperator::Divide,
        Rule::remainder => BinaryOperator::Remainder,
        _ => BinaryOperator::Add,
    }
}
