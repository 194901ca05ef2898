//! The effects of runs on threads: the pool, and the floating-point mode.

mod denormals;
mod pool;
