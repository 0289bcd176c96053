// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values that live in slots and locals and that cross the border between a program and the world.

use std::sync::Arc;

/// A closed list of currencies (ISO 4217, lower case) and their minor units per unit.
pub const CURRENCIES: &[(&str, i64)] = &[
    ("eur", 100),
    ("usd", 100),
    ("gbp", 100),
    ("chf", 100),
    ("jpy", 1),
    ("cny", 100),
    ("inr", 100),
    ("aud", 100),
    ("cad", 100),
    ("nzd", 100),
    ("sek", 100),
    ("nok", 100),
    ("dkk", 100),
    ("pln", 100),
    ("czk", 100),
    ("huf", 100),
    ("ron", 100),
    ("try", 100),
    ("brl", 100),
    ("mxn", 100),
    ("zar", 100),
    ("krw", 1),
    ("sgd", 100),
    ("hkd", 100),
    ("ils", 100),
    ("aed", 100),
    ("sar", 100),
    ("thb", 100),
    ("idr", 100),
    ("uah", 100),
];

/// Index into [`CURRENCIES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency(pub u8);

impl Currency {
    /// The currency with this lower-case code.
    pub fn named(code: &str) -> Option<Self> {
        CURRENCIES.iter().position(|(c, _)| *c == code).map(|at| Self(at as u8))
    }

    /// Lower-case code.
    pub fn code(self) -> &'static str {
        CURRENCIES.get(usize::from(self.0)).map_or("???", |c| c.0)
    }

    /// Minor units per unit (100 for cents).
    pub fn minor_per_unit(self) -> i64 {
        CURRENCIES.get(usize::from(self.0)).map_or(100, |c| c.1)
    }
}

/// A message as a program sees it: its text, who sent it, and whether its words are the sender's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The runtime's id of the stored inbox row; 0 for none.
    pub inbox_id: i64,
    /// Text as it prints.
    pub text: Arc<str>,
    /// Display name of the sender, for `sender` in texts.
    pub sender: Arc<str>,
    /// Whether the words are typed by the sender (`false`: forwarded or quoted).
    pub own_words: bool,
}

/// A call that a model asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The provider's id of the call.
    pub id: Arc<str>,
    /// Dotted tool name as the program grants it.
    pub tool: Arc<str>,
    /// Arguments: one complete JSON object.
    pub arguments: Arc<str>,
}

/// Why a step failed. The list is closed (ruling 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FailureKind {
    /// The answer does not fit the type.
    Invalid,
    /// No grant, or the outside refused access.
    Denied,
    /// A rate or a quota.
    Limited,
    /// No answer in time.
    Timeout,
    /// The model or the tool declined.
    Refused,
    /// Anything else outside.
    Broken,
    /// Overflow, division by zero, mixed currencies.
    Arithmetic,
}

impl FailureKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Invalid,
        Self::Denied,
        Self::Limited,
        Self::Timeout,
        Self::Refused,
        Self::Broken,
        Self::Arithmetic,
    ];

    /// The word programs compare with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::Limited => "limited",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Broken => "broken",
            Self::Arithmetic => "arithmetic",
        }
    }
}

/// `failed why`: kind is trusted, detail comes from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which kind.
    pub kind: FailureKind,
    /// Words for people; untrusted.
    pub detail: Arc<str>,
    /// For `limited`: when it may work again, milliseconds since 1970.
    pub until_ms: Option<i64>,
}

/// Any value. Scalars live unboxed in the machine's registers and take this form only at its border.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An empty optional.
    None,
    /// `yesno`.
    YesNo(bool),
    /// `int`.
    Int(i64),
    /// `number`; never NaN or infinite.
    Number(f64),
    /// `text`.
    Text(Arc<str>),
    /// `money`, in the currency's minor units.
    Money(i64, Currency),
    /// `duration`, milliseconds.
    Duration(i64),
    /// `moment`, milliseconds since 1970 UTC.
    Moment(i64),
    /// `date`, days since 1970-01-01.
    Date(i32),
    /// `time`, minutes after midnight.
    Time(u32),
    /// `json`: one JSON document.
    Json(Arc<str>),
    /// `message`.
    Message(Arc<Message>),
    /// `list`.
    List(Arc<[Value]>),
    /// `map`, keys in insertion order.
    Map(Arc<[(Arc<str>, Value)]>),
    /// A record: fields in the order of its declaration.
    Record(Arc<[Value]>),
    /// A union's case: index in the declaration, payload in its order.
    Variant(u32, Arc<[Value]>),
    /// What `on failed why` binds.
    Failure(Arc<Failure>),
    /// What `calls(c)` binds.
    ToolCalls(Arc<[ToolCall]>),
}
