//! What the tests of `resnetc`'s crates share: which code this machine runs, what is said of tests that are not run, and
//! readers of what the crates write. Not published.

pub mod denied;
pub mod host;
pub mod markup;
