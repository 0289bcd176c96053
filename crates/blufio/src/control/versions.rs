// SPDX-License-Identifier: MIT OR Apache-2.0
//! Versions of the files that programs name, as commands see them.

use anyhow::{Result, anyhow, bail};
use blufio_core::files::{FileVersion, STATIC_FILE_BYTES_MAX};
use blufio_core::store::Store;
use ring::digest::{SHA256, digest};

use super::protocol::{VersionLine, VersionText};
use crate::diff;

/// Versions of a list; older ones are found by narrowing it to a file.
const LIST_MAX: u32 = 200;
/// Fewest letters of a hash that name a version.
const PREFIX_MIN: usize = 4;

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a text, hexadecimal.
pub fn hash(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

/// Versions, newest first, each compared with the one before it.
pub async fn list(
    store: &dyn Store,
    agent: Option<String>,
    file: Option<String>,
) -> Result<Vec<VersionLine>> {
    // One more than is shown: the oldest that is shown is compared with it.
    let versions = store.file_versions(agent.as_deref(), file.as_deref(), LIST_MAX + 1).await?;
    let line = |(at, version): (usize, &FileVersion)| {
        let is_same = |older: &&FileVersion| (&older.agent, &older.name) == (&version.agent, &version.name);
        let older = versions.iter().skip(at + 1).find(is_same);
        let (added, removed) = diff::counts(older.map_or("", |older| &older.text), &version.text);
        VersionLine {
            agent: version.agent.clone(),
            file: version.name.clone(),
            hash: hex(&version.hash),
            at_ms: version.at_ms,
            bytes: version.text.len(),
            lines_added: added,
            lines_removed: removed,
        }
    };
    Ok(versions.iter().enumerate().take(LIST_MAX as usize).map(line).collect())
}

/// The version whose hash begins so.
pub async fn one(store: &dyn Store, agent: &str, file: &str, prefix: &str) -> Result<VersionText> {
    let prefix = prefix.to_lowercase();
    if prefix.len() < PREFIX_MIN {
        bail!("`{prefix}` is too short: give the first {PREFIX_MIN} letters of a hash at least");
    }
    let versions = store.file_versions(Some(agent), Some(file), u32::MAX).await?;
    let mut fitting = versions.into_iter().filter(|version| hex(&version.hash).starts_with(&prefix));
    let version = fitting.next().ok_or_else(|| {
        anyhow!("no version of {file} of {agent} has a hash `{prefix}…`; `blufio history {agent} {file}` lists them")
    })?;
    if let Some(other) = fitting.find(|other| other.hash != version.hash) {
        bail!("`{prefix}` is how {} and {} begin: give more letters", hex(&version.hash), hex(&other.hash));
    }
    let folder = version.folder.display().to_string();
    let hash = hex(&version.hash);
    Ok(VersionText { agent: version.agent, file: version.name, folder, hash, text: version.text })
}

/// Keeps a text; whether it was not the newest version already.
pub async fn keep(store: &dyn Store, kept: VersionText, now_ms: i64) -> Result<bool> {
    let VersionText { agent, file, folder, text, .. } = kept;
    if text.len() as u64 > STATIC_FILE_BYTES_MAX {
        bail!("larger than {} MiB", STATIC_FILE_BYTES_MAX >> 20);
    }
    // Only what a program names has versions.
    if store.file_versions(Some(&agent), Some(&file), 1).await?.is_empty() {
        bail!("no version of {file} of {agent} is kept");
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    let folder = folder.into();
    Ok(store.keep_file(FileVersion { agent, name: file, folder, hash, text, at_ms: now_ms }).await?)
}
