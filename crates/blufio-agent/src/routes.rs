// SPDX-License-Identifier: MIT OR Apache-2.0
//! The routing table: an ordered list of rules of which the first that fits takes a message. A session's key begins
//! with its agent's name, so that the agent of stored mail is known without the table that routed it.

use blufio_core::message::{ChatKind, Inbound};

/// The channel whose user is the operator at the machine itself: whoever writes there is the owner.
pub const LOCAL_CHANNEL: &str = "shell";

/// The table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    /// Rules in order.
    pub rules: Vec<Rule>,
    /// People that programs write to and ask.
    pub people: Vec<Person>,
    /// Names that stand for several people.
    pub groups: Vec<Group>,
    /// Names that stand for a group chat.
    pub rooms: Vec<Room>,
    /// Paths that events are posted to; no two of them are equal.
    pub webhooks: Vec<Webhook>,
}

/// A path that events are posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Path, with its slash.
    pub path: String,
    /// Name of the key that signs.
    pub key_name: String,
    /// Declared type of what is posted.
    pub event: String,
    /// Agent that gets it.
    pub agent: String,
    /// Field that its sessions are kept by; without one the agent's own session gets everything.
    pub per: Option<String>,
}

/// A name that stands for a group chat, which programs write to. Its address is known from the first message that is
/// heard from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Name.
    pub name: String,
    /// Channel.
    pub channel: String,
    /// Title of the chat.
    pub title: String,
}

/// A name that stands for several people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Names of people.
    pub members: Vec<String>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Channel; `None` takes every channel.
    pub channel: Option<String>,
    /// Whose messages.
    pub from: From,
    /// Only in the group with this title; `None` takes messages of private chats only.
    pub group: Option<String>,
    /// What happens to them.
    pub to: Target,
}

/// Whose messages a rule takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// Everybody's.
    Anyone,
    /// The owner's.
    Owner,
    /// These people's.
    People(Vec<Person>),
}

/// Somebody with fixed identities, or whom a tool names. The name `owner` stands for whoever is paired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Name in the routes file.
    pub name: String,
    /// (channel, id) pairs.
    pub identities: Vec<(String, String)>,
    /// Tool that says which of the others it is now.
    pub tool: Option<String>,
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To an agent.
    Agent {
        /// Its name.
        agent: String,
        /// What a session belongs to.
        key: KeyPer,
    },
    /// Nowhere, perhaps with an answer.
    Drop(Option<String>),
}

/// What a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPer {
    /// A person, the same on every channel.
    Person,
    /// A chat, with its thread.
    Chat,
    /// Everybody shares one.
    One,
}

/// What the table says about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It belongs to this session.
    Session(String),
    /// It is dropped, perhaps with an answer.
    Drop(Option<String>),
}

impl Routes {
    /// Every message of the owner goes to one agent, everybody else's is dropped.
    pub fn owner_only(agent: &str) -> Self {
        let to = Target::Agent { agent: agent.to_string(), key: KeyPer::Person };
        let owner = Rule { channel: None, from: From::Owner, group: None, to };
        let others = Rule { channel: None, from: From::Anyone, group: None, to: Target::Drop(None) };
        Self { rules: vec![owner, others], ..Self::default() }
    }

    /// The people behind a name: one, or the members of a group. `owner` is nobody here: whoever is paired.
    pub fn people_named<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        match self.groups.iter().find(|group| group.name == name) {
            Some(group) => group.members.iter().map(String::as_str).collect(),
            None => vec![name],
        }
    }

    /// Somebody by name.
    pub fn person(&self, name: &str) -> Option<&Person> {
        let in_rules = self.rules.iter().filter_map(|rule| match &rule.from {
            From::People(people) => Some(people),
            _ => None,
        });
        self.people.iter().chain(in_rules.flatten()).find(|person| person.name == name)
    }

    /// The name of whoever has an id on a channel.
    pub fn name_of(&self, channel: &str, id: &str) -> Option<&str> {
        let has = |person: &&Person| {
            person.identities.iter().any(|(known, its)| known == channel && its == id && !id.is_empty())
        };
        self.people.iter().find(has).map(|person| person.name.as_str())
    }

    /// What is posted to a path.
    pub fn webhook(&self, path: &str) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.path == path)
    }

    /// The setting that holds where a group chat is, if some name stands for it.
    pub(crate) fn room_setting(&self, channel: &str, title: &str) -> Option<String> {
        let is_it = |room: &Room| room.channel == channel && room.title == title;
        self.rooms.iter().any(is_it).then(|| format!("room/{channel}/{title}"))
    }

    /// Decides about a message; `owner` is the owner's id on the message's channel. A message that no rule takes is
    /// dropped without an answer.
    pub fn decide(&self, message: &Inbound, owner: Option<&str>) -> Decision {
        let is_owner = is_owner(message, owner);
        for rule in &self.rules {
            let here = rule.channel.as_ref().is_none_or(|channel| *channel == message.address.channel);
            // What a group hears everybody in it hears: a rule takes messages of a group only if it says so.
            let group = match (&rule.group, &message.chat) {
                (None, ChatKind::Private) => true,
                (Some(title), ChatKind::Group(heard)) => title == heard,
                _ => false,
            };
            if !here || !group {
                continue;
            }
            let Some(who) = rule.from.matches(message, is_owner) else { continue };
            return match &rule.to {
                Target::Drop(answer) => Decision::Drop(answer.clone()),
                Target::Agent { agent, key } => match session_key(agent, *key, message, &who) {
                    Some(key) => Decision::Session(key),
                    None => Decision::Drop(None),
                },
            };
        }
        Decision::Drop(None)
    }
}

