//! The native part of the Python package `resnetc`; `python/resnetc` has the rest.
//!
//! | module | holds |
//! |---|---|
//! | [`failure`], [`guard`] | what can go wrong, as exceptions; panics |
//! | [`options`] | options by name |
//! | [`work`] | work that a signal can interrupt |
//! | [`slot`], [`feed`], [`array`](mod@array) | inputs and outputs: which array is for which; copies |
//! | [`source`] | what networks are loaded from |
//! | [`pool`], [`model`] | compiled networks |
//! | [`object`] | reports as Python's dicts and lists |
//! | [`quantize`], [`machine`] | quantization; the instruction sets, and the command line |
//!
//! The interpreter's lock is released while a network is loaded, compiled, quantized or run, and
//! held for everything else.

#[allow(unsafe_code, reason = "NumPy gives the memory of arrays as pointers")]
mod array;
mod failure;
mod feed;
mod guard;
mod machine;
mod model;
mod object;
mod options;
mod pool;
mod quantize;
mod slot;
mod source;
mod work;

/// The native part of `resnetc`; use `resnetc` itself.
#[pyo3::pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use super::machine::{isas, main};
    #[pymodule_export]
    use super::model::{Model, load};
    #[pymodule_export]
    use super::quantize::{quantize, write};
    #[pymodule_export]
    use super::slot::Port;

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "the name in Python")]
    const version: &str = env!("CARGO_PKG_VERSION");
}
