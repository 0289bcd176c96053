// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replacing a file of somebody: whole or not at all, with its owner and its permissions.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Writes beside the file and renames, so that nobody ever sees half of it. A link stays a link.
pub fn replace(file: &Path, text: &str) -> Result<()> {
    let target = file.canonicalize()?;
    let meta = target.metadata()?;
    let folder = target.parent().context("a file lies in a folder")?;
    let mut beside = tempfile::Builder::new().prefix(".blufio-").tempfile_in(folder)?;
    beside.write_all(text.as_bytes())?;
    let new = beside.as_file();
    let owner = new.metadata()?;
    if (owner.uid(), owner.gid()) != (meta.uid(), meta.gid()) {
        fchown(new, Some(meta.uid()), Some(meta.gid()))?;
    }
    new.set_permissions(meta.permissions())?;
    new.sync_all()?;
    beside.persist(&target)?;
    Ok(())
}
