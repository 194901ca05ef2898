//! From ranges to encodings.

use std::collections::{BTreeMap, BTreeSet};

use resnetc_ir::{Graph, NodeId};

use super::error::QuantizeError;
use super::report::Reason;
use super::scale::{Bytes, Unfit, parameters};
use super::select::Selection;
use crate::export::onnx::Encodings;

/// The ranges of values, by the value that determines the scale.
pub(super) type Ranges = BTreeMap<NodeId, [f64; 2]>;

/// What is to be added to the biases of layers.
pub(super) type Shifts = BTreeMap<NodeId, Vec<f64>>;

/// A selection, and the encodings of its values and constants.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    pub(super) selection: Selection,
    pub(super) encodings: Encodings,
}

/// Encodes what can be quantized but is not to stay in f32. Layers that have no integers are added
/// to those that stay.
pub(super) fn encode(
    graph: &Graph,
    ranges: &Ranges,
    shifts: &Shifts,
    floats: &mut BTreeMap<NodeId, Reason>,
) -> Result<Encoded, QuantizeError> {
    loop {
        let selection = Selection::of(graph, &floats.keys().copied().collect());
        let mut encodings = Encodings::default();
        let bytes = |value: NodeId| {
            let root = selection.values.get(&value).copied().unwrap_or(value);
            Bytes::covering(ranges.get(&root).copied().unwrap_or_default())
        };
        for &value in selection.values.keys() {
            encodings.insert(value, bytes(value).encoding());
        }
        let mut unfit = BTreeMap::new();
        for layer in selection.layers(graph) {
            let operands = graph.operands(layer);
            let Some(weights) = graph.f32_constant_of(operands[1]) else { continue };
            let bias = match operands.get(2).and_then(|&n| graph.f32_constant_of(n)) {
                Some(tensor) => Some(shifted(tensor.try_numbers()?, shifts.get(&layer))),
                None => None,
            };
            match parameters(weights, bias.as_deref(), bytes(operands[0]))? {
                Ok(made) => {
                    encodings.insert(operands[1], made.weights);
                    if let (Some(&node), Some(bias)) = (operands.get(2), made.bias) {
                        encodings.insert(node, bias);
                    }
                }
                Err(Unfit::Sums) => drop(unfit.insert(layer, Reason::Sums)),
                Err(Unfit::Scales) => drop(unfit.insert(layer, Reason::Scales)),
            }
        }
        if unfit.is_empty() {
            return Ok(Encoded { selection, encodings });
        }
        floats.extend(unfit);
    }
}

fn shifted(mut bias: Vec<f64>, shift: Option<&Vec<f64>>) -> Vec<f64> {
    if let Some(shift) = shift {
        bias.iter_mut().zip(shift).for_each(|(bias, shift)| *bias += shift);
    }
    bias
}

impl Encoded {
    /// The same with more operators in f32.
    pub(super) fn without(&self, graph: &Graph, floats: &BTreeSet<NodeId>) -> Self {
        let selection = Selection::of(graph, floats);
        let constants: BTreeSet<NodeId> =
            selection.layers(graph).flat_map(|layer| graph.operands(layer)).collect();
        let mut encodings = Encodings::default();
        for (value, encoding) in self.encodings.iter() {
            let is_kept = match graph.constant_of(value) {
                Some(_) => constants.contains(&value),
                None => selection.values.contains_key(&value),
            };
            if is_kept {
                encodings.insert(value, encoding.clone());
            }
        }
        Encoded { selection, encodings }
    }
}
