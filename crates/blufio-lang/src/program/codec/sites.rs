// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes of the places where a program waits.

use super::{ShapeId, read_frame, read_register, read_span, short, write_frame, write_register, write_span};
use crate::program::bytes::{BytesError, Reader, Writer};
use crate::program::{Asked, Landing, Loop, MemoryScope, OutcomeKind, Purpose, Site};

const OUTCOMES: [OutcomeKind; 10] = [
    OutcomeKind::Done,
    OutcomeKind::Says,
    OutcomeKind::Yes,
    OutcomeKind::No,
    OutcomeKind::Late,
    OutcomeKind::Failed,
    OutcomeKind::Uncertain,
    OutcomeKind::Complete,
    OutcomeKind::Missing,
    OutcomeKind::Nothing,
];

pub(super) fn write(w: &mut Writer, site: &Site) {
    write_purpose(w, &site.purpose);
    short(w, site.model);
    w.each(&site.from, |w, name| w.text(name));
    w.byte(u8::from(site.history));
    w.byte(u8::from(site.memory));
    w.unsigned(u64::from(site.retries));
    write_span(w, site.span);
}

pub(super) fn read(r: &mut Reader<'_>) -> Result<Site, BytesError> {
    Ok(Site {
        purpose: read_purpose(r)?,
        model: r.narrow()?,
        from: r.each(|r| r.text().map(str::to_string))?,
        history: r.flag()?,
        memory: r.flag()?,
        retries: r.narrow()?,
        span: read_span(r)?,
    })
}

fn write_purpose(w: &mut Writer, purpose: &Purpose) {
    match purpose {
        Purpose::Pick { schema, into, resume } => {
            w.byte(0);
            short(w, *schema);
            write_register(w, *into);
            short(w, *resume);
        }
        Purpose::Write { into, resume } => {
            w.byte(1);
            write_register(w, *into);
            short(w, *resume);
        }
        Purpose::Turn { stream, says, calls, refuses } => {
            w.byte(2);
            w.byte(u8::from(*stream));
            write_landing(w, *says);
            w.optional(*calls, write_landing);
            write_landing(w, *refuses);
        }
        Purpose::Run { approved_by, deadline, resume } => {
            w.byte(3);
            w.optional(*approved_by, short);
            w.byte(u8::from(*deadline));
            short(w, *resume);
        }
        Purpose::Fill { schema, slot, landings } => {
            w.byte(4);
            short(w, *schema);
            short(w, *slot);
            landings.iter().for_each(|landing| write_landing(w, *landing));
        }
        Purpose::Request { asked, landings, into, resume, otherwise } => {
            w.byte(5);
            write_asked(w, asked);
            w.each(landings, |w, (kind, landing)| {
                w.byte(OUTCOMES.iter().position(|known| known == kind).unwrap_or(0) as u8);
                write_landing(w, *landing);
            });
            w.optional(*into, write_register);
            short(w, *resume);
            w.optional(*otherwise, short);
        }
    }
}

fn read_purpose(r: &mut Reader<'_>) -> Result<Purpose, BytesError> {
    Ok(match r.byte()? {
        0 => Purpose::Pick { schema: r.narrow()?, into: read_register(r)?, resume: r.narrow()? },
        1 => Purpose::Write { into: read_register(r)?, resume: r.narrow()? },
        2 => Purpose::Turn {
            stream: r.flag()?,
            says: read_landing(r)?,
            calls: r.optional(read_landing)?,
            refuses: read_landing(r)?,
        },
        3 => Purpose::Run {
            approved_by: r.optional(Reader::narrow)?,
            deadline: r.flag()?,
            resume: r.narrow()?,
        },
        4 => Purpose::Fill {
            schema: r.narrow()?,
            slot: r.narrow()?,
            landings: [read_landing(r)?, read_landing(r)?, read_landing(r)?],
        },
        5 => Purpose::Request {
            asked: read_asked(r)?,
            landings: r.each(|r| {
                let kind = OUTCOMES.get(usize::from(r.byte()?)).copied().ok_or(BytesError::Unknown)?;
                Ok((kind, read_landing(r)?))
            })?,
            into: r.optional(read_register)?,
            resume: r.narrow()?,
            otherwise: r.optional(Reader::narrow)?,
        },
        _ => return Err(BytesError::Unknown),
    })
}

fn write_asked(w: &mut Writer, asked: &Asked) {
    match asked {
        Asked::Call { grant } => {
            w.byte(0);
            short(w, *grant);
        }
        Asked::Agent { grant, here, with, deadline } => {
            w.byte(1);
            short(w, *grant);
            w.byte(u8::from(*here));
            w.optional(*with, short);
            w.byte(u8::from(*deadline));
        }
        Asked::Person { whom, deadline } => {
            w.byte(2);
            short(w, *whom);
            w.byte(u8::from(*deadline));
        }
        Asked::Approval { by, editing, deadline } => {
            w.byte(3);
            short(w, *by);
            w.optional(*editing, short);
            w.byte(u8::from(*deadline));
        }
        Asked::Recall { scope, top } => {
            w.byte(4);
            w.byte(MemoryScope::ALL.iter().position(|known| known == scope).unwrap_or(0) as u8);
            short(w, *top);
        }
    }
}

fn read_asked(r: &mut Reader<'_>) -> Result<Asked, BytesError> {
    Ok(match r.byte()? {
        0 => Asked::Call { grant: r.narrow()? },
        1 => Asked::Agent {
            grant: r.narrow()?,
            here: r.flag()?,
            with: r.optional(Reader::narrow)?,
            deadline: r.flag()?,
        },
        2 => Asked::Person { whom: r.narrow()?, deadline: r.flag()? },
        3 => Asked::Approval { by: r.narrow()?, editing: r.optional(Reader::narrow)?, deadline: r.flag()? },
        4 => Asked::Recall {
            scope: MemoryScope::ALL.get(usize::from(r.byte()?)).copied().ok_or(BytesError::Unknown)?,
            top: r.narrow()?,
        },
        _ => return Err(BytesError::Unknown),
    })
}

fn write_landing(w: &mut Writer, landing: Landing) {
    w.optional(landing.into, write_register);
    short(w, landing.at);
}

fn read_landing(r: &mut Reader<'_>) -> Result<Landing, BytesError> {
    Ok(Landing { into: r.optional(read_register)?, at: r.narrow()? })
}

pub(super) fn write_loop(w: &mut Writer, each: &Loop) {
    write_register(w, each.variable);
    short(w, each.body);
    write_frame(w, &each.frame);
    short(w, each.at_once);
    w.byte(u8::from(each.deadline));
    w.optional(each.results, |w, (list, last, shape)| {
        short(w, list);
        w.optional(last, write_register);
        w.optional(shape, |w, id| short(w, id.0));
    });
    short(w, each.resume);
    write_span(w, each.span);
}

pub(super) fn read_loop(r: &mut Reader<'_>) -> Result<Loop, BytesError> {
    Ok(Loop {
        variable: read_register(r)?,
        body: r.narrow()?,
        frame: read_frame(r)?,
        at_once: r.narrow()?,
        deadline: r.flag()?,
        results: r.optional(|r| {
            let list = r.narrow()?;
            let last = r.optional(read_register)?;
            Ok((list, last, r.optional(|r| Ok(ShapeId(r.narrow()?)))?))
        })?,
        resume: r.narrow()?,
        span: read_span(r)?,
    })
}
