// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio history [AGENT] [FILE]`: the kept versions of the files that programs name. Bringing one back writes the file
//! and nothing else: the running server takes it with `blufio reload`, as any other change.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use blufio_core::files::FileProblem;
use blufio_lang::program::civil::date_from_days;
use clap::Args;
use serde_json::json;

use crate::cli::{Context, INPUT_HAS_ERRORS};
use crate::control::protocol::{Answer, Ask, VersionLine, VersionText};
use crate::control::{client, versions};
use crate::output::{self, DataArguments};
use crate::{commands::init, diff, rewrite};

/// Letters of a hash that are shown.
const HASH_LETTERS: usize = 12;

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only of this agent.
    agent: Option<String>,
    /// Only of this file, as the program names it.
    file: Option<String>,
    /// Show what changed from one version to another.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], requires = "file", conflicts_with = "restore")]
    diff: Option<Vec<String>>,
    /// Write this version to the file; what the file holds is kept as a version first.
    #[arg(long, value_name = "HASH", requires = "file")]
    restore: Option<String>,
    #[command(flatten)]
    data: DataArguments,
}

/// A file of an agent, and where its versions are.
struct Place<'a> {
    data: PathBuf,
    agent: &'a str,
    file: &'a str,
    is_json: bool,
}

/// Lists, compares or restores; 1 when nothing is kept.
pub fn run(context: &Context, arguments: &Arguments) -> Result<u8> {
    let data = context.data_folder()?;
    let is_json = arguments.data.is_json();
    if let (Some(agent), Some(file)) = (&arguments.agent, &arguments.file) {
        let place = Place { data: data.clone(), agent, file, is_json };
        if let Some([old, new]) = arguments.diff.as_deref() {
            return compare(&place, old, new);
        }
        if let Some(hash) = &arguments.restore {
            return restore(&place, hash);
        }
    }
    let wanted = Ask::History { agent: arguments.agent.clone(), file: arguments.file.clone() };
    match client::runtime()?.block_on(client::ask_or_read(&data, wanted))? {
        Answer::History(versions) => {
            if is_json {
                output::json(&versions)?;
            } else if !versions.is_empty() {
                output::data(&list(&versions))?;
            }
            if versions.is_empty() {
                output::talk(
                    "no version is kept: the files that programs name are kept when they are loaded",
                );
                return Ok(INPUT_HAS_ERRORS);
            }
        }
        other => bail!("unexpected answer {other:?}"),
    }
    Ok(0)
}

fn list(versions: &[VersionLine]) -> String {
    let row = |version: &VersionLine| {
        vec![
            date(version.at_ms),
            version.agent.clone(),
            version.file.clone(),
            short(&version.hash).to_string(),
            version.bytes.to_string(),
            format!("+{} -{}", version.lines_added, version.lines_removed),
        ]
    };
    let rows: Vec<_> = versions.iter().map(row).collect();
    output::table(&["KEPT (UTC)", "AGENT", "FILE", "HASH", "BYTES", "LINES"], &rows)
}

fn short(hash: &str) -> &str {
    hash.get(..HASH_LETTERS).unwrap_or(hash)
}

fn date(at_ms: i64) -> String {
    let minutes = at_ms.div_euclid(60_000);
    let (year, month, day) = date_from_days(minutes.div_euclid(24 * 60));
    let of_day = minutes.rem_euclid(24 * 60);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", of_day / 60, of_day % 60)
}

impl Place<'_> {
    fn ask(&self, wanted: Ask) -> Result<Answer> {
        client::runtime()?.block_on(client::ask_or_read(&self.data, wanted))
    }

    fn version(&self, hash: &str) -> Result<VersionText> {
        let (agent, file, hash) = (self.agent.to_string(), self.file.to_string(), hash.to_string());
        match self.ask(Ask::FileVersion { agent, file, hash })? {
            Answer::FileVersion(version) => Ok(*version),
            other => bail!("unexpected answer {other:?}"),
        }
    }
}

fn compare(place: &Place<'_>, old: &str, new: &str) -> Result<u8> {
    let (old, new) = (place.version(old)?, place.version(new)?);
    let diff = diff::unified(place.file, &old.text, &new.text);
    if place.is_json {
        let (agent, file) = (place.agent, place.file);
        output::json(
            &json!({ "agent": agent, "file": file, "old": old.hash, "new": new.hash, "diff": diff }),
        )?;
    } else if diff.is_empty() {
        output::talk("the same text");
    } else {
        output::data(&output::harmless(&diff))?;
    }
    Ok(0)
}

/// Shows what changes, keeps what is there, writes the file; in this order, so that nothing is ever lost.
fn restore(place: &Place<'_>, hash: &str) -> Result<u8> {
    let version = place.version(hash)?;
    let path = Path::new(&version.folder).join(place.file);
    let shown = path.display().to_string();
    let there = match blufio_skills::read_static(Path::new(&version.folder), place.file) {
        Ok(text) => Some(text),
        Err(FileProblem::Missing) => None,
        // Blanks alone are no version, and nothing is lost with them.
        Err(FileProblem::Empty) => Some(String::new()),
        Err(problem) => {
            bail!(
                "{shown}: {problem}; it cannot be kept as a version, so it is not replaced: move it away first"
            )
        }
    };
    let diff = diff::unified(place.file, there.as_deref().unwrap_or_default(), &version.text);
    let is_same = there.as_deref() == Some(version.text.as_str());
    if !place.is_json && !is_same {
        output::data(&output::harmless(&diff))?;
    }
    let mut kept = None;
    if let Some(text) = there.as_ref().filter(|text| !text.is_empty() && !is_same) {
        let old = VersionText { hash: versions::hash(text), text: text.clone(), ..version.clone() };
        kept = Some(old.hash.clone());
        match place.ask(Ask::KeepFile(Box::new(old)))? {
            Answer::Kept(_) => {}
            other => bail!("unexpected answer {other:?}"),
        }
    }
    match &there {
        _ if is_same => {}
        None => init::write_new(&path, &version.text)?,
        Some(_) => rewrite::replace(&path, &version.text).with_context(|| shown.clone())?,
    }
    if place.is_json {
        output::json(&json!({
            "agent": place.agent, "file": place.file, "path": shown, "restored": version.hash,
            "kept": kept, "changed": !is_same, "diff": diff,
        }))?;
    }
    let words = match (&kept, is_same) {
        (_, true) => format!("{shown} is {} already", short(&version.hash)),
        (Some(kept), _) => {
            format!("{shown} is {} again; what it held is kept as {}", short(&version.hash), short(kept))
        }
        (None, _) => format!("{shown} is {} again", short(&version.hash)),
    };
    output::talk(&output::harmless(&format!("{words}\n`blufio reload` applies it")));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_of_utc() {
        assert_eq!(date(0), "1970-01-01 00:00");
        assert_eq!(date(1_800_000_061_000), "2027-01-15 08:01");
        assert_eq!(date(-1), "1969-12-31 23:59");
    }
}
