// SPDX-License-Identifier: MIT OR Apache-2.0
//! Vectors from JSON: as many as texts, of one length, finite.

use blufio_core::model::{ModelError, ModelErrorKind};
use serde_json::Value;

use crate::transport::error;

/// Reads one vector for each place; an error for a vector that is missing, empty, of another length or not of numbers.
pub(crate) fn read(rows: &[&Value]) -> Result<Vec<Vec<f32>>, ModelError> {
    let wrong = || error(ModelErrorKind::NotTheProvider, "the answer has not one vector for each text");
    let vectors: Vec<Vec<f32>> =
        rows.iter().map(|row| vector(row)).collect::<Option<_>>().ok_or_else(wrong)?;
    let length = vectors.first().map_or(0, Vec::len);
    match vectors.iter().all(|vector| vector.len() == length && length > 0) {
        true => Ok(vectors),
        false => Err(wrong()),
    }
}

fn vector(row: &Value) -> Option<Vec<f32>> {
    let number = |value: &Value| value.as_f64().map(|n| n as f32).filter(|n| n.is_finite());
    row.as_array()?.iter().map(number).collect()
}
