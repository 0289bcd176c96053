// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values that stand for a type: a plain one, and variants that differ from it in one place each, so that every case,
//! every optional, every empty list and every number that the program compares with is met.

use std::sync::Arc;

use super::BEGINNING_MS;
use super::harvest::Literals;
use crate::effect::Event;
use crate::program::Program;
use crate::program::shape::{Field, Shape, ShapeId};
use crate::value::{Currency, Failure, FailureKind, Message, Value};

/// Most values that stand for one type.
const VALUES_MAX: usize = 48;
/// Deepest nesting that is varied.
const DEPTH_MAX: usize = 6;
const HOUR_MS: i64 = 3_600_000;

/// What stands for the types of a program.
pub(super) struct Representatives<'p> {
    program: &'p Program,
    literals: Literals,
}

impl<'p> Representatives<'p> {
    /// Plain values, without those that the program compares with.
    pub fn plain(program: &'p Program) -> Self {
        Self { program, literals: Literals::default() }
    }

    /// With the values that the program compares with.
    pub fn new(program: &'p Program, literals: Literals) -> Self {
        Self { program, literals }
    }

    /// The plain value of a shape; `None` for a shape that does not exist.
    pub fn first(&self, shape: ShapeId) -> Option<Value> {
        self.values(shape, 0).into_iter().next()
    }

    /// All values that stand for a shape, the plain one first.
    pub fn all(&self, shape: ShapeId) -> Vec<Value> {
        self.values(shape, 0)
    }

    /// Beyond this no comparison of the program tells numbers apart.
    pub fn int_max(&self) -> i64 {
        const LEAST: i64 = 4;
        let largest = self.literals.ints.iter().map(|value| value.saturating_abs()).max().unwrap_or(0);
        largest.saturating_add(2).max(LEAST)
    }

    /// Texts that stand for what people say.
    pub fn texts(&self) -> Vec<Arc<str>> {
        let mut out: Vec<Arc<str>> = vec!["hello".into()];
        out.extend(self.literals.texts.iter().map(|text| Arc::from(text.as_str())));
        out
    }

    fn values(&self, shape: ShapeId, depth: usize) -> Vec<Value> {
        let Some(known) = self.program.shape(shape) else { return Vec::new() };
        let mut out = match known {
            Shape::Text(max) => self.text_values(*max),
            Shape::Int(low, high) => self.int_values(*low, *high),
            Shape::Number => {
                std::iter::once(1.5).chain(self.literals.numbers.iter().copied()).map(Value::Number).collect()
            }
            Shape::YesNo => vec![Value::YesNo(true), Value::YesNo(false)],
            Shape::Money(currency) => self.money_values(*currency),
            Shape::Duration => {
                around(HOUR_MS, &self.literals.durations, 1_000).map(Value::Duration).collect()
            }
            Shape::Moment => vec![Value::Moment(BEGINNING_MS + 24 * HOUR_MS)],
            Shape::Date => {
                let day = i32::try_from(BEGINNING_MS / (24 * HOUR_MS)).unwrap_or_default();
                let dates: Vec<i64> = self.literals.dates.iter().map(|date| i64::from(*date)).collect();
                around(i64::from(day), &dates, 1)
                    .filter_map(|day| i32::try_from(day).ok())
                    .map(Value::Date)
                    .collect()
            }
            Shape::Time => {
                std::iter::once(12 * 60).chain(self.literals.times.iter().copied()).map(Value::Time).collect()
            }
            Shape::Json => vec![Value::Json("{}".into())],
            Shape::Message => vec![Value::Message(Arc::new(message("hello")))],
            Shape::List(of, max) => self.list_values(*of, *max, depth),
            Shape::Map(of, max) => {
                let entry = self.nested(*of, depth).into_iter().next().filter(|_| *max > 0);
                let full = entry.map(|value| Value::Map([("key".into(), value)].into()));
                full.into_iter().chain([Value::Map([].into())]).collect()
            }
            Shape::Optional(of) => {
                let mut values = self.nested(*of, depth);
                values.insert(1.min(values.len()), Value::None);
                values
            }
            Shape::Record(record) => {
                self.rows(&record.members, depth).into_iter().map(Value::Record).collect()
            }
            Shape::Union(union) => {
                let case = |(at, case): (usize, &crate::program::shape::Case)| {
                    let at = u32::try_from(at).unwrap_or(u32::MAX);
                    self.rows(&case.fields, depth).into_iter().map(move |row| Value::Variant(at, row))
                };
                union.members.iter().enumerate().flat_map(case).collect()
            }
            Shape::Failure => vec![Value::Failure(Arc::new(Failure {
                kind: FailureKind::Broken,
                detail: "something failed".into(),
                until_ms: None,
            }))],
            Shape::FailureKind => {
                (0..FailureKind::ALL.len() as u32).map(|kind| Value::Variant(kind, [].into())).collect()
            }
            Shape::ToolCalls => vec![Value::ToolCalls([].into())],
        };
        out.truncate(VALUES_MAX);
        out
    }

