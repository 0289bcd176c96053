// SPDX-License-Identifier: MIT OR Apache-2.0
//! The places where a program waits, and the tables that they name.

use super::{Frame, Program, Register, Shape, ShapeId, VerifyError, exists, place, register};
use crate::program::{Asked, Landing, Loop, Purpose, Site};

const SITE: &str = "an effect site";

pub(super) fn verify(program: &Program) -> Result<(), VerifyError> {
    tables(program)?;
    program.loops.iter().try_for_each(|each| check_loop(program, each))?;
    program.sites.iter().try_for_each(|site| check_site(program, site))
}

fn shape(program: &Program, table: &'static str, id: ShapeId) -> Result<(), VerifyError> {
    exists(table, "shape", u32::from(id.0), program.shapes.len())
}

fn tables(program: &Program) -> Result<(), VerifyError> {
    for tool in &program.tools {
        tool.parameters.iter().try_for_each(|parameter| shape(program, "a tool", parameter.shape))?;
        tool.gives.map_or(Ok(()), |id| shape(program, "a tool", id))?;
    }
    for ask in &program.asks {
        ask.parameters.iter().try_for_each(|id| shape(program, "an agent", *id))?;
        shape(program, "an agent", ask.gives)?;
    }
    program.events.iter().try_for_each(|event| shape(program, "an event", event.shape))?;
    for schedule in &program.schedules {
        let tool =
            |(tool, _): &(u16, String)| exists("a schedule", "tool", u32::from(*tool), program.tools.len());
        schedule.when_changed.iter().try_for_each(tool)?;
        let state = |at: u16| exists("a schedule", "state", u32::from(at), program.states.len());
        schedule.state.map_or(Ok(()), state)?;
    }
    [program.gives, program.wake]
        .into_iter()
        .flatten()
        .try_for_each(|id| shape(program, "the program", id))?;
    if usize::from(program.parameters) > program.slots.len() {
        return Err(VerifyError::TooMany("parameters"));
    }
    Ok(())
}

fn check_site(program: &Program, site: &Site) -> Result<(), VerifyError> {
    if usize::from(super::super::asked_with(program, site)) > usize::from(program.layout.effect_objects) {
        return Err(VerifyError::TooMany("named values of an effect"));
    }
    let landing = |landing: &Landing| {
        place(program, SITE, landing.at)?;
        landing.into.map_or(Ok(()), |into| register(program, SITE, into))
    };
    match &site.purpose {
        Purpose::Pick { schema, into, resume } => {
            let picked = picked(program, *schema)?;
            register(program, SITE, *into)?;
            if picked.is_some_and(Shape::is_scalar) != matches!(into, Register::Scalar(_)) {
                return Err(VerifyError::Confused { table: SITE });
            }
            place(program, SITE, *resume)?;
        }
        Purpose::Fill { schema, slot, landings } => {
            if !matches!(picked(program, *schema)?, Some(Shape::Record(_))) {
                return Err(VerifyError::Confused { table: SITE });
            }
            register(program, SITE, Register::Object(*slot))?;
            landings.iter().try_for_each(landing)?;
        }
        Purpose::Write { into, resume } => {
            register(program, SITE, *into)?;
            place(program, SITE, *resume)?;
        }
        Purpose::Turn { says, calls, refuses, .. } => {
            landing(says)?;
            calls.as_ref().map_or(Ok(()), landing)?;
            landing(refuses)?;
        }
        Purpose::Run { approved_by, resume, .. } => {
            approved_by.map_or(Ok(()), |who| person(program, who))?;
            place(program, SITE, *resume)?;
        }
        Purpose::Request { asked, landings, into, resume, otherwise } => {
            check_asked(program, asked)?;
            landings.iter().try_for_each(|(_, at)| landing(at))?;
            into.map_or(Ok(()), |into| register(program, SITE, into))?;
            place(program, SITE, *resume)?;
            otherwise.map_or(Ok(()), |at| place(program, SITE, at))?;
        }
    }
    if matches!(site.purpose, Purpose::Run { .. } | Purpose::Request { .. }) {
        return Ok(());
    }
    exists(SITE, "model", u32::from(site.model), program.models.len())
}

fn picked(program: &Program, schema: u16) -> Result<Option<&Shape>, VerifyError> {
    exists(SITE, "schema", u32::from(schema), program.schemas.len())?;
    Ok(program.schemas.get(usize::from(schema)).and_then(|schema| program.shape(schema.shape)))
}

fn person(program: &Program, who: u16) -> Result<(), VerifyError> {
    exists(SITE, "person", u32::from(who), program.people.len())
}

fn check_asked(program: &Program, asked: &Asked) -> Result<(), VerifyError> {
    match asked {
        Asked::Call { grant } => exists(SITE, "tool", u32::from(*grant), program.tools.len()),
        Asked::Agent { grant, with, .. } => {
            with.map_or(Ok(()), |who| person(program, who))?;
            exists(SITE, "agent", u32::from(*grant), program.asks.len())
        }
        Asked::Person { whom, .. } => person(program, *whom),
        Asked::Approval { by, editing, .. } => {
            person(program, *by)?;
            editing.map_or(Ok(()), |slot| register(program, SITE, Register::Object(slot)))
        }
        Asked::Recall { .. } => Ok(()),
    }
}

fn check_loop(program: &Program, each: &Loop) -> Result<(), VerifyError> {
    const LOOP: &str = "a loop";
    register(program, LOOP, each.variable)?;
    place(program, LOOP, each.body)?;
    place(program, LOOP, each.resume)?;
    let Frame { scalar_first, scalars, object_first, objects } = &each.frame;
    let scalar_end = usize::from(*scalar_first) + scalars.len();
    let object_end = usize::from(*object_first) + objects.len();
    if scalar_end > usize::from(program.layout.scalars) || object_end > usize::from(program.layout.objects) {
        return Err(VerifyError::Confused { table: LOOP });
    }
    scalars.iter().chain(objects).try_for_each(|id| shape(program, LOOP, *id))?;
    if program.layout.effect_objects < 1 + u16::from(each.deadline) || each.at_once == 0 {
        return Err(VerifyError::Confused { table: LOOP });
    }
    if let Some((list, last, kind)) = each.results {
        register(program, LOOP, Register::Object(list))?;
        last.map_or(Ok(()), |last| register(program, LOOP, last))?;
        kind.map_or(Ok(()), |id| shape(program, LOOP, id))?;
    }
    Ok(())
}
