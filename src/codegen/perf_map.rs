//! Names for compiled code, in the file that `perf` reads for code without symbols:
//! `/tmp/perf-PID.map`, one line per function with its address and size in hexadecimal and its name
//! (Linux, tools/perf/Documentation/jit-interface.txt). If a model was freed and another one has
//! its addresses, the later line counts.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Result, Write as _};
use std::sync::{Mutex, PoisonError};

use super::code::Symbol;

/// This process's file, once something was written to it.
static MAP: Mutex<Option<File>> = Mutex::new(None);

/// Appends functions to this process's file, all at once, so that models compiled at the same time
/// do not mix their lines. A file left by an earlier process with the same ID is removed first.
///
/// # Errors
/// If the file cannot be written.
pub fn append<'a>(symbols: impl Iterator<Item = Symbol<'a>>) -> Result<()> {
    let mut map = MAP.lock().unwrap_or_else(PoisonError::into_inner);
    let file = match &mut *map {
        Some(file) => file,
        none => none.insert(create()?),
    };
    file.write_all(lines(symbols).as_bytes())
}

/// A new file: an existing one, or a link, might be somebody else's, because anybody may write to
/// the folder.
fn create() -> Result<File> {
    let path = format!("/tmp/perf-{}.map", std::process::id());
    match fs::remove_file(&path) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn lines<'a>(symbols: impl Iterator<Item = Symbol<'a>>) -> String {
    let mut text = String::new();
    for Symbol { start, bytes, name } in symbols {
        // A name with several lines would be read as several functions.
        let name = name.replace(['\n', '\r'], " ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{start:x} {bytes:x} {name}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_a_line() {
        let symbol = |start, name| Symbol { start, bytes: 32, name };
        let text = lines([symbol(0xab00, "conv k64"), symbol(0xab20, "two\nlines")].into_iter());
        assert_eq!(text, "ab00 20 conv k64\nab20 20 two lines\n");
    }
}