    fn nested(&self, shape: ShapeId, depth: usize) -> Vec<Value> {
        let mut values = self.values(shape, depth + 1);
        if depth >= DEPTH_MAX {
            values.truncate(1);
        }
        values
    }

    /// Fields: the plain row, then rows that differ in one field.
    fn rows(&self, fields: &[Field], depth: usize) -> Vec<Arc<[Value]>> {
        let columns: Vec<Vec<Value>> = fields.iter().map(|field| self.nested(field.shape, depth)).collect();
        let plain: Option<Vec<Value>> = columns.iter().map(|column| column.first().cloned()).collect();
        let Some(plain) = plain else { return Vec::new() };
        let mut out: Vec<Arc<[Value]>> = vec![plain.clone().into()];
        for (at, column) in columns.iter().enumerate() {
            for value in column.iter().skip(1) {
                let mut row = plain.clone();
                if let Some(place) = row.get_mut(at) {
                    *place = value.clone();
                }
                out.push(row.into());
            }
        }
        // Of a form of which any field may be missing, nothing at all is an answer too.
        if fields.len() > 1 && fields.iter().all(|field| self.is_optional(field)) {
            out.push(vec![Value::None; fields.len()].into());
        }
        out.truncate(VALUES_MAX);
        out
    }

    fn is_optional(&self, field: &Field) -> bool {
        matches!(self.program.shape(field.shape), Some(Shape::Optional(_)))
    }

    fn text_values(&self, max: Option<u32>) -> Vec<Value> {
        let fits = |text: &&String| max.is_none_or(|max| text.chars().count() <= max as usize);
        let plain: String = "words".chars().take(max.map_or(usize::MAX, |max| max as usize)).collect();
        let others = self.literals.texts.iter().filter(fits).filter(|text| **text != plain);
        std::iter::once(&plain).chain(others).map(|text| Value::Text(text.as_str().into())).collect()
    }

    fn int_values(&self, low: i64, high: i64) -> Vec<Value> {
        let bounded = low != i64::MIN && high != i64::MAX;
        let ends: &[i64] = if bounded { &[low, high] } else { &[0] };
        let mut out: Vec<i64> = vec![2.clamp(low, high)];
        for value in around(2, &self.literals.ints, 1).chain(ends.iter().copied()) {
            if (low..=high).contains(&value) && !out.contains(&value) {
                out.push(value);
            }
        }
        out.into_iter().map(Value::Int).collect()
    }

    fn money_values(&self, currency: Option<Currency>) -> Vec<Value> {
        let currency = currency.or_else(|| Currency::named("eur")).unwrap_or(Currency(0));
        let compared: Vec<i64> = self
            .literals
            .money
            .iter()
            .filter(|(_, known)| *known == currency)
            .map(|(minor, _)| *minor)
            .collect();
        around(20 * currency.minor_per_unit(), &compared, 1)
            .map(|minor| Value::Money(minor, currency))
            .collect()
    }

    fn list_values(&self, of: ShapeId, max: u32, depth: usize) -> Vec<Value> {
        let items = self.nested(of, depth);
        let mut out = Vec::new();
        if max > 0 {
            out.extend(items.first().map(|item| Value::List([item.clone()].into())));
        }
        out.push(Value::List([].into()));
        if max > 0 {
            out.extend(items.iter().skip(1).map(|item| Value::List([item.clone()].into())));
        }
        if let (Some(item), true) = (items.first(), max > 1) {
            out.push(Value::List([item.clone(), item.clone()].into()));
        }
        out
    }
}

/// A plain number, then each compared one with its neighbours.
fn around(plain: i64, compared: &[i64], step: i64) -> impl Iterator<Item = i64> {
    let mut out = vec![plain];
    for value in compared {
        for near in [*value, value.saturating_sub(step), value.saturating_add(step)] {
            if !out.contains(&near) {
                out.push(near);
            }
        }
    }
    out.into_iter()
}

/// A message of the sender.
pub(super) fn message(text: &str) -> Message {
    Message { inbox_id: 1, text: text.into(), sender: "Ada".into(), own_words: true }
}

/// Something that happens to the chat. A name of who comes or goes is nobody's own words.
pub(super) fn happening(what: &str, text: &str, inbox_id: i64) -> Event {
    let own_words = !matches!(what, "joined" | "left");
    Event::Channel { what: what.into(), message: Arc::new(Message { inbox_id, own_words, ..message(text) }) }
}
