//! Networks from files and from memory.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use resnetc::spec::Spec;
use resnetc::{Compiler, Network, Options};

use crate::call::{self, hand_out};
use crate::error::{ErrorHandle, Outcome};
use crate::model::ModelHandle;
use crate::options::OptionsHandle;
use crate::status::Status;
use crate::text;

fn options(options: Option<&OptionsHandle>) -> Options {
    options.map_or_else(Options::default, |options| options.0.clone())
}

fn compiled(network: Network) -> Outcome<ModelHandle> {
    Ok(ModelHandle::new(network.compile()?))
}

/// Loads and compiles what `name` names: a built-in network such as `resnet50`, an ONNX file
/// (`.onnx`) or a spec (`.toml`, `.json`). A path may have any bytes on Unix, and is UTF-8
/// elsewhere. `options` may be NULL, for defaults. Stores the model in `model`, or NULL.
///
/// Errors: `null-argument`; `unknown-model`; `io` if there is no such file, or no permission; all
/// others of the library, each with a message that names the file and every wrong node, key or
/// tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_load(
    name: *const c_char,
    options: Option<&OptionsHandle>,
    model: Option<&mut MaybeUninit<Option<Box<ModelHandle>>>>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        hand_out(model, "model", || {
            // SAFETY: the caller passes strings.
            let name = unsafe { text::path(name, "name") }?;
            Ok(ModelHandle::new(Compiler::new(self::options(options)).compile(name)?))
        })
    })
}

/// Loads and compiles an ONNX model of `count` bytes in memory, which are not needed afterwards.
/// Data that the model keeps in other files is looked for in `folder`; without such data it may be
/// NULL. `options` may be NULL, for defaults. Stores the model in `model`, or NULL.
///
/// Errors: as `resnetc_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_load_onnx(
    bytes: *const c_void,
    count: usize,
    folder: *const c_char,
    options: Option<&OptionsHandle>,
    model: Option<&mut MaybeUninit<Option<Box<ModelHandle>>>>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        hand_out(model, "model", || {
            // SAFETY: the caller passes `count` bytes.
            let bytes = unsafe { text::bytes(bytes, count, "bytes") }?;
            // SAFETY: the caller passes strings.
            let folder = (!folder.is_null()).then(|| unsafe { text::path(folder, "folder") });
            let folder = folder.transpose()?;
            let compiler = Compiler::new(self::options(options));
            compiled(compiler.onnx_bytes(bytes, folder.as_deref())?)
        })
    })
}

/// Loads and compiles the network that `spec` describes, a text in TOML, or in JSON if it begins
/// with a brace. Its weights are the `weight_count` bytes of a safetensors file in memory, which
/// are not needed afterwards; without any, those that the options name, or random ones. `options`
/// may be NULL, for defaults. Stores the model in `model`, or NULL.
///
/// Errors: as `resnetc_load`; `no-effect`, if weights are in memory and the options name a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_load_spec(
    spec: *const c_char,
    weights: *const c_void,
    weight_count: usize,
    options: Option<&OptionsHandle>,
    model: Option<&mut MaybeUninit<Option<Box<ModelHandle>>>>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        hand_out(model, "model", || {
            // SAFETY: the caller passes strings.
            let spec = parsed(unsafe { text::utf8(spec, "spec") }?)?;
            // SAFETY: the caller passes `weight_count` bytes.
            let weights = unsafe { text::bytes(weights, weight_count, "weights") }?;
            let options = self::options(options);
            match weights {
                [] => compiled(Compiler::new(options).spec(&spec)?),
                weights => compiled(Compiler::new(options).spec_with_weights(&spec, weights)?),
            }
        })
    })
}

fn parsed(text: &str) -> Outcome<Spec> {
    match text.trim_start().starts_with('{') {
        true => Ok(Spec::from_json(text)?),
        false => Ok(Spec::from_toml(text)?),
    }
}