/// Whether the owner wrote a message. Names never count, ids do.
pub fn is_owner(message: &Inbound, owner: Option<&str>) -> bool {
    let paired = owner.is_some_and(|id| !message.sender.id.is_empty() && id == message.sender.id);
    paired || message.address.channel == LOCAL_CHANNEL
}

impl From {
    /// The name under which the sender is known, when the rule takes the sender's messages.
    fn matches(&self, message: &Inbound, is_owner: bool) -> Option<String> {
        let stranger = || if is_owner { "owner".to_string() } else { String::new() };
        match self {
            Self::Anyone => Some(stranger()),
            Self::Owner => is_owner.then(|| "owner".to_string()),
            Self::People(people) => {
                people.iter().find(|p| p.is_sender(message, is_owner)).map(|p| p.name.clone())
            }
        }
    }
}

impl Person {
    fn is_sender(&self, message: &Inbound, is_owner: bool) -> bool {
        let known = |(channel, id): &(String, String)| {
            *channel == message.address.channel && !id.is_empty() && *id == message.sender.id
        };
        (self.name == "owner" && is_owner) || self.identities.iter().any(known)
    }
}

/// The key of a session; `None` for anonymous senders where the session would belong to a person.
fn session_key(agent: &str, per: KeyPer, message: &Inbound, who: &str) -> Option<String> {
    let address = &message.address;
    match per {
        KeyPer::One => Some(format!("{agent}/one")),
        KeyPer::Chat => {
            let thread = address.thread.as_ref().map(|thread| format!(":{thread}")).unwrap_or_default();
            Some(format!("{agent}/{}:chat:{}{thread}", address.channel, address.chat))
        }
        KeyPer::Person if !who.is_empty() => Some(format!("{agent}/{who}")),
        KeyPer::Person if message.sender.id.is_empty() => None,
        KeyPer::Person => Some(format!("{agent}/{}:{}", address.channel, message.sender.id)),
    }
}

/// The agent that a key belongs to.
pub fn agent_of(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use blufio_core::message::{Address, InboundKind, Sender};

    use super::*;

    fn message(channel: &str, sender: &str) -> Inbound {
        Inbound {
            kind: InboundKind::Message,
            source_id: "update:1".into(),
            address: Address { channel: channel.into(), chat: "77".into(), thread: Some("5".into()) },
            chat: ChatKind::Private,
            sender: Sender { id: sender.into(), name: "owner".into() },
            text: "hello".into(),
            own_words: true,
            quoted: None,
            quoted_id: None,
            message_id: None,
            sent_ms: 0,
            attachments: Vec::new(),
        }
    }

    fn rule(from: From, agent: &str, key: KeyPer) -> Rule {
        let to = Target::Agent { agent: agent.into(), key };
        Rule { channel: Some("telegram".into()), from, group: None, to }
    }

    #[test]
    fn the_first_rule_that_fits_takes_the_message() {
        let ben =
            Person { name: "ben".into(), identities: vec![("telegram".into(), "2222".into())], tool: None };
        let drop =
            Rule { channel: None, from: From::Anyone, group: None, to: Target::Drop(Some("no".into())) };
        let routes = Routes {
            rules: vec![
                rule(From::Owner, "assistant", KeyPer::Person),
                rule(From::People(vec![ben]), "trip", KeyPer::Chat),
                rule(From::Anyone, "support", KeyPer::Person),
                drop,
            ],
            ..Routes::default()
        };
        let session = |key: &str| Decision::Session(key.to_string());
        assert_eq!(routes.decide(&message("telegram", "1"), Some("1")), session("assistant/owner"));
        assert_eq!(
            routes.decide(&message("telegram", "2222"), Some("1")),
            session("trip/telegram:chat:77:5")
        );
        assert_eq!(routes.decide(&message("telegram", "3"), Some("1")), session("support/telegram:3"));
        assert_eq!(routes.decide(&message("carrier", "3"), Some("1")), Decision::Drop(Some("no".into())));
    }

    #[test]
    fn t47_a_rule_without_a_group_takes_nothing_from_groups() {
        let mut in_group = rule(From::Anyone, "trip", KeyPer::Chat);
        in_group.group = Some("Trips".into());
        let private = rule(From::Owner, "assistant", KeyPer::Person);
        let routes = Routes {
            rules: vec![private, in_group, rule(From::Anyone, "support", KeyPer::Person)],
            ..Routes::default()
        };
        let mut said = message("telegram", "1");
        assert_eq!(routes.decide(&said, Some("1")), Decision::Session("assistant/owner".into()));
        said.chat = ChatKind::Group("Foreign".into());
        assert_eq!(routes.decide(&said, Some("1")), Decision::Drop(None), "not even the owner's");
        said.chat = ChatKind::Group("Trips".into());
        assert_eq!(routes.decide(&said, Some("1")), Decision::Session("trip/telegram:chat:77:5".into()));
        said.chat = ChatKind::Private;
        said.sender.id = "9".into();
        assert_eq!(routes.decide(&said, Some("1")), Decision::Session("support/telegram:9".into()));
    }

    #[test]
    fn a_display_name_or_an_empty_id_never_makes_an_owner() {
        assert!(!is_owner(&message("telegram", "5"), Some("1")));
        assert!(!is_owner(&message("telegram", ""), Some("")));
        assert!(!is_owner(&message("telegram", ""), None));
        assert!(is_owner(&message("telegram", "1"), Some("1")));
        assert!(is_owner(&message(LOCAL_CHANNEL, ""), None));
    }

    #[test]
    fn anonymous_senders_have_no_session_of_their_own() {
        let routes =
            Routes { rules: vec![rule(From::Anyone, "support", KeyPer::Person)], ..Routes::default() };
        assert_eq!(routes.decide(&message("telegram", ""), Some("1")), Decision::Drop(None));
    }
}
