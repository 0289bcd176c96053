// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding and reading the file, and every reason not to trust it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, stat};

use super::{ConfigError, Environment, wrong};

/// Largest configuration that is read.
const BYTES_MAX: u64 = 256 << 10;
const WORLD_WRITABLE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// The file to read. A file that was named must exist; the usual places may be empty.
pub(super) fn find(named: Option<&Path>, environment: &Environment) -> Result<Option<PathBuf>, ConfigError> {
    let variable = |name: &str| {
        environment
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| PathBuf::from(value))
    };
    if let Some(path) = named {
        return exists(path, "--config").map(Some);
    }
    if let Some(path) = variable("BLUFIO_CONFIG") {
        return exists(&path, "BLUFIO_CONFIG").map(Some);
    }
    let home = variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let home = home.or_else(|| variable("HOME").map(|home| home.join(".config")));
    let places = home
        .map(|home| home.join("blufio/blufio.toml"))
        .into_iter()
        .chain([PathBuf::from("/etc/blufio/blufio.toml")]);
    Ok(places.into_iter().find(|path| path.symlink_metadata().is_ok()))
}

fn exists(path: &Path, named_by: &str) -> Result<PathBuf, ConfigError> {
    match path.metadata() {
        Ok(_) => Ok(path.to_path_buf()),
        Err(error) => Err(wrong(path.display(), format!("{error} (named by {named_by})"))),
    }
}

/// The text of the file.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let refuse = |problem: String| wrong(path.display(), problem);
    // NONBLOCK: opening a pipe must not wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty())
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let meta = fstat(&file).map_err(|error| refuse(error.to_string()))?;
    if FileType::from_raw_mode(meta.st_mode) != FileType::RegularFile {
        return Err(refuse("not a plain file".into()));
    }
    trust(path, &meta, "file")?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let around = stat(folder).map_err(|error| refuse(error.to_string()))?;
    if around.st_mode & STICKY == 0 {
        trust(folder, &around, "folder of the configuration")?;
    }
    let mut bytes = Vec::new();
    File::from(file)
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(error.to_string()))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(refuse(format!("larger than {} KiB: this is not a blufio.toml", BYTES_MAX >> 10)));
    }
    String::from_utf8(bytes).map_err(|error| {
        refuse(format!("not UTF-8 text: byte {} is wrong", error.utf8_error().valid_up_to()))
    })
}

/// A file that others can write may say anything: where messages and money go is decided in it.
fn trust(path: &Path, meta: &Stat, what: &str) -> Result<(), ConfigError> {
    if meta.st_mode & WORLD_WRITABLE != 0 {
        let fix = format!("everybody can write this {what}: chmod o-w {}", path.display());
        return Err(wrong(path.display(), fix));
    }
    let user = rustix::process::geteuid().as_raw();
    if meta.st_uid != user && meta.st_uid != 0 {
        return Err(wrong(
            path.display(),
            format!(
                "this {what} belongs to user {}, not to you or root: chown it or use another",
                meta.st_uid
            ),
        ));
    }
    Ok(())
}
