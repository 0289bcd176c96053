// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loads a session in one read, or creates it for its first message.

use std::sync::Arc;

use blufio_core::store::{INTERNAL_CHANNEL, SessionRow, SessionStatus};
use blufio_lang::machine::Machine;

use super::envelope::{Envelope, Notes};
use super::{Driver, Session, Trouble};
use crate::internal::Internal;
use crate::journal;
use crate::reload::Loaded;
use crate::replay::parameters;
use crate::routes::agent_of;
use crate::session::step::Cause;
use crate::transcript::Window;

impl Driver {
    /// Has a session in memory afterwards; false when there is none and no mail asks for one, or it cannot run.
    pub(super) async fn open(&mut self) -> Result<bool, Trouble> {
        let row = self.shared.store.session(&self.key).await.map_err(|e| self.trouble(e))?;
        match row {
            Some(row) if row.status == SessionStatus::Parked => Ok(false),
            Some(row) => self.load(row).await,
            None => {
                self.drop_orphans().await?;
                if self.mail.is_empty() { Ok(false) } else { self.create().await }
            }
        }
    }

    async fn load(&mut self, row: SessionRow) -> Result<bool, Trouble> {
        let program = self
            .shared
            .programs
            .by_hash(&*self.shared.store, row.program)
            .await
            .map_err(|e| self.trouble(e))?;
        let Some(program) = program else {
            return self.held(&format!("session {}: its program is not stored any more", row.key)).await;
        };
        let decoded = Envelope::decode(&row.state).map_err(|error| error.to_string()).and_then(|e| {
            Machine::decode(&program.program, &e.machine).map(|m| (m, e.notes)).map_err(|e| e.to_string())
        });
        let (machine, notes) = match decoded {
            Ok(decoded) => decoded,
            Err(error) => {
                return self.held(&format!("session {}: its state cannot be read: {error}", row.key)).await;
            }
        };
        let (program, machine) = self.moved(program, machine, &notes);
        self.timers_stale = true;
        self.session = Some(Session {
            key: row.key,
            id: Some(row.id),
            step: row.step,
            program,
            machine,
            notes,
            address: row.address,
            window: None,
            history_start: row.history_start,
            pending: row.pending,
            quote: None,
            fresh: Vec::new(),
            ended: false,
        });
        self.unstarted = true;
        Ok(true)
    }

    /// An idle session goes on with the current version of its program where it fits there (ruling 17).
    fn moved(&mut self, program: Arc<Loaded>, machine: Machine, notes: &Notes) -> (Arc<Loaded>, Machine) {
        let current = self.shared.programs.current(&program.program.name);
        let Some(current) = current.filter(|c| c.hash != program.hash && notes.parent.is_none()) else {
            return (program, machine);
        };
        let version = program.program.version;
        let migration = current.program.migrations.iter().find(|migration| migration.from == version);
        match machine.migrate(&program.program, &current.program, migration) {
            Ok(moved) => {
                self.draft.journal.push(journal::migrated(&program, &current));
                (current, moved)
            }
            Err(why) => {
                tracing::debug!(session = self.key, "stays on v{version}: {why}");
                (program, machine)
            }
        }
    }

    /// The session's first commit: the start state is entered; the message that asked for it comes next.
    async fn create(&mut self) -> Result<bool, Trouble> {
        let agent = agent_of(&self.key);
        let Some(program) = self.shared.programs.current(agent) else {
            return self.held(&format!("messages for agent {agent} wait: there is no such program")).await;
        };
        let machine = Machine::new(&program.program);
        let first = self.mail.front();
        let first_id = first.map_or(0, |row| row.id);
        // Who asks others, or has money for each event, must be told apart from who had the same key before.
        let budget = &program.program.budget;
        let has_money = budget.message.money.is_some() || budget.heartbeat.money.is_some();
        let birth = if program.program.asks.is_empty() && !has_money { 0 } else { first_id };
        let start = first.and_then(|row| match Internal::of(&row.message) {
            Some(Ok(Internal::Start(start))) => Some(*start),
            _ => None,
        });
        let address = match &start {
            Some(start) => start.address.clone(),
            None => first.map(|row| row.message.address.clone()).filter(|a| a.channel != INTERNAL_CHANNEL),
        };
        let sender = start.as_ref().and_then(|start| start.sender.clone());
        let parent = start.as_ref().map(|start| start.parent.clone());
        self.session = Some(Session {
            key: self.key.clone(),
            id: None,
            step: 0,
            program,
            machine,
            notes: Notes { birth, parent, sender, ..Notes::default() },
            address,
            window: Some(Window::default()),
            history_start: 0,
            pending: false,
            quote: None,
            fresh: Vec::new(),
            ended: false,
        });
        let now_ms = self.shared.clock.now_ms();
        let arguments = start.map(|start| start.arguments);
        if arguments.is_some() && self.mail.pop_front().is_some() {
            self.draft.consumed.push(first_id);
        }
        let arguments = arguments.unwrap_or_default();
        self.draft.journal.push(journal::started(&arguments));
        let Some(session) = &mut self.session else { return Ok(false) };
        let loaded = Arc::clone(&session.program);
        match parameters(&loaded.program, &arguments) {
            Ok(values) => {
                let result = session.machine.start_with(&loaded.program, &values, now_ms);
                self.look_up_people(&result).await.map_err(|e| self.trouble(e))?;
                self.apply(result, Cause::Event);
            }
            Err(why) => {
                session.ended = true;
                self.report_failure(&format!("{}: {why}", loaded.program.name));
            }
        }
        self.commit(now_ms).await?;
        Ok(self.session.is_some())
    }

    /// Mail stays where it is; the owner hears of it once.
    async fn held(&mut self, why: &str) -> Result<bool, Trouble> {
        if !self.shared.is_noted(why) {
            self.shared.tell_owner(why).await.map_err(|e| self.trouble(e))?;
        }
        Ok(false)
    }

    /// Loads the transcript's window, bounded by the cap on history.
    pub(super) async fn load_window(&mut self) -> Result<(), Trouble> {
        let Some(session) = &self.session else { return Ok(()) };
        let (Some(id), None, true) = (session.id, &session.window, session.remembers()) else {
            return Ok(());
        };
        let start = session.history_start;
        let rows = self.shared.store.transcript(id, start).await.map_err(|e| self.trouble(e))?;
        let epoch = self.shared.store.epoch(id, start).await.map_err(|e| self.trouble(e))?;
        let summary = epoch.map(|epoch| (Arc::new(epoch.summary), epoch.tokens));
        let turns = rows.into_iter().map(|row| (Arc::new(row.turn), row.tokens)).collect();
        if let Some(session) = &mut self.session {
            session.window = Some(Window { start, summary, turns });
        }
        Ok(())
    }
}
