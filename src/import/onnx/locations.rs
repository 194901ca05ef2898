//! Which other files a model refers to.

use std::collections::BTreeSet;

use super::external::{Beside, confine};
use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto};

/// The names that a model gives the files in which it keeps constants, without those that it may
/// not read.
pub(super) fn of<'a>(model: &'a ModelProto, beside: &Beside) -> BTreeSet<&'a str> {
    let may_be_read = |name: &&str| match beside {
        Beside::Nothing => false,
        Beside::Folder(folder) => confine(folder, name).is_ok(),
        Beside::Given(_) => true,
    };
    let graph = model.graph.iter();
    let constants = graph.clone().flat_map(constants);
    let nodes = graph.flat_map(|graph| &graph.node);
    let nodes = nodes.chain(model.functions.iter().flat_map(|function| &function.node));
    let all = constants.chain(nodes.flat_map(attributes)).filter_map(location);
    all.filter(may_be_read).collect()
}

fn constants(graph: &GraphProto) -> impl Iterator<Item = &TensorProto> {
    let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
    graph.initializer.iter().chain(sparse)
}

fn attributes(node: &NodeProto) -> impl Iterator<Item = &TensorProto> {
    node.attribute.iter().filter_map(|attribute| attribute.t.as_ref())
}

fn location(tensor: &TensorProto) -> Option<&str> {
    let entry = tensor.external_data.iter().find(|e| e.key.as_deref() == Some("location"));
    entry?.value.as_deref()
}
