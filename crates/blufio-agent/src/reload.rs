// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs that are known: the current one of each agent, on which new sessions start, and every stored one that
//! a running session names by its hash. Swapping the current ones never touches a running session.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use blufio_core::store::{Store, StoreError};
use blufio_lang::program::Program;
use serde::{Deserialize, Serialize};

use crate::caps::{CURRENT_SETTING, current_setting};
use crate::options::{AgentProgram, SKILLS};
use crate::{context, statics};

/// A program ready to run.
pub(crate) struct Loaded {
    pub program: Program,
    pub hash: [u8; 32],
    /// The static zone of its prompts, block by block.
    pub system: Vec<String>,
    /// What its blocks are called.
    pub system_names: Vec<String>,
    pub folder: PathBuf,
    /// Files of its static zone as they were loaded: name and hash.
    pub statics: Vec<(String, [u8; 32])>,
}

/// Known programs.
#[derive(Default)]
pub(crate) struct Programs {
    current: RwLock<HashMap<String, Arc<Loaded>>>,
    by_hash: RwLock<HashMap<[u8; 32], Arc<Loaded>>>,
}

/// What a program needs from its folder, stored beside it so that old sessions find it after a restart.
#[derive(Serialize, Deserialize)]
struct Surroundings {
    static_files: Vec<(String, String)>,
    folder: PathBuf,
}

impl Programs {
    /// Makes these the current programs; agents that are not among them start no new sessions.
    pub async fn install(
        &self,
        store: &dyn Store,
        programs: Vec<AgentProgram>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let mut current: HashMap<String, Arc<Loaded>> = HashMap::new();
        for agent in programs {
            let hash = agent.program.hash();
            let name = agent.program.name.clone();
            store
                .put_program(hash, &name, agent.program.version, agent.program.to_bytes(), &agent.source)
                .await?;
            statics::keep(store, &name, &agent.folder, &agent.static_files, now_ms).await?;
            let surroundings = Surroundings { static_files: agent.static_files, folder: agent.folder };
            let stored =
                serde_json::to_string(&surroundings).map_err(|e| StoreError::Refused(e.to_string()))?;
            store.set_setting(&surroundings_key(hash), &stored).await?;
            let loaded = Arc::new(Loaded::new(agent.program, hash, surroundings));
            self.remember(Arc::clone(&loaded));
            current.insert(name, loaded);
        }
        let installed = current.iter().map(|(name, loaded)| (name.clone(), loaded.hash)).collect();
        store.set_setting(CURRENT_SETTING, &current_setting(installed)).await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }

    /// The program that a new session of an agent starts on.
    pub fn current(&self, agent: &str) -> Option<Arc<Loaded>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).get(agent).cloned()
    }

    /// The current programs.
    pub fn all(&self) -> Vec<Arc<Loaded>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether a program, or an agent that it may hand its conversation to, waits for what happens to a chat.
    pub fn hears(&self, program: &Program, what: &str) -> bool {
        let mut seen: Vec<String> = Vec::new();
        let asks = |program: &Program| program.asks.iter().map(|ask| ask.agent.clone()).collect::<Vec<_>>();
        let mut open = asks(program);
        if program.listens(what) {
            return true;
        }
        while let Some(agent) = open.pop() {
            if seen.contains(&agent) {
                continue;
            }
            let Some(loaded) = self.current(&agent) else { continue };
            if loaded.program.listens(what) {
                return true;
            }
            open.extend(asks(&loaded.program));
            seen.push(agent);
        }
        false
    }

    /// (agent, version, hash) of the current programs, by name.
    pub fn list(&self) -> Vec<(String, u32, [u8; 32])> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> =
            current.values().map(|l| (l.program.name.clone(), l.program.version, l.hash)).collect();
        list.sort();
        list
    }

    /// The program with this identity, from memory or the store.
    pub async fn by_hash(
        &self,
        store: &dyn Store,
        hash: [u8; 32],
    ) -> Result<Option<Arc<Loaded>>, StoreError> {
        let known = self.by_hash.read().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let Some(bytes) = store.program(hash).await? else { return Ok(None) };
        let Ok(program) = Program::from_bytes(&bytes) else { return Ok(None) };
        let stored = store.setting(&surroundings_key(hash)).await?;
        let surroundings = stored.and_then(|s| serde_json::from_str(&s).ok());
        let surroundings =
            surroundings.unwrap_or(Surroundings { static_files: Vec::new(), folder: PathBuf::new() });
        let loaded = Arc::new(Loaded::new(program, hash, surroundings));
        self.remember(Arc::clone(&loaded));
        Ok(Some(loaded))
    }

    fn remember(&self, loaded: Arc<Loaded>) {
        self.by_hash.write().unwrap_or_else(PoisonError::into_inner).insert(loaded.hash, loaded);
    }
}

impl Loaded {
    fn new(program: Program, hash: [u8; 32], surroundings: Surroundings) -> Self {
        let (system_names, system) =
            context::system(&program, &surroundings.static_files).into_iter().unzip();
        let files = surroundings.static_files.iter().filter(|(name, _)| name != SKILLS);
        let statics = files.map(|(name, text)| (name.clone(), statics::hash(text))).collect();
        Self { program, hash, system, system_names, folder: surroundings.folder, statics }
    }

    /// A program without files, for tests.
    #[cfg(test)]
    pub fn of(program: Program, folder: PathBuf) -> Self {
        Self::new(program, [0; 32], Surroundings { static_files: Vec::new(), folder })
    }

    /// Name of a state.
    pub fn state_name(&self, state: u32) -> &str {
        self.program.states.get(state as usize).map_or("?", |state| state.name.as_str())
    }
}

fn surroundings_key(hash: [u8; 32]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("program/{hex}/surroundings")
}
