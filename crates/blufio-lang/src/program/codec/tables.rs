// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes of what a program may use and is told: tools, agents, people, events, schedules, budgets, migrations.

use super::{ShapeId, read_span, short, write_span};
use crate::program::bytes::{BytesError, Reader, Writer};
use crate::program::monitor;
use crate::program::{
    Ask, Budget, Context, Danger, Days, EffectClass, Event, History, Label, Labels, Limits, MemoryScope,
    Migration, Parameter, Program, RatePeriod, Rest, Schedule, ScheduleWhen, Tool, Who,
};
use crate::typed::{Recall, Routing};
use crate::value::{CURRENCIES, Currency};

/// The byte of a word of a closed list: its place.
fn word<T: PartialEq + Copy>(w: &mut Writer, list: &[T], value: T) {
    w.byte(list.iter().position(|item| *item == value).unwrap_or(0) as u8);
}

fn read_word<T: Copy>(r: &mut Reader<'_>, list: &[T]) -> Result<T, BytesError> {
    list.get(usize::from(r.byte()?)).copied().ok_or(BytesError::Unknown)
}

const EFFECTS: [EffectClass; 4] =
    [EffectClass::Pure, EffectClass::Read, EffectClass::Idempotent, EffectClass::Once];
const DANGERS: [Danger; 3] = [Danger::Safe, Danger::Reversible, Danger::Dangerous];
const PERIODS: [RatePeriod; 4] = [RatePeriod::Event, RatePeriod::Hour, RatePeriod::Day, RatePeriod::Session];

fn words(r: &mut Reader<'_>) -> Result<Vec<String>, BytesError> {
    r.each(|r| r.text().map(str::to_string))
}

fn word_of(r: &mut Reader<'_>) -> Result<Option<String>, BytesError> {
    r.optional(|r| r.text().map(str::to_string))
}

fn shape(w: &mut Writer, shape: ShapeId) {
    short(w, shape.0);
}

fn read_shape(r: &mut Reader<'_>) -> Result<ShapeId, BytesError> {
    Ok(ShapeId(r.narrow()?))
}

/// Appends the tables.
pub(super) fn write(w: &mut Writer, program: &Program) {
    w.optional(program.language.as_deref(), Writer::text);
    w.optional(program.zone.as_deref(), Writer::text);
    w.each(&program.tools, write_tool);
    w.each(&program.asks, |w, ask| {
        w.text(&ask.agent);
        w.each(&ask.parameters, |w, id| shape(w, *id));
        shape(w, ask.gives);
        w.each(&ask.with, |w, tool| w.text(tool));
        w.optional(ask.calls_max, |w, max| w.unsigned(u64::from(max)));
    });
    w.each(&program.people, write_who);
    w.each(&program.events, |w, event| {
        w.text(&event.name);
        shape(w, event.shape);
    });
    w.each(&program.schedules, write_schedule);
    w.each(&program.monitors, monitor::write);
    let budget = &program.budget;
    for limits in [budget.message, budget.heartbeat, budget.day, budget.month] {
        write_limits(w, limits);
    }
    short(w, program.parameters);
    w.optional(program.gives, shape);
    w.optional(program.wake, shape);
    w.each(&program.migrations, |w, migration| {
        w.unsigned(u64::from(migration.from));
        w.each(&migration.moves, |w, (old, new)| {
            w.text(old);
            w.text(new);
        });
        w.each(&migration.drops, |w, name| w.text(name));
        write_span(w, migration.span);
    });
}

/// Reads what [`write`] wrote.
pub(super) fn read(r: &mut Reader<'_>, program: &mut Program) -> Result<(), BytesError> {
    program.language = word_of(r)?;
    program.zone = word_of(r)?;
    program.tools = r.each(read_tool)?;
    program.asks = r.each(|r| {
        Ok(Ask {
            agent: r.text()?.to_string(),
            parameters: r.each(read_shape)?,
            gives: read_shape(r)?,
            with: words(r)?,
            calls_max: r.optional(Reader::narrow)?,
        })
    })?;
    program.people = r.each(read_who)?;
    program.events = r.each(|r| Ok(Event { name: r.text()?.to_string(), shape: read_shape(r)? }))?;
    program.schedules = r.each(read_schedule)?;
    program.monitors = r.each(monitor::read)?;
    program.budget = Budget {
        message: read_limits(r)?,
        heartbeat: read_limits(r)?,
        day: read_limits(r)?,
        month: read_limits(r)?,
    };
    program.parameters = r.narrow()?;
    program.gives = r.optional(read_shape)?;
    program.wake = r.optional(read_shape)?;
    program.migrations = r.each(|r| {
        Ok(Migration {
            from: r.narrow()?,
            moves: r.each(|r| Ok((r.text()?.to_string(), r.text()?.to_string())))?,
            drops: words(r)?,
            span: read_span(r)?,
        })
    })?;
    Ok(())
}

