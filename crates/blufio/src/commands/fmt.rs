// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio fmt [PATH…]`: brings files into the one style. A file is replaced whole or not at all, and one that does not
//! parse is never touched.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use blufio_lang::diagnostic::{Diagnostics, render, to_json};
use blufio_lang::format::{FormatError, format};
use blufio_lang::source::SourceMap;
use clap::Args;
use serde_json::{Value, json};

use super::check::{count, default_path};
use crate::cli::INPUT_HAS_ERRORS;
use crate::diff;
use crate::output::{self, DataArguments};
use crate::rewrite::replace;
use crate::sources::{self, SourceError};

/// Deepest folder below the named one.
const DEPTH_MAX: usize = 32;
/// Name of standard input in messages.
const STDIN: &str = "<stdin>";

/// Arguments of `fmt`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files and folders, with what is below them; `-` is standard input (default: ./agents, else the working directory).
    paths: Vec<PathBuf>,
    /// Change nothing; print what would change and exit with 1.
    #[arg(long)]
    check: bool,
    /// Read standard input and write standard output; a path only gives the name in messages.
    #[arg(long)]
    stdin: bool,
    #[command(flatten)]
    data: DataArguments,
}

/// What became of one file.
struct Outcome {
    /// Path as it was named.
    name: String,
    verdict: Verdict,
}

enum Verdict {
    Formatted {
        before: String,
        after: String,
    },
    /// It does not parse.
    Broken {
        diagnostics: Diagnostics,
        sources: SourceMap,
    },
    /// It is left alone for another reason.
    Refused(String),
}

impl Outcome {
    fn is_changed(&self) -> bool {
        matches!(&self.verdict, Verdict::Formatted { before, after } if before != after)
    }

    fn is_failed(&self) -> bool {
        !matches!(self.verdict, Verdict::Formatted { .. })
    }
}

/// Formats; 1 when a file does not parse, or with `--check` would change.
pub fn run(arguments: &Arguments) -> Result<u8> {
    if arguments.stdin || arguments.paths.iter().any(|path| path == Path::new("-")) {
        if arguments.paths.len() > 1 {
            bail!("standard input is one file: leave the other paths out");
        }
        return run_stdin(arguments);
    }
    let mut outcomes = Vec::new();
    for file in files(&arguments.paths)? {
        let outcome = match sources::read(&file) {
            Ok(text) => Outcome { verdict: judge(&shown(&file), text), name: shown(&file) },
            Err(SourceError::NotAProgram { problem, .. }) => {
                Outcome { verdict: Verdict::Refused(problem), name: shown(&file) }
            }
            Err(error) => return Err(error.into()),
        };
        if let (Verdict::Formatted { after, .. }, true, false) =
            (&outcome.verdict, outcome.is_changed(), arguments.check)
        {
            replace(&file, after).with_context(|| outcome.name.clone())?;
        }
        outcomes.push(outcome);
    }
    report(&outcomes, arguments)?;
    Ok(exit_code(&outcomes, arguments.check))
}

fn run_stdin(arguments: &Arguments) -> Result<u8> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(sources::FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > sources::FILE_BYTES_MAX {
        bail!("standard input is larger than {} MiB", sources::FILE_BYTES_MAX >> 20);
    }
    let named = arguments.paths.first().filter(|path| *path != Path::new("-"));
    let name = named.map_or(STDIN.to_string(), |path| shown(path));
    let verdict = match String::from_utf8(bytes) {
        Ok(text) => judge(&name, text),
        Err(_) => Verdict::Refused("not UTF-8 text".to_string()),
    };
    let outcomes = [Outcome { name, verdict }];
    match &outcomes[0].verdict {
        Verdict::Formatted { after, .. } if !arguments.check && !arguments.data.is_json() => {
            output::data(after)?;
        }
        _ => report(&outcomes, arguments)?,
    }
    Ok(exit_code(&outcomes, arguments.check))
}

