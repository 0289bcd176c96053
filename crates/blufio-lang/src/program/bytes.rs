// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compact, deterministic bytes for programs and machine states: variable-length integers (LEB128, zigzag for signed
//! ones) and length-prefixed texts. Reading checks every length against what is left, so a lying prefix allocates
//! nothing.

use std::sync::Arc;

use crate::value::{Currency, Failure, FailureKind, Message, ToolCall, Value};

/// Deepest nesting of values that is read.
const VALUE_DEPTH_MAX: u32 = 32;

/// Why bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// The input ended inside a value.
    #[error("the input ends too early")]
    Truncated,
    /// A length or count is larger than what follows, or than the format allows.
    #[error("a length is larger than the input")]
    TooLong,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A tag that the format does not know, or a number out of range.
    #[error("an unknown tag or a number out of range")]
    Unknown,
    /// Values nested deeper than the format allows.
    #[error("values are nested too deep")]
    TooDeep,
}

/// Appends to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    /// What was written so far.
    pub bytes: Vec<u8>,
}

impl Writer {
    /// One byte.
    pub fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Unsigned LEB128.
    pub fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Zigzag LEB128.
    pub fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Length in bytes, then the bytes.
    pub fn text(&mut self, value: &str) {
        self.unsigned(value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// A flag, then the value when there is one.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.byte(0),
            Some(value) => {
                self.byte(1);
                write(self, value);
            }
        }
    }

    /// A count, then each item.
    pub fn each<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.unsigned(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }

    /// A value: its tag, then its parts.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::None => self.byte(0),
            Value::YesNo(value) => self.tagged(1, i64::from(*value)),
            Value::Int(value) => self.tagged(2, *value),
            Value::Number(value) => {
                self.byte(3);
                self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Value::Text(text) => self.tagged_text(4, text),
            Value::Money(minor, currency) => {
                self.tagged(5, *minor);
                self.byte(currency.0);
            }
            Value::Duration(value) => self.tagged(6, *value),
            Value::Moment(value) => self.tagged(7, *value),
            Value::Date(value) => self.tagged(8, i64::from(*value)),
            Value::Time(value) => self.tagged(9, i64::from(*value)),
            Value::Json(text) => self.tagged_text(10, text),
            Value::Message(message) => {
                self.tagged(11, message.inbox_id);
                self.text(&message.text);
                self.text(&message.sender);
                self.byte(u8::from(message.own_words));
            }
            Value::List(items) => self.tagged_values(12, items),
            Value::Map(entries) => {
                self.byte(13);
                self.each(entries, |w, (key, value)| {
                    w.text(key);
                    w.value(value);
                });
            }
            Value::Record(fields) => self.tagged_values(14, fields),
            Value::Variant(case, fields) => {
                self.byte(15);
                self.unsigned(u64::from(*case));
                self.each(fields, Self::value);
            }
            Value::Failure(failure) => {
                self.byte(16);
                self.failure(failure);
            }
            Value::ToolCalls(calls) => {
                self.byte(17);
                self.each(calls, |w, call| {
                    w.text(&call.id);
                    w.text(&call.tool);
                    w.text(&call.arguments);
                });
            }
        }
    }

    fn failure(&mut self, failure: &Failure) {
        self.byte(failure.kind as u8);
        self.text(&failure.detail);
        self.optional(failure.until_ms, Self::signed);
    }

    fn tagged(&mut self, tag: u8, value: i64) {
        self.byte(tag);
        self.signed(value);
    }

    fn tagged_text(&mut self, tag: u8, text: &str) {
        self.byte(tag);
        self.text(text);
    }

    fn tagged_values(&mut self, tag: u8, values: &[Value]) {
        self.byte(tag);
        self.each(values, Self::value);
    }
}

