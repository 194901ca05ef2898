//! Running compiled networks.
//!
//! | room | holds |
//! |---|---|
//! | [`pool`] | the threads that run a region's chunks |
//! | [`fpenv`] | the floating-point mode that kernels run in |

pub mod fpenv;
pub mod pool;
