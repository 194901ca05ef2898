//! Passes and compilers that are wrong on purpose, and networks to plant them in.

use std::path::PathBuf;

use resnetc::compile::compile_scheduled;
use resnetc::ir::op::{Activation, Conv, Unary};
use resnetc::ir::{Graph, NodeId, Op, Patch};
use resnetc::passes::{NearMisses, Need, Pass, PipelineStep, Rewrite, Stage, Sweeps, pipeline};
use resnetc::{Compiler, Error, Model, Network, Options};

/// At most two threads, whatever the machine has, since tests run side by side.
pub(crate) fn options() -> Options {
    Options::default().threads(2)
}

/// A network of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> Network {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    Compiler::new(options()).load(folder.join("model.onnx")).expect(name)
}

/// A network in the text form of graphs.
pub(crate) fn network(text: &str, options: Options) -> Network {
    Compiler::new(options)
        .graph(resnetc::ir::text::parse(text).expect("it parses"))
        .expect("no option of loading")
}

/// The names of a network's ReLUs, in the order in which a pass sees them.
pub(crate) fn relus(graph: &Graph) -> Vec<String> {
    let relu = |n: &NodeId| graph.node(*n).op == Op::Unary(Unary::Relu);
    graph.topo().into_iter().filter(relu).map(|n| graph.node(n).name.clone()).collect()
}

/// The wrong pass's name.
pub(crate) const WRONG: &str = "relu_to_clip";

/// Writes every ReLU as a clip without an upper limit, which is right, except the `BAD`-th, which
/// gets one.
fn relu_to_clip<const BAD: usize>(_: &Graph) -> Rewrite {
    let mut seen = 0;
    Box::new(move |graph: &Graph, node: NodeId, _: &mut NearMisses| {
        let n = graph.node(node);
        if n.op != Op::Unary(Unary::Relu) {
            return None;
        }
        let hi = if seen == BAD { 0.05 } else { f32::INFINITY };
        seen += 1;
        let mut patch = Patch::new(format!("limit {}", n.name));
        let operand = graph.operand(node, 0)?;
        let clip = Op::Unary(Unary::Clip { lo: 0.0, hi });
        let clip = patch.add(n.name.clone(), clip, &[operand.into()]);
        patch.replace(node, clip);
        Some(patch)
    })
}

/// The pipeline with a pass that spoils the `BAD`-th ReLU, somewhere in the middle.
pub(crate) fn wrong_pipeline<const BAD: usize>(need: Need) -> Vec<PipelineStep> {
    let pass =
        Pass { name: WRONG, doc: "wrong on purpose", sweep: relu_to_clip::<BAD>, measure: None };
    let step = PipelineStep { pass, sweeps: Sweeps::Once, need, stage: Stage::Fused };
    let mut steps = pipeline().to_vec();
    let at = steps.iter().position(|s| s.pass.name == "fuse_residual").expect("a pass");
    steps.insert(at, step);
    steps
}

/// Replaces convolutions that `miscompiled` selects by others before compiling.
pub(crate) fn compile_wrongly(
    mut graph: Graph,
    options: &Options,
    miscompiled: impl Fn(&Graph, NodeId, &Conv) -> Option<Conv>,
) -> Result<Model, Error> {
    for node in graph.topo() {
        let n = graph.node(node);
        let Op::Conv(conv) = n.op else { continue };
        let Some(wrong) = miscompiled(&graph, node, &conv) else { continue };
        let layout = n.ty.layout;
        let mut patch = Patch::new("miscompile");
        let operands: Vec<_> = graph.operands(node).into_iter().map(Into::into).collect();
        let value = patch.add(n.name.clone(), Op::Conv(wrong), &operands);
        patch.set_layout(value, layout);
        patch.replace(node, value);
        graph.apply(patch).expect("the shapes stay");
    }
    compile_scheduled(graph, options)
}

/// A kernel that omits the activation after a shortcut.
pub(crate) fn forgets_activation(graph: Graph, options: &Options) -> Result<Model, Error> {
    compile_wrongly(graph, options, |_, _, conv| {
        let wrong = conv.residual.is_some() && conv.activation == Activation::Relu;
        wrong.then_some(Conv { activation: Activation::None, ..*conv })
    })
}

/// A kernel that is wrong for every convolution of more than a pixel, whether anything is fused
/// into it or not.
pub(crate) fn wrong_everywhere(graph: Graph, options: &Options) -> Result<Model, Error> {
    compile_wrongly(graph, options, |_, _, conv| {
        let wrong = conv.window.kernel != [1, 1];
        wrong.then_some(Conv { activation: Activation::Clip { lo: -0.01, hi: 0.01 }, ..*conv })
    })
}
