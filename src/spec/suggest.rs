//! Messages of the parsers in the words of the documentation, with suggestions for unknown names.

use crate::nearest::nearest;

/// What parsers call things, and what the documentation calls them.
const WORDS: &[(&str, &str)] = &[
    ("expected usize", "expected a whole number of 0 or more"),
    ("expected f64", "expected a number"),
    ("expected a sequence", "expected a list"),
    ("invalid type: sequence", "invalid type: list"),
    ("invalid type: map", "invalid type: table"),
    ("expected struct Spec", "expected a table of keys"),
    ("expected struct InputSpec", "expected a table"),
    ("expected struct Stem", "expected a table"),
    ("expected struct Head", "expected a table"),
    ("unknown field", "unknown key"),
    ("missing field", "missing key"),
    ("duplicate field", "duplicate key"),
    ("unknown variant", "unknown value"),
];

/// A parser's message in other words, with the nearest known name if it is about an unknown key or
/// value; it lists the known ones.
pub(super) fn explain(message: &str) -> String {
    let is_unknown = ["unknown field ", "unknown variant "].iter().any(|m| message.contains(m));
    let mut names = message.split('`').skip(1).step_by(2);
    let nearest = match names.next() {
        Some(unknown) if is_unknown => nearest(unknown, names),
        _ => None,
    };
    let worded =
        WORDS.iter().fold(message.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
    match nearest {
        Some(name) => format!("{worded}; did you mean `{name}`?"),
        None => worded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unknown_names_are_explained() {
        let message = "unknown field `chanels`, expected one of `layers`, `channels`";
        assert!(explain(message).ends_with("did you mean `channels`?"));
        let message = "unknown field `xyzzy`, expected `layers` or `channels`";
        assert_eq!(explain(message), "unknown key `xyzzy`, expected `layers` or `channels`");
        assert_eq!(explain("missing `a`"), "missing `a`");
        let message = "invalid value: integer `-3`, expected usize";
        let worded = "invalid value: integer `-3`, expected a whole number of 0 or more";
        assert_eq!(explain(message), worded);
    }
}
