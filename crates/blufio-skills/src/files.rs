// SPDX-License-Identifier: MIT OR Apache-2.0
//! `files.read`: reads below a folder and nowhere else. The path is walked component by component with descriptors
//! (`openat`, `O_NOFOLLOW`), so that no link is followed, whoever swaps one in while we walk.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use blufio_core::tool::ToolError;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use serde::Deserialize;

/// Largest file that is read.
pub const FILE_BYTES_MAX: u64 = 64 << 10;
/// Most components of a path.
const DEPTH_MAX: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    path: String,
}

/// `files.read` with its arguments as JSON.
pub(crate) fn read(folder: &Path, arguments: &str) -> Result<String, ToolError> {
    let arguments: Arguments =
        serde_json::from_str(arguments).map_err(|error| ToolError::Invalid(error.to_string()))?;
    read_text_below(folder, &arguments.path)
}

/// The text of a file below `folder`, which is reached without following any link. A path may begin with the folder's
/// own name (`notes/todo.md` in `notes/`).
///
/// # Errors
/// `Denied` for a path that leads out, a link or something that is no plain file; `Broken` for a file that is missing,
/// larger than [`FILE_BYTES_MAX`] or not UTF-8.
pub fn read_text_below(folder: &Path, path: &str) -> Result<String, ToolError> {
    let names = components(path)?;
    match open_below(folder, &names) {
        Ok(file) => text_of(file, path),
        Err(Errno::NOENT)
            if names.len() > 1 && folder.file_name() == names.first().map(|name| name.as_os_str()) =>
        {
            let file = open_below(folder, names.get(1..).unwrap_or_default())
                .map_err(|error| refusal(error, path))?;
            text_of(file, path)
        }
        Err(error) => Err(refusal(error, path)),
    }
}

/// The components of a relative path that never leaves its folder.
pub(crate) fn components(path: &str) -> Result<Vec<PathBuf>, ToolError> {
    let denied = |why: &str| Err(ToolError::Denied(format!("`{}`: {why}", path.escape_debug())));
    if path.is_empty() || path.contains('\0') {
        return denied("not a path");
    }
    let mut names = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => names.push(PathBuf::from(name)),
            Component::CurDir => {}
            Component::ParentDir => return denied("`..` leads out of the granted folder"),
            Component::RootDir | Component::Prefix(_) => {
                return denied("paths are relative to the granted folder");
            }
        }
    }
    if names.is_empty() || names.len() > DEPTH_MAX {
        return denied("not a file below the granted folder");
    }
    Ok(names)
}

pub(crate) fn open_below(folder: &Path, names: &[PathBuf]) -> Result<OwnedFd, Errno> {
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Without a trailing slash, which would follow a link.
    let root: PathBuf = folder.components().collect();
    let mut current = openat(CWD, &root, directory, Mode::empty())?;
    let Some((file, parents)) = names.split_last() else { return Err(Errno::NOENT) };
    for parent in parents {
        current = openat(&current, parent, directory, Mode::empty())?;
    }
    // NONBLOCK: opening a pipe must not wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(&current, file, flags, Mode::empty())
}

fn refusal(error: Errno, shown: &str) -> ToolError {
    match error {
        Errno::NOENT => ToolError::Broken(format!("`{shown}`: there is no such file")),
        Errno::LOOP | Errno::NOTDIR => {
            ToolError::Denied(format!("`{shown}`: links are not followed, and only folders have entries"))
        }
        Errno::ACCESS => ToolError::Denied(format!("`{shown}`: not readable")),
        other => ToolError::Broken(format!("`{shown}`: {other}")),
    }
}

