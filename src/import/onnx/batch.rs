//! Batch sizes that an exporter hard-coded in a reshape.
//!
//! Exporters that trace a network with one image write `Reshape` to `[1, 2048]` where `[-1, 2048]`
//! is meant. With more images the standard makes that an error. Where image `i` of the reshaped
//! value is a function of image `i` of the inputs alone, the only sensible reading is to reshape
//! every image by itself, and that is what the importer does.

use std::collections::HashSet;

use resnetc_ir::{Graph, NodeId};

use super::images::{Role, roles};

/// The inputs whose first axis counts the images of a batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// How many images there are; `None` if the inputs disagree.
    size: Option<usize>,
    inputs: HashSet<NodeId>,
}

impl Batch {
    /// Notes an input whose first dimension is a symbol.
    pub(super) fn add(&mut self, input: NodeId, size: usize) {
        self.size = match self.inputs.is_empty() {
            true => Some(size),
            false => self.size.filter(|&other| other == size),
        };
        self.inputs.insert(input);
    }

    /// The intended shape of a reshape of `value` to `to`, if its first axis is a hard-coded batch
    /// of 1.
    pub(super) fn unburnt(&self, graph: &Graph, value: NodeId, to: &[usize]) -> Option<Vec<usize>> {
        let size = self.size.filter(|&size| size > 1)?;
        let from = &graph.node(value).ty.shape;
        let ([batch, from @ ..], [1, to @ ..]) = (&from[..], to) else { return None };
        let same = from.iter().product::<usize>() == to.iter().product::<usize>();
        let apart = || roles(graph, &self.inputs, size).get(&value) == Some(&Role::Apart);
        let fits = *batch == size && same && apart();
        fits.then(|| std::iter::once(size).chain(to.iter().copied()).collect())
    }
}
