// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions, memory, uses and the progress line, in plain structs.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::{Mail, Tables, count};
use crate::message::{Address, UnixMs};
use crate::store::{
    Announced, Announcement, AskedRows, Attempted, Cap, Epoch, INTERNAL_CHANNEL, MemoryChange, NewOutbox,
    OutboxState, PERIODS_KEPT_MAX, Progress, QuestionChange, QuestionRow, StepExtra, is_near, marked,
};

/// What is used of a cap in a period.
#[derive(Debug)]
struct Spent {
    usd_micros: i64,
    /// That it is near its end was told.
    is_told: bool,
    /// In which order periods were begun.
    number: u64,
}

/// The period that is kept no longer, of periods with the order in which they were begun.
fn oldest_too_many(periods: BTreeMap<i64, u64>) -> Option<i64> {
    let is_too_many = periods.len() > PERIODS_KEPT_MAX;
    periods.into_iter().min_by_key(|(_, number)| *number).map(|(period, _)| period).filter(|_| is_too_many)
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub questions: BTreeMap<i64, QuestionRow>,
    last_question: i64,
    /// Scope and text, oldest first.
    memories: Vec<(String, String)>,
    /// By what, period and token: in which order they were taken.
    uses: BTreeMap<(String, i64, String), u64>,
    /// By what and period.
    spent: BTreeMap<(String, i64), Spent>,
    last_number: u64,
    /// Worst case and caps of announced attempts, by the number of their ledger row.
    open: BTreeMap<usize, (i64, Vec<Cap>)>,
    /// What stands for the turns of a session before one.
    pub epochs: BTreeMap<(i64, i64), Epoch>,
    /// Message that shows the progress of a session.
    progress: HashMap<i64, i64>,
}

/// Words of a text that can be compared.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

impl World {
    /// Texts that share words with the query, most first.
    pub fn recall(&self, scopes: &[String], query: &str, top: u32) -> Vec<String> {
        let asked = words(query);
        let score = |text: &str| words(text).iter().filter(|word| asked.contains(word)).count();
        let mut found: Vec<(usize, &String)> = self
            .memories
            .iter()
            .filter(|(scope, _)| scopes.contains(scope))
            .map(|(_, text)| (score(text), text))
            .filter(|(score, _)| *score > 0)
            .collect();
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.into_iter().take(top as usize).map(|(_, text)| text.clone()).collect()
    }

    pub fn reserve(&mut self, what: &str, period: i64, token: &str, most: u32) -> bool {
        let taken = self.used(what, period);
        let key = (what.to_string(), period, token.to_string());
        if self.uses.contains_key(&key) {
            return true;
        }
        if taken >= i64::from(most) {
            return false;
        }
        self.last_number += 1;
        self.uses.insert(key, self.last_number);
        let mut newest: BTreeMap<i64, u64> = BTreeMap::new();
        for ((_, period, _), number) in self.uses.iter().filter(|((known, ..), _)| known == what) {
            newest.insert(*period, (*number).max(newest.get(period).copied().unwrap_or_default()));
        }
        if let Some(oldest) = oldest_too_many(newest) {
            self.uses.retain(|(known, period, _), _| known != what || *period != oldest);
        }
        true
    }

    pub fn used(&self, what: &str, period: i64) -> i64 {
        count(self.uses.keys().filter(|(known, of, _)| known == what && *of == period))
    }

    fn forget_counts(&mut self, prefix: &str) {
        self.uses.retain(|(what, ..), _| !what.starts_with(prefix));
        self.spent.retain(|(what, _), _| !what.starts_with(prefix));
    }

    pub fn spent(&self, what: &str, period: i64) -> i64 {
        self.spent.get(&(what.to_string(), period)).map_or(0, |spent| spent.usd_micros)
    }

    /// Takes of every cap; the first that has not enough left, otherwise.
    fn take(&mut self, attempt: &Announcement) -> Result<Vec<usize>, (usize, i64)> {
        for (at, cap) in attempt.caps.iter().enumerate() {
            let left = cap.most_usd_micros.saturating_sub(self.spent(&cap.what, cap.period));
            if attempt.worst_usd_micros > left {
                return Err((at, left));
            }
        }
        let mut warnings = Vec::new();
        for (at, cap) in attempt.caps.iter().enumerate() {
            self.last_number += 1;
            let new = Spent { usd_micros: 0, is_told: false, number: self.last_number };
            let spent = self.spent.entry((cap.what.clone(), cap.period)).or_insert(new);
            spent.usd_micros = spent.usd_micros.saturating_add(attempt.worst_usd_micros);
            if cap.warns && !spent.is_told && is_near(spent.usd_micros, cap.most_usd_micros) {
                spent.is_told = true;
                warnings.push(at);
            }
            let all = (cap.what.clone(), i64::MIN)..=(cap.what.clone(), i64::MAX);
            let begun = self.spent.range(all).map(|((_, period), spent)| (*period, spent.number)).collect();
            if let Some(oldest) = oldest_too_many(begun) {
                self.spent.remove(&(cap.what.clone(), oldest));
            }
        }
        Ok(warnings)
    }

    fn settle(&mut self, row: usize, usd_micros: Option<i64>) -> bool {
        let Some((worst, caps)) = self.open.remove(&row) else { return false };
        for cap in caps {
            if let Some(spent) = self.spent.get_mut(&(cap.what, cap.period)) {
                let difference = usd_micros.unwrap_or(worst).saturating_sub(worst);
                spent.usd_micros = spent.usd_micros.saturating_add(difference);
            }
        }
        true
    }

