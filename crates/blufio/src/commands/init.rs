// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio init [DIR]`: writes a starter folder. Nothing that exists is overwritten.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::output;

/// (path, text) of the starter folder.
pub const FILES: &[(&str, &str)] = &[
    ("agents/assistant.agent", include_str!("../../../../agents/assistant/assistant.agent")),
    ("agents/persona.md", include_str!("../../../../agents/assistant/persona.md")),
    ("agents/routes.agent", include_str!("../../../../agents/assistant/routes.agent")),
    ("agents/notes/todo.md", include_str!("../../../../agents/assistant/notes/todo.md")),
    ("blufio.toml", include_str!("../../../../agents/assistant/blufio.toml")),
];

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder to write to (made when it is missing).
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// Writes the files; an error when one of them exists already.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let folder = &arguments.folder;
    let taken: Vec<String> = FILES
        .iter()
        .map(|(path, _)| folder.join(path))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| path.display().to_string())
        .collect();
    if !taken.is_empty() {
        bail!("{} exists already: nothing was written; name an empty folder", taken.join(", "));
    }
    for (path, text) in FILES {
        write_new(&folder.join(path), text)?;
        output::data(&folder.join(path).display().to_string())?;
    }
    let place = if folder == Path::new(".") { String::new() } else { format!("cd {} && ", folder.display()) };
    output::talk(&format!(
        "\nNext:\n  {place}export ANTHROPIC_API_KEY=…    a key from console.anthropic.com\n  \
         blufio --config blufio.toml shell    talk to it here\n  \
         export TELEGRAM_BOT_TOKEN=…          a token from @BotFather\n  \
         blufio --config blufio.toml serve    and on Telegram"
    ));
    Ok(0)
}

/// Creates a file and its folders; an existing file or link is an error.
pub fn write_new(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
    let mut file = match file {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!("{} exists already", path.display()),
        other => other.with_context(|| path.display().to_string())?,
    };
    file.write_all(text.as_bytes()).with_context(|| path.display().to_string())
}
