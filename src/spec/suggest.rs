//! What may have been meant by a name that is not known.

/// The most changes of a letter after which a name still may have been meant.
const MOST_CHANGES: usize = 3;

/// A parser's message about an unknown key or value, which names those that are known, with the nearest of them.
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

/// The name that takes the fewest changes of a letter, if few enough; case does not count.
pub(super) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let distances = names.map(|name| (distance(&wrong, &name.to_lowercase()), name));
    let (changes, name) = distances.min_by_key(|&(changes, _)| changes)?;
    (changes <= MOST_CHANGES && changes < name.chars().count()).then_some(name)
}

/// Levenshtein's distance: letters that are inserted, left out or replaced.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_changes() {
        let known = [("", "abc", 3), ("kernal", "kernel", 1), ("layer", "layers", 1)];
        for (a, b, changes) in known {
            assert_eq!(distance(a, b), changes);
            assert_eq!(distance(b, a), changes);
        }
    }

    #[test]
    fn only_unknown_names_are_explained() {
        let message = "unknown field `chanels`, expected one of `layers`, `channels`";
        assert!(explain(message).ends_with("did you mean `channels`?"));
        for message in ["unknown field `xyzzy`, expected `layers` or `channels`", "missing `a`"] {
            assert_eq!(explain(message), message);
        }
    }
}