fn write_tool(w: &mut Writer, tool: &Tool) {
    w.text(&tool.tool);
    w.optional(tool.folder.as_deref(), Writer::text);
    w.each(&tool.to, |w, host| w.text(host));
    w.each(&tool.only, |w, command| w.text(command));
    w.optional(tool.rate, |w, (count, period)| {
        w.unsigned(u64::from(count));
        word(w, &PERIODS, period);
    });
    w.each(&tool.parameters, |w, parameter| {
        w.text(&parameter.name);
        shape(w, parameter.shape);
        w.byte(u8::from(parameter.selects));
    });
    w.optional(tool.gives, shape);
    word(w, &EFFECTS, tool.effect);
    word(w, &DANGERS, tool.danger);
    w.optional(tool.label, |w, label| word(w, &Label::ALL, label));
}

fn read_tool(r: &mut Reader<'_>) -> Result<Tool, BytesError> {
    Ok(Tool {
        tool: r.text()?.to_string(),
        folder: word_of(r)?,
        to: words(r)?,
        only: words(r)?,
        rate: r.optional(|r| Ok((r.narrow()?, read_word(r, &PERIODS)?)))?,
        parameters: r.each(|r| {
            Ok(Parameter { name: r.text()?.to_string(), shape: read_shape(r)?, selects: r.flag()? })
        })?,
        gives: r.optional(read_shape)?,
        effect: read_word(r, &EFFECTS)?,
        danger: read_word(r, &DANGERS)?,
        label: r.optional(|r| read_word(r, &Label::ALL))?,
    })
}

fn write_who(w: &mut Writer, who: &Who) {
    match who {
        Who::Owner => w.byte(0),
        Who::Sender => w.byte(1),
        Who::Person(name) => {
            w.byte(2);
            w.text(name);
        }
        Who::Quorum(count, name) => {
            w.byte(3);
            w.unsigned(u64::from(*count));
            w.text(name);
        }
    }
}

fn read_who(r: &mut Reader<'_>) -> Result<Who, BytesError> {
    Ok(match r.byte()? {
        0 => Who::Owner,
        1 => Who::Sender,
        2 => Who::Person(r.text()?.to_string()),
        3 => Who::Quorum(r.narrow()?, r.text()?.to_string()),
        _ => return Err(BytesError::Unknown),
    })
}

fn write_schedule(w: &mut Writer, schedule: &Schedule) {
    match schedule.when {
        ScheduleWhen::Period { period_ms, window } => {
            w.byte(0);
            w.signed(period_ms);
            w.optional(window, |w, (from, to)| {
                w.unsigned(u64::from(from));
                w.unsigned(u64::from(to));
            });
        }
        ScheduleWhen::At { days, minutes } => {
            w.byte(1);
            match days {
                Days::All => w.byte(7),
                Days::Weekdays => w.byte(8),
                Days::One(day) => w.byte(day.min(6)),
            }
            w.unsigned(u64::from(minutes));
        }
    }
    w.optional(schedule.zone.as_deref(), Writer::text);
    w.each(&schedule.when_changed, |w, (tool, arguments)| {
        short(w, *tool);
        w.text(arguments);
    });
    w.optional(schedule.state, short);
}

fn read_schedule(r: &mut Reader<'_>) -> Result<Schedule, BytesError> {
    let when = match r.byte()? {
        0 => ScheduleWhen::Period {
            period_ms: r.signed()?,
            window: r.optional(|r| Ok((r.narrow()?, r.narrow()?)))?,
        },
        1 => {
            let days = match r.byte()? {
                7 => Days::All,
                8 => Days::Weekdays,
                day @ 0..=6 => Days::One(day),
                _ => return Err(BytesError::Unknown),
            };
            ScheduleWhen::At { days, minutes: r.narrow()? }
        }
        _ => return Err(BytesError::Unknown),
    };
    Ok(Schedule {
        when,
        zone: word_of(r)?,
        when_changed: r.each(|r| Ok((r.narrow()?, r.text()?.to_string())))?,
        state: r.optional(Reader::narrow)?,
    })
}

fn write_limits(w: &mut Writer, limits: Limits) {
    w.optional(limits.calls, |w, (calls, span)| {
        w.unsigned(u64::from(calls));
        write_span(w, span);
    });
    w.optional(limits.money, |w, (amount, currency, span)| {
        w.signed(amount);
        w.byte(currency.0);
        write_span(w, span);
    });
    w.optional(limits.time_ms, |w, (time_ms, span)| {
        w.signed(time_ms);
        write_span(w, span);
    });
}

