//! Names that are constants of the program and strings in a file: reading one gives a constant again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Such a name. (Of a field of type `&'static str`, serde wants to borrow from what it reads.)
pub(crate) type Name = &'static str;

/// Names of operators, passes and algorithms are shorter.
const LONGEST: usize = 64;

/// There are not nearly as many.
const MOST: usize = 1024;

/// The names that were read. They are few and never freed.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

fn intern(name: &str) -> Option<&'static str> {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if name.len() > LONGEST || names.len() == MOST {
        return None;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    Some(name)
}

/// Reads a name.
pub(crate) fn name<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let name = String::deserialize(from)?;
    intern(&name).ok_or_else(|| D::Error::custom("an unknown name"))
}

/// Reads a name that may be missing.
pub(crate) fn optional<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<&'static str>, D::Error> {
    let name = Option::<String>::deserialize(from)?;
    let known = |name: String| intern(&name).ok_or_else(|| D::Error::custom("an unknown name"));
    name.map(known).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_only_if_it_is_short() {
        let first = intern("relu of a test");
        assert_eq!(first.map(str::as_ptr), intern("relu of a test").map(str::as_ptr));
        assert_eq!(first, Some("relu of a test"));
        assert_eq!(intern(&"x".repeat(LONGEST + 1)), None);
    }
}
