//! Identifiers of C.

use super::error::ExportFailure;

/// The name of a network that was given none.
pub(super) const DEFAULT: &str = "net";

/// Longer names have no use, and compilers have limits.
const LONGEST: usize = 48;

/// The headers of C, which programs would find in place of ours, or the other way round.
const HEADERS: [&str; 32] = [
    "assert",
    "complex",
    "ctype",
    "errno",
    "fenv",
    "float",
    "inttypes",
    "iso646",
    "limits",
    "locale",
    "math",
    "setjmp",
    "signal",
    "stdalign",
    "stdarg",
    "stdatomic",
    "stdbit",
    "stdbool",
    "stdckdint",
    "stddef",
    "stdint",
    "stdio",
    "stdlib",
    "stdnoreturn",
    "string",
    "tgmath",
    "threads",
    "time",
    "uchar",
    "wchar",
    "wctype",
    "unistd",
];

/// Checks that a name can be that of functions and files.
pub(super) fn check(name: &str) -> Result<(), ExportFailure> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts || name.len() > LONGEST || !name.chars().all(is_part) {
        return Err(ExportFailure::Name { name: name.to_owned(), most: LONGEST });
    }
    match HEADERS.contains(&&*name.to_ascii_lowercase()) {
        true => Err(ExportFailure::Header { name: name.to_owned() }),
        false => Ok(()),
    }
}

/// A name of the model as part of a comment.
pub(super) fn comment(name: &str) -> String {
    crate::one_line::name_line(name).replace("*/", "* /").replace("/*", "/ *")
}