fn exit_code(outcomes: &[Outcome], is_check: bool) -> u8 {
    let is_bad = outcomes.iter().any(|outcome| outcome.is_failed() || (is_check && outcome.is_changed()));
    if is_bad { INPUT_HAS_ERRORS } else { 0 }
}

fn shown(path: &Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

/// The files that the arguments name, sorted, each once.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let default = [default_path(None)];
    let named = if named.is_empty() { &default } else { named };
    let mut files = Vec::new();
    for path in named {
        let meta = path.metadata().with_context(|| path.display().to_string())?;
        if meta.is_dir() {
            collect(path, 0, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        bail!("no .agent files in {}", named.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", "));
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// The `.agent` files below a folder. Hidden ones are left out, and links, which may lead anywhere.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > DEPTH_MAX {
        bail!("{}: folders nest deeper than {DEPTH_MAX}", folder.display());
    }
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry.with_context(|| folder.display().to_string())?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if kind.is_dir() {
            collect(&path, depth + 1, files)?;
        } else if kind.is_file() && path.extension() == Some(OsStr::new("agent")) {
            files.push(path);
        }
    }
    Ok(())
}

fn judge(name: &str, before: String) -> Verdict {
    let mut sources = SourceMap::default();
    let Some(base) = sources.add(name, &before) else {
        return Verdict::Refused("the file is too large".to_string());
    };
    match format(name, &before, base) {
        Ok(after) => Verdict::Formatted { before, after },
        Err(FormatError::Syntax(diagnostics)) => {
            Verdict::Broken { diagnostics: diagnostics.sorted(), sources }
        }
        Err(error @ FormatError::Immovable) => Verdict::Refused(error.to_string()),
    }
}

fn report(outcomes: &[Outcome], arguments: &Arguments) -> Result<()> {
    if arguments.data.is_json() {
        let failed = exit_code(outcomes, arguments.check) != 0;
        let files = outcomes.iter().map(|outcome| as_json(outcome, arguments)).collect::<Vec<_>>();
        return output::json(&json!({ "ok": !failed, "files": files }));
    }
    let mut text = String::new();
    for outcome in outcomes {
        match &outcome.verdict {
            Verdict::Formatted { before, after } if arguments.check => {
                text.push_str(&diff::unified(&outcome.name, before, after));
            }
            Verdict::Formatted { .. } => {}
            Verdict::Broken { diagnostics, sources } => {
                output::talk(render(diagnostics, sources, output::colour(&io::stderr())).trim_end());
            }
            Verdict::Refused(problem) => output::talk(&format!("error: {}: {problem}", outcome.name)),
        }
    }
    if !arguments.check {
        let changed = outcomes.iter().filter(|outcome| outcome.is_changed());
        text.extend(changed.map(|outcome| format!("{}\n", outcome.name)));
    }
    output::data(&output::harmless(&text))?;
    let changed = outcomes.iter().filter(|outcome| outcome.is_changed()).count();
    let failed = outcomes.iter().filter(|outcome| outcome.is_failed()).count();
    let verb = if arguments.check { "would change" } else { "changed" };
    let mut summary = format!("{} of {} {verb}", changed, count(outcomes.len(), "file"));
    if failed > 0 {
        summary.push_str(&format!(", {failed} left alone"));
    }
    output::talk(&summary);
    Ok(())
}

fn as_json(outcome: &Outcome, arguments: &Arguments) -> Value {
    let name = &outcome.name;
    match &outcome.verdict {
        Verdict::Formatted { before, after } => {
            let mut value = json!({ "file": name, "changed": before != after });
            if arguments.check {
                value["diff"] = diff::unified(name, before, after).into();
            } else if arguments.stdin || name == STDIN {
                value["text"] = after.as_str().into();
            }
            value
        }
        Verdict::Broken { diagnostics, sources } => {
            json!({ "file": name, "changed": false, "diagnostics": to_json(diagnostics, sources) })
        }
        Verdict::Refused(problem) => json!({ "file": name, "changed": false, "problem": problem }),
    }
}
