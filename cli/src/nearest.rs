//! Names that the user may have meant.

use std::collections::BTreeSet;

/// How many names are shown at most.
const SHOWN: usize = 5;

/// The names most like one that does not exist: those that contain it, and those that are spelled
/// like it.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    // Large networks have thousands of names, so each is measured once.
    let distance = |known: &str| {
        let known = known.to_lowercase();
        (!known.contains(&wanted), strsim::damerau_levenshtein(&known, &wanted))
    };
    let known: BTreeSet<&str> = names.filter(|n| !n.is_empty()).collect();
    let mut measured: Vec<_> = known.into_iter().map(|n| (distance(n), n)).collect();
    measured.sort_unstable();
    measured.into_iter().take(SHOWN).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 8] =
        ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv2", "fc", "", "fc", "pool"];

    #[test]
    fn what_contains_the_word_comes_first_then_what_is_spelled_like_it() {
        let found = nearest("conv2", NAMES.into_iter());
        assert_eq!(found[..3], ["layer1.0.conv2", "layer2.0.conv2", "conv1"]);
        assert_eq!(
            nearest("Layer1.0.conv3", NAMES.into_iter())[..2],
            ["layer1.0.conv1", "layer1.0.conv2"]
        );
    }

    #[test]
    fn few_names_are_shown_each_once() {
        let found = nearest("x", NAMES.into_iter());
        assert_eq!(found.len(), SHOWN);
        assert_eq!(found.iter().filter(|n| **n == "fc").count(), 1);
        assert_eq!(nearest("x", [].into_iter()), Vec::<&str>::new());
    }
}
