//! The functions, called from Rust.

mod header;
