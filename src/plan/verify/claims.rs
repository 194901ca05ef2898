//! Who claims which bytes.

use std::collections::BTreeMap;

use super::bytes::Bytes;

/// Ranges of memory that do not overlap, each with its claimants. Finding what a range overlaps
/// takes time in what it overlaps, not in all that there is: a network may have 65,536 values.
pub(super) struct Claims<T> {
    /// One past the last byte, and the claimants, by the first byte.
    ranges: BTreeMap<i64, (i64, Vec<T>)>,
}

impl<T: Copy> Claims<T> {
    pub(super) fn new() -> Self {
        Claims { ranges: BTreeMap::new() }
    }

    /// The first bytes of the ranges that overlap `bytes`, from the last to the first.
    fn under(&self, (start, end): Bytes) -> impl Iterator<Item = i64> + '_ {
        let before = self.ranges.range(..end.max(start)).rev();
        before.take_while(move |(_, (to, _))| *to > start).map(|(&from, _)| from)
    }

    /// One claimant whose range overlaps `bytes` and that `is_meant`.
    pub(super) fn find(&self, bytes: Bytes, is_meant: impl Fn(T) -> bool) -> Option<T> {
        self.under(bytes).flat_map(|from| &self.ranges[&from].1).copied().find(|&t| is_meant(t))
    }

    /// Ends every claim to a range that overlaps `bytes`.
    pub(super) fn end(&mut self, bytes: Bytes) -> Vec<T> {
        let under: Vec<i64> = self.under(bytes).collect();
        let ended = under.iter().filter_map(|from| self.ranges.remove(from));
        ended.flat_map(|(_, claimants)| claimants).collect()
    }

    /// Adds a claim. Ranges that it overlaps without being equal to them become one range.
    pub(super) fn add(&mut self, bytes: Bytes, claimant: T) {
        match self.ranges.get_mut(&bytes.0) {
            Some((end, claimants)) if *end == bytes.1 => return claimants.push(claimant),
            _ => {}
        }
        let under: Vec<i64> = self.under(bytes).collect();
        let (mut whole, mut claimants) = (bytes, Vec::new());
        for from in under {
            if let Some((to, others)) = self.ranges.remove(&from) {
                whole = (whole.0.min(from), whole.1.max(to));
                claimants.extend(others);
            }
        }
        claimants.push(claimant);
        self.ranges.insert(whole.0, (whole.1, claimants));
    }
}
