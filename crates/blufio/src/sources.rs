// SPDX-License-Identifier: MIT OR Apache-2.0
//! The only place that reads `.agent` files. One folder is one program: its files are read in the order of their
//! names, not those of folders below it, and nothing that a link brings in from elsewhere.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use blufio_lang::manifest::{self, Manifest};
use blufio_lang::parse::{DecodeError, decode};
use blufio_lang::source::SourceMap;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use thiserror::Error;

/// Folder of the manifests.
const TOOLS: &str = "tools";
/// Extension of the language.
const EXTENSION: &str = "agent";
/// Largest file that is read.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most files of one folder.
const FILES_MAX: usize = 1_000;

/// Why a folder cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The operating system refused, or this is no place for programs.
    #[error("{path}: {problem}")]
    Unreadable {
        /// File or folder.
        path: String,
        /// Why and what to do.
        problem: String,
    },
    /// A file is not what its name says.
    #[error("{path}: {problem}")]
    NotAProgram {
        /// File.
        path: String,
        /// Why.
        problem: String,
    },
}

/// The files of one program.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Their texts.
    pub map: SourceMap,
    /// The folder, absolute and without links.
    pub folder: PathBuf,
    /// Manifests of the tools beside them, from `tools/*.toml`.
    pub manifests: Vec<Manifest>,
}

fn unreadable(path: &Path, problem: impl ToString) -> SourceError {
    SourceError::Unreadable { path: path.display().to_string(), problem: problem.to_string() }
}

fn not_a_program(path: &Path, problem: impl ToString) -> SourceError {
    SourceError::NotAProgram { path: path.display().to_string(), problem: problem.to_string() }
}

/// Reads a folder, or one file alone.
pub fn load(path: &Path) -> Result<Sources, SourceError> {
    let meta = path.metadata().map_err(|error| unreadable(path, error))?;
    let mut map = SourceMap::default();
    if !meta.is_dir() {
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            return Err(unreadable(path, "neither a folder nor an .agent file"));
        }
        add(&mut map, path)?;
        let absolute = path.canonicalize().map_err(|error| unreadable(path, error))?;
        let folder = absolute.parent().map(Path::to_path_buf).unwrap_or(absolute);
        let manifests = manifests(&folder)?;
        return Ok(Sources { map, folder, manifests });
    }
    let folder = path.canonicalize().map_err(|error| unreadable(path, error))?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| unreadable(path, error))? {
        let file = entry.map_err(|error| unreadable(path, error))?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && file.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(file);
        }
    }
    if files.len() > FILES_MAX {
        return Err(unreadable(path, format!("more than {FILES_MAX} .agent files")));
    }
    files.sort();
    for file in &files {
        let target = file.canonicalize().map_err(|error| unreadable(file, error))?;
        if target.parent().is_none_or(|parent| !parent.starts_with(&folder)) {
            return Err(unreadable(
                file,
                "a link that leads out of the folder is not followed: copy the file",
            ));
        }
        add(&mut map, file)?;
    }
    if files.is_empty() {
        return Err(unreadable(path, "no .agent files here: `blufio init` writes the first ones"));
    }
    let manifests = manifests(&folder)?;
    Ok(Sources { map, folder, manifests })
}

/// Manifests in `tools/`: each file describes the tools of one family.
fn manifests(folder: &Path) -> Result<Vec<Manifest>, SourceError> {
    let tools = folder.join(TOOLS);
    let Ok(entries) = std::fs::read_dir(&tools) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let mut out = Vec::new();
    for file in files {
        let target = file.canonicalize().map_err(|error| unreadable(&file, error))?;
        if !target.starts_with(folder) {
            return Err(unreadable(
                &file,
                "a link that leads out of the folder is not followed: copy the file",
            ));
        }
        let family = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let text = read(&file)?;
        let shown = format!("{TOOLS}/{}", file.file_name().unwrap_or_default().to_string_lossy());
        let found = manifest::parse(&shown, &family, &text)
            .map_err(|error| not_a_program(&file, format!("{}: {}", error.place, error.problem)))?;
        out.extend(found);
    }
    Ok(out)
}

fn add(map: &mut SourceMap, path: &Path) -> Result<(), SourceError> {
    let text = read(path)?;
    let shown = path.strip_prefix("./").unwrap_or(path).display().to_string();
    map.add(&shown, &text)
        .map(|_| ())
        .ok_or_else(|| unreadable(path, "the files of this folder are too large together"))
}

/// Reads one file: a plain one, UTF-8, not too large.
pub fn read(path: &Path) -> Result<String, SourceError> {
    // NONBLOCK: opening a pipe must not wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty()).map_err(|error| unreadable(path, error))?;
    let meta = fstat(&file).map_err(|error| unreadable(path, error))?;
    if FileType::from_raw_mode(meta.st_mode) != FileType::RegularFile {
        return Err(unreadable(path, "not a plain file"));
    }
    let mut bytes = Vec::new();
    File::from(file)
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(not_a_program(path, format!("larger than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    decode(&bytes).map_err(|error| {
        let before = bytes.get(..error.offset).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
        let DecodeError { code, title, hint, .. } = error;
        not_a_program(path, format!("{line}:{column}: error[{code}]: {title}: {hint}"))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(sources: &Sources) -> Vec<String> {
        let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_string();
        sources.map.sources().iter().map(|source| name(&source.path)).collect()
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_names_and_not_below() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.agent", "a.agent", "notes.md", ".hidden.agent"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("below/c.agent"), "c").unwrap();
        assert_eq!(names(&load(folder.path()).unwrap()), ["a.agent", "b.agent"]);
        assert_eq!(names(&load(&folder.path().join("b.agent")).unwrap()), ["b.agent"]);
    }

    #[test]
    fn links_lead_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::with_suffix(".agent").unwrap();
        std::fs::create_dir(folder.path().join("real")).unwrap();
        std::fs::write(folder.path().join("real/x.agent"), "x").unwrap();
        symlink("real/x.agent", folder.path().join("x.agent")).unwrap();
        assert_eq!(names(&load(folder.path()).unwrap()), ["x.agent"], "a link inside the folder");
        symlink(outside.path(), folder.path().join("y.agent")).unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("link"));
    }

    #[test]
    fn a_byte_order_mark_and_other_line_ends_are_no_part_of_a_program() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.agent"), b"\xef\xbb\xbfagent a v1\r\ngoal \"g\"\r\n").unwrap();
        let sources = load(folder.path()).unwrap();
        let text = &sources.map.sources()[0].text;
        assert!(text.starts_with("agent a v1"), "{text:?}");
    }

    #[test]
    fn what_is_no_program_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.agent");
        let problem = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            load(folder.path()).unwrap_err().to_string()
        };
        assert!(problem(b"agent a v1\n\xff").contains("2:1"));
        assert!(problem(b"\xff\xfea\0g\0").contains("UTF-16"));
        assert!(problem(b"PK\x03\x04...").contains("ZIP"));
        std::fs::remove_file(&file).unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("blufio init"));
        std::fs::create_dir(&file).unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("plain file"));
        std::fs::remove_dir(&file).unwrap();
        rustix::fs::mknodat(CWD, &file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("plain file"));
        assert!(load(Path::new("/dev/zero")).is_err());
    }
}
