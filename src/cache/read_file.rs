//! Files that a network is made from, and what they contained.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher};

use crate::whole_file::{self, Identity};

/// A file that was read, and what it contained.
#[derive(Clone, Debug)]
pub(crate) struct ReadFile {
    pub(super) path: PathBuf,
    /// Which version of the file it was; `None` if a later one could not be told from it.
    pub(super) identity: Option<Identity>,
    pub(super) digest: Hash,
    /// The names by which it refers to other files.
    pub(super) beside: Vec<String>,
}

impl ReadFile {
    /// Reads a file from disk.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        whole_file::check_regular(path)?;
        let before = Identity::of(path);
        let mut hasher = Hasher::new();
        let mut file = File::open(path)?;
        let mut piece = vec![0; 1 << 18];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                n => hasher.update(&piece[..n]),
            };
        }
        // If it changed meanwhile, its digest is that of no version.
        let identity = before.filter(|i| !i.is_recent() && Identity::of(path).as_ref() == Some(i));
        Ok(ReadFile {
            path: path.to_owned(),
            identity,
            digest: hasher.finalize(),
            beside: Vec::new(),
        })
    }
}
