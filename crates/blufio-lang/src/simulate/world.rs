// SPDX-License-Identifier: MIT OR Apache-2.0
//! How tools answer in a simulation: as the test says, else as recorded beside the manifest, else with a plain value of
//! the type that they give.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::Folder;
use super::representative::Representatives;
use crate::effect::Outcome;
use crate::manifest::Recorded;
use crate::program::Program;
use crate::program::shape::ShapeId;
use crate::value::{Failure, FailureKind};

/// What a tool says to every further call.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// This result, as JSON in the forms of [`crate::schema`].
    Gives(Json),
    /// It fails, as if something outside were broken.
    Fails,
}

/// The tools of a simulation.
#[derive(Debug, Clone, Default)]
pub struct World {
    given: Vec<(String, Given)>,
}

/// A call that waits for its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub tool: &'a str,
    /// One JSON object.
    pub arguments: &'a str,
    /// Shape of the result in the program that calls.
    pub shape: ShapeId,
}

impl World {
    /// From now on a tool says this.
    pub fn give(&mut self, tool: &str, given: Given) {
        self.given.retain(|(known, _)| known != tool);
        self.given.push((tool.to_string(), given));
    }

    /// What the test lets a tool say.
    pub fn told(&self, tool: &str) -> Option<&Given> {
        self.given.iter().find(|(known, _)| known == tool).map(|(_, given)| given)
    }

    /// The answer to a call; with `told_only` only what the test says.
    pub(super) fn answer(
        &self,
        folder: &Folder,
        program: &Program,
        call: Call<'_>,
        told_only: bool,
    ) -> Option<Outcome> {
        match self.told(call.tool) {
            Some(Given::Gives(json)) => return Some(result(program, call.shape, json)),
            Some(Given::Fails) => return Some(failed(FailureKind::Broken, "the test says so")),
            None if told_only => return None,
            None => {}
        }
        let arguments: Map<String, Json> = serde_json::from_str(call.arguments).unwrap_or_default();
        let recorded = folder.recorded.iter().find(|manifest| manifest.info.name == call.tool);
        Some(match recorded.and_then(|manifest| manifest.answer(&arguments)) {
            Some(Recorded::Gives(json)) => result(program, call.shape, json),
            Some(Recorded::Fails(kind, why)) => failed(*kind, why),
            Some(Recorded::Uncertain) => Outcome::Uncertain,
            None => match Representatives::plain(program).first(call.shape) {
                Some(value) => Outcome::Done(value),
                None => failed(FailureKind::Broken, "nobody knows what the tool gives"),
            },
        })
    }
}

fn result(program: &Program, shape: ShapeId, json: &Json) -> Outcome {
    match program.value_of_shape(shape, json) {
        Ok(value) => Outcome::Done(value),
        Err(violations) => {
            let why = violations.first().map(ToString::to_string).unwrap_or_default();
            failed(FailureKind::Invalid, &why)
        }
    }
}

pub(super) fn failed(kind: FailureKind, detail: &str) -> Outcome {
    Outcome::Failed(Arc::new(Failure { kind, detail: detail.into(), until_ms: None }))
}
