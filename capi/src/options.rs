//! Options of loading and compiling.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use resnetc::{ErrorCode, Options};

use crate::call::{self, required};
use crate::error::{ErrorHandle, Outcome};
use crate::guard::caught_or;
use crate::keys::{self, KEYS, Key, Setter, Wrong};
use crate::model::ModelHandle;
use crate::status::Status;
use crate::text;

/// How to load and compile networks. The caller owns it, and frees it with `resnetc_options_free`.
#[derive(Debug, Default)]
pub struct OptionsHandle(pub(crate) Options);

fn key(name: &str) -> Outcome<&'static Key> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
        let known = KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
        let message = format!("there is no option \"{}\"", resnetc::one_line::name_line(name));
        let help = format!("the options are {known}");
        ErrorHandle::new(ErrorCode::UnknownOption, &message, Some(&help))
    })
}

fn refused(key: &Key, value: &str, wrong: &Wrong) -> Box<ErrorHandle> {
    let code = match wrong {
        Wrong::Value => ErrorCode::OptionValue,
        Wrong::Conflict => ErrorCode::Conflict,
    };
    let (name, value) = (key.name, resnetc::one_line::name_line(value));
    let message = format!("option \"{name}\" is \"{value}\"; it must be {}", key.takes);
    ErrorHandle::new(code, &message, None)
}

/// New options, all at their defaults. Never NULL. Free them with `resnetc_options_free`.
///
/// Options may be used for any number of models, and are not needed after a model is loaded. They
/// must not be changed while another thread uses them.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_options_new() -> Box<OptionsHandle> {
    Box::default()
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_options_free(options: Option<Box<OptionsHandle>>) {
    caught_or((), || drop(options));
}

/// Sets an option by the name that it has on the command line:
///
/// - `batch`: images in one run; by default as many as the model declares, or 1.
/// - `cache`: a folder of compiled networks. A network that is in it is not compiled again, and its
///   weights are mapped, so that all processes have them in memory once. The folder is created if it
///   is missing; it must belong to this user, and others must not be able to write to it. `cache` of
///   `resnetc_model_facts` says whether it was used, or why not: that is no error.
/// - `engine`: `compiled`, the default; `interpreted`, in f64 and slowly; or `auto`, which
///   interprets only where the system allows no executable memory.
/// - `isa`: the instruction set (`resnetc_isa_name`); by default `auto`, the widest one.
/// - `memory`: the most bytes for the values of a run; a network that needs more is refused.
/// - `no-pass`: an optional pass to leave out; set it for each.
/// - `numerics`: `fast`, the default; `portable`, as `fast` with the same bits on every CPU that has
///   fused multiply-adds; `exact`, so, too, and only algorithms that round no more than direct
///   convolution; or `half`, as `fast` with weights of 16 bits.
/// - `only-pass`: an optional pass to run and no other; set it for each.
/// - `outputs`: the outputs to compute, in this order, with commas between their names; any value or
///   module of the network can be named (`layer4`); by default all outputs.
/// - `perf-map`: `on` names the compiled code for `perf`; by default `off`.
/// - `reuse`: which values may share memory: `in-place`, the default, `freed` or `never`.
/// - `seed`: the seed of the random weights of a network without weights; by default 0.
/// - `shape`: the extent of a symbolic dimension, `height=224`, or the shape of an input,
///   `input=1,3,64,64`; set it for each.
/// - `threads`: threads of one run; by default as many as the process may use.
/// - `weights`: a safetensors file with the weights of a built-in network or a spec; by default
///   they are random.
///
/// Names of inputs and outputs that contain commas need `resnetc_options_set_shape` and
/// `resnetc_options_add_output`.
///
/// Errors: `unknown-option`, whose help lists all of them; `option-value`; `conflict`. Options that
/// have no effect on a network, and names that it does not have, are errors when it is loaded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_options_set(
    options: Option<&mut OptionsHandle>,
    name: *const c_char,
    value: *const c_char,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        let options = &mut required(options, "options")?.0;
        // SAFETY: the caller passes strings.
        let key = key(unsafe { text::utf8(name, "name") }?)?;
        match key.set {
            Setter::Text(set) => {
                // SAFETY: the caller passes strings.
                let value = unsafe { text::utf8(value, "value") }?;
                set(options, value).map_err(|wrong| refused(key, value, &wrong))
            }
            Setter::Path(set) => {
                // SAFETY: the caller passes strings.
                let path = unsafe { text::path(value, "value") }?;
                // The empty path would be the folder that the program happens to run in.
                if path.as_os_str().is_empty() {
                    return Err(refused(key, "", &Wrong::Value));
                }
                set(options, path);
                Ok(())
            }
        }
    })
}

/// As `resnetc_options_set`, with a number: `threads`, `batch`, `seed`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_options_set_number(
    options: Option<&mut OptionsHandle>,
    name: *const c_char,
    value: u64,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        let options = &mut required(options, "options")?.0;
        // SAFETY: the caller passes strings.
        let key = key(unsafe { text::utf8(name, "name") }?)?;
        let value = value.to_string();
        match key.set {
            Setter::Text(set) => set(options, &value).map_err(|wrong| refused(key, &value, &wrong)),
            Setter::Path(_) => Err(refused(key, &value, &Wrong::Value)),
        }
    })
}

/// Sets the shape of an input, whatever characters its name has; `dims` are `rank` extents, and may
/// be NULL if `rank` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_options_set_shape(
    options: Option<&mut OptionsHandle>,
    input: *const c_char,
    dims: *const usize,
    rank: usize,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        let options = &mut required(options, "options")?.0;
        // SAFETY: the caller passes strings.
        let input = unsafe { text::utf8(input, "input") }?;
        // SAFETY: the caller passes `rank` extents.
        let dims = unsafe { text::elements(dims, rank, "dims") }?;
        keys::shape_of(options, input, dims.to_vec())
            .map_err(|wrong| refused(&keys::SHAPE, input, &wrong))
    })
}

/// Has equal weights in memory once: in that of `model`, as far as it has them. For a network that
/// is compiled from memory for several sizes; see also `resnetc_model_with_batch`. `model` may be
/// freed afterwards; its weights stay as long as the options or other models need them.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_options_share(
    options: Option<&mut OptionsHandle>,
    model: Option<&ModelHandle>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        let options = &mut required(options, "options")?.0;
        options.share = Some(required(model, "model")?.model().clone());
        Ok(())
    })
}

/// Adds an output to those that are computed, whatever characters its name has. Without any, all
/// are computed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_options_add_output(
    options: Option<&mut OptionsHandle>,
    output: *const c_char,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        let options = &mut required(options, "options")?.0;
        // SAFETY: the caller passes strings.
        options.outputs.push(unsafe { text::utf8(output, "output") }?.to_owned());
        Ok(())
    })
}