fn text_of(file: OwnedFd, shown: &str) -> Result<String, ToolError> {
    let broken = |why: String| ToolError::Broken(format!("`{shown}`: {why}"));
    let meta = fstat(&file).map_err(|error| broken(error.to_string()))?;
    if FileType::from_raw_mode(meta.st_mode) != FileType::RegularFile {
        return Err(ToolError::Denied(format!("`{shown}`: not a plain file")));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that grows while it is read.
    let read = File::from(file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        if error.kind() == ErrorKind::WouldBlock {
            broken("not readable now".into())
        } else {
            broken(error.to_string())
        }
    })?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(broken(format!("larger than {} KiB", FILE_BYTES_MAX >> 10)));
    }
    String::from_utf8(bytes).map_err(|_| broken("not UTF-8 text".into()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    struct Folder {
        _outer: tempfile::TempDir,
        root: PathBuf,
        secret: PathBuf,
    }

    /// `notes/` with a file, beside a file that must never be read.
    fn folder() -> Folder {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("notes");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("todo.md"), "buy tea").unwrap();
        std::fs::write(root.join("sub/deep.md"), "deep").unwrap();
        let secret = outer.path().join("secret.txt");
        std::fs::write(&secret, "SECRET").unwrap();
        Folder { root, secret, _outer: outer }
    }

    fn get(folder: &Path, path: &str) -> Result<String, ToolError> {
        read(folder, &serde_json::json!({ "path": path }).to_string())
    }

    #[test]
    fn files_below_the_folder_are_read() {
        let folder = folder();
        assert_eq!(get(&folder.root, "todo.md").unwrap(), "buy tea");
        assert_eq!(get(&folder.root, "./sub//deep.md").unwrap(), "deep");
        assert_eq!(get(&folder.root.join(""), "todo.md").unwrap(), "buy tea", "a grant written with a slash");
        assert_eq!(get(&folder.root, "notes/todo.md").unwrap(), "buy tea", "as the program spells the grant");
    }

    #[test]
    fn nothing_outside_is_reachable_by_its_path() {
        let folder = folder();
        let absolute = folder.secret.display().to_string();
        for path in [
            "../secret.txt",
            "sub/../../secret.txt",
            absolute.as_str(),
            "/etc/passwd",
            "",
            ".",
            "a\0b",
            "..",
            "sub/..",
        ] {
            let answer = get(&folder.root, path);
            assert!(matches!(answer, Err(ToolError::Denied(_))), "{path:?} {answer:?}");
        }
    }

    #[test]
    fn links_are_not_followed_wherever_they_lead() {
        let folder = folder();
        symlink(&folder.secret, folder.root.join("link")).unwrap();
        symlink(folder.root.join("todo.md"), folder.root.join("inner")).unwrap();
        symlink("nowhere", folder.root.join("dangling")).unwrap();
        symlink("self", folder.root.join("self")).unwrap();
        symlink(folder.secret.parent().unwrap(), folder.root.join("up")).unwrap();
        for path in ["link", "inner", "dangling", "self", "up/secret.txt"] {
            let answer = get(&folder.root, path);
            assert!(matches!(answer, Err(ToolError::Denied(_))), "{path} {answer:?}");
        }
    }

    #[test]
    fn a_granted_folder_that_is_a_link_is_refused() {
        let folder = folder();
        let alias = folder.secret.with_file_name("alias");
        symlink(&folder.root, &alias).unwrap();
        assert!(matches!(get(&alias.join(""), "todo.md"), Err(ToolError::Denied(_))));
    }

    #[test]
    fn folders_pipes_large_and_binary_files_are_refused_at_once() {
        let folder = folder();
        let pipe = folder.root.join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let limit = usize::try_from(FILE_BYTES_MAX).unwrap();
        std::fs::write(folder.root.join("fits"), vec![b'a'; limit]).unwrap();
        std::fs::write(folder.root.join("large"), vec![b'a'; limit + 1]).unwrap();
        std::fs::write(folder.root.join("binary"), [0xff, 0xfe, 0x00]).unwrap();
        assert!(matches!(get(&folder.root, "pipe"), Err(ToolError::Denied(_))));
        assert!(matches!(get(&folder.root, "sub"), Err(ToolError::Denied(_))));
        assert_eq!(get(&folder.root, "fits").unwrap().len(), limit);
        assert!(
            matches!(get(&folder.root, "large"), Err(ToolError::Broken(words)) if words.contains("64 KiB"))
        );
        assert!(
            matches!(get(&folder.root, "binary"), Err(ToolError::Broken(words)) if words.contains("UTF-8"))
        );
        assert!(
            matches!(get(&folder.root, "none"), Err(ToolError::Broken(words)) if words.contains("no such file"))
        );
    }

    /// A folder that is swapped for a link to the outside again and again never leads there.
    #[test]
    fn a_race_with_a_link_never_escapes() {
        let folder = folder();
        let door = folder.root.join("door");
        let spare = folder.root.join("spare");
        std::fs::create_dir(&door).unwrap();
        std::fs::write(door.join("secret.txt"), "harmless").unwrap();
        let outside = folder.secret.parent().unwrap().to_path_buf();
        let stop = AtomicBool::new(false);
        let mut harmless = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::fs::rename(&door, &spare).unwrap();
                    symlink(&outside, &door).unwrap();
                    std::fs::remove_file(&door).unwrap();
                    std::fs::rename(&spare, &door).unwrap();
                }
            });
            for _ in 0..5_000 {
                match get(&folder.root, "door/secret.txt") {
                    Ok(text) => {
                        assert_eq!(text, "harmless");
                        harmless += 1;
                    }
                    Err(ToolError::Denied(_) | ToolError::Broken(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(harmless > 0, "the file was never there");
    }
}
