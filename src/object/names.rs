//! Identifiers of C.

use super::error::ExportFailure;

/// Longer names have no use, and compilers have limits.
const LONGEST: usize = 48;

/// Checks that a name can be that of functions.
pub(super) fn check(name: &str) -> Result<(), ExportFailure> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    match starts && name.len() <= LONGEST && name.chars().all(is_part) {
        true => Ok(()),
        false => Err(ExportFailure::Name { name: name.to_owned(), most: LONGEST }),
    }
}

/// A name of the model as part of a comment.
pub(super) fn comment(name: &str) -> String {
    crate::one_line::name_line(name).replace("*/", "* /").replace("/*", "/ *")
}
