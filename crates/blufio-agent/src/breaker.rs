// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop breaker: in a group another program may answer whatever we say, and we answer it. Whoever speaks faster
//! than people do is not heard until quiet for a minute.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use blufio_core::message::{ChatKind, Inbound, UnixMs};

use crate::shared::lock;

/// The time that is looked at, milliseconds.
const WINDOW_MS: i64 = 60_000;
/// Senders remembered; when there are more, those that are quiet are forgotten, then all.
const PEERS_MAX: usize = 4_096;

/// Who spoke when.
#[derive(Default)]
pub(crate) struct Breaker {
    peers: Mutex<HashMap<(String, String, String), Peer>>,
}

#[derive(Default)]
struct Peer {
    times: VecDeque<UnixMs>,
    is_muted: bool,
}

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is heard.
    Heard,
    /// It is the first that is not: somebody should know.
    MutedNow,
    /// It is not heard.
    Muted,
}

impl Breaker {
    /// Counts a message of a group; those of private chats are always heard.
    pub fn hear(&self, message: &Inbound, messages_max: usize, now_ms: UnixMs) -> Verdict {
        if message.chat == ChatKind::Private {
            return Verdict::Heard;
        }
        let address = &message.address;
        let key = (address.channel.clone(), address.chat.clone(), message.sender.id.clone());
        let mut peers = lock(&self.peers);
        if peers.len() >= PEERS_MAX && !peers.contains_key(&key) {
            peers.retain(|_, peer| peer.times.back().is_some_and(|at| is_recent(*at, now_ms)));
            if peers.len() >= PEERS_MAX {
                peers.clear();
            }
        }
        let peer = peers.entry(key).or_default();
        if !peer.times.back().is_some_and(|at| is_recent(*at, now_ms)) {
            *peer = Peer::default();
        }
        peer.times.retain(|at| is_recent(*at, now_ms));
        peer.times.push_back(now_ms);
        if peer.times.len() <= messages_max && !peer.is_muted {
            return Verdict::Heard;
        }
        while peer.times.len() > messages_max.max(1) {
            peer.times.pop_front();
        }
        if std::mem::replace(&mut peer.is_muted, true) { Verdict::Muted } else { Verdict::MutedNow }
    }
}

/// A clock that was set back makes nobody recent for ever.
fn is_recent(at_ms: UnixMs, now_ms: UnixMs) -> bool {
    (0..WINDOW_MS).contains(&now_ms.saturating_sub(at_ms))
}
