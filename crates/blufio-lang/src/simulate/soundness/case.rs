// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder that was checked, with everything that running it under labels needs.

use std::sync::Arc;

use crate::check::labels::places::{Labels, Place, places};
use crate::check::{Checked, Environment, check};
use crate::compile::{compile, registers};
use crate::machine::shadow::Known;
use crate::program::Program;
use crate::source::SourceMap;
use crate::typed;

/// An agent of a case.
pub struct Agent {
    pub typed: typed::Program,
    pub program: Program,
    pub known: Arc<Known>,
    /// Model calls per event that the checker allows.
    pub bound: u32,
    pub is_public: bool,
}

/// A checked folder.
pub struct Case {
    pub text: String,
    pub agents: Vec<Agent>,
}

/// Files one behind the other, the first one `a.agent`.
pub fn sources(text: &str) -> SourceMap {
    let mut sources = SourceMap::default();
    for (at, part) in text.split("=== file ").enumerate() {
        let (name, body) = if at == 0 { ("a.agent", part) } else { part.split_once('\n').unwrap() };
        sources.add(name, body).unwrap();
    }
    sources
}

impl Case {
    /// The case, or the codes of what `check` found.
    pub fn new(text: &str, environment: &Environment) -> Result<Self, Vec<(&'static str, String)>> {
        let (checked, diagnostics) = check(&sources(text), environment);
        if diagnostics.has_errors() {
            return Err(diagnostics.iter().map(|d| (d.code, d.title.clone())).collect());
        }
        Ok(Self::of(text, &checked))
    }

    /// A case whatever `check` found, as long as it compiles.
    pub fn of(text: &str, checked: &Checked) -> Self {
        let programs: Vec<&typed::Program> = checked.agents.iter().map(|agent| &agent.program).collect();
        let all = places(&programs, checked.routes.as_ref());
        let agents = checked.agents.iter().zip(all).map(|(agent, places)| {
            let (program, diagnostics) = compile(&agent.program);
            assert!(!diagnostics.has_errors(), "{text}");
            let known = Known::new(&program, places, registers(&agent.program));
            Agent {
                typed: agent.program.clone(),
                program,
                known: Arc::new(known),
                bound: agent.facts.calls_per_event.unwrap_or(u32::MAX),
                is_public: text.contains("from anyone") && agent.program.name == "a",
            }
        });
        Self { text: text.into(), agents: agents.collect() }
    }

    /// The texts as spans count them.
    pub fn flat(&self) -> String {
        let sources = sources(&self.text);
        let mut out = String::new();
        for source in sources.sources() {
            while out.len() < source.base as usize {
                out.push(' ');
            }
            out.push_str(&source.text);
        }
        out
    }

    /// The same case as if its proofs counted on everything where sessions rest, as before they told what they count on.
    pub fn welcoming(&self) -> Self {
        let every = |labels: &mut Labels| {
            *labels = typed::Label::ALL.into_iter().fold(*labels, |all, one| all.union(Labels::of(one)));
        };
        let welcoming = |agent: &Agent| {
            let mut program = agent.program.clone();
            for rest in program.states.iter_mut().filter_map(|state| state.rest.as_mut()) {
                rest.slots.iter_mut().chain(&mut rest.locals).chain(&mut rest.timers).for_each(every);
                [&mut rest.history, &mut rest.wakes, &mut rest.sender, &mut rest.control]
                    .into_iter()
                    .for_each(every);
            }
            Agent { typed: agent.typed.clone(), program, known: Arc::clone(&agent.known), ..*agent }
        };
        Self { text: self.text.clone(), agents: self.agents.iter().map(welcoming).collect() }
    }

    /// The same case as if the checker had said that everything is trusted.
    pub fn trusting(&self) -> Self {
        let trusting = |agent: &Agent| {
            let mut places = agent.known.places.clone();
            for place in places.places.values_mut() {
                *place = Place {
                    variables: place.variables.as_ref().map(|known| vec![Labels::default(); known.len()]),
                    arguments: vec![Labels::default(); place.arguments.len()],
                    is_anywhere: place.is_anywhere,
                    ..Place::default()
                };
            }
            Agent {
                typed: agent.typed.clone(),
                program: agent.program.clone(),
                known: Arc::new(Known::new(&agent.program, places, registers(&agent.typed))),
                ..*agent
            }
        };
        Self { text: self.text.clone(), agents: self.agents.iter().map(trusting).collect() }
    }
}