/// Reads from a slice; every method fails instead of reading past the end.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over all of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], BytesError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(BytesError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, BytesError> {
        let (first, rest) = self.rest.split_first().ok_or(BytesError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A byte that is 0 or 1.
    pub fn flag(&mut self) -> Result<bool, BytesError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(BytesError::Unknown),
        }
    }

    /// Unsigned LEB128 in its shortest form.
    pub fn unsigned(&mut self) -> Result<u64, BytesError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 || shift > 0 && byte == 0 {
                return Err(BytesError::Unknown);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BytesError::Unknown)
    }

    /// Unsigned LEB128 that fits a narrower type.
    pub fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, BytesError> {
        T::try_from(self.unsigned()?).map_err(|_| BytesError::Unknown)
    }

    /// Zigzag LEB128.
    pub fn signed(&mut self) -> Result<i64, BytesError> {
        let raw = self.unsigned()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// A count of items of at least one byte each.
    pub fn count(&mut self) -> Result<usize, BytesError> {
        let count = self.narrow::<usize>()?;
        if count > self.rest.len() { Err(BytesError::TooLong) } else { Ok(count) }
    }

    /// A length-prefixed text.
    pub fn text(&mut self) -> Result<&'a str, BytesError> {
        let length = self.count()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| BytesError::NotUtf8)
    }

    /// What [`Writer::optional`] wrote.
    pub fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, BytesError>,
    ) -> Result<Option<T>, BytesError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// What [`Writer::each`] wrote.
    pub fn each<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, BytesError>,
    ) -> Result<Vec<T>, BytesError> {
        let count = self.count()?;
        let mut items = Vec::with_capacity(count.min(1_024));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// What [`Writer::value`] wrote.
    pub fn value(&mut self) -> Result<Value, BytesError> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: u32) -> Result<Value, BytesError> {
        if depth > VALUE_DEPTH_MAX {
            return Err(BytesError::TooDeep);
        }
        Ok(match self.byte()? {
            0 => Value::None,
            1 => Value::YesNo(match self.signed()? {
                0 => false,
                1 => true,
                _ => return Err(BytesError::Unknown),
            }),
            2 => Value::Int(self.signed()?),
            3 => {
                let bytes: [u8; 8] = self.take(8)?.try_into().map_err(|_| BytesError::Truncated)?;
                let number = f64::from_bits(u64::from_le_bytes(bytes));
                if !number.is_finite() {
                    return Err(BytesError::Unknown);
                }
                Value::Number(number)
            }
            4 => Value::Text(self.text()?.into()),
            5 => {
                let minor = self.signed()?;
                let currency = Currency(self.byte()?);
                if usize::from(currency.0) >= crate::value::CURRENCIES.len() {
                    return Err(BytesError::Unknown);
                }
                Value::Money(minor, currency)
            }
            6 => Value::Duration(self.signed()?),
            7 => Value::Moment(self.signed()?),
            8 => Value::Date(i32::try_from(self.signed()?).map_err(|_| BytesError::Unknown)?),
            9 => Value::Time(u32::try_from(self.signed()?).map_err(|_| BytesError::Unknown)?),
            10 => Value::Json(self.text()?.into()),
            tag => return self.compound(tag, depth),
        })
    }

    fn compound(&mut self, tag: u8, depth: u32) -> Result<Value, BytesError> {
        Ok(match tag {
            11 => Value::Message(Arc::new(Message {
                inbox_id: self.signed()?,
                text: self.text()?.into(),
                sender: self.text()?.into(),
                own_words: self.flag()?,
            })),
            12 => Value::List(self.each(|r| r.value_at(depth + 1))?.into()),
            13 => Value::Map(self.each(|r| Ok((r.text()?.into(), r.value_at(depth + 1)?)))?.into()),
            14 => Value::Record(self.each(|r| r.value_at(depth + 1))?.into()),
            15 => {
                let case = self.narrow()?;
                Value::Variant(case, self.each(|r| r.value_at(depth + 1))?.into())
            }
            16 => Value::Failure(Arc::new(self.failure()?)),
            17 => Value::ToolCalls(
                self.each(|r| {
                    Ok(ToolCall { id: r.text()?.into(), tool: r.text()?.into(), arguments: r.text()?.into() })
                })?
                .into(),
            ),
            _ => return Err(BytesError::Unknown),
        })
    }

    fn failure(&mut self) -> Result<Failure, BytesError> {
        let kind = *FailureKind::ALL.get(usize::from(self.byte()?)).ok_or(BytesError::Unknown)?;
        Ok(Failure { kind, detail: self.text()?.into(), until_ms: self.optional(Self::signed)? })
    }
}
