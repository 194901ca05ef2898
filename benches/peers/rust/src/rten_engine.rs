//! rten, with weights packed when the model is loaded, which its documentation calls faster.

use std::sync::Arc;

use rten::{Dimension, ModelOptions, RunOptions, ThreadPool, ValueOrView};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use crate::{Result, Run};

/// Loads a model with one input and one output.
pub fn load(path: &str, data: Vec<f32>, threads: usize) -> Result<Run> {
    let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(path)?;
    let dims = model.input_shape(0).ok_or("the input has no shape")?;
    let fixed = |dim: &Dimension| match dim {
        Dimension::Fixed(n) => Ok(*n),
        Dimension::Symbolic(name) => Err(format!("dimension {name} has no size")),
    };
    let shape = dims.iter().map(fixed).collect::<std::result::Result<Vec<_>, _>>()?;
    let shape: [usize; 4] = shape.try_into().map_err(|_| "the input is not an image")?;
    let input = NdTensor::from_data(shape, data);
    let pool = Arc::new(ThreadPool::with_num_threads(threads));
    Ok(Box::new(move || {
        let options = RunOptions::default().with_thread_pool(Some(pool.clone()));
        let output = model.run_one(ValueOrView::from(input.view()), Some(options))?;
        let output: NdTensor<f32, 2> = output.try_into()?;
        Ok(output.to_vec())
    }))
}