    fn remember(&mut self, change: MemoryChange) {
        match change {
            MemoryChange::Remember { scope, text } => {
                if !self.memories.contains(&(scope.clone(), text.clone())) {
                    self.memories.push((scope, text));
                }
            }
            MemoryChange::Forget { scope } => self.memories.retain(|(known, _)| *known != scope),
        }
    }
}

impl Tables {
    pub(super) fn announce(&mut self, attempt: Announcement) -> Announced {
        match self.world.take(&attempt) {
            Err((cap, left_usd_micros)) => Announced::Refused { cap, left_usd_micros },
            Ok(warnings) => {
                self.world.open.insert(self.ledger.len(), (attempt.worst_usd_micros, attempt.caps));
                self.ledger.push(attempt.row);
                Announced::Granted { row: i64::try_from(self.ledger.len()).unwrap_or(i64::MAX) - 1, warnings }
            }
        }
    }

    pub(super) fn attempted(&mut self, attempt: Attempted) {
        let Some(row) = attempt.announced.and_then(|row| usize::try_from(row).ok()) else {
            return self.ledger.push(attempt.row);
        };
        if self.world.settle(row, attempt.row.usd_micros)
            && let Some(stored) = self.ledger.get_mut(row)
        {
            *stored = attempt.row;
        }
    }

    /// The open questions, with the messages that show them.
    pub(super) fn questions(&self) -> Vec<QuestionRow> {
        let shown = |row: &QuestionRow| {
            let shows = self.outbox.iter().find(|known| Some(known.id) == row.question.outbox);
            QuestionRow { message_id: shows.and_then(|known| known.provider_id.clone()), ..row.clone() }
        };
        self.world.questions.values().map(shown).collect()
    }

    pub(super) fn change_questions(&mut self, changes: Vec<QuestionChange>) {
        for change in changes {
            match change.question {
                None => drop(self.world.questions.remove(&change.id)),
                Some(question) => {
                    if let Some(row) = self.world.questions.get_mut(&change.id) {
                        row.question = question;
                    }
                }
            }
        }
    }

    /// Ids of the new questions, and the messages that were touched.
    pub(super) fn apply_extra(
        &mut self,
        session: i64,
        key: &str,
        extra: StepExtra,
        is_live: bool,
        now_ms: UnixMs,
    ) -> (AskedRows, Vec<(i64, Address)>) {
        let (mut ids, mut touched) = (Vec::new(), Vec::new());
        for mail in extra.mail {
            let name = (INTERNAL_CHANNEL.to_string(), mail.message.source_id.clone());
            if let Entry::Vacant(unseen) = self.seen.entry(name) {
                unseen.insert(now_ms);
                let (received_ms, joined, consumed) = (now_ms, false, false);
                self.inbox.push(Mail { key: mail.key, message: mail.message, received_ms, joined, consumed });
            }
        }
        for prefix in extra.forget_counts {
            self.world.forget_counts(&prefix);
        }
        if let Some(epoch) = extra.epoch {
            self.world.epochs.insert((session, epoch.start), epoch);
        }
        for close in extra.close_questions {
            let asks = |row: &QuestionRow| {
                row.session == session && (row.asking.visit, row.asking.number) == (close.visit, close.number)
            };
            let closed: Vec<QuestionRow> =
                self.world.questions.values().filter(|row| asks(row)).cloned().collect();
            for row in closed {
                self.world.questions.remove(&row.id);
                let edits = close.channels.contains(&row.question.address.channel);
                if let (Some(outbox), Some(mark), true) = (row.question.outbox, &close.mark, edits) {
                    let text = marked(&row.question.text, mark);
                    touched.extend(self.rewrite(outbox, &text));
                }
            }
        }
        if !is_live {
            self.world.questions.retain(|_, row| row.session != session);
        }
        for new in extra.questions {
            let mut question = new.question;
            if let Some(message) = new.message {
                let address = message.address.clone();
                question.outbox = self.insert_outbox(Some(session), vec![message], now_ms).pop();
                touched.extend(question.outbox.map(|id| (id, address)));
            }
            self.world.last_question += 1;
            let id = self.world.last_question;
            ids.push((id, question.outbox));
            let (key, message_id) = (key.to_string(), None);
            let row = QuestionRow { id, session, key, asking: new.asking, question, message_id };
            self.world.questions.insert(id, row);
        }
        extra.memories.into_iter().for_each(|change| self.world.remember(change));
        for progress in extra.progress {
            touched.extend(self.progress(session, progress, now_ms));
        }
        (ids, touched)
    }

    fn progress(&mut self, session: i64, progress: Progress, now_ms: UnixMs) -> Option<(i64, Address)> {
        let Progress::Show { address, text, edits } = progress else {
            self.world.progress.remove(&session);
            return None;
        };
        if edits
            && let Some(row) = self.world.progress.get(&session).copied()
            && let Some(touched) = self.rewrite(row, &text)
        {
            return Some(touched);
        }
        let new = NewOutbox::now(address.clone(), text);
        let id = self.insert_outbox(Some(session), vec![new], now_ms).pop()?;
        self.world.progress.insert(session, id);
        Some((id, address))
    }

    /// Gives a message another text: one that was sent is edited, one that was not yet is sent so.
    fn rewrite(&mut self, id: i64, text: &str) -> Option<(i64, Address)> {
        let row = self.outbox.iter_mut().find(|row| row.id == id)?;
        if matches!(row.state, OutboxState::Failed | OutboxState::Uncertain) {
            return None;
        }
        row.text = Some(text.to_string());
        if row.state == OutboxState::Sent {
            row.provider_id.as_ref()?;
            row.state = OutboxState::Placed;
        }
        Some((id, row.address.clone()))
    }
}