fn read_limits(r: &mut Reader<'_>) -> Result<Limits, BytesError> {
    Ok(Limits {
        calls: r.optional(|r| Ok((r.narrow()?, read_span(r)?)))?,
        money: r.optional(|r| {
            let amount = r.signed()?;
            let currency = r.byte()?;
            if usize::from(currency) >= CURRENCIES.len() {
                return Err(BytesError::Unknown);
            }
            Ok((amount, Currency(currency), read_span(r)?))
        })?,
        time_ms: r.optional(|r| Ok((r.signed()?, read_span(r)?)))?,
    })
}

/// Appends which model a complexity stands for.
pub(super) fn write_routing(w: &mut Writer, routing: &Routing) {
    w.each(&routing.levels, |w, (level, model)| {
        w.text(level);
        w.unsigned(u64::from(*model));
    });
    w.optional(routing.step_down, |w, (percent, model)| {
        w.unsigned(u64::from(percent));
        w.unsigned(u64::from(model));
    });
}

/// Reads what [`write_routing`] wrote.
pub(super) fn read_routing(r: &mut Reader<'_>) -> Result<Routing, BytesError> {
    Ok(Routing {
        levels: r.each(|r| Ok((r.text()?.to_string(), r.narrow()?)))?,
        step_down: r.optional(|r| Ok((r.narrow()?, r.narrow()?)))?,
    })
}

/// Appends the context policy.
pub(super) fn write_context(w: &mut Writer, context: &Context) {
    w.each(&context.static_files, |w, file| w.text(file));
    w.optional(context.static_tokens_max, |w, max| w.unsigned(u64::from(max)));
    w.byte(u8::from(context.skills));
    w.optional(context.static_cache_ms, Writer::signed);
    w.optional(context.recall, |w, recall| {
        word(w, &MemoryScope::ALL, recall.scope);
        w.unsigned(u64::from(recall.top));
        w.unsigned(u64::from(recall.above_thousandths));
        w.optional(recall.tokens_max, |w, max| w.unsigned(u64::from(max)));
    });
    w.optional(context.history, |w, history| {
        w.optional(history.messages_max, |w, max| w.unsigned(u64::from(max)));
        w.optional(history.tokens_max, |w, max| w.unsigned(u64::from(max)));
        w.optional(history.summarize, |w, model| w.unsigned(u64::from(model)));
    });
}

/// Reads what [`write_context`] wrote.
pub(super) fn read_context(r: &mut Reader<'_>) -> Result<Context, BytesError> {
    Ok(Context {
        static_files: words(r)?,
        static_tokens_max: r.optional(Reader::narrow)?,
        skills: r.flag()?,
        static_cache_ms: r.optional(Reader::signed)?,
        recall: r.optional(|r| {
            Ok(Recall {
                scope: read_word(r, &MemoryScope::ALL)?,
                top: r.narrow()?,
                above_thousandths: r.narrow()?,
                tokens_max: r.optional(Reader::narrow)?,
            })
        })?,
        history: r.optional(|r| {
            Ok(History {
                messages_max: r.optional(Reader::narrow)?,
                tokens_max: r.optional(Reader::narrow)?,
                summarize: r.optional(Reader::narrow)?,
            })
        })?,
    })
}

/// Appends what sessions carry where they wait.
pub(super) fn write_rest(w: &mut Writer, rest: &Rest) {
    for each in [&rest.slots, &rest.locals, &rest.timers] {
        w.each(each, |w, labels| w.byte(labels.bits()));
    }
    for labels in [rest.history, rest.wakes, rest.sender, rest.control] {
        w.byte(labels.bits());
    }
    for flag in [rest.mixed, rest.forgets, rest.relies] {
        w.byte(u8::from(flag));
    }
}

/// Reads what [`write_rest`] wrote.
pub(super) fn read_rest(r: &mut Reader<'_>) -> Result<Rest, BytesError> {
    let labels = |r: &mut Reader<'_>| Labels::from_bits(r.byte()?).ok_or(BytesError::Unknown);
    Ok(Rest {
        slots: r.each(labels)?,
        locals: r.each(labels)?,
        timers: r.each(labels)?,
        history: labels(r)?,
        wakes: labels(r)?,
        sender: labels(r)?,
        control: labels(r)?,
        mixed: r.flag()?,
        forgets: r.flag()?,
        relies: r.flag()?,
    })
}
