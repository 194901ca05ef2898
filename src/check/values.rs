//! Inputs of a network, and running it on them.

use std::sync::Arc;

use resnetc_ir::memory::collected;
use resnetc_ir::random::SplitMix;
use resnetc_ir::{DType, Graph, NodeId, Tensor};

use super::CheckError;
use crate::compiler::Network;
use crate::error::{Error, RunError};
use crate::runtime::model::{Context, Model};

/// Random values for every input of a graph, the same for the same seed: uniform over -1..1, or
/// over an 8-bit range where the elements are integers.
///
/// # Errors
/// If the system does not have enough memory.
pub fn random_values(graph: &Graph, seed: u64) -> Result<Vec<Tensor>, Error> {
    let mut random = SplitMix(seed);
    // 24 bits, the precision of an f32.
    let mut next = || (random.draw() >> 40) as f32 / (1 << 23) as f32 - 1.0;
    let values = |&id: &NodeId| {
        let (shape, spread) = (&graph.node(id).ty.shape[..], Spread::of(graph.input_dtype(id)));
        let data = collected((0..shape.iter().product()).map(|_| spread.place(next())));
        let tensor = data.map(|data| Tensor::new(shape, data));
        tensor.map_err(Error::memory("random input values")).transpose()
    };
    graph.inputs().iter().filter_map(values).collect()
}

/// Values for every input of a network: those that it starts with, and random ones for the others.
///
/// # Errors
/// If the system does not have enough memory.
pub fn network_values(network: &Network, seed: u64) -> Result<Vec<Arc<Tensor>>, Error> {
    let (graph, start) = (network.graph(), network.start());
    let random = random_values(graph, seed)?;
    let value = |(&input, random): (&NodeId, Tensor)| {
        start.get(&graph.node(input).name).cloned().unwrap_or_else(|| Arc::new(random))
    };
    Ok(graph.inputs().iter().zip(random).map(value).collect())
}

/// The range of the values of an input.
enum Spread {
    /// -1..1
    Unit,
    /// A count of integers, from the first on.
    Integers(f32, f32),
}

impl Spread {
    fn of(dtype: DType) -> Self {
        match dtype.integers() {
            None => Spread::Unit,
            Some((lo, hi)) => {
                let lo = lo.max(i8::MIN.into());
                let count = (hi - lo + 1).min(256);
                Spread::Integers(lo as f32, count as f32)
            }
        }
    }

    /// Maps a number in -1..1 to the range. The counts are powers of two, so only the final step to
    /// an integer rounds.
    fn place(&self, unit: f32) -> f32 {
        match *self {
            Spread::Unit => unit,
            Spread::Integers(first, count) => first + ((unit + 1.0) * 0.5 * count).floor(),
        }
    }
}

/// Checks that there is a value of the right shape for every input.
pub(super) fn check_inputs(graph: &Graph, inputs: &[Tensor]) -> Result<(), CheckError> {
    for (i, &id) in graph.inputs().iter().enumerate() {
        let node = graph.node(id);
        let given = inputs.get(i).map_or(Vec::new(), |t| t.shape().to_vec());
        if inputs.get(i).is_none() || given != node.ty.shape {
            let (name, wanted) = (node.name.clone(), node.ty.shape.clone());
            return Err(CheckError::Input { name, wanted, given });
        }
    }
    Ok(())
}

/// Runs a model once, in memory full of NaN, so that nothing is right by chance.
pub(super) fn run(model: &Model, inputs: &[Tensor]) -> Result<Context, RunError> {
    let mut context = model.context()?;
    for (i, tensor) in inputs.iter().enumerate() {
        context.input_mut(i)?.copy_from_slice(tensor.data());
    }
    context.poison();
    model.run(&mut context)?;
    Ok(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_values_are_spread_and_the_same_for_a_seed() {
        let mut graph = Graph::new();
        graph.input("x", [1000]);
        let values = |seed| random_values(&graph, seed).expect("it is small");
        assert_ne!(values(7), values(8));
        let (values, again) = (values(7), values(7));
        assert_eq!(values, again);
        let data = values[0].data();
        assert!(data.iter().all(|x| (-1.0..1.0).contains(x)));
        let mean = data.iter().sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.1 && data.iter().any(|x| x.abs() > 0.9), "{mean}");
    }
    #[test]
    fn random_integers_are_all_of_their_type() {
        for dtype in DType::ALL.into_iter().filter(|dtype| !dtype.is_float()) {
            let mut graph = Graph::new();
            graph.input_as("x", [20_000], dtype);
            let values = random_values(&graph, 7).expect("it is small");
            let data = values[0].data();
            assert!(data.iter().all(|&x| dtype.holds(x)), "{dtype}");
            let wanted = if dtype == DType::Bool { 2 } else { 256 };
            let distinct: std::collections::BTreeSet<i64> =
                data.iter().map(|&x| x as i64).collect();
            assert_eq!(distinct.len(), wanted, "{dtype}");
        }
    }
}
