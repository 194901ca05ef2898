//! An intermediate value as an output: the features before the classifier, in addition to its
//! scores.
//!
//! `cargo run --release --example intermediate_value`

use resnetc::ir::Op;
use resnetc::{Compiler, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let compiler = Compiler::new(Options::default());
    let mut graph = compiler.load("resnet18")?.graph().clone();
    // `resnetc dump resnet18 --stage graph` prints all nodes with their names.
    let pooled =
        graph.topo().into_iter().find(|&node| matches!(graph.node(node).op, Op::GlobalAveragePool));
    graph.output("features", pooled.ok_or("no global pool")?);
    let model = compiler.graph(graph)?.compile()?;
    let mut cx = model.context()?;
    let pixels: &mut [f32] = cx.input_mut(0)?;
    pixels.fill(0.5);
    model.run(&mut cx)?;
    for (i, port) in model.outputs().iter().enumerate() {
        let values: &[f32] = cx.output(i)?;
        println!("{} {:?}: {:?} ...", port.name, port.shape, &values[..4]);
    }
    Ok(())
}
