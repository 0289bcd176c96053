// SPDX-License-Identifier: MIT OR Apache-2.0
//! Types as the bytecode knows them: what a register may hold, how a value prints, what a model must return.

use crate::program::bytes::{BytesError, Reader, Writer};
use crate::value::{Currency, FailureKind, Value};

/// Index into [`crate::program::Program::shapes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShapeId(pub u16);

/// The shape of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Text of at most this many characters.
    Text(Option<u32>),
    /// Integer within inclusive bounds.
    Int(i64, i64),
    /// Decimal number.
    Number,
    /// Yes or no.
    YesNo,
    /// Money, of one currency or of any.
    Money(Option<Currency>),
    /// Milliseconds.
    Duration,
    /// Milliseconds since 1970 UTC.
    Moment,
    /// Days since 1970-01-01.
    Date,
    /// Minutes after midnight.
    Time,
    /// One JSON document.
    Json,
    /// A message.
    Message,
    /// A list of at most so many items.
    List(ShapeId, u32),
    /// A map of at most so many entries.
    Map(ShapeId, u32),
    /// A value or nothing.
    Optional(ShapeId),
    /// A record.
    Record(Named<Field>),
    /// A union; without any payload it lives in the scalar file.
    Union(Named<Case>),
    /// A failure.
    Failure,
    /// The kind of a failure; lives in the scalar file.
    FailureKind,
    /// Calls that a model asked for.
    ToolCalls,
}

/// A declared type's name, documentation and members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T> {
    /// Name as declared.
    pub name: String,
    /// Documentation above it; empty for none.
    pub doc: String,
    /// Fields or cases, in order.
    pub members: Vec<T>,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Documentation above it; empty for none.
    pub doc: String,
    /// Shape of its value.
    pub shape: ShapeId,
}

/// A case of a union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Label.
    pub name: String,
    /// Documentation above it; empty for none.
    pub doc: String,
    /// Payload.
    pub fields: Vec<Field>,
}

impl Shape {
    /// Whether values of the shape live in the scalar file.
    pub fn is_scalar(&self) -> bool {
        match self {
            Self::Int(..)
            | Self::YesNo
            | Self::Duration
            | Self::Moment
            | Self::Date
            | Self::Time
            | Self::FailureKind => true,
            Self::Union(union) => union.members.iter().all(|case| case.fields.is_empty()),
            _ => false,
        }
    }

    /// Whether a scalar register may hold this number.
    pub fn admits_scalar(&self, value: i64) -> bool {
        match self {
            Self::YesNo => value == 0 || value == 1,
            Self::Union(union) => usize::try_from(value).is_ok_and(|case| case < union.members.len().max(1)),
            Self::FailureKind => (0..FailureKind::ALL.len() as i64).contains(&value),
            Self::Date => i32::try_from(value).is_ok(),
            Self::Time => u32::try_from(value).is_ok(),
            _ => true,
        }
    }
}

/// Whether a value has the shape, all the way down. Bounds of texts and numbers are not looked at: arithmetic may
/// leave them and only what a model returns is held to them.
pub fn conforms(shapes: &[Shape], shape: ShapeId, value: &Value) -> bool {
    let Some(shape) = shapes.get(usize::from(shape.0)) else { return false };
    let fields = |fields: &[Field], values: &[Value]| {
        fields.len() == values.len()
            && fields.iter().zip(values).all(|(field, value)| conforms(shapes, field.shape, value))
    };
    match (shape, value) {
        (Shape::Optional(of), value) => *value == Value::None || conforms(shapes, *of, value),
        (Shape::Text(_), Value::Text(_))
        | (Shape::Int(..), Value::Int(_))
        | (Shape::Number, Value::Number(_))
        | (Shape::YesNo, Value::YesNo(_))
        | (Shape::Duration, Value::Duration(_))
        | (Shape::Moment, Value::Moment(_))
        | (Shape::Date, Value::Date(_))
        | (Shape::Time, Value::Time(_))
        | (Shape::Json, Value::Json(_))
        | (Shape::Message, Value::Message(_))
        | (Shape::Failure, Value::Failure(_))
        | (Shape::ToolCalls, Value::ToolCalls(_)) => true,
        (Shape::Money(wanted), Value::Money(_, currency)) => wanted.is_none_or(|wanted| wanted == *currency),
        (Shape::FailureKind, Value::Variant(kind, payload)) => {
            payload.is_empty() && (*kind as usize) < FailureKind::ALL.len()
        }
        (Shape::List(of, max), Value::List(items)) => {
            items.len() <= *max as usize && items.iter().all(|item| conforms(shapes, *of, item))
        }
        (Shape::Map(of, max), Value::Map(entries)) => {
            entries.len() <= *max as usize && entries.iter().all(|(_, value)| conforms(shapes, *of, value))
        }
        (Shape::Record(record), Value::Record(values)) => fields(&record.members, values),
        (Shape::Union(union), Value::Variant(case, payload)) => {
            union.members.get(*case as usize).is_some_and(|case| fields(&case.fields, payload))
        }
        _ => false,
    }
}

/// Deepest nesting of types; deeper ones are refused like those that contain themselves.
const DEPTH_MAX: usize = 24;

