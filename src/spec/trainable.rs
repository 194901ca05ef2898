//! A sketch to a graph whose parameters are inputs, and whose batch normalizations normalize by the
//! statistics of the batch.

use resnetc_ir::op::{Binary, SliceAxis, Unary};
use resnetc_ir::{Graph, NodeId, Op, Tensor};

use super::assemble::{Assembled, Assembly, add, assemble};
use super::sketch::{Parameter, Seen};
use super::{Spec, SpecError};

/// A network to be trained. Values are nodes of the graph, which has no outputs yet.
#[derive(Debug)]
pub(crate) struct Trainable {
    pub(crate) graph: Graph,
    /// The scores of the classes, `[N, K]`.
    pub(crate) scores: NodeId,
    /// Every parameter, in the order of the layers, and the input that holds it as it is stored.
    pub(crate) parameters: Vec<(Parameter, NodeId)>,
    /// The batch normalizations that are trained, in the order of the layers.
    pub(crate) statistics: Vec<Statistics>,
    /// The results of the blocks by their names, in their order.
    pub(crate) blocks: Vec<(String, NodeId)>,
}

/// What a batch normalization normalizes by, and what it keeps for later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statistics {
    /// The inputs that hold the running mean and the running variance, `[C]`.
    pub(crate) running: [NodeId; 2],
    /// The batch's mean and its biased variance, `[C]`.
    pub(crate) batch: [NodeId; 2],
    /// The number of elements of a channel.
    pub(crate) count: usize,
}

impl Spec {
    /// Builds the network for training with batches of `batch` images. Normalizations for which
    /// `is_frozen` holds, by their name, use their running statistics, as when the network is run.
    ///
    /// # Errors
    /// If a value of the description is out of range, or a normalization would see a single element
    /// of each channel, whose variance is no measure of anything.
    pub(crate) fn trainable(
        &self,
        batch: usize,
        is_frozen: &dyn Fn(&str) -> bool,
    ) -> Result<Trainable, SpecError> {
        let mut opened = Opened { is_frozen, parameters: Vec::new(), statistics: Vec::new() };
        let assembled = assemble(self.sketch()?, &self.images(batch), &mut opened)?;
        let Assembled { graph, output: Some(scores), blocks } = assembled else {
            return Err(SpecError::invalid("layers", "give a network without layers".to_owned()));
        };
        let Opened { parameters, statistics, .. } = opened;
        Ok(Trainable { graph, scores, parameters, statistics, blocks })
    }
}

struct Opened<'a> {
    is_frozen: &'a dyn Fn(&str) -> bool,
    parameters: Vec<(Parameter, NodeId)>,
    statistics: Vec<Statistics>,
}

impl Assembly for Opened<'_> {
    fn parameter(
        &mut self,
        graph: &mut Graph,
        parameter: Parameter,
        seen: Seen,
    ) -> Result<NodeId, SpecError> {
        let name = parameter.name.clone();
        let stored = graph.input(name.clone(), parameter.shape.clone());
        self.parameters.push((parameter, stored));
        match seen {
            Seen::AsStored => Ok(stored),
            Seen::Reshaped(shape) => add(graph, &name, Op::Reshape { shape }, &[stored]),
            Seen::Standardized { epsilon } => standardized(graph, &name, stored, epsilon),
        }
    }

    fn batch_norm(
        &mut self,
        graph: &mut Graph,
        name: &str,
        epsilon: f64,
        operands: &[NodeId],
    ) -> Result<NodeId, SpecError> {
        let &[x, scale, shift, mean, variance] = operands else {
            return add(graph, name, Op::BatchNorm { epsilon }, operands);
        };
        if (self.is_frozen)(name) {
            return add(graph, name, Op::BatchNorm { epsilon }, operands);
        }
        let shape = &graph.node(x).ty.shape;
        let count = shape.iter().product::<usize>() / shape[1];
        if count < 2 {
            let reason = format!(
                "leaves {name} one element of each channel, whose variance is 0; train with more images at once, or larger ones"
            );
            return Err(SpecError::invalid("input", reason));
        }
        let moments = add(graph, &format!("{name}.moments"), Op::Moments, &[x])?;
        let of_batch = [("mean", 0), ("variance", 1)]
            .map(|(part, row)| row_of(graph, &format!("{name}.{part}"), moments, row));
        let [batch_mean, batch_variance] = of_batch;
        let batch = [batch_mean?, batch_variance?];
        self.statistics.push(Statistics { running: [mean, variance], batch, count });
        let operands = [x, scale, shift, batch[0], batch[1]];
        add(graph, name, Op::BatchNorm { epsilon }, &operands)
    }
}

/// A row of a value `[2, C]`, as `[C]`.
fn row_of(graph: &mut Graph, name: &str, rows: NodeId, row: usize) -> Result<NodeId, SpecError> {
    let channels = graph.node(rows).ty.shape[1];
    let axis = |start, len| SliceAxis { start, step: 1, len };
    let slice = Op::Slice(vec![axis(row, 1), axis(0, channels)]);
    let row = add(graph, name, slice, &[rows])?;
    add(graph, name, Op::Reshape { shape: vec![channels] }, &[row])
}

/// The rows of a tensor along its first axis, shifted and scaled to mean 0 and variance 1, except
/// that `epsilon` is added to the variance.
fn standardized(
    graph: &mut Graph,
    name: &str,
    stored: NodeId,
    epsilon: f64,
) -> Result<NodeId, SpecError> {
    let shape = graph.node(stored).ty.shape.clone();
    let rows = vec![shape[0], shape[1..].iter().product()];
    let mean_of_rows = |graph: &mut Graph, value| {
        add(graph, name, Op::ReduceMean { axes: vec![1], keep_dims: true }, &[value])
    };
    let rows = add(graph, name, Op::Reshape { shape: rows }, &[stored])?;
    let mean = mean_of_rows(graph, rows)?;
    let centred = add(graph, name, Op::Binary(Binary::Sub), &[rows, mean])?;
    let squares = add(graph, name, Op::Binary(Binary::Mul), &[centred, centred])?;
    let variance = mean_of_rows(graph, squares)?;
    let epsilon = graph.constant(name, Tensor::scalar(epsilon as f32));
    let variance = add(graph, name, Op::Binary(Binary::Add), &[variance, epsilon])?;
    let deviation = add(graph, name, Op::Unary(Unary::Sqrt), &[variance])?;
    let standard = add(graph, name, Op::Binary(Binary::Div), &[centred, deviation])?;
    add(graph, name, Op::Reshape { shape }, &[standard])
}
