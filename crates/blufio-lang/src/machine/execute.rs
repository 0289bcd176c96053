// SPDX-License-Identifier: MIT OR Apache-2.0
//! The dispatch loop: scalars and jumps here, values in `objects`. Every stop is a value. Code is verified, so every
//! register and target exists; fuel is taken at backward jumps, since code without one ends by itself.

use super::monitors::Happened;
use super::objects;
use crate::effect::{Action, FUEL_PER_STEP};
use crate::program::Program;
use crate::program::civil;
use crate::program::instruction::Instruction as I;
use crate::program::operand::{Object, Scalar, Target, ValueConstant};
use crate::typed::CompareOperator as C;
use crate::value::Value;

/// What a step works with besides the machine.
pub(super) struct Context<'p> {
    pub program: &'p Program,
    pub now_ms: i64,
    pub actions: Vec<Action>,
    pub fuel: u64,
    pub transitions: u32,
    /// Pending wakes of the session.
    pub wakes: Vec<Wake>,
    /// Number of the next wake.
    pub wake_next: u64,
    /// Sites that `together` asked for and does not wait for yet, with their values.
    pub forked: Vec<(u16, Box<[Value]>)>,
    /// What the step began with, for the rules.
    pub happened: Happened,
    /// Labels, while code runs.
    #[cfg(test)]
    pub shadow: Option<Box<super::shadow::Shadow>>,
}

/// A pending wake.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wake {
    pub number: u64,
    pub due_ms: i64,
    pub with: Value,
}

/// Most pending wakes of one session (ruling 9).
pub(super) const WAKES_MAX: usize = 50;
/// A wake is at least this far ahead (ruling 9).
const WAKE_AHEAD_MS: i64 = 1_000;

impl<'p> Context<'p> {
    pub fn new(program: &'p Program, now_ms: i64) -> Self {
        Self {
            program,
            now_ms,
            actions: Vec::new(),
            fuel: FUEL_PER_STEP,
            transitions: 0,
            wakes: Vec::new(),
            wake_next: 0,
            forked: Vec::new(),
            happened: Happened::Nothing,
            #[cfg(test)]
            shadow: None,
        }
    }
}

/// Why the loop stopped.
#[derive(Debug)]
pub(super) enum Exit {
    End,
    Go(u16),
    Await(u16),
    /// `together` waits for what was forked, and goes on here.
    Gather(u16),
    /// A loop begins.
    Each(u16),
    Done(Option<Value>),
    Trap(Trap),
}

