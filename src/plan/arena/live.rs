//! Which live intervals overlap an interval.

use std::collections::BTreeSet;

/// Live intervals, each a first and a last step, under the numbers of their buffers. Finding those
/// that overlap another interval takes time in how many there are, not in how many are stored.
pub(super) struct LiveIntervals {
    /// First steps and numbers.
    starts: BTreeSet<(usize, usize)>,
    /// A segment tree over the steps: each interval is at the few nodes whose steps together are
    /// the interval's. The children of node `n` are `2 n` and `2 n + 1`; the leaves come last.
    tree: Vec<Vec<usize>>,
}

impl LiveIntervals {
    /// None yet; all of them end before `steps`.
    pub(super) fn new(steps: usize) -> Self {
        let leaves = steps.next_power_of_two();
        LiveIntervals { starts: BTreeSet::new(), tree: vec![Vec::new(); 2 * leaves] }
    }

    fn leaf(&self, step: usize) -> usize {
        self.tree.len() / 2 + step
    }

    pub(super) fn insert(&mut self, (first, last): (usize, usize), number: usize) {
        self.starts.insert((first, number));
        let (mut from, mut to) = (self.leaf(first), self.leaf(last) + 1);
        while from < to {
            if from % 2 == 1 {
                self.tree[from].push(number);
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                self.tree[to].push(number);
            }
            (from, to) = (from / 2, to / 2);
        }
    }

    /// The numbers of the intervals that overlap: those that contain its first step, and those that
    /// start after that.
    pub(super) fn overlapping(
        &self,
        (first, last): (usize, usize),
    ) -> impl Iterator<Item = usize> + '_ {
        let later = self.starts.range((first + 1, 0)..(last + 1, 0)).map(|&(_, number)| number);
        let up = |&node: &usize| (node > 1).then_some(node / 2);
        let around = std::iter::successors(Some(self.leaf(first)), up);
        around.flat_map(|node| self.tree[node].iter().copied()).chain(later)
    }
}
