//! Running a compiled network.
//!
//! | room | holds |
//! |---|---|
//! | [`model`] | the compiled network, and the memory of one run |
//! | [`pool`] | threads that share the chunks of a region |
//! | [`fpenv`] | denormal numbers flushed to zero for the length of a run |
//! | [`tiles`] | the system's leave to use tile registers |
//! | [`memory`], [`pack`] | arenas, and packed constants |
//! | [`mod@file`] | files in memory without a copy |
//! | [`peak`], [`bandwidth`] | how fast this machine multiplies and adds, and how fast it reads memory |

pub mod bandwidth;
pub mod file;
pub mod fpenv;
pub mod memory;
pub mod model;
pub mod pack;
pub mod peak;
pub mod pool;
pub mod tiles;
pub mod trace;
