//! Writing: to standard output, which may be closed at any time, and to files, which appear whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::failure::Failure;

/// Writes text to standard output. A reader that has gone away ends the command without a word.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => Failure::closed(),
        _ => Failure::new(format!("writing to standard output failed: {e}")),
    })
}

/// Writes a report as JSON to standard output.
pub(crate) fn print_json(report: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(report)
        .map_err(|e| Failure::new(format!("the report cannot be written as JSON: {e}")))?;
    print(&(text + "\n"))
}

/// Writes a file beside its place and moves it there once it is complete.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace(path, bytes).map_err(|e| Failure::file(path, format!("writing failed: {e}")))
}

/// Sees whether [`write_file`] could write a file, before the work whose result goes there.
pub(crate) fn check_file(path: &Path) -> Result<(), Failure> {
    let try_it = || {
        if path.is_dir() {
            return Err(io::Error::other("it is a folder"));
        }
        let temporary = beside(path)?;
        OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        fs::remove_file(&temporary)
    };
    try_it().map_err(|e| Failure::file(path, format!("it cannot be written: {e}")))
}

/// A name in the same folder, where a rename cannot fail half-way.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(hidden))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    let mut write = || {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // The first error counts.
        let _ = fs::remove_file(&temporary);
    })
}
