//! The functions, called from Rust as a program in C calls them.

mod header;
mod load;
mod null;
mod options;
mod ports;
mod resize;
mod runs;
mod support;
mod threads;
