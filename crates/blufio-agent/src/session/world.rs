// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a step decides about people and memory: who is meant, what is remembered for whom.

use blufio_core::message::{Address, Inbound};
use blufio_core::store::{MemoryChange, NewOutbox, Progress, StoreError};
use blufio_lang::program::{Delivery, MemoryScope, Who};

use super::envelope::SenderNote;
use super::{Driver, Session};
use crate::perform::MemoryRead;
use crate::routes::{LOCAL_CHANNEL, is_owner};
use crate::shared::{Shared, lock};

/// Memories that a prompt holds when the program has no conditional zone.
const MEMORIES_MAX: u32 = 8;
/// Their tokens, unless the zone says otherwise.
const MEMORY_TOKENS_MAX: usize = 1_500;

/// Somebody, and where they are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contact {
    pub address: Address,
    /// The channel's id of who may answer there; empty where the channel's only user is meant.
    pub person: String,
}

impl SenderNote {
    /// Who wrote a message.
    pub fn of(shared: &Shared, message: &Inbound) -> Self {
        let channel = message.address.channel.as_str();
        let routes = shared.routes();
        let owner = shared.owner_id().filter(|_| channel == "telegram");
        let who = if is_owner(message, owner.as_deref()) {
            "owner".to_string()
        } else {
            let named = routes.name_of(channel, &message.sender.id).map(str::to_string);
            named.unwrap_or_else(|| format!("{channel}:{}", message.sender.id))
        };
        Self { id: message.sender.id.clone(), who }
    }
}

impl Shared {
    /// Where the owner is asked things.
    fn owner_contact(&self) -> Option<Contact> {
        let address = self.owner()?;
        let person = if address.channel == LOCAL_CHANNEL { String::new() } else { address.chat.clone() };
        Some(Contact { address, person })
    }

    /// Where the group chat is that a name stands for.
    fn room_of(&self, who: &Who) -> Option<Address> {
        let Who::Person(name) = who else { return None };
        let routes = self.routes();
        let room = routes.rooms.iter().find(|room| room.name == *name)?;
        let setting = routes.room_setting(&room.channel, &room.title)?;
        lock(&self.rooms).get(&setting).cloned()
    }

    /// What a start knows of where group chats are.
    pub(crate) async fn load_rooms(&self) -> Result<(), StoreError> {
        for room in &self.routes().rooms {
            let Some(setting) = self.routes().room_setting(&room.channel, &room.title) else { continue };
            let stored = self.store.setting(&setting).await?;
            if let Some(address) = stored.and_then(|json| serde_json::from_str(&json).ok()) {
                lock(&self.rooms).insert(setting, address);
            }
        }
        Ok(())
    }

    /// Where somebody is reached who is known by name.
    fn contact_named(&self, name: &str) -> Option<Contact> {
        if name == "owner" {
            return self.owner_contact();
        }
        let routes = self.routes();
        let person = routes.person(name)?;
        let (channel, id) =
            person.identities.iter().find(|(channel, _)| self.channels.contains_key(channel.as_str()))?;
        // A private chat has the id of its person.
        let address = Address { channel: channel.clone(), chat: id.clone(), thread: None };
        Some(Contact { address, person: id.clone() })
    }
}

impl Driver {
    /// The people meant, as far as they can be reached, and how many of them must agree.
    pub(super) fn contacts(&self, who: &Who) -> (Vec<Contact>, u32) {
        match who {
            Who::Owner => (self.shared.owner_contact().into_iter().collect(), 1),
            Who::Sender => (self.session.as_ref().and_then(Session::sender).into_iter().collect(), 1),
            Who::Person(name) => (self.contacts_named(name), 1),
            Who::Quorum(needed, name) => (self.contacts_named(name), *needed),
        }
    }

    fn contacts_named(&self, name: &str) -> Vec<Contact> {
        let routes = self.shared.routes();
        let mut contacts: Vec<Contact> = Vec::new();
        for name in routes.people_named(name) {
            // One person under two names is asked once and counts once.
            let name = self.present.get(name).map_or(name, String::as_str);
            contacts.extend(self.shared.contact_named(name).filter(|contact| !contacts.contains(contact)));
        }
        contacts
    }

