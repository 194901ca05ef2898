//! Values in a caller's memory, of the type that a context holds or that the model declares.

use std::ffi::c_void;

use resnetc::ir::Tensor;
use resnetc::ir::memory::{copied, filled};
use resnetc::one_line::name_line;
use resnetc::{Array, Context, DType, ErrorCode, Model, Port, RunError};

use crate::call::required;
use crate::error::{ErrorHandle, Outcome};
use crate::port;

/// Values for an input, in the caller's memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The elements, in row-major order. They need no alignment.
    pub data: *const c_void,
    /// How many bytes they are: exactly those of the input, in elements of this type.
    pub bytes: usize,
    /// Their type, a `resnetc_type`: the one that the model declares, or the one that contexts
    /// hold.
    pub element: i32,
}

/// Room for the values of an output, in the caller's memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Where the elements are to go, in row-major order. They need no alignment.
    pub data: *mut c_void,
    /// How many bytes there are: exactly those of the output, in elements of this type.
    pub bytes: usize,
    /// The type that is wanted, a `resnetc_type`: the one that the model declares, or the one that
    /// contexts hold.
    pub element: i32,
}

/// The type of a caller's elements, if they are of a port.
fn checked(port: &Port, what: &str, bytes: usize, element: i32) -> Outcome<DType> {
    let (held, declared) = (port.element(), port.dtype);
    let name = name_line(&port.name);
    let dtype = port::dtype(element).filter(|&dtype| dtype == held || dtype == declared);
    let Some(dtype) = dtype else {
        let given = port::dtype(element).map_or(format!("type {element}"), |d| d.short().into());
        let message = format!("{what} \"{name}\" is {}, but {given} was given", declared.short());
        let help = (held != declared).then(|| format!("{} is accepted, too", held.short()));
        return Err(ErrorHandle::new(ErrorCode::PortType, &message, help.as_deref()));
    };
    match bytes == port.shape.iter().product::<usize>() * dtype.bytes() {
        true => Ok(dtype),
        false => Err(wrong_length(port, what, bytes, dtype)),
    }
}

fn wrong_length(port: &Port, what: &str, bytes: usize, dtype: DType) -> Box<ErrorHandle> {
    let (name, ty) = (name_line(&port.name), dtype.short());
    let count: usize = port.shape.iter().product();
    let expected = count * dtype.bytes();
    let message = format!(
        "{what} \"{name}\" has {count} elements of {ty}, which are {expected} bytes, but {bytes} were given"
    );
    ErrorHandle::new(ErrorCode::InputLength, &message, None)
}

/// Writes an input.
///
/// # Safety
/// `source.data` must be NULL or point to `source.bytes` bytes.
pub(crate) unsafe fn write(
    model: &Model,
    context: &mut Context,
    index: usize,
    source: Source,
) -> Outcome<()> {
    let inputs = model.inputs();
    let none = RunError::NoSuchInput { index, inputs: inputs.len() };
    let port = inputs.get(index).ok_or(none)?;
    let dtype = checked(port, "input", source.bytes, source.element)?;
    required((!source.data.is_null()).then_some(()), "data")?;
    let place = context.input_bytes_mut(index)?;
    if dtype == port.element() {
        // SAFETY: the caller gives as many bytes as the input has, which was checked. They may be
        // those of the input itself.
        unsafe { source.data.cast::<u8>().copy_to(place.as_mut_ptr(), place.len()) };
        return Ok(());
    }
    let mut bytes = filled(source.bytes, 0u8)?;
    // SAFETY: the caller gives that many bytes.
    unsafe { source.data.cast::<u8>().copy_to(bytes.as_mut_ptr(), bytes.len()) };
    let array = Array::new(dtype, port.shape.clone(), bytes)
        .ok_or_else(|| wrong_length(port, "input", source.bytes, dtype))?;
    let values = array.values(dtype).map_err(|e| {
        let message = format!("input \"{}\": {e}", name_line(&port.name));
        ErrorHandle::new(e.code(), &message, None)
    })?;
    context.input_mut(index)?.copy_from_slice(values.data());
    Ok(())
}

/// Reads an output.
///
/// # Safety
/// `target.data` must be NULL or point to `target.bytes` bytes.
pub(crate) unsafe fn read(
    model: &Model,
    context: &Context,
    index: usize,
    target: Target,
) -> Outcome<()> {
    let outputs = model.outputs();
    let none = RunError::NoSuchOutput { index, outputs: outputs.len() };
    let port = outputs.get(index).ok_or(none)?;
    let dtype = checked(port, "output", target.bytes, target.element)?;
    required((!target.data.is_null()).then_some(()), "data")?;
    let converted;
    let bytes = match dtype == port.element() {
        true => context.output_bytes(index)?,
        false => {
            let values = Tensor::new(port.shape.clone(), copied(context.output(index)?)?)
                .ok_or_else(|| wrong_length(port, "output", target.bytes, dtype))?;
            converted = Array::of(&values, dtype)?;
            converted.bytes()
        }
    };
    // SAFETY: the caller gives as many bytes as the output has, which was checked. They may be
    // those of the output itself.
    unsafe { bytes.as_ptr().copy_to(target.data.cast(), bytes.len()) };
    Ok(())
}
