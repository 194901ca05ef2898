//! Suggests what may have been meant by an unknown name.

use crate::nearest::nearest;

/// Adds the nearest known name to a parser's message about an unknown key or value, which lists the
/// known ones.
pub(super) fn explain(message: &str) -> String {
    let is_unknown = ["unknown field ", "unknown variant "].iter().any(|m| message.contains(m));
    let mut names = message.split('`').skip(1).step_by(2);
    let nearest = match names.next() {
        Some(unknown) if is_unknown => nearest(unknown, names),
        _ => None,
    };
    match nearest {
        Some(name) => format!("{message}; did you mean `{name}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unknown_names_are_explained() {
        let message = "unknown field `chanels`, expected one of `layers`, `channels`";
        assert!(explain(message).ends_with("did you mean `channels`?"));
        for message in ["unknown field `xyzzy`, expected `layers` or `channels`", "missing `a`"] {
            assert_eq!(explain(message), message);
        }
    }
}
