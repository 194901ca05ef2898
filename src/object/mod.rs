//! Networks as one object file: code and weights for a linker, without a runtime.
//!
//! ```no_run
//! use resnetc::object::{self, Export};
//! use resnetc::{Compiler, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = Compiler::new(Options::default()).load("resnet50.onnx")?;
//! let object = object::export(&network, &Export::default())?;
//! std::fs::write("net.o", &object.object)?;
//! std::fs::write("net.h", &object.header)?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`target`] | CPUs and systems that code can be exported for |
//! | `interface` | what the functions take and return |
//! | `entry` | the functions that C calls |
//! | `mode` | the functions that set the floating-point mode |
//! | `header`, `sample` | the header, and a program that uses it |
//! | `names` | identifiers of C |
//! | [`error`](mod@error) | why a network is not exported |
//!
//! For this machine (`native`), the object has the code that a [`Model`](crate::Model) of the same
//! instruction set runs, so its results are the same, bit for bit. For other targets, algorithms are
//! chosen for a typical CPU, so results may differ by rounding. The object calls nothing and
//! allocates nothing: inputs, outputs and an arena come from the caller. Feature `object`.

mod entry;
pub mod error;
mod header;
mod interface;
mod mode;
mod names;
mod sample;
pub mod target;

use cranelift_module::{DataDescription, DataId, Linkage, Module, default_libcall_names};
use cranelift_object::{ObjectBuilder, ObjectModule};

pub use error::ExportFailure;
pub use interface::Weights;
pub use target::ExportTarget;

use crate::codegen::error::CodegenError;
use crate::codegen::image::{Image, Linked, Options as CodegenOptions};
use crate::codegen::machine::Cranelift;
use crate::compile::{Stages, packed_alone};
use crate::compiler::Network;
use crate::error::Error;
use crate::kernels::sink::ALIGN;
use crate::passes;
use crate::runtime::fpenv::Denormals;

use interface::Interface;

/// How to export a network.
#[derive(Clone, Debug)]
pub struct Export {
    /// For which CPU and system.
    pub target: ExportTarget,
    /// How functions, macros and files are named: an identifier of C.
    pub name: String,
    /// Where the weights are.
    pub weights: Weights,
}

impl Default for Export {
    fn default() -> Self {
        Export {
            target: ExportTarget::native(),
            name: names::DEFAULT.to_owned(),
            weights: Weights::Inside,
        }
    }
}

impl Export {
    /// The names of the files, which the build command and the program rely on: the header, the
    /// program (`main.c`, or `NAME_main.c` for a network that was given a name), the weights if they
    /// are beside the object, and the object.
    pub fn file_names(&self) -> Vec<String> {
        let name = &self.name;
        let weights = (self.weights == Weights::Beside).then(|| format!("{name}.weights"));
        let first = [format!("{name}.h"), sample::file(name)];
        first.into_iter().chain(weights).chain([format!("{name}.o")]).collect()
    }
}

/// An exported network: the contents of its files, and what is in them.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The object file.
    pub object: Vec<u8>,
    /// The weights, if they are not in the object.
    pub weights: Option<Vec<u8>>,
    /// The header.
    pub header: String,
    /// A program that runs the network once.
    pub main: String,
    /// The command that builds the program, in the folder of the files.
    pub build: String,
    /// The instruction set of its kernels.
    pub isa: crate::Isa,
    /// Bytes of machine code.
    pub code_bytes: usize,
    /// Bytes of packed weights.
    pub weight_bytes: usize,
    /// Bytes of the arena for a run of one thread.
    pub arena_bytes: usize,
}

/// Compiles a network for a target, as its options say, except for the instruction set, which is
/// the target's. Work is cut for as many threads as they say, or for one.
///
/// # Errors
/// If the network cannot be compiled, or the name is no identifier.
pub fn export(network: &Network, how: &Export) -> Result<Exported, ExportFailure> {
    names::check(&how.name)?;
    let options = network.options();
    let target = how.target;
    let cranelift = target.cranelift().map_err(Error::from)?;
    options.numerics.check(target.isa().target().fused || cranelift.fused())?;
    let machine = target.machine(options.threads.unwrap_or(1), options.numerics);
    let mut graph = network.graph().clone();
    let passes = options.pass_options();
    let remarks = passes::run(&mut graph, &passes).map_err(Error::from)?;
    let stages = Stages::on(graph, remarks, options, target.isa(), machine)?;
    crate::plan::verify::verify(&stages.graph, &stages.plan).map_err(Error::Plan)?;
    let mut lowered = stages.lower()?;
    let segment = packed_alone(&mut lowered, machine.threads)?;
    let codegen = CodegenOptions { threads: machine.threads, ..CodegenOptions::default() };
    let image =
        Image::compile(&cranelift, target.isa(), &lowered.kernels, &lowered.regions, codegen);
    let image = image.map_err(Error::from)?;
    let interface = Interface::of(
        &stages,
        (&how.name, how.weights),
        lowered.thread_bytes,
        segment.bytes().len(),
    );
    let denormals = options.numerics.denormals();
    let object = object(&cranelift, &image, &interface, segment.bytes(), denormals)?;
    Ok(Exported {
        object,
        weights: (how.weights == Weights::Beside).then(|| segment.bytes().to_vec()),
        header: header::header(&interface, target),
        main: sample::program(&interface, target),
        build: sample::build_line(&interface, target),
        isa: target.isa(),
        code_bytes: image.size(),
        weight_bytes: interface.weight_bytes,
        arena_bytes: interface.arena_bytes + interface.thread_bytes,
    })
}

fn object(
    cranelift: &Cranelift,
    image: &Image,
    interface: &Interface,
    weights: &[u8],
    denormals: Denormals,
) -> Result<Vec<u8>, ExportFailure> {
    let refused = |e: &dyn std::fmt::Display| ExportFailure::Object(e.to_string());
    let builder = ObjectBuilder::new(
        cranelift.owned_isa(),
        format!("{}.o", interface.name),
        default_libcall_names(),
    );
    let mut module = ObjectModule::new(builder.map_err(|e| refused(&e))?);
    let linked: Linked = image.link(cranelift, &mut module).map_err(Error::from)?;
    let data = match interface.weights {
        Weights::Inside => Some(define(&mut module, interface, weights).map_err(|e| refused(&e))?),
        Weights::Beside => None,
    };
    let modes = mode::define(&mut module, cranelift, &interface.name, denormals);
    let modes = modes.map_err(|e| refused(&e))?;
    entry::define(&mut module, cranelift, (image, &linked), interface, (data, modes))
        .map_err(|e: CodegenError| refused(&e))?;
    module.finish().emit().map_err(|e| refused(&e))
}

/// Puts the weights into the object.
fn define(
    module: &mut ObjectModule,
    interface: &Interface,
    weights: &[u8],
) -> Result<DataId, CodegenError> {
    let name = format!("{}_weights", interface.name);
    let id = module.declare_data(&name, Linkage::Local, false, false)?;
    let mut data = DataDescription::new();
    data.set_align(ALIGN as u64);
    // A symbol has at least a byte.
    data.define(if weights.is_empty() { Box::new([0]) } else { weights.into() });
    module.define_data(id, &data)?;
    Ok(id)
}
