//! What callers write to a context and read from it.

use resnetc_ir::eval::EvalError;
use resnetc_ir::memory::collected;
use resnetc_ir::{DType, Element};

use crate::error::RunError;

use super::memory::{elements, elements_mut};
use super::model::Context;
use super::port::{Port, encode};

/// How errors name an input or an output.
fn input(port: &Port) -> String {
    format!("input \"{}\"", port.name)
}

fn output(port: &Port) -> String {
    format!("output \"{}\"", port.name)
}

/// The error for elements of the wrong type.
fn wrong_type(port: String, expected: DType, given: DType) -> RunError {
    RunError::ElementType { port, expected, given }
}

impl Context {
    fn input_port(&self, index: usize) -> Result<&Port, RunError> {
        let inputs = &self.program.inputs;
        inputs.get(index).ok_or(RunError::NoSuchInput { index, inputs: inputs.len() })
    }

    fn output_port(&self, index: usize) -> Result<&Port, RunError> {
        let outputs = &self.program.outputs;
        outputs.get(index).ok_or(RunError::NoSuchOutput { index, outputs: outputs.len() })
    }

    /// An input, to be written before a run: row-major, of [`Port::element`], which is f32 for
    /// imported networks. It keeps its contents.
    ///
    /// # Errors
    /// If there is no such input, or it holds elements of another type.
    pub fn input_mut<T: Element>(&mut self, index: usize) -> Result<&mut [T], RunError> {
        let port = self.input_port(index)?;
        if port.element() != T::DTYPE {
            return Err(wrong_type(input(port), port.element(), T::DTYPE));
        }
        let range = port.range();
        Ok(elements_mut(&mut self.arena.bytes_mut()[range]))
    }

    /// An input as it is: what was written last, or for state what the last run made of it.
    ///
    /// # Errors
    /// As [`Context::input_mut`].
    pub(crate) fn input<T: Element>(&self, index: usize) -> Result<&[T], RunError> {
        let port = self.input_port(index)?;
        if port.element() != T::DTYPE {
            return Err(wrong_type(input(port), port.element(), T::DTYPE));
        }
        Ok(elements(&self.arena.bytes()[port.range()]))
    }

    /// An output of the last run: row-major, of [`Port::element`], which is f32 for imported
    /// networks. All zeros before the first run.
    ///
    /// # Errors
    /// If there is no such output, or it holds elements of another type.
    pub fn output<T: Element>(&self, index: usize) -> Result<&[T], RunError> {
        let port = self.output_port(index)?;
        if port.element() != T::DTYPE {
            return Err(wrong_type(output(port), port.element(), T::DTYPE));
        }
        Ok(elements(&self.arena.bytes()[port.range()]))
    }

    /// The bytes of an input, whatever the type of its elements ([`Port::element`]), in
    /// little-endian order.
    ///
    /// # Errors
    /// If there is no such input.
    pub fn input_bytes_mut(&mut self, index: usize) -> Result<&mut [u8], RunError> {
        let range = self.input_port(index)?.range();
        Ok(&mut self.arena.bytes_mut()[range])
    }

    /// The bytes of an output, as [`Context::input_bytes_mut`] gives those of an input.
    ///
    /// # Errors
    /// If there is no such output.
    pub fn output_bytes(&self, index: usize) -> Result<&[u8], RunError> {
        Ok(&self.arena.bytes()[self.output_port(index)?.range()])
    }

    /// Writes an input from elements of its declared type ([`Port::dtype`]) or of the type that the
    /// model holds ([`Port::element`]), row-major.
    ///
    /// # Errors
    /// If there is no such input, its types are different, the number of elements is wrong, or an
    /// element is not representable: an f32 holds every integer of magnitude up to 2^24.
    pub fn write_input<T: Element>(&mut self, index: usize, given: &[T]) -> Result<(), RunError> {
        let port = self.input_port(index)?;
        let element = port.element();
        if T::DTYPE != element && T::DTYPE != port.dtype {
            return Err(wrong_type(input(port), port.dtype, T::DTYPE));
        }
        if given.len() != port.count() {
            let (port, expected) = (input(port), port.count());
            return Err(RunError::Length { port, expected, given: given.len() });
        }
        let range = port.range();
        if T::DTYPE == element {
            elements_mut(&mut self.arena.bytes_mut()[range]).copy_from_slice(given);
            return Ok(());
        }
        if element == DType::F32 {
            let numbers = given.iter().map(|x| x.number());
            let is_kept = |x: f64| T::DTYPE.is_float() || f64::from(x as f32) == x;
            let foreign = |&(_, x): &(usize, f64)| !is_kept(x) || !port.dtype.holds(x as f32);
            if let Some((index, value)) = numbers.clone().enumerate().find(foreign) {
                return Err(port.wrong(index, value));
            }
            let place = elements_mut::<f32>(&mut self.arena.bytes_mut()[range]);
            place.iter_mut().zip(numbers).for_each(|(place, x)| *place = x as f32);
            return Ok(());
        }
        encode(element, given.iter().map(|x| x.number()), &mut self.arena.bytes_mut()[range]);
        Ok(())
    }

    /// An output of the last run as elements of its declared type ([`Port::dtype`]) or of the type
    /// that the model holds ([`Port::element`]), row-major. A float is rounded to the declared
    /// type.
    ///
    /// # Errors
    /// If there is no such output, its types are different, or there is not enough memory.
    pub fn read_output<T: Element>(&self, index: usize) -> Result<Vec<T>, RunError> {
        let port = self.output_port(index)?;
        let element = port.element();
        if T::DTYPE != element && T::DTYPE != port.dtype {
            return Err(wrong_type(output(port), port.dtype, T::DTYPE));
        }
        let value = port.value(&self.arena.bytes()[port.range()]).map_err(EvalError::from)?;
        let elements = value.data.iter().map(|&x| T::converted(x, element));
        Ok(collected(elements).map_err(EvalError::from)?)
    }

    /// Fills everything except the inputs with NaN, so that a test notices if a run reads what it
    /// did not write.
    pub fn poison(&mut self) {
        let mut kept: Vec<_> = self.program.inputs.iter().map(Port::range).collect();
        kept.sort_by_key(|r| r.start);
        let bytes = self.arena.bytes_mut();
        let mut at = 0;
        for range in kept {
            bytes[at..range.start].fill(NAN);
            at = range.end;
        }
        bytes[at..].fill(NAN);
    }
}

/// A byte of which NaNs consist, of f32 and other float types.
const NAN: u8 = 0xff;
