//! Code generation: every back end against the emulator.

mod a64_forms;
mod a64_processor;
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
