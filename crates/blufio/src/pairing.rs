// SPDX-License-Identifier: MIT OR Apache-2.0
//! The owner's pairing code as the server shows it: a fresh one whenever the last cannot succeed any more, until
//! somebody is paired. It is printed to the terminal and never logged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, anyhow};
use blufio_agent::options::Pairing;
use blufio_core::pairing::{CODE_CHARACTERS, PairingCode};
use ring::rand::{SecureRandom, SystemRandom};

use crate::output;

/// The code that is valid now.
#[derive(Clone)]
pub struct PairingDesk(Arc<Mutex<PairingCode>>);

impl PairingDesk {
    /// A desk with a fresh code.
    pub fn open(now_ms: i64) -> Result<Self> {
        Ok(Self(Arc::new(Mutex::new(fresh(now_ms)?))))
    }

    fn lock(&self) -> MutexGuard<'_, PairingCode> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the runtime asks.
    pub fn check(&self) -> Pairing {
        let desk = self.clone();
        Arc::new(move |typed, now_ms| desk.lock().matches(typed, now_ms))
    }

    /// Shows the code on the terminal.
    pub fn show(&self) {
        let code = self.lock().text();
        output::talk(&format!(
            "No owner is paired yet. Send this to your bot within 15 minutes:  /start {code}"
        ));
    }

    /// Replaces a code that cannot succeed any more and shows the new one.
    pub fn renew(&self, now_ms: i64) -> Result<()> {
        if self.lock().is_live(now_ms) {
            return Ok(());
        }
        *self.lock() = fresh(now_ms)?;
        self.show();
        Ok(())
    }
}

fn fresh(now_ms: i64) -> Result<PairingCode> {
    let mut random = [0; CODE_CHARACTERS];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| anyhow!("the operating system gives no random bytes"))?;
    Ok(PairingCode::from_random(random, now_ms))
}
