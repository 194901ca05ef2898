//! Code generation: every back end against the emulator.

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
