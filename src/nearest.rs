//! Suggestions for misspelled names.

/// The largest edit distance at which a name may still have been meant.
const MOST_CHANGES: usize = 3;

/// The name with the smallest edit distance, if it is small enough; case does not count.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let distances = names.map(|name| (distance(&wrong, &name.to_lowercase()), name));
    let (changes, name) = distances.min_by_key(|&(changes, _)| changes)?;
    (changes <= MOST_CHANGES && changes < name.chars().count()).then_some(name)
}

/// The Levenshtein distance: how many letters are inserted, deleted or replaced.
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
}
