//! Compiled networks, and what is known of them.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

use resnetc::one_line::name_line;
use resnetc::{ErrorCode, Model, Port, RunError};

use crate::call::{self, required};
use crate::error::{ErrorHandle, Outcome, c_string};
use crate::guard::caught_or;
use crate::pool::Pool;
use crate::port::{PortInfo, Ports};
use crate::status::Status;
use crate::text;

/// A network that is compiled for this CPU. Immutable: any number of threads may use it at once.
/// The caller owns it, and frees it with `resnetc_model_free`.
#[derive(Clone, Debug)]
pub struct ModelHandle(Arc<Shared>);

/// What all handles of a model share.
#[derive(Debug)]
struct Shared {
    model: Model,
    inputs: Ports,
    outputs: Ports,
    facts: ModelFacts,
    /// What `facts.isa` and `facts.cache` point to.
    _texts: [Option<CString>; 2],
    pool: Pool,
}

// SAFETY: the only members that are not `Send` and `Sync` by themselves are the pointers in `facts`,
// which lead to memory that `Shared` owns and that nothing writes to.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// What is known of a model. The model owns it: it is valid until the last handle of the model is
/// freed. Later versions may add members at the end.
#[repr(C)]
#[derive(Debug)]
pub struct ModelFacts {
    /// Threads that one run uses.
    pub threads: usize,
    /// Bytes of a context's arena, which holds inputs, outputs and everything between them.
    pub arena_bytes: usize,
    /// Bytes that a context has besides, for each of the threads.
    pub thread_bytes: usize,
    /// Bytes of packed weights; all contexts share them.
    pub weight_bytes: usize,
    /// Bytes of machine code.
    pub code_bytes: usize,
    /// How long compiling took, without reading the file.
    pub compile_seconds: f64,
    /// The instruction set; NULL if the network is interpreted.
    pub isa: *const c_char,
    /// Whether its weights are random: those of a built-in network or a spec without weights.
    pub has_random_weights: bool,
    /// How option `cache` was used: "found", "stored", or why the network was not stored; NULL
    /// without the option.
    pub cache: *const c_char,
}

impl ModelHandle {
    pub(crate) fn new(model: Model) -> Self {
        let report = model.report();
        let isa = report.interpreted.is_none().then(|| c_string(report.isa.name()));
        let cache = report.cache.as_ref().map(|used| c_string(&used.to_string()));
        let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |t| t.as_ptr());
        let facts = ModelFacts {
            threads: model.threads(),
            arena_bytes: report.arena_bytes,
            thread_bytes: report.thread_bytes,
            weight_bytes: report.weight_bytes,
            code_bytes: report.code_bytes,
            compile_seconds: report.total().as_secs_f64(),
            isa: pointer(&isa),
            has_random_weights: model.random_weights().is_some(),
            cache: pointer(&cache),
        };
        let (inputs, outputs) = (Ports::new(model.inputs()), Ports::new(model.outputs()));
        ModelHandle(Arc::new(Shared {
            model,
            inputs,
            outputs,
            facts,
            _texts: [isa, cache],
            pool: Pool::default(),
        }))
    }

    pub(crate) fn model(&self) -> &Model {
        &self.0.model
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }
}

/// Another handle of the same model: it shares everything, and is freed separately. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_model_clone(model: Option<&ModelHandle>) -> Option<Box<ModelHandle>> {
    caught_or(None, || model.cloned().map(Box::new))
}

/// Frees a handle of a model. NULL is allowed. Code and weights are freed with the last handle and
/// the last context; contexts may outlive the handles.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_model_free(model: Option<Box<ModelHandle>>) {
    caught_or((), || drop(model));
}

/// Sizes and facts. The model owns the result. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_model_facts(model: Option<&ModelHandle>) -> *const ModelFacts {
    model.map_or(ptr::null(), |model| &raw const model.0.facts)
}

/// How many inputs there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_model_input_count(model: Option<&ModelHandle>) -> usize {
    model.map_or(0, |model| model.0.inputs.len())
}

/// How many outputs there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_model_output_count(model: Option<&ModelHandle>) -> usize {
    model.map_or(0, |model| model.0.outputs.len())
}

/// An input, by its index from 0. The model owns the result.
///
/// Errors: `null-argument`; `no-such-input`. The result is then NULL.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_model_input(
    model: Option<&ModelHandle>,
    index: usize,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> *const PortInfo {
    call::value(error, ptr::null(), || {
        let inputs = &required(model, "model")?.0.inputs;
        let none = || RunError::NoSuchInput { index, inputs: inputs.len() }.into();
        inputs.get(index).map(ptr::from_ref).ok_or_else(none)
    })
}

/// An output, by its index from 0. The model owns the result.
///
/// Errors: `null-argument`; `no-such-output`. The result is then NULL.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_model_output(
    model: Option<&ModelHandle>,
    index: usize,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> *const PortInfo {
    call::value(error, ptr::null(), || {
        let outputs = &required(model, "model")?.0.outputs;
        let none = || RunError::NoSuchOutput { index, outputs: outputs.len() }.into();
        outputs.get(index).map(ptr::from_ref).ok_or_else(none)
    })
}

/// The index of a port of this name.
fn find(ports: &[Port], name: &str, what: &str, code: ErrorCode) -> Outcome<usize> {
    ports.iter().position(|port| port.name == name).ok_or_else(|| {
        let known: Vec<String> =
            ports.iter().map(|port| format!("\"{}\"", name_line(&port.name))).collect();
        let message = format!("the model has no {what} \"{}\"", name_line(name));
        let help = format!("it has {}", known.join(", "));
        ErrorHandle::new(code, &message, Some(&help))
    })
}

/// Stores the index of the input of this name in `index`.
///
/// Errors: `null-argument`; `unknown-input`, whose help lists all names. `index` keeps its value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_model_find_input(
    model: Option<&ModelHandle>,
    name: *const c_char,
    index: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        let inputs = required(model, "model")?.model().inputs();
        // SAFETY: the caller passes strings.
        let name = unsafe { text::utf8(name, "name") }?;
        let index = required(index, "index")?;
        index.write(find(inputs, name, "input", ErrorCode::UnknownInput)?);
        Ok(())
    })
}

/// Stores the index of the output of this name in `index`.
///
/// Errors: `null-argument`; `unknown-output`, whose help lists all names. `index` keeps its value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_model_find_output(
    model: Option<&ModelHandle>,
    name: *const c_char,
    index: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        let outputs = required(model, "model")?.model().outputs();
        // SAFETY: the caller passes strings.
        let name = unsafe { text::utf8(name, "name") }?;
        let index = required(index, "index")?;
        index.write(find(outputs, name, "output", ErrorCode::UnknownOutput)?);
        Ok(())
    })
}
