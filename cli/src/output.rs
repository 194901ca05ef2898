//! Writing: to standard output and stderr, which may be closed at any time, and to files, which
//! appear whole or not at all.

use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use resnetc::import::npy;
use resnetc::noise::Noise;
use resnetc::one_line::{path_line, steers};
use resnetc::{Array, ErrorCode, whole_file};
use serde::{Serialize, Serializer};

use crate::failure::{Failure, harmless};

/// Writes text to standard output. A reader that has gone away ends the command without a word.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write(&harmless(text))
}

fn write(text: &str) -> Result<(), Failure> {
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
    write(&(plain_json(&text) + "\n"))
}

/// Writes an object as a line of JSON to standard output, at once.
pub(crate) fn print_json_line(object: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(object)
        .map_err(|e| Failure::new(format!("an answer cannot be written as JSON: {e}")))?;
    write(&(plain_json(&text) + "\n"))
}

/// JSON in which no name steers a terminal: such characters occur in strings only, where they can be
/// escaped. Line breaks outside of strings stay.
fn plain_json(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match steers(c) && c != '\n' {
            true => line += &format!("\\u{:04x}", u32::from(c)),
            false => line.push(c),
        }
    }
    line
}

/// Serializes a path as messages show it, so that a name that is not UTF-8 is no error.
pub(crate) fn serialize_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path_line(path))
}

/// Prints a note on stderr that is not an error. If stderr is closed, nobody reads it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "note: {}", harmless(text));
}

/// Warns on stderr that the output of a command may be wrong, and why.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "warning: {}", harmless(text));
}

/// Warns on stderr about a measurement that cannot be trusted.
pub(crate) fn warn_of(noise: &Noise) {
    if let Some(warning) = noise.warning() {
        warn(&warning);
    }
}

/// Writes a file under a temporary name beside its destination and renames it once it is complete.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    whole_file::write(path, bytes)
        .map_err(|e| Failure::file(path, format!("writing failed: {e}")).code(ErrorCode::Io))
}

/// Writes an array in NumPy's format.
pub(crate) fn write_npy(path: &Path, array: &Array) -> Result<(), Failure> {
    let bytes = npy::encode(array).map_err(Failure::memory("an array"))?;
    write_file(path, &bytes)
}

/// The extensions of files that networks, weights and arrays are read from.
const READ: [&str; 5] = ["onnx", "toml", "safetensors", "npy", "npz"];

/// Checks that [`write_file`] could write a text, before the work whose result goes there. `read`
/// are the files that the command reads: a typo must not overwrite a network.
pub(crate) fn check_text(path: &Path, read: &[&Path]) -> Result<(), Failure> {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    if let Some(taken) = READ.into_iter().find(|&e| extension.as_deref() == Some(e)) {
        let message = format!("this output is text, not a .{taken} file");
        return Err(Failure::file(path, message).help("give it a name with a different extension"));
    }
    check_file(path, read)
}

/// Checks that [`write_file`] could write a file, and that the command does not read it.
pub(crate) fn check_file(path: &Path, read: &[&Path]) -> Result<(), Failure> {
    let place = path.canonicalize();
    if place.is_ok_and(|place| read.iter().any(|r| r.canonicalize().is_ok_and(|r| r == place))) {
        let message = "the command reads this file, so it cannot also write it";
        return Err(Failure::file(path, message).help("give the output another name"));
    }
    whole_file::check_target(path).map_err(|e| Failure::unwritable(path, e))
}
