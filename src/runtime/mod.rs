//! Running a compiled network.
//!
//! | module | holds |
//! |---|---|
//! | [`model`] | the network, and the memory of one run |
//! | `port`, `context` | inputs and outputs, and what callers write to and read from them |
//! | `compiled` | running machine code |
//! | [`pool`] | threads that share the chunks of a region |
//! | [`threads`] | pools that models share |
//! | [`fpenv`] | denormals flushed to zero during a run |
//! | [`memory`] | memory for arenas and packed constants |
//! | [`weights`] | packed constants, in segments that models share |
//! | [`mod@file`] | files in memory that is returned to the system piece by piece |
//! | [`peak`], [`bandwidth`] | how fast this machine multiplies and adds, and how fast it reads memory |

pub mod bandwidth;
pub(crate) mod compiled;
mod context;
pub mod file;
pub mod fpenv;
pub mod memory;
pub mod model;
pub mod peak;
pub mod pool;
mod port;
pub mod threads;
pub mod trace;
pub mod weights;
