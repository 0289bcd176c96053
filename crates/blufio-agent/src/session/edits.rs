// SPDX-License-Identifier: MIT OR Apache-2.0
//! Edits of messages that nobody has read yet (T-11): the message reads as it was corrected, and its edit is no event.
//! Nothing of this is stored: the edit waits in the mailbox beside its message and is consumed with it, so that a crash
//! in between loses neither.

use std::collections::VecDeque;

use blufio_core::message::{Inbound, InboundKind};
use blufio_core::store::InboxRow;

/// Edits that wait with their messages.
#[derive(Debug, Default)]
pub(super) struct Edits {
    /// Row of the message, row of the edit.
    known: Vec<(i64, i64)>,
}

impl Edits {
    /// Puts the edits among the mail into the messages that they belong to. `consumed` is not committed yet.
    pub fn fold(&mut self, rows: impl Iterator<Item = InboxRow>, consumed: &[i64]) -> VecDeque<InboxRow> {
        self.known.retain(|(message, _)| consumed.contains(message));
        let mut mail: VecDeque<InboxRow> = VecDeque::new();
        for row in rows {
            if self.known.iter().any(|(_, edit)| *edit == row.id) {
                continue;
            }
            match mail.iter_mut().rev().find(|waiting| is_edit_of(&row.message, &waiting.message)) {
                Some(waiting) => {
                    self.known.push((waiting.id, row.id));
                    let source_id = std::mem::take(&mut waiting.message.source_id);
                    waiting.message = Inbound { kind: InboundKind::Message, source_id, ..row.message };
                }
                None => mail.push_back(row),
            }
        }
        mail
    }

    /// Adds the edits of what is consumed.
    pub fn consume(&self, consumed: &mut Vec<i64>) {
        let with = self.known.iter().filter(|(message, _)| consumed.contains(message));
        let edits: Vec<i64> = with.map(|(_, edit)| *edit).filter(|edit| !consumed.contains(edit)).collect();
        consumed.extend(edits);
    }
}

/// Whether it changes this message: the same person in the same chat.
pub(crate) fn is_edit_of(edit: &Inbound, message: &Inbound) -> bool {
    let place = |inbound: &Inbound| (inbound.address.channel.clone(), inbound.address.chat.clone());
    edit.kind == InboundKind::Edited
        && message.kind == InboundKind::Message
        && edit.message_id.is_some()
        && edit.message_id == message.message_id
        && edit.sender.id == message.sender.id
        && place(edit) == place(message)
}
