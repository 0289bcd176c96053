// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the files that programs name for their prompts. Half a persona is worse than the old one, so a file that is
//! being written, emptied or replaced while it is read is a problem and not a text.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use blufio_core::BoxFuture;
use blufio_core::files::{FileProblem, Files, STATIC_FILE_BYTES_MAX};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use crate::files::{components, open_below};

/// The text of a static file below a program's folder, which is reached without following any link.
///
/// # Errors
/// See [`FileProblem`]; a text of blanks alone is `Empty`.
pub fn read_static(folder: &Path, name: &str) -> Result<String, FileProblem> {
    let names = components(name).map_err(|error| FileProblem::Refused(error.to_string()))?;
    let file = open_below(folder, &names).map_err(|error| match error {
        Errno::NOENT => FileProblem::Missing,
        Errno::LOOP | Errno::NOTDIR => {
            FileProblem::Refused("links are not followed, and only folders have entries".to_string())
        }
        Errno::ACCESS => FileProblem::Unreadable("no permission to read it".to_string()),
        other => FileProblem::Unreadable(other.to_string()),
    })?;
    let meta = fstat(&file).map_err(|error| FileProblem::Unreadable(error.to_string()))?;
    if FileType::from_raw_mode(meta.st_mode) != FileType::RegularFile {
        return Err(FileProblem::Refused("it is not a plain file".to_string()));
    }
    let file = File::from(file);
    let size = |file: &File| file.metadata().map(|meta| meta.len());
    whole(size(&file), &file, || size(&file))
}

/// A text that had one size from its first byte to its last.
fn whole(
    before: std::io::Result<u64>,
    from: impl Read,
    after: impl FnOnce() -> std::io::Result<u64>,
) -> Result<String, FileProblem> {
    let unreadable = |error: std::io::Error| FileProblem::Unreadable(error.to_string());
    let before = before.map_err(unreadable)?;
    if before > STATIC_FILE_BYTES_MAX {
        return Err(FileProblem::TooLarge);
    }
    let mut bytes = Vec::new();
    // One byte more than the file had tells one that grows while it is read.
    from.take(before + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 != before || after().map_err(unreadable)? != before {
        return Err(FileProblem::Changing);
    }
    let text =
        String::from_utf8(bytes).map_err(|error| FileProblem::NotText(error.utf8_error().valid_up_to()))?;
    if text.trim().is_empty() { Err(FileProblem::Empty) } else { Ok(text) }
}

/// Static files of the disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read<'a>(&'a self, folder: &'a Path, name: &'a str) -> BoxFuture<'a, Result<String, FileProblem>> {
        let (folder, name): (PathBuf, String) = (folder.into(), name.into());
        Box::pin(async move {
            // Disks can stall; the runtime's threads must not.
            let read = tokio::task::spawn_blocking(move || read_static(&folder, &name));
            read.await.map_err(|error| FileProblem::Unreadable(error.to_string()))?
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_static_file_that_cannot_stand_in_a_prompt_has_a_problem_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(root.join("persona.md"), bytes).unwrap();
            read_static(&root, "persona.md")
        };
        assert_eq!(read(b"You are calm.\n"), Ok("You are calm.\n".into()));
        assert_eq!(read(b""), Err(FileProblem::Empty));
        assert_eq!(read(b" \n\t\n"), Err(FileProblem::Empty));
        assert_eq!(read(b"ab\xff"), Err(FileProblem::NotText(2)));
        let limit = usize::try_from(STATIC_FILE_BYTES_MAX).unwrap();
        assert_eq!(read(&vec![b'a'; limit]).map(|text| text.len()), Ok(limit));
        assert_eq!(read(&vec![b'a'; limit + 1]), Err(FileProblem::TooLarge));
        assert_eq!(read_static(&root, "none.md"), Err(FileProblem::Missing));
        std::fs::create_dir(root.join("folder")).unwrap();
        symlink(root.join("persona.md"), root.join("link")).unwrap();
        symlink("/etc/passwd", root.join("out")).unwrap();
        symlink("/etc", root.join("etc")).unwrap();
        let pipe = root.join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        for refused in
            ["folder", "link", "out", "etc/passwd", "pipe", "../persona.md", "/etc/passwd", "persona.md/x"]
        {
            let answer = read_static(&root, refused);
            assert!(matches!(answer, Err(FileProblem::Refused(_))), "{refused}: {answer:?}");
        }
    }

    /// A file to which somebody does something when its first bytes are read.
    struct Disturbed<'a, F: Fn()> {
        file: &'a File,
        disturb: F,
        is_done: Cell<bool>,
    }

    impl<F: Fn()> Read for Disturbed<'_, F> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let most = buffer.len().min(4);
            let read = self.file.read(&mut buffer[..most])?;
            if !self.is_done.replace(true) {
                (self.disturb)();
            }
            Ok(read)
        }
    }

    #[test]
    fn a_file_that_never_ends_is_read_no_further_than_it_was_long() {
        /// Gives bytes as long as it is asked, and counts them.
        struct Endless<'a>(&'a Cell<u64>);
        impl Read for Endless<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                buffer.fill(b'a');
                self.0.set(self.0.get() + buffer.len() as u64);
                Ok(buffer.len())
            }
        }
        for before in [0, 1, 4_096, STATIC_FILE_BYTES_MAX] {
            let read = Cell::new(0);
            assert_eq!(whole(Ok(before), Endless(&read), || Ok(before)), Err(FileProblem::Changing));
            assert_eq!(read.get(), before + 1);
        }
        let read = Cell::new(0);
        let huge = whole(Ok(STATIC_FILE_BYTES_MAX + 1), Endless(&read), || Ok(0));
        assert_eq!((huge, read.get()), (Err(FileProblem::TooLarge), 0), "not a byte of it");
    }

    #[test]
    fn a_file_that_grows_or_shrinks_while_it_is_read_is_no_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let size = |file: &File| file.metadata().map(|meta| meta.len());
        let read = |disturb: &dyn Fn()| {
            std::fs::write(file.path(), "You are calm and exact.").unwrap();
            let opened = File::open(file.path()).unwrap();
            let from = Disturbed { file: &opened, disturb, is_done: Cell::new(false) };
            whole(size(&opened), from, || size(&opened))
        };
        let append = || {
            std::fs::OpenOptions::new().append(true).open(file.path()).unwrap().write_all(b" More.").unwrap();
        };
        let cut = || File::options().write(true).open(file.path()).unwrap().set_len(6).unwrap();
        assert_eq!(read(&|| {}), Ok("You are calm and exact.".into()));
        assert_eq!(read(&append), Err(FileProblem::Changing));
        assert_eq!(read(&cut), Err(FileProblem::Changing));
    }
}