    /// `send`: to everybody meant.
    pub(super) fn send(&mut self, who: &Who, text: &str, delivery: Delivery) {
        let held = delivery == Delivery::NextMessage;
        if *who == Who::Owner {
            return self.write_to_owner(text, held);
        }
        let (contacts, _) = self.contacts(who);
        let room = self.shared.room_of(who);
        if contacts.is_empty() && room.is_none() {
            self.shared.note(&format!("a message to {} was dropped: no address is known", name_of(who)));
        }
        let contacts = contacts.into_iter().map(|contact| contact.address);
        for address in contacts.chain(room) {
            let parts = self.shared.split(&address, text).into_iter().filter(|part| !part.trim().is_empty());
            let new = |part| NewOutbox { address: address.clone(), text: Some(part), held };
            self.draft.outbox.extend(parts.map(new));
        }
    }

    /// `show`: the progress line, in one message that is edited.
    pub(super) fn show(&mut self, text: &str) {
        let Some(address) = self.session.as_ref().and_then(|session| session.address.clone()) else { return };
        let Some(text) =
            self.shared.split(&address, text).into_iter().next().filter(|t| !t.trim().is_empty())
        else {
            return;
        };
        let edits = self.shared.channel(&address).is_some_and(|channel| channel.edits());
        self.draft.extra.progress.push(Progress::Show { address, text, edits });
        if let Some(session) = &mut self.session {
            session.notes.shown = true;
        }
    }

    pub(super) fn remember_text(&mut self, text: &str, scope: MemoryScope) {
        let scope = self.session.as_ref().and_then(|session| session.memory_scope(scope));
        match scope {
            Some(scope) if !text.trim().is_empty() => {
                self.draft.extra.memories.push(MemoryChange::Remember { scope, text: text.to_string() });
            }
            Some(_) => {}
            None => self.shared.note("something to remember was dropped: nobody is there to remember it of"),
        }
    }

    pub(super) fn forget_memory(&mut self, scope: MemoryScope) {
        let scope = self.session.as_ref().and_then(|session| session.memory_scope(scope));
        self.draft.extra.memories.extend(scope.map(|scope| MemoryChange::Forget { scope }));
    }

    /// `forget history`: prompts begin behind what was said so far; the transcript itself stays for people.
    pub(super) fn forget_history(&mut self) {
        let Some(session) = self.session.as_mut().filter(|session| session.remembers()) else { return };
        let window = session.window.get_or_insert_default();
        window.start += i64::try_from(window.turns.len()).unwrap_or(0);
        window.turns.clear();
        window.summary = None;
        session.history_start = window.start;
        session.notes.said = None;
        session.notes.deferred.clear();
    }
}

fn name_of(who: &Who) -> &str {
    match who {
        Who::Owner => "the owner",
        Who::Sender => "the sender",
        Who::Person(name) | Who::Quorum(_, name) => name,
    }
}

impl Session {
    /// Whoever wrote the message that was taken last, where they wrote it.
    fn sender(&self) -> Option<Contact> {
        let address = self.address.clone()?;
        let person = self.notes.sender.as_ref().map(|sender| sender.id.clone()).unwrap_or_default();
        // Nobody may answer for a sender without an id, except where there is only one.
        (!person.is_empty() || address.channel == LOCAL_CHANNEL).then_some(Contact { address, person })
    }

    /// The name of a scope of memory; `None` when there is no such person or chat.
    pub(super) fn memory_scope(&self, scope: MemoryScope) -> Option<String> {
        match scope {
            MemoryScope::Person => self.notes.sender.as_ref().map(|sender| format!("person/{}", sender.who)),
            MemoryScope::Chat => self.address.as_ref().map(|address| {
                let thread = address.thread.as_ref().map(|thread| format!(":{thread}")).unwrap_or_default();
                format!("chat/{}:{}{thread}", address.channel, address.chat)
            }),
            MemoryScope::Agent => Some(format!("agent/{}", self.program.program.name)),
            MemoryScope::All => Some("all".to_string()),
        }
    }

    /// What `with memory` reads: the conditional zone of the program, or every scope without one.
    pub(super) fn memory_read(&self) -> MemoryRead {
        let every = [MemoryScope::Person, MemoryScope::Chat, MemoryScope::Agent, MemoryScope::All];
        let zone = self.program.program.context.recall;
        let scopes = zone.map_or(every.to_vec(), |zone| vec![zone.scope]);
        let tokens_max = zone.and_then(|zone| zone.tokens_max).and_then(|max| usize::try_from(max).ok());
        MemoryRead {
            scopes: scopes.into_iter().filter_map(|scope| self.memory_scope(scope)).collect(),
            top: zone.map_or(MEMORIES_MAX, |zone| zone.top),
            above_thousandths: zone.map_or(0, |zone| zone.above_thousandths),
            tokens_max: tokens_max.unwrap_or(MEMORY_TOKENS_MAX),
        }
    }
}
