//! How much memory the constants of a model take, and whether the files that they refer to hold
//! that much.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::import::limits;

/// The memory budget of the constants of a model.
#[derive(Debug)]
pub(super) struct Budget {
    /// The most memory that they may take, in bytes.
    limit: usize,
    taken: usize,
    /// How many bytes of each file were referred to.
    named: HashMap<PathBuf, u64>,
}

impl Budget {
    /// A budget of this many bytes of memory.
    pub(super) fn new(limit: usize) -> Self {
        Budget { limit, taken: 0, named: HashMap::new() }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes memory before it is filled; `None` if there is not enough left.
    pub(super) fn take(&mut self, bytes: usize) -> Option<()> {
        let taken = self.taken.checked_add(bytes)?;
        (taken <= self.limit).then(|| self.taken = taken)
    }

    /// Records a reference to bytes of a file, before they are read. A small model can refer to one
    /// file many times: constants beyond [`limits::CONSTANT_BYTES`] must refer to every byte of
    /// their files at most once.
    pub(super) fn name(&mut self, file: &Path, length: u64, bytes: u64) -> Result<(), String> {
        let named = self.named.entry(file.to_path_buf()).or_default();
        *named = named.saturating_add(bytes);
        match self.taken > limits::CONSTANT_BYTES && *named > length {
            true => Err(format!(
                "the model takes {} bytes for constants, more than the {} that are always allowed, and refers to {named} bytes \
                 of this file, which has only {length}",
                self.taken,
                limits::CONSTANT_BYTES,
            )),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: usize = limits::CONSTANT_BYTES;

    #[test]
    fn memory_is_taken_up_to_its_limit() {
        let mut budget = Budget::new(10);
        assert_eq!(
            [4, 6, 1, 0, usize::MAX].map(|n| budget.take(n).is_some()),
            [true, true, false, true, false]
        );
    }

    #[test]
    fn large_constants_name_each_byte_of_their_files_once() {
        let mut budget = Budget::new(usize::MAX);
        let (a, b) = (Path::new("a"), Path::new("b"));
        // Small constants may share bytes of a file.
        assert!(budget.name(a, 100, 100).is_ok() && budget.name(a, 100, 100).is_ok());
        budget.take(FREE + 1);
        assert!(budget.name(b, 100, 60).is_ok() && budget.name(b, 100, 40).is_ok());
        assert!(budget.name(b, 100, 1).is_err_and(|e| e.contains("has only 100")));
        assert!(budget.name(a, 100, 1).is_err() && budget.name(a, 100, u64::MAX).is_err());
    }
}
