//! Writing: to standard output and stderr, which may be closed at any time, and to files, which appear whole or not at all.

use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use resnetc::import::npy;
use resnetc::noise::Noise;
use resnetc::{Array, whole_file};
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

/// Writes an object as a line of JSON to standard output, at once.
pub(crate) fn print_json_line(object: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(object)
        .map_err(|e| Failure::new(format!("an answer cannot be written as JSON: {e}")))?;
    print(&(text + "\n"))
}

/// Says something on stderr that a reader should know and that is no error. If stderr is closed, nobody wants to.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "note: {text}");
}

/// Says on stderr why what a command prints may be off.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "warning: {text}");
}

/// Says on stderr what speaks against a measurement, if anything does.
pub(crate) fn warn_of(noise: &Noise) {
    if let Some(warning) = noise.warning() {
        warn(&warning);
    }
}

/// Writes a file beside its place and moves it there once it is complete.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    whole_file::write(path, bytes).map_err(|e| Failure::file(path, format!("writing failed: {e}")))
}

/// Writes an array as NumPy does.
pub(crate) fn write_npy(path: &Path, array: &Array) -> Result<(), Failure> {
    write_file(path, &npy::encode(array))
}

/// Sees whether [`write_file`] could write a file, before the work whose result goes there.
pub(crate) fn check_file(path: &Path) -> Result<(), Failure> {
    let refused = |e: io::Error| Failure::file(path, format!("it cannot be written: {e}"));
    match path.is_dir() {
        true => Err(refused(io::Error::other("it is a folder"))),
        false => whole_file::try_beside(path).map_err(refused),
    }
}
