//! What runs do to threads: the pool, and the floating-point mode.

mod denormals;
mod pool;