/// Whether any shape contains itself, or nests deeper than values are read.
pub fn recursive(shapes: &[Shape]) -> bool {
    /// Depth of a shape; `None` while it is being looked at, and for ever if that is met again.
    fn depth(shapes: &[Shape], id: ShapeId, known: &mut [Option<usize>], open: usize) -> Option<usize> {
        let at = usize::from(id.0);
        if let Some(Some(depth)) = known.get(at) {
            return (*depth > 0).then_some(*depth);
        }
        if open > DEPTH_MAX {
            return None;
        }
        *known.get_mut(at)? = Some(0);
        let mut deepest = 0;
        for of in shapes.get(at)?.names() {
            deepest = deepest.max(depth(shapes, of, known, open + 1)?);
        }
        *known.get_mut(at)? = Some(deepest + 1);
        (deepest < DEPTH_MAX).then_some(deepest + 1)
    }
    let mut known = vec![None; shapes.len()];
    (0..shapes.len()).any(|at| depth(shapes, ShapeId(at as u16), &mut known, 0).is_none())
}

impl Shape {
    /// Appends the shape.
    pub fn write(&self, out: &mut Writer) {
        match self {
            Self::Text(max) => {
                out.byte(0);
                out.optional(*max, |w, max| w.unsigned(u64::from(max)));
            }
            Self::Int(low, high) => {
                out.byte(1);
                out.signed(*low);
                out.signed(*high);
            }
            Self::Number => out.byte(2),
            Self::YesNo => out.byte(3),
            Self::Money(currency) => {
                out.byte(4);
                out.optional(*currency, |w, currency| w.byte(currency.0));
            }
            Self::Duration => out.byte(5),
            Self::Moment => out.byte(6),
            Self::Date => out.byte(7),
            Self::Time => out.byte(8),
            Self::Json => out.byte(9),
            Self::Message => out.byte(10),
            Self::List(of, max) | Self::Map(of, max) => {
                out.byte(if matches!(self, Self::List(..)) { 11 } else { 12 });
                out.unsigned(u64::from(of.0));
                out.unsigned(u64::from(*max));
            }
            Self::Optional(of) => {
                out.byte(13);
                out.unsigned(u64::from(of.0));
            }
            Self::Record(record) => {
                out.byte(14);
                out.text(&record.name);
                out.text(&record.doc);
                out.each(&record.members, write_field);
            }
            Self::Union(union) => {
                out.byte(15);
                out.text(&union.name);
                out.text(&union.doc);
                out.each(&union.members, |w, case| {
                    w.text(&case.name);
                    w.text(&case.doc);
                    w.each(&case.fields, write_field);
                });
            }
            Self::Failure => out.byte(16),
            Self::FailureKind => out.byte(17),
            Self::ToolCalls => out.byte(18),
        }
    }

    /// Reads what [`Shape::write`] wrote.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(match input.byte()? {
            0 => Self::Text(input.optional(Reader::narrow)?),
            1 => Self::Int(input.signed()?, input.signed()?),
            2 => Self::Number,
            3 => Self::YesNo,
            4 => Self::Money(input.optional(|r| {
                let currency = r.byte()?;
                let known = usize::from(currency) < crate::value::CURRENCIES.len();
                if known { Ok(Currency(currency)) } else { Err(BytesError::Unknown) }
            })?),
            5 => Self::Duration,
            6 => Self::Moment,
            7 => Self::Date,
            8 => Self::Time,
            9 => Self::Json,
            10 => Self::Message,
            11 => Self::List(ShapeId(input.narrow()?), input.narrow()?),
            12 => Self::Map(ShapeId(input.narrow()?), input.narrow()?),
            13 => Self::Optional(ShapeId(input.narrow()?)),
            14 => Self::Record(Named {
                name: input.text()?.to_string(),
                doc: input.text()?.to_string(),
                members: input.each(read_field)?,
            }),
            15 => Self::Union(Named {
                name: input.text()?.to_string(),
                doc: input.text()?.to_string(),
                members: input.each(|r| {
                    Ok(Case {
                        name: r.text()?.to_string(),
                        doc: r.text()?.to_string(),
                        fields: r.each(read_field)?,
                    })
                })?,
            }),
            16 => Self::Failure,
            17 => Self::FailureKind,
            18 => Self::ToolCalls,
            _ => return Err(BytesError::Unknown),
        })
    }

    /// Every shape that this one names.
    pub fn names(&self) -> Vec<ShapeId> {
        match self {
            Self::List(of, _) | Self::Map(of, _) | Self::Optional(of) => vec![*of],
            Self::Record(record) => record.members.iter().map(|field| field.shape).collect(),
            Self::Union(union) => {
                union.members.iter().flat_map(|case| &case.fields).map(|field| field.shape).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn write_field(out: &mut Writer, field: &Field) {
    out.text(&field.name);
    out.text(&field.doc);
    out.unsigned(u64::from(field.shape.0));
}

fn read_field(input: &mut Reader<'_>) -> Result<Field, BytesError> {
    Ok(Field {
        name: input.text()?.to_string(),
        doc: input.text()?.to_string(),
        shape: ShapeId(input.narrow()?),
    })
}
