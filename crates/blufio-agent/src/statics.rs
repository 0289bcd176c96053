// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of the static zone: each version that is loaded is kept in the store, and a file that is no longer what was
//! loaded is told, once. Nothing watches the folder: it is looked at once a minute and when somebody asks for the status.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use blufio_core::files::{FileProblem, FileVersion};
use blufio_core::store::{Store, StoreError};
use blufio_core::tool::{EffectClass, ToolError};
use blufio_lang::program::Tool;
use sha2::{Digest, Sha256};

use crate::options::SKILLS;
use crate::reload::Loaded;
use crate::shared::{Shared, lock};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Whoever asks for the status in a loop does not read the disk in a loop.
const LOOK_AGAIN_MS: i64 = 1_000;

/// SHA-256 of a text.
pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Keeps the versions that are loaded. The list of skills is made from a folder and is no file.
pub(crate) async fn keep(
    store: &dyn Store,
    agent: &str,
    folder: &Path,
    files: &[(String, String)],
    now_ms: i64,
) -> Result<(), StoreError> {
    for (name, text) in files.iter().filter(|(name, _)| name != SKILLS) {
        let (agent, name) = (agent.to_string(), name.clone());
        let (folder, hash, text) = (folder.to_path_buf(), hash(text), text.clone());
        store.keep_file(FileVersion { agent, name, folder, hash, text, at_ms: now_ms }).await?;
    }
    Ok(())
}

/// Looks at the files until the runtime stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut stop = shared.stopping();
    loop {
        tokio::select! {
            () = shared.clock.sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        look(&shared).await;
    }
}

/// Compares the files with what is loaded. A notice is kept as long as it holds.
pub(crate) async fn look(shared: &Shared) {
    let Some(files) = &shared.files else { return };
    let now_ms = shared.clock.now_ms();
    {
        let mut looked_ms = lock(&shared.files_looked_ms);
        // A clock that was set back does not stop the looking.
        if looked_ms.is_some_and(|at| (0..LOOK_AGAIN_MS).contains(&now_ms.saturating_sub(at))) {
            return;
        }
        *looked_ms = Some(now_ms);
    }
    for loaded in shared.programs.all() {
        for (name, hash_loaded) in &loaded.statics {
            let about = format!("{}: {name} ", loaded.program.name);
            let notice = match files.read(&loaded.folder, name).await {
                Ok(text) if hash(&text) == *hash_loaded => None,
                Ok(_) => Some(format!("{about}changed since it was loaded; `blufio reload` takes it")),
                // The next look sees it whole.
                Err(FileProblem::Changing) => continue,
                Err(problem) => Some(format!("{about}cannot be taken: {problem}; what was loaded stays")),
            };
            shared.forget_notices(|known| known.starts_with(&about) && Some(known) != notice.as_deref());
            if let Some(notice) = notice {
                shared.note(&notice);
            }
        }
    }
}

/// The components of a path below a folder.
fn names(path: &str) -> PathBuf {
    Path::new(path).components().filter(|name| !matches!(name, Component::CurDir)).collect()
}

impl Loaded {
    /// The folder that a grant opens for a tool.
    ///
    /// INVARIANT: no tool that changes something reaches the program itself or what its prompts hold before every
    /// conversation: not its `.agent` files, not the files of its static zone, not its skills. An agent that could
    /// write them could talk itself into anything for good.
    pub fn granted_folder(
        &self,
        grant: &Tool,
        effect: Option<EffectClass>,
    ) -> Result<Option<PathBuf>, ToolError> {
        let Some(folder) = &grant.folder else { return Ok(None) };
        let looks = matches!(effect, Some(EffectClass::Pure | EffectClass::Read));
        if !looks && let Some(kept) = self.kept_in(&names(folder)) {
            let why = format!(
                "`{}` may not write in `{folder}`: {kept} lies there, which no agent may change",
                grant.tool
            );
            return Err(ToolError::Denied(why));
        }
        Ok(Some(self.folder.join(folder)))
    }

    /// What of the program itself lies in a folder.
    fn kept_in(&self, folder: &Path) -> Option<String> {
        if folder.as_os_str().is_empty() {
            return Some("the program".to_string());
        }
        let context = &self.program.context;
        let skills = context.skills.then(|| SKILLS.to_string());
        let mut kept = context.static_files.iter().cloned().chain(skills);
        kept.find(|kept| names(kept).starts_with(folder) || folder.starts_with(names(kept)))
    }
}

#[cfg(test)]
mod tests {
    use blufio_lang::program::Program;

    use super::*;

    #[test]
    fn no_tool_that_changes_something_reaches_what_a_prompt_begins_with() {
        let mut program = Program::default();
        program.context.static_files = vec!["persona.md".into(), "house/rules/tone.md".into()];
        program.context.skills = true;
        let loaded = Loaded::of(program, "/agents".into());
        let folder = |folder: &str, effect| {
            let grant = Tool {
                tool: "files.write".into(),
                folder: Some(folder.into()),
                to: Vec::new(),
                only: Vec::new(),
                rate: None,
                parameters: Vec::new(),
                gives: None,
                effect: blufio_lang::program::EffectClass::Once,
                danger: blufio_lang::program::Danger::Dangerous,
                label: None,
            };
            loaded.granted_folder(&grant, effect)
        };
        let refused = [
            ".",
            "./",
            "",
            "house",
            "house/",
            "./house/rules/",
            "skills/",
            "skills/weather",
            "house/rules/tone.md",
        ];
        for name in refused {
            for effect in [Some(EffectClass::Once), Some(EffectClass::Idempotent), None] {
                let answer = folder(name, effect);
                assert!(matches!(answer, Err(ToolError::Denied(_))), "{name:?}: {answer:?}");
            }
            assert!(folder(name, Some(EffectClass::Read)).is_ok(), "{name:?} may be read");
        }
        for name in ["notes/", "housekeeping", "house/keys", "skills-of-mine"] {
            assert_eq!(folder(name, Some(EffectClass::Once)), Ok(Some(Path::new("/agents").join(name))));
        }
    }
}
