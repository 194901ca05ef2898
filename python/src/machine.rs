//! The instruction sets of this machine, and the command line.

use std::ffi::OsString;

use pyo3::prelude::*;
use resnetc::IsaChoice;
use resnetc::isa::ISAS;

/// The instruction sets that this machine can use, the widest first.
#[pyfunction]
pub(crate) fn isas() -> Vec<&'static str> {
    let usable = ISAS.into_iter().filter(|&isa| IsaChoice::Exactly(isa).resolve().is_ok());
    usable.map(|isa| isa.name()).collect()
}

/// Runs the command line `resnetc`; the first argument is the name of the program. Returns the exit
/// code.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| resnetc_cli::main_with(args))
}
