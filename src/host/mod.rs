//! What this machine and its system offer: what compiled code needs to run, and what its cost
//! depends on. Knows nothing of networks and kernels.
//!
//! | module | asks |
//! |---|---|
//! | [`features`] | which instructions the CPU has, and whether the system lets programs use them |
//! | [`tiles`] | whether there are tile registers, and the permission to use them |
//! | [`executable`] | whether the system allows executable memory, and which setting refuses it |
//! | [`caches`] | how large the caches are |
//!
//! Questions change nothing. What changes the process is called `enable`.

pub mod caches;
pub mod executable;
pub mod features;
pub mod tiles;
