//! Code generation: every back end against the emulator.

mod a64_encoding;
mod a64_forms;
mod a64_long;
mod a64_processor;
mod a64_sequences;
mod addresses;
mod bytes;
mod emulator;
mod encoding;
mod listing;
mod processor;
mod programs;
mod regions;
mod shorts;
mod support;
mod tiles;
mod values;