/// What went wrong in an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trap {
    /// `failed(arithmetic)`.
    Arithmetic(&'static str),
    /// `failed(invalid)`.
    Invalid(&'static str),
    /// A register holds what its type forbids.
    Corrupt(&'static str),
    OutOfFuel,
}

const OVERFLOW: Trap = Trap::Arithmetic("the result is too large");
const ZERO: Trap = Trap::Arithmetic("division by zero");

macro_rules! attempt {
    ($result:expr, $trap:expr) => {
        match $result {
            Some(value) => value,
            None => return Exit::Trap($trap),
        }
    };
}

/// Runs code from `pc` on.
pub(super) fn execute(
    context: &mut Context<'_>,
    visit: u64,
    scalars: &mut [i64],
    objects: &mut [Value],
    entry: u16,
) -> Exit {
    let code: &[I] = &context.program.code;
    let mut pc = usize::from(entry);
    macro_rules! s {
        ($register:expr) => {
            scalars[usize::from($register.0)]
        };
    }
    macro_rules! jump_when {
        ($condition:expr, $target:expr) => {
            if $condition {
                attempt!(land(&mut pc, &mut context.fuel, $target), Trap::OutOfFuel);
            }
        };
    }
    loop {
        #[cfg(test)]
        super::shadow::executes(context, pc);
        let Some(&instruction) = code.get(pc) else { return Exit::Trap(Trap::Corrupt("ran off the code")) };
        pc += 1;
        match instruction {
            I::LoadInt(to, value) => s!(to) = i64::from(value.0),
            I::Move(to, from) => s!(to) = s!(from),
            I::Add(to, a, b) => s!(to) = attempt!(s!(a).checked_add(s!(b)), OVERFLOW),
            I::AddK(to, a, k) => s!(to) = attempt!(s!(a).checked_add(i64::from(k.0)), OVERFLOW),
            I::Subtract(to, a, b) => s!(to) = attempt!(s!(a).checked_sub(s!(b)), OVERFLOW),
            I::Multiply(to, a, b) => s!(to) = attempt!(s!(a).checked_mul(s!(b)), OVERFLOW),
            I::Divide(to, a, b) => s!(to) = attempt!(s!(a).checked_div(s!(b)), divisor(s!(b))),
            I::Remainder(to, a, b) => s!(to) = attempt!(s!(a).checked_rem(s!(b)), divisor(s!(b))),
            I::RemainderK(to, a, k) => s!(to) = attempt!(remainder(s!(a), k.0), divisor(i64::from(k.0))),
            I::Jump(target) => jump_when!(true, target),
            I::JumpIf(a, target) => jump_when!(s!(a) != 0, target),
            I::JumpUnless(a, target) => jump_when!(s!(a) == 0, target),
            I::JumpEqual(a, b, target) => jump_when!(s!(a) == s!(b), target),
            I::JumpNotEqual(a, b, target) => jump_when!(s!(a) != s!(b), target),
            I::JumpLess(a, b, target) => jump_when!(s!(a) < s!(b), target),
            I::JumpNotLess(a, b, target) => jump_when!(s!(a) >= s!(b), target),
            I::JumpEqualK(a, k, target) => jump_when!(s!(a) == i64::from(k.0), target),
            I::JumpNotEqualK(a, k, target) => jump_when!(s!(a) != i64::from(k.0), target),
            I::JumpLessK(a, k, target) => jump_when!(s!(a) < i64::from(k.0), target),
            I::JumpNotLessK(a, k, target) => jump_when!(s!(a) >= i64::from(k.0), target),
            I::JumpGreaterK(a, k, target) => jump_when!(s!(a) > i64::from(k.0), target),
            I::JumpNotGreaterK(a, k, target) => jump_when!(s!(a) <= i64::from(k.0), target),
            I::JumpNone(Object(a), target) => jump_when!(objects[usize::from(a)] == Value::None, target),
            I::JumpSome(Object(a), target) => jump_when!(objects[usize::from(a)] != Value::None, target),
            I::Await(site) => return Exit::Await(site.0),
            I::Gather() => return Exit::Gather(pc as u16),
            I::Each(each) => return Exit::Each(each.0),
            I::Go(state) => {
                // A circle of states costs what its bodies cost.
                attempt!(spend(&mut context.fuel, pc.saturating_sub(usize::from(entry))), Trap::OutOfFuel);
                return Exit::Go(state.0);
            }
            I::Done(Object(value)) => return Exit::Done(Some(objects[usize::from(value)].clone())),
            I::DoneEmpty() => return Exit::Done(None),
            I::End() => return Exit::End,
            other => {
                if let Err(trap) = rarely(context, visit, scalars, objects, other) {
                    return Exit::Trap(trap);
                }
            }
        }
    }
}

/// Goes to a target; a backward jump costs what it repeats. `None` when the fuel is used up.
#[inline(always)]
fn land(pc: &mut usize, fuel: &mut u64, target: Target) -> Option<()> {
    let target = usize::from(target.0);
    if target < *pc {
        spend(fuel, *pc - target)?;
    }
    *pc = target;
    Some(())
}

/// Takes fuel for so many instructions. `None` when it is used up.
#[inline(always)]
fn spend(fuel: &mut u64, length: usize) -> Option<()> {
    *fuel = fuel.checked_sub(length as u64)?;
    Some(())
}

/// The trap of a division that gave nothing: by zero, or of the least number by −1.
fn divisor(value: i64) -> Trap {
    if value == 0 { ZERO } else { OVERFLOW }
}

#[inline(always)]
fn remainder(a: i64, k: i16) -> Option<i64> {
    // Dividing 32-bit numbers takes half as long on many processors.
    match (u32::try_from(a), u32::try_from(k)) {
        (Ok(a), Ok(k)) => a.checked_rem(k).map(i64::from),
        _ => a.checked_rem(i64::from(k)),
    }
}

fn compare(operator: C, a: i64, b: i64) -> bool {
    match operator {
        C::Equal => a == b,
        C::NotEqual => a != b,
        C::Less => a < b,
        C::LessOrEqual => a <= b,
        C::Greater => a > b,
        C::GreaterOrEqual => a >= b,
    }
}

const NO_ZONE: Trap = Trap::Invalid("the time zone does not know this moment");

fn zone_of<'p>(context: &Context<'p>, zone: ValueConstant) -> Result<&'p str, Trap> {
    match context.program.value_constants.get(usize::from(zone.0)) {
        Some(Value::Text(zone)) => Ok(zone),
        _ => Err(Trap::Corrupt("a zone that is no text")),
    }
}

