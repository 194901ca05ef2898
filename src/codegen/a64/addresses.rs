//! Addresses that were computed because they are too far from a register of the program.

use super::codes::{ADDRESSES, General};
use crate::codegen::vir::P;

/// What a register for addresses holds: an address of the program and a displacement, added up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) base: P,
    pub(super) displacement: i64,
}

/// The sums that registers hold, as long as they are valid.
#[derive(Default)]
pub(super) struct Addresses {
    known: [Option<Sum>; ADDRESSES.len()],
    /// The register that is overwritten next.
    next: usize,
}

impl Addresses {
    /// The register that holds a sum, and whether it holds it already: if not, it will.
    pub(super) fn register(&mut self, sum: Sum) -> (General, bool) {
        if let Some(known) = self.known.iter().position(|known| *known == Some(sum)) {
            return (ADDRESSES[known], true);
        }
        let register = self.next;
        self.next = (register + 1) % ADDRESSES.len();
        self.known[register] = Some(sum);
        (ADDRESSES[register], false)
    }

    /// A register of the program is about to change.
    pub(super) fn forget(&mut self, base: P) {
        let stale = |sum: &mut Option<Sum>| sum.is_some_and(|sum| sum.base == base);
        self.known
            .iter_mut()
            .filter_map(|sum| stale(sum).then_some(sum))
            .for_each(|sum| *sum = None);
    }

    /// Code that follows can be reached from elsewhere.
    pub(super) fn forget_all(&mut self) {
        self.known = Default::default();
    }
}
