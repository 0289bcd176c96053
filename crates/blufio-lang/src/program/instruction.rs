// SPDX-License-Identifier: MIT OR Apache-2.0
//! The instructions of the register machine: eight bytes each, two register files. `s` registers hold scalars as
//! 64-bit integers, `v` registers hold values. The table below is the only place that lists them: encoding, printing,
//! parsing and the walk over operands are derived from it.

use crate::program::bytes::{BytesError, Reader, Writer};
use crate::program::operand::{
    CaseIndex, Count, Immediate, LengthMax, LoopId, Object, Operand, Person, Position, Role, Scalar,
    ScalarConstant, ScalarKind, SiteId, Small, StateIndex, Target, TextProperty, TimerIndex, ValueConstant,
};
use crate::program::shape::ShapeId;
use crate::typed::{ArithmeticOperator, CompareOperator, Delivery, MemoryScope};

macro_rules! instructions {
    ($( $(#[$doc:meta])* $name:ident $mnemonic:literal ( $( $field:ident : $ty:ty ),* ); )*) => {
        /// One instruction. The first operand is where the result goes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Instruction { $( $(#[$doc])* $name($( $ty ),*), )* }

        #[derive(Clone, Copy)]
        enum Opcode { $( $name, )* }

        impl Instruction {
            /// The word for people and for the assembler.
            pub fn mnemonic(&self) -> &'static str {
                match self { $( Self::$name(..) => $mnemonic, )* }
            }

            /// Appends the instruction as the assembler reads it.
            pub fn print(self, out: &mut String) {
                out.push_str(self.mnemonic());
                match self { $( Self::$name($( $field ),*) => { $( out.push(' '); $field.print(out); )* } )* }
            }

            /// Reads what [`Instruction::print`] printed.
            pub fn parse(text: &str) -> Option<Self> {
                let mut words = text.split_whitespace();
                let mnemonic = words.next()?;
                let found = match mnemonic {
                    $( $mnemonic => { $( let $field = <$ty as Operand>::parse(words.next()?)?; )* Self::$name($( $field ),*) } )*
                    _ => return None,
                };
                if words.next().is_some() { None } else { Some(found) }
            }

            /// Appends the opcode and the operands.
            pub fn write(self, out: &mut Writer) {
                match self { $( Self::$name($( $field ),*) => { out.byte(Opcode::$name as u8); $( $field.write(out); )* } )* }
            }

            /// Reads what [`Instruction::write`] wrote.
            pub fn read(input: &mut Reader<'_>) -> Result<Self, BytesError> {
                let opcode = input.byte()?;
                $( if opcode == Opcode::$name as u8 {
                    $( let $field = <$ty as Operand>::read(input)?; )*
                    return Ok(Self::$name($( $field ),*));
                } )*
                Err(BytesError::Unknown)
            }

            /// Shows what each operand refers to.
            pub fn operands(self, mut see: impl FnMut(Role)) {
                match self { $( Self::$name($( $field ),*) => { $( see($field.role()); )* } )* }
                let _ = &mut see;
            }
        }
    };
}

instructions! {
    /// `to` = constant.
    LoadInt "load.int" (to: Scalar, value: Immediate);
    /// `to` = pool entry.
    LoadScalar "load.scalar" (to: Scalar, constant: ScalarConstant);
    /// `to` = `from`.
    Move "move" (to: Scalar, from: Scalar);
    /// `to` = time of the event, milliseconds since 1970.
    Now "now" (to: Scalar);
    /// `to` = `a` + `b`; overflow fails with `arithmetic`.
    Add "add" (to: Scalar, a: Scalar, b: Scalar);
    /// `to` = `a` + constant; overflow fails with `arithmetic`.
    AddK "add.k" (to: Scalar, a: Scalar, k: Small);
    /// `to` = `a` − `b`; overflow fails with `arithmetic`.
    Subtract "subtract" (to: Scalar, a: Scalar, b: Scalar);
    /// `to` = `a` × `b`; overflow fails with `arithmetic`.
    Multiply "multiply" (to: Scalar, a: Scalar, b: Scalar);
    /// `to` = `a` ÷ `b`, towards zero; a zero `b` and overflow fail with `arithmetic`.
    Divide "divide" (to: Scalar, a: Scalar, b: Scalar);
    /// `to` = rest of `a` ÷ `b`, with the sign of `a`; a zero `b` fails with `arithmetic`.
    Remainder "remainder" (to: Scalar, a: Scalar, b: Scalar);
    /// `to` = rest of `a` ÷ constant; a zero constant fails with `arithmetic`.
    RemainderK "remainder.k" (to: Scalar, a: Scalar, k: Small);
    /// `to` = −`a`; overflow fails with `arithmetic`.
    Negate "negate" (to: Scalar, a: Scalar);
    /// `to` = 1 when `a` is 0, else 0.
    Not "not" (to: Scalar, a: Scalar);
    /// `to` = 1 when `a` and `b` compare so, else 0.
    Compare "compare" (operator: CompareOperator, to: Scalar, a: Scalar, b: Scalar);

    /// Go on at `target`.
    Jump "jump" (target: Target);
    /// Go on at `target` when `a` is not 0.
    JumpIf "jump.if" (a: Scalar, target: Target);
    /// Go on at `target` when `a` is 0.
    JumpUnless "jump.unless" (a: Scalar, target: Target);
    /// Go on at `target` when `a` = `b`.
    JumpEqual "jump.eq" (a: Scalar, b: Scalar, target: Target);
    /// Go on at `target` when `a` ≠ `b`.
    JumpNotEqual "jump.ne" (a: Scalar, b: Scalar, target: Target);
    /// Go on at `target` when `a` < `b`.
    JumpLess "jump.lt" (a: Scalar, b: Scalar, target: Target);
    /// Go on at `target` when `a` ≥ `b`.
    JumpNotLess "jump.ge" (a: Scalar, b: Scalar, target: Target);
    /// Go on at `target` when `a` = constant.
    JumpEqualK "jump.eq.k" (a: Scalar, k: Small, target: Target);
    /// Go on at `target` when `a` ≠ constant.
    JumpNotEqualK "jump.ne.k" (a: Scalar, k: Small, target: Target);
    /// Go on at `target` when `a` < constant.
    JumpLessK "jump.lt.k" (a: Scalar, k: Small, target: Target);
    /// Go on at `target` when `a` ≥ constant.
    JumpNotLessK "jump.ge.k" (a: Scalar, k: Small, target: Target);
    /// Go on at `target` when `a` > constant.
    JumpGreaterK "jump.gt.k" (a: Scalar, k: Small, target: Target);
    /// Go on at `target` when `a` ≤ constant.
    JumpNotGreaterK "jump.le.k" (a: Scalar, k: Small, target: Target);
    /// Go on at `target` when `a` is empty.
    JumpNone "jump.none" (a: Object, target: Target);
    /// Go on at `target` when `a` holds a value.
    JumpSome "jump.some" (a: Object, target: Target);

    /// `to` = pool entry.
    LoadValue "load.value" (to: Object, constant: ValueConstant);
    /// `to` = `from`.
    Copy "copy" (to: Object, from: Object);
    /// `to` = the scalar `from` as a value of this kind.
    Wrap "wrap" (kind: ScalarKind, to: Object, from: Scalar);
    /// `to` = the scalar in `from`; anything else there fails with `invalid`.
    Unwrap "unwrap" (kind: ScalarKind, to: Scalar, from: Object);
    /// `to` = `a` operator `b` over numbers and money; mixed currencies, overflow and a zero divisor fail with
    /// `arithmetic`.
    Calculate "calculate" (operator: ArithmeticOperator, to: Object, a: Object, b: Object);
    /// `to` = −`a`, of a number or money.
    NegateValue "negate.value" (to: Object, a: Object);
    /// `to` = 1 when `a` and `b` compare so: equality of anything, order of numbers, money and texts; an order over
    /// mixed currencies fails with `arithmetic`.
    CompareValue "compare.value" (operator: CompareOperator, to: Scalar, a: Object, b: Object);
    /// `to` = text of `a` for people, printed as the shape says.
    Print "print" (to: Object, a: Object, shape: ShapeId);
    /// `to` = text of `a` for a prompt: compound values as JSON.
    PrintForPrompt "print.prompt" (to: Object, a: Object, shape: ShapeId);
    /// `to` = the texts in `count` registers from `first` on, joined.
    Join "join" (to: Object, first: Object, count: Count);
    /// `to` = a record of `count` registers from `first` on.
    MakeRecord "record" (to: Object, first: Object, count: Count);
    /// `to` = a list of `count` registers from `first` on.
    MakeList "list" (to: Object, first: Object, count: Count);
    /// `to` = this case with the payload that the record in `to` holds.
    MakeVariant "variant" (to: Object, case: CaseIndex);
    /// `to` = field of the record `from`.
    Field "field" (to: Object, from: Object, at: Position);
    /// `to` = payload of the case in `from`.
    Payload "payload" (to: Object, from: Object, at: Position);
    /// `to` = index of the case in `from`.
    Tag "tag" (to: Scalar, from: Object);
    /// Fails with `invalid` when `a` is empty.
    Require "require" (a: Object);
    /// `to` = text of a message, sender of a message, detail or `until` of a failure.
    Property "property" (property: TextProperty, to: Object, from: Object);
    /// `to` = kind of the failure `from`.
    KindOf "kind" (to: Scalar, from: Object);
    /// `to` = items of a list or map, characters of a text.
    Length "length" (to: Scalar, from: Object);
    /// `to` = 1 when the list, map or text `a` contains `b`.
    Contains "contains" (to: Scalar, a: Object, b: Object);
    /// `to` = first item of the list `from`, or nothing.
    First "first" (to: Object, from: Object);
    /// `to` = entry of the map `from` under `key`, or nothing.
    Index "index" (to: Object, from: Object, key: Object);
    /// Appends `item` to the list in `list`; longer than `max` fails with `invalid`. (`max` stands in the next
    /// instruction, a [`Instruction::CheckLength`].)
    Append "append" (list: Object, item: Object);
    /// Sets the entry under `key` of the map in `map`; checked like [`Instruction::Append`].
    PutEntry "put" (map: Object, key: Object, value: Object);
    /// Fails with `invalid` when the list or map `a` has more than `max` items.
    CheckLength "check.length" (a: Object, max: LengthMax);

    /// Reply with the text `a`.
    Reply "reply" (a: Object);
    /// Send the text `a` to somebody, now or when somebody next writes there.
    Send "send" (who: Person, a: Object, delivery: Delivery);
    /// Show the text `a` as the progress line.
    Show "show" (a: Object);
    /// Keep the text `a` in memory.
    Remember "remember" (scope: MemoryScope, a: Object);
    /// Give up what is remembered in a scope.
    ForgetMemory "forget.memory" (scope: MemoryScope);
    /// The transcript begins anew.
    ForgetHistory "forget.history" ();
    /// Arm a wake at the moment `due` that carries `with`; more than 50 pending fail with `invalid`.
    SetWake "set.wake" (due: Scalar, with: Object);
    /// Disarm every wake.
    ClearWakes "clear.wakes" ();
    /// `to` = pending wakes, a list of records of moment and what they carry.
    Wakes "wakes" (to: Object);
    /// `to` = milliseconds from the time of the event until the next such time of day (`minutes` after midnight) in the
    /// zone that the constant names.
    UntilTime "until.time" (to: Scalar, minutes: Scalar, zone: ValueConstant);
    /// `to` = minutes after midnight of the moment `a` in the zone that the constant names.
    TimeOfDay "time.of.day" (to: Scalar, a: Scalar, zone: ValueConstant);
    /// Arm this `after` of the state at now + `after` milliseconds.
    SetTimer "set.timer" (timer: TimerIndex, after: Scalar);
    /// Ask for the effect of this site and wait.
    Await "await" (site: SiteId);
    /// Ask for the effect of this site and go on; [`Instruction::Gather`] waits for it.
    Fork "fork" (site: SiteId);
    /// Wait for every effect that was forked.
    Gather "gather" ();
    /// Run the steps of a loop for every item, and wait for them.
    Each "each" (each: LoopId);
    /// Leave for a state.
    Go "go" (state: StateIndex);
    /// End the session with the value `a`.
    Done "done" (a: Object);
    /// End the session without a value.
    DoneEmpty "done.empty" ();
    /// The body or handler ends; the session stays in its state.
    End "end" ();
}

impl Instruction {
    /// Whether control never reaches the next instruction.
    pub fn is_terminator(self) -> bool {
        matches!(
            self,
            Self::Jump(_)
                | Self::Await(_)
                | Self::Each(_)
                | Self::Go(_)
                | Self::Done(_)
                | Self::DoneEmpty()
                | Self::End()
        )
    }

    /// Whether the instruction can fail, so that what the running handler did must be taken back.
    pub fn can_fail(self) -> bool {
        matches!(
            self,
            Self::Add(..)
                | Self::AddK(..)
                | Self::Subtract(..)
                | Self::Multiply(..)
                | Self::Divide(..)
                | Self::Remainder(..)
                | Self::RemainderK(..)
                | Self::Negate(..)
                | Self::Unwrap(..)
                | Self::Calculate(..)
                | Self::NegateValue(..)
                | Self::CompareValue(..)
                | Self::Require(..)
                | Self::CheckLength(..)
                | Self::SetTimer(..)
                | Self::SetWake(..)
                | Self::UntilTime(..)
        )
    }
}

const _: () = assert!(size_of::<Instruction>() == 8);
