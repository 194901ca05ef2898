//! How the files in a folder are named, so that no other file is taken for one of them.

use std::path::Path;

use blake3::Hash;

use crate::whole_file;

/// How many digits of a digest are in a name.
const DIGITS: usize = 32;

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A compiled network: `CONTENTS-OPTIONS.net`.
    Network,
    /// Packed weights: `DIGEST.weights`.
    Weights,
    /// The digest of a file: `PATH.memo`.
    Memo,
    /// What a process that was killed has left of a file.
    Unfinished,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Kind; 4] = [Kind::Network, Kind::Weights, Kind::Memo, Kind::Unfinished];

    /// The digests in a name, and its extension.
    fn pattern(self) -> Option<(usize, &'static str)> {
        match self {
            Kind::Network => Some((2, "net")),
            Kind::Weights => Some((1, "weights")),
            Kind::Memo => Some((1, "memo")),
            Kind::Unfinished => None,
        }
    }

    /// Whether a file with this name is of the kind.
    pub(super) fn has(self, name: &str) -> bool {
        let Some((digests, extension)) = self.pattern() else {
            return whole_file::is_temporary(name);
        };
        let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let is_digest = |part: &str| part.len() == DIGITS && part.chars().all(is_digit);
        let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.')) == Some(extension)
            && stem.split('-').count() == digests
            && stem.split('-').all(is_digest)
    }
}

/// The name of a network.
pub(super) fn network(contents: &Hash, options: &Hash) -> String {
    format!("{}{}.net", family(contents), short(options))
}

/// How the names of all networks of the same contents begin.
pub(super) fn family(contents: &Hash) -> String {
    format!("{}-", short(contents))
}

/// The name of packed weights.
pub(super) fn weights(bytes: &Hash) -> String {
    format!("{}.weights", short(bytes))
}

/// The name of the memo of a path.
pub(super) fn memo(path: &Hash) -> String {
    format!("{}.memo", short(path))
}

fn short(digest: &Hash) -> String {
    digest.to_hex()[..DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_their_kind_alone() {
        let digest = blake3::hash(b"something");
        let names = [network(&digest, &digest), weights(&digest), memo(&digest)];
        for (i, name) in names.iter().enumerate() {
            let of: Vec<bool> = Kind::ALL.iter().map(|kind| kind.has(name)).collect();
            assert_eq!(of.iter().filter(|&&is| is).count(), 1, "{name}");
            assert!(of[i], "{name}");
        }
    }

    #[test]
    fn other_files_are_of_no_kind() {
        let hex = "0123456789abcdef0123456789abcdef";
        for name in [
            "net.weights".to_owned(),
            format!("{hex}{hex}.weights"),
            format!("{hex}01234567.net"),
            format!("{hex}.net"),
            format!("{hex}-{hex}.weights"),
            format!("{hex}-{hex}.backup.net"),
            format!("{}.memo", hex.to_uppercase()),
            "01234567-89ab-cdef-0123-456789abcdef.weights".to_owned(),
            "--------------------------------.net".to_owned(),
            format!("{hex}.weights.old"),
            ".resnetc".to_owned(),
        ] {
            assert!(Kind::ALL.iter().all(|kind| !kind.has(&name)), "{name}");
        }
    }
}
