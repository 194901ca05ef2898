//! What code depends on besides the contents of a network.

use blake3::Hash;

use super::contents::{Contents, Digester};
use super::names;
use crate::codegen::machine::Cranelift;
use crate::compile::machine;
use crate::error::Error;
use crate::options::Options;

/// Identifies a compiled network.
#[derive(Clone, Debug)]
pub(super) struct Key {
    contents: Hash,
    options: Hash,
    /// The compiler that wrote it.
    pub(super) version: String,
}

impl Key {
    /// The key of these contents, compiled with these options on this machine.
    ///
    /// # Errors
    /// If the options cannot be used here.
    pub(super) fn of(contents: &Contents, options: &Options) -> Result<Self, Error> {
        let (isa, machine) = machine(options)?;
        let cpu = Cranelift::host()?.describe();
        // Every field is named here, so that a new one cannot be forgotten. The machine includes
        // the number of threads; the contents include weights and seed. How the network is loaded
        // and run otherwise does not change the code.
        let Options {
            engine: _,
            isa: _,
            threads: _,
            pool: _,
            numerics,
            batch,
            dims,
            shapes,
            outputs,
            weights: _,
            seed: _,
            passes,
            reuse,
            memory,
            share: _,
            cache_dir: _,
            perf_map: _,
            tuned,
        } = options;
        let mut hasher = Digester::new("options");
        hasher.add(format!("{isa} {machine:?} {numerics:?} {cpu}").as_bytes());
        hasher.add(format!("{batch:?} {dims:?} {shapes:?} {outputs:?}").as_bytes());
        hasher.add(format!("{passes:?} {reuse:?} {memory:?} {tuned:?}").as_bytes());
        let (contents, options) = (contents.digest, hasher.finish());
        Ok(Key { contents, options, version: version() })
    }

    /// The name of its file.
    pub(super) fn file_name(&self) -> String {
        names::network(&self.contents, &self.options)
    }

    /// How the names of all files begin that hold a network of the same contents.
    pub(super) fn family(&self) -> String {
        names::family(&self.contents)
    }

    /// Both digests in full.
    pub(super) fn digest(&self) -> String {
        format!("{}-{}", self.contents.to_hex(), self.options.to_hex())
    }
}

/// The build of the compiler: code of another one may expect another runtime.
pub(super) fn version() -> String {
    format!("{} ({})", env!("CARGO_PKG_VERSION"), env!("RESNETC_SOURCES"))
}
