//! Names for compiled code, in the file that `perf` reads for code without symbols: `/tmp/perf-PID.map`, a line a
//! function with address and size in hexadecimal digits and the name (Linux, tools/perf/Documentation/jit-interface.txt).
//! Where a model was freed and another one has its addresses, the later line counts.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{Result, Write as _};

use super::code::Symbol;

/// Appends functions to this process's file. All at once, so that models compiled at the same time do not mix their
/// lines.
///
/// # Errors
/// If the file cannot be written.
pub fn append<'a>(symbols: impl Iterator<Item = Symbol<'a>>) -> Result<()> {
    let path = format!("/tmp/perf-{}.map", std::process::id());
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(lines(symbols).as_bytes())
}

fn lines<'a>(symbols: impl Iterator<Item = Symbol<'a>>) -> String {
    let mut text = String::new();
    for Symbol { start, bytes, name } in symbols {
        // A name of several lines would be read as several functions.
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
