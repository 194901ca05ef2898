//! The machine code of one vector program, as the encoders return it.

use super::listing::CodeLine;

/// An encoded program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Instructions, then the constants that they refer to.
    pub bytes: Vec<u8>,
    /// How many of the bytes are instructions.
    pub code: usize,
    /// Where the lines of the program begin.
    pub lines: Vec<CodeLine>,
}
