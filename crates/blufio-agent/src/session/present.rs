// SPDX-License-Identifier: MIT OR Apache-2.0
//! People whom a tool names (`oncall = from rota.current`): before a step asks or tells one of them, the tool says who it is
//! now. It only reads, so that asking it again after a crash does no harm; what it said is journaled with the step.

use std::time::Duration;

use blufio_core::store::StoreError;
use blufio_core::tool::ToolRequest;
use blufio_lang::effect::{Action, Effect, StepResult, Stop};
use blufio_lang::program::Who;

use super::Driver;
use crate::journal;
use crate::panics::caught;
use crate::shared::Shared;

/// Longest wait for a tool that says who somebody is: meanwhile its session does nothing else.
const WAIT: Duration = Duration::from_secs(10);

impl Driver {
    /// Finds out who the people are whom a step asks or tells.
    pub(super) async fn look_up_people(&mut self, result: &StepResult) -> Result<(), StoreError> {
        let mut meant: Vec<&Who> = Vec::new();
        for action in &result.actions {
            if let Action::Send(who, ..) = action {
                meant.push(who);
            }
        }
        if let Stop::Await(awaited) = &result.stop {
            for awaited in awaited.iter().filter(|awaited| awaited.fresh) {
                match &awaited.effect {
                    Effect::AskPerson { whom, .. } => meant.push(whom),
                    Effect::Approve { by, .. } => meant.push(by),
                    Effect::AskAgent { with: Some(with), .. } => meant.push(with),
                    _ => {}
                }
            }
        }
        for who in meant {
            self.look_up(who).await?;
        }
        Ok(())
    }

    /// Finds out who somebody is, if a tool says it.
    pub(super) async fn look_up(&mut self, who: &Who) -> Result<(), StoreError> {
        let (Who::Person(name) | Who::Quorum(_, name)) = who else { return Ok(()) };
        let routes = self.shared.routes();
        for name in routes.people_named(name) {
            let Some(tool) = routes.person(name).and_then(|person| person.tool.as_deref()) else { continue };
            match ask_tool(&self.shared, tool, self.coordinate(name)).await {
                Ok(is) => {
                    self.draft.journal.push(journal::person(name, &is));
                    self.present.insert(name.to_string(), is);
                }
                Err(why) => {
                    self.present.remove(name);
                    self.shared.tell_owner(&format!("nobody knows who `{name}` is: `{tool}` {why}")).await?;
                }
            }
        }
        Ok(())
    }

    /// Names the question for ever.
    fn coordinate(&self, name: &str) -> String {
        let step = self.session.as_ref().map_or(0, |session| session.step);
        format!("{}/{step}/person:{name}", self.key)
    }
}

/// The name of a person with an address, as a tool says it.
async fn ask_tool(shared: &Shared, tool: &str, coordinate: String) -> Result<String, String> {
    let request = ToolRequest {
        tool: tool.to_string(),
        arguments: "{}".to_string(),
        idempotency_key: coordinate,
        folder: None,
        hosts: Vec::new(),
        commands: Vec::new(),
        now_ms: shared.clock.now_ms(),
    };
    let said = tokio::select! {
        said = caught(async { shared.tools.call(&request).await }) => match said {
            Ok(Ok(said)) => said,
            Ok(Err(error)) => return Err(format!("failed: {error}")),
            Err(_) => return Err("has a defect".to_string()),
        },
        () = shared.clock.sleep(WAIT) => return Err("did not answer in time".to_string()),
    };
    let name = serde_json::from_str::<String>(said.trim()).unwrap_or_else(|_| said.trim().to_string());
    let routes = shared.routes();
    let is_person = name == "owner"
        || routes.person(&name).is_some_and(|person| person.tool.is_none() && !person.identities.is_empty());
    if is_person { Ok(name) } else { Err("gave no name of the people in the routes".to_string()) }
}
