// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operands of instructions: each kind knows how it prints, parses, encodes and what the verifier must look up.

use crate::program::bytes::{BytesError, Reader, Writer};
use crate::program::shape::ShapeId;
use crate::typed::{ArithmeticOperator, CompareOperator, Delivery, MemoryScope};

/// What an operand refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A scalar register.
    Scalar(u16),
    /// A value register.
    Value(u16),
    /// A place in the code.
    Target(u16),
    /// The pool of scalars.
    ScalarConstant(u16),
    /// The pool of values.
    ValueConstant(u16),
    /// The table of shapes.
    Shape(u16),
    /// The table of effect sites.
    Site(u16),
    /// The table of states.
    State(u16),
    /// The table of people.
    Person(u16),
    /// The table of loops.
    Loop(u16),
    /// Nothing.
    Plain,
}

/// An operand of an instruction.
pub trait Operand: Copy + Sized {
    /// Appends it as the assembler reads it.
    fn print(self, out: &mut String);
    /// Reads what `print` printed.
    fn parse(text: &str) -> Option<Self>;
    /// Appends its bytes.
    fn write(self, out: &mut Writer);
    /// Reads its bytes.
    fn read(input: &mut Reader<'_>) -> Result<Self, BytesError>;
    /// What it refers to.
    fn role(self) -> Role;
}

macro_rules! indexes {
    ($( $(#[$doc:meta])* $name:ident $prefix:literal $role:expr; )*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u16);
        index_operand!($name $prefix $role);
    )* };
}

macro_rules! index_operand {
    ($name:ident $prefix:literal $role:expr) => {
        impl Operand for $name {
            fn print(self, out: &mut String) {
                out.push_str($prefix);
                out.push_str(&self.0.to_string());
            }
            fn parse(text: &str) -> Option<Self> {
                text.strip_prefix($prefix)?.parse().ok().map(Self)
            }
            fn write(self, out: &mut Writer) {
                out.unsigned(u64::from(self.0));
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, BytesError> {
                input.narrow().map(Self)
            }
            fn role(self) -> Role {
                $role(self.0)
            }
        }
    };
}

fn plain(_: u16) -> Role {
    Role::Plain
}

indexes! {
    /// A scalar register.
    Scalar "s" Role::Scalar;
    /// A value register.
    Object "v" Role::Value;
    /// A place in the code.
    Target "@" Role::Target;
    /// A scalar of the constant pool.
    ScalarConstant "k" Role::ScalarConstant;
    /// A value of the constant pool.
    ValueConstant "c" Role::ValueConstant;
    /// An effect site.
    SiteId "e" Role::Site;
    /// A state.
    StateIndex "q" Role::State;
    /// Somebody.
    Person "p" Role::Person;
    /// A loop.
    LoopId "l" Role::Loop;
    /// An `after` of the state whose body runs.
    TimerIndex "after" plain;
    /// A number of registers.
    Count "#" plain;
    /// A position in a record or payload.
    Position "." plain;
    /// A case of a union.
    CaseIndex "case" plain;
}
index_operand!(ShapeId "t" Role::Shape);

macro_rules! numbers {
    ($( $(#[$doc:meta])* $name:ident($inner:ty); )*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $inner);
        impl Operand for $name {
            fn print(self, out: &mut String) {
                out.push_str(&self.0.to_string());
            }
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok().map(Self)
            }
            fn write(self, out: &mut Writer) {
                out.signed(i64::from(self.0));
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, BytesError> {
                <$inner>::try_from(input.signed()?).map(Self).map_err(|_| BytesError::Unknown)
            }
            fn role(self) -> Role {
                Role::Plain
            }
        }
    )* };
}

numbers! {
    /// A small constant inside an instruction.
    Small(i16);
    /// A constant that fills half of an instruction.
    Immediate(i32);
    /// The largest length of a list or map.
    LengthMax(u32);
}

macro_rules! words {
    ($( $name:ty { $( $variant:path = $word:literal ),* $(,)? } )*) => { $(
        impl Operand for $name {
            fn print(self, out: &mut String) {
                out.push_str(match self { $( $variant => $word, )* });
            }
            fn parse(text: &str) -> Option<Self> {
                match text { $( $word => Some($variant), )* _ => None }
            }
            fn write(self, out: &mut Writer) {
                let order = [$( $variant ),*];
                out.byte(order.iter().position(|item| *item == self).unwrap_or(0) as u8);
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, BytesError> {
                let order = [$( $variant ),*];
                order.get(usize::from(input.byte()?)).copied().ok_or(BytesError::Unknown)
            }
            fn role(self) -> Role {
                Role::Plain
            }
        }
    )* };
}

/// Which [`crate::value::Value`] a scalar becomes at the border of the scalar file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ScalarKind {
    /// `int`.
    Int,
    /// `yesno`.
    YesNo,
    /// `duration`.
    Duration,
    /// `moment`.
    Moment,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// A case without payload, or the kind of a failure.
    Case,
}

/// Texts inside messages and failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TextProperty {
    /// Text of a message.
    MessageText,
    /// Who sent a message.
    MessageSender,
    /// Detail of a failure.
    FailureDetail,
    /// When a limited failure may work again: a `moment?`.
    FailureUntil,
}

words! {
    ScalarKind {
        ScalarKind::Int = "int", ScalarKind::YesNo = "yesno", ScalarKind::Duration = "duration",
        ScalarKind::Moment = "moment", ScalarKind::Date = "date", ScalarKind::Time = "time", ScalarKind::Case = "case",
    }
    TextProperty {
        TextProperty::MessageText = "text", TextProperty::MessageSender = "sender",
        TextProperty::FailureDetail = "detail", TextProperty::FailureUntil = "until",
    }
    MemoryScope {
        MemoryScope::Person = "person", MemoryScope::Chat = "chat", MemoryScope::Agent = "agent",
        MemoryScope::All = "all",
    }
    Delivery { Delivery::Now = "now", Delivery::NextMessage = "next" }
    ArithmeticOperator {
        ArithmeticOperator::Add = "+", ArithmeticOperator::Subtract = "-", ArithmeticOperator::Multiply = "*",
        ArithmeticOperator::Divide = "/", ArithmeticOperator::Remainder = "%",
    }
    CompareOperator {
        CompareOperator::Equal = "=", CompareOperator::NotEqual = "!=", CompareOperator::Less = "<",
        CompareOperator::LessOrEqual = "<=", CompareOperator::Greater = ">", CompareOperator::GreaterOrEqual = ">=",
    }
}
