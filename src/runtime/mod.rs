//! Running a compiled network.
//!
//! | room | holds |
//! |---|---|
//! | [`model`] | the network, and the memory of one run |
//! | `compiled` | running machine code |
//! | [`pool`] | threads that share the chunks of a region |
//! | [`fpenv`] | denormal numbers flushed to zero for the length of a run |
//! //! | [`memory`], [`pack`] | arenas, and packed constants |
//! | [`mod@file`] | files in memory that goes back piece by piece |
//! //! | [`peak`], [`bandwidth`] | how fast this machine multiplies and adds, and how fast it reads memory |

pub mod bandwidth;
pub(crate) mod compiled;
pub mod file;
pub mod fpenv;
pub mod memory;
pub mod model;
pub mod pack;
pub mod peak;
pub mod pool;
pub mod trace;
