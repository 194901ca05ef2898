//! The interface for programs that embed the library: options, errors, reports and measured times.

mod codes;
mod elements;
mod errors;
mod from_memory;
mod options;
mod outputs;
mod quantized;
mod report;
mod tune;
