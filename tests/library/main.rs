//! The interface for programs that embed the library: options, errors, reports and measured times.

mod cache;
mod codes;
mod elements;
mod errors;
mod from_memory;
mod options;
mod outputs;
mod quantized;
mod report;
mod resize;
mod tune;
