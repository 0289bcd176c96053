// SPDX-License-Identifier: MIT OR Apache-2.0
//! The data folder: its lock, and whether the file in it is a plain file of ours.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::open::{OpenError, foreign, io};

/// How often the lock is tried: `is_locked` of another process holds it for an instant.
const LOCK_TRIES: u32 = 5;
/// Time between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The database of a data folder.
pub(crate) fn database(data: &Path) -> PathBuf {
    data.join("blufio.db")
}

/// The write-ahead log that SQLite keeps beside a database.
pub(crate) fn log(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}

fn lock_file(data: &Path) -> PathBuf {
    data.join("blufio.lock")
}

/// Creates the folder (0700) when it is missing and takes its lock.
pub(crate) fn lock(data: &Path) -> Result<File, OpenError> {
    if !data.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|e| io(data, e))?;
    }
    let path = lock_file(data);
    let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = open.map_err(|e| io(&path, e))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(io(&path, error)),
        }
    }
    Err(OpenError::InUse { path: data.display().to_string() })
}

/// Whether a process holds the folder.
pub(crate) fn is_locked(data: &Path) -> bool {
    let Ok(file) = OpenOptions::new().write(true).open(lock_file(data)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Makes sure that there is a plain file of ours with mode 0600, if need be an empty one.
pub(crate) fn prepare(data: &Path, path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        // The name must survive a power cut as well as what is committed under it.
        Ok(file) => file.sync_all().and_then(|()| File::open(data)?.sync_all()).map_err(|e| io(data, e)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            refuse_strange(path)?;
            let mode = path.metadata().map_err(|e| io(path, e))?.mode();
            if mode & 0o077 != 0 {
                std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|e| io(path, e))?;
            }
            Ok(())
        }
        Err(error) => Err(io(path, error)),
    }
}

/// A link could lead two processes with two locks to one file; a foreign owner could change it under us.
pub(crate) fn refuse_strange(path: &Path) -> Result<(), OpenError> {
    let meta = path.symlink_metadata().map_err(|e| io(path, e))?;
    if !meta.is_file() {
        return Err(foreign(path, "not a plain file"));
    }
    if meta.nlink() != 1 {
        return Err(foreign(path, "it has a second name (hard link)"));
    }
    // Where /proc is missing the check is skipped: it is a help, not the fence (the fence is the file's mode).
    let user = Path::new("/proc/self").metadata().map(|own| own.uid());
    match user {
        Ok(user) if user != meta.uid() => {
            let reason = format!(
                "it belongs to user {}, this is user {user}: run as its owner, or chown it",
                meta.uid()
            );
            Err(io(path, reason))
        }
        _ => Ok(()),
    }
}
