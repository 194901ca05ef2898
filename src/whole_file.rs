//! Files that appear whole or not at all.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes beside the target, then takes its place: what was there stays until the new file is complete on disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = beside(path)?;
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().inspect_err(|e| {
        // What lies there is ours unless it was there before; the error that counts is the first one.
        if e.kind() != ErrorKind::AlreadyExists {
            let _ = std::fs::remove_file(&temporary);
        }
    })
}

/// A name in the same folder, where a rename cannot fail half-way, that nobody else uses at this time.
fn beside(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| Error::other("the path names no file"))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(hidden))
}

/// Sees whether [`write()`] could write a file: makes one beside it and takes it away.
pub(crate) fn try_beside(path: &Path) -> Result<()> {
    let temporary = beside(path)?;
    OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    std::fs::remove_file(&temporary)
}
