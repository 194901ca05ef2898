//! Code generation: every back end against the emulator.

#[path = "codegen/addresses.rs"]
mod addresses;
#[path = "codegen/emulator.rs"]
mod emulator;
#[path = "codegen/encoding.rs"]
mod encoding;
#[path = "codegen/listing.rs"]
mod listing;
#[path = "codegen/processor.rs"]
mod processor;
#[path = "codegen/programs.rs"]
mod programs;
#[path = "codegen/regions.rs"]
mod regions;
#[path = "codegen/support.rs"]
mod support;
#[path = "codegen/tiles.rs"]
mod tiles;
#[path = "codegen/values.rs"]
mod values;