/// What leaves the session, or its memory.
fn outward(context: &Context<'_>, objects: &[Value], instruction: I) -> Result<Action, Trap> {
    let text = |Object(at): Object| objects::text(&objects[usize::from(at)]).cloned();
    Ok(match instruction {
        I::Send(who, a, delivery) => {
            let who = context.program.people.get(usize::from(who.0)).cloned();
            Action::Send(who.ok_or(Trap::Corrupt("no such person"))?, text(a)?, delivery)
        }
        I::Show(a) => Action::Show(text(a)?),
        I::Remember(scope, a) => Action::Remember { text: text(a)?, scope },
        I::ForgetMemory(scope) => Action::ForgetMemory(scope),
        _ => Action::ForgetHistory,
    })
}

fn set_wake(context: &mut Context<'_>, due_ms: i64, with: Value) -> Result<(), Trap> {
    if context.wakes.len() >= WAKES_MAX {
        return Err(Trap::Invalid("a session has at most 50 pending wakes"));
    }
    let due_ms = due_ms.max(context.now_ms.saturating_add(WAKE_AHEAD_MS));
    let number = context.wake_next;
    context.wake_next += 1;
    context.wakes.push(Wake { number, due_ms, with });
    context.actions.push(Action::SetWake { wake: number, due_ms });
    Ok(())
}

/// Instructions that no loop is made of: the other scalars, what is decided for the outside, then values.
fn rarely(
    context: &mut Context<'_>,
    visit: u64,
    scalars: &mut [i64],
    objects: &mut [Value],
    instruction: I,
) -> Result<(), Trap> {
    let scalar = |register: Scalar| scalars[usize::from(register.0)];
    let (to, result) = match instruction {
        I::Now(to) => (to, context.now_ms),
        I::LoadScalar(to, constant) => (to, context.program.scalar_constants[usize::from(constant.0)]),
        I::Negate(to, a) => (to, scalar(a).checked_neg().ok_or(OVERFLOW)?),
        I::Not(to, a) => (to, i64::from(scalar(a) == 0)),
        I::Compare(operator, to, a, b) => (to, i64::from(compare(operator, scalar(a), scalar(b)))),
        I::Reply(Object(text)) => {
            context.actions.push(Action::Reply(objects::text(&objects[usize::from(text)])?.clone()));
            return Ok(());
        }
        I::Send(..) | I::Show(_) | I::Remember(..) | I::ForgetMemory(_) | I::ForgetHistory() => {
            let action = outward(context, objects, instruction)?;
            context.actions.push(action);
            return Ok(());
        }
        I::Fork(site) => {
            let values = super::effects::asked_values(context.program, objects, site.0);
            context.forked.push((site.0, values));
            return Ok(());
        }
        I::SetWake(due, Object(with)) => {
            return set_wake(context, scalar(due), objects[usize::from(with)].clone());
        }
        I::ClearWakes() => {
            context.wakes.clear();
            context.actions.push(Action::ClearWakes);
            return Ok(());
        }
        I::Wakes(Object(to)) => {
            let wake = |wake: &Wake| Value::Record([Value::Moment(wake.due_ms), wake.with.clone()].into());
            objects[usize::from(to)] = Value::List(context.wakes.iter().map(wake).collect());
            return Ok(());
        }
        I::UntilTime(to, minutes, zone) => {
            let zone = zone_of(context, zone)?;
            (to, civil::until_time(context.now_ms, scalar(minutes), zone).ok_or(NO_ZONE)?)
        }
        I::TimeOfDay(to, moment, zone) => {
            let zone = zone_of(context, zone)?;
            (to, civil::time_of_day(scalar(moment), zone).ok_or(NO_ZONE)?)
        }
        I::SetTimer(timer, after) => {
            let due_ms = context.now_ms.checked_add(scalar(after).max(0)).ok_or(OVERFLOW)?;
            context.actions.push(Action::SetTimer { visit, timer: u32::from(timer.0), due_ms });
            return Ok(());
        }
        other => return objects::apply(context.program, scalars, objects, other),
    };
    scalars[usize::from(to.0)] = result;
    Ok(())
}
