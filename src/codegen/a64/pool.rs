//! Constants behind the code.

use super::codes::{LOAD_LITERAL, Near};

/// The four words of a vector.
pub(super) type Words = [u32; 4];

/// Instructions that refer to constants, and the constants.
#[derive(Default)]
pub(super) struct Pool {
    constants: Vec<Words>,
    /// Positions of instructions, in words, and of their constants.
    references: Vec<(usize, usize)>,
}

impl Pool {
    /// Notes that the instruction at a position, in words, refers to a constant.
    pub(super) fn refer(&mut self, at: usize, words: Words) {
        let known = self.constants.iter().position(|constant| *constant == words);
        let constant = known.unwrap_or_else(|| {
            self.constants.push(words);
            self.constants.len() - 1
        });
        self.references.push((at, constant));
    }

    /// Appends the constants to the code, and makes the instructions refer to them.
    pub(super) fn append(self, words: &mut Vec<u32>) {
        if self.constants.is_empty() {
            return;
        }
        words.resize(words.len().next_multiple_of(4), 0);
        let start = words.len();
        for (at, constant) in self.references {
            let distance = (start + 4 * constant) as i64 - at as i64;
            debug_assert!(Near::reaches(distance), "long programs have no pool");
            words[at] = LOAD_LITERAL.word(words[at], distance);
        }
        words.extend(self.constants.iter().flatten());
    }
}
