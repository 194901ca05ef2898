//! The stages after reading, for graphs that are small enough to run them thousands of times.

use resnetc::ir::Graph;
use resnetc::{Compiler, IsaChoice, Options};

/// The maximum number of nodes of a graph that is compiled here.
const NODES: usize = 40;
/// The maximum number of elements of all its values.
const ELEMENTS: usize = 1 << 16;

/// Compiles and runs a small graph. An error is an answer; a panic is a finding.
pub fn compile_and_run(graph: Graph) {
    let elements = |id| graph.node(id).ty.shape.iter().product::<usize>();
    let total = graph.nodes().map(elements).fold(0, usize::saturating_add);
    if graph.nodes().count() > NODES || total > ELEMENTS {
        return;
    }
    let options = Options::default().threads(1).isa(IsaChoice::Auto);
    let Ok(network) = Compiler::new(options).graph(graph) else { return };
    let Ok(model) = network.compile() else { return };
    let mut context = model.context().expect("memory for a small graph");
    model.run(&mut context).expect("its own context");
}
