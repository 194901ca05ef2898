//! tract, optimized as its documentation shows, with its thread pool for matrix products.

use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

use crate::Run;

/// Loads a model with one input and one output.
pub fn load(path: &str, data: Vec<f32>, threads: usize) -> crate::Result<Run> {
    if threads > 1 {
        set_default_executor(Executor::multithread(threads));
    }
    let model = tract_onnx::onnx().model_for_path(path)?.into_optimized()?;
    let shape = model.input_fact(0)?.shape.as_concrete().ok_or("the input has no fixed shape")?;
    let input = Tensor::from_shape(shape, &data)?;
    let model = model.into_runnable()?;
    Ok(Box::new(move || {
        let outputs = model.run(tvec!(input.clone().into()))?;
        Ok(outputs[0].to_plain_array_view::<f32>()?.iter().copied().collect())
    }))
}
