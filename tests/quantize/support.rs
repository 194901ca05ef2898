//! Networks to quantize, and how quantized files are read.

use resnetc::import::onnx::proto::{ModelProto, TensorProto};
use resnetc::import::onnx::{Bindings, parse};
use resnetc::ir::eval::{Value, eval};
use resnetc::ir::op::{Conv, Gemm};
use resnetc::ir::random::SplitMix;
use resnetc::ir::{Graph, NodeId, Op, Tensor};
use resnetc::passes::{PassOptions, run};
use resnetc::quantize::{QuantizeError, Quantized, Quantizer};
use resnetc::{Compiler, Network, Options};

use prost::Message as _;

/// The values of each input for each run.
pub(crate) type Runs = Vec<Vec<Vec<f32>>>;

/// Numbers from -1 to 1.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut random = SplitMix(seed);
    (0..count).map(|_| (random.draw() as f64 / u64::MAX as f64 * 2.0 - 1.0) as f32).collect()
}

pub(crate) fn network(graph: Graph) -> Network {
    Compiler::new(Options::default().threads(1)).graph(graph).expect("a network")
}

pub(crate) fn built_in(name: &str) -> Network {
    Compiler::new(Options::default().threads(1)).load(name).expect("a built-in network")
}

/// Random calibration inputs.
pub(crate) fn runs(network: &Network, count: usize) -> Runs {
    let graph = network.graph();
    let elements: Vec<usize> =
        graph.inputs().iter().map(|&i| graph.node(i).ty.elements()).collect();
    let run = |seed: usize| elements.iter().map(|&n| numbers(seed as u64 + 7, n)).collect();
    (0..count).map(run).collect()
}

pub(crate) fn quantize(
    quantizer: &Quantizer,
    network: &Network,
    mut runs: Runs,
) -> Result<Quantized, QuantizeError> {
    quantizer.quantize(network, &mut runs)
}

/// A quantized file as the importer reads it.
pub(crate) fn reread(quantized: &Quantized) -> Graph {
    let bytes = quantized.to_onnx().expect("a file");
    parse(&bytes, None, &Bindings::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// A quantized file as another program would read it.
pub(crate) fn message(quantized: &Quantized) -> ModelProto {
    ModelProto::decode(&quantized.to_onnx().expect("a file")[..]).expect("a model")
}

pub(crate) fn initializer<'a>(model: &'a ModelProto, name: &str) -> &'a TensorProto {
    let mut all = model.graph.iter().flat_map(|graph| &graph.initializer);
    all.find(|tensor| tensor.name.as_deref() == Some(name)).unwrap_or_else(|| panic!("no {name}"))
}

/// The floats of an initializer.
pub(crate) fn floats(model: &ModelProto, name: &str) -> Vec<f32> {
    let bytes = initializer(model, name).raw_data.clone().expect("raw data");
    bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// How many nodes of a kind a file has.
pub(crate) fn count(model: &ModelProto, op: &str) -> usize {
    let nodes = model.graph.iter().flat_map(|graph| &graph.node);
    nodes.filter(|node| node.op_type.as_deref() == Some(op)).count()
}

/// The convolutions in integers and in floats after all passes, on a machine that multiplies bytes.
pub(crate) fn convolutions(mut graph: Graph) -> [usize; 2] {
    let options = PassOptions::default();
    let remarks = run(&mut graph, &options).expect("passes");
    for near in remarks.declined.iter().filter(|near| near.pass == "fuse_quantized") {
        println!("{} {}: {}", near.op, near.node, near.reason);
    }
    let of = |kind: fn(&Op) -> bool| graph.nodes().filter(|&n| kind(&graph.node(n).op)).count();
    [of(|op| matches!(op, Op::QuantizedConv(_))), of(|op| matches!(op, Op::Conv(_)))]
}

/// The first output of a graph with one input, in f64.
pub(crate) fn interpreted(graph: &Graph, input: &[f64]) -> Vec<f64> {
    let shape = graph.node(graph.inputs()[0]).ty.shape.clone();
    let input = Value::of(resnetc::DType::F32, shape, input.to_vec());
    eval(graph, &[input]).expect("it runs").swap_remove(0).data
}

pub(crate) fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// Adds a convolution with these weights.
pub(crate) fn conv(
    graph: &mut Graph,
    name: &str,
    source: NodeId,
    conv: Conv,
    shape: [usize; 4],
    weights: &[f32],
    bias: Option<&[f32]>,
) -> NodeId {
    let weights = Tensor::new(shape, weights.to_vec()).expect("its shape");
    let mut operands = vec![source, graph.constant("w", weights)];
    if let Some(bias) = bias {
        operands.push(graph.constant("b", Tensor::vector(bias.to_vec())));
    }
    let op = Op::Conv(Conv { bias: bias.is_some(), ..conv });
    graph.add(name, op, &operands).expect("it fits")
}

/// A matrix product of rows of `inputs` numbers.
pub(crate) fn product(inputs: usize, outputs: usize, seed: u64) -> Graph {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, inputs]);
    let weights = Tensor::new([outputs, inputs], numbers(seed, inputs * outputs)).expect("fits");
    let weights = graph.constant("w", weights);
    let activation = resnetc::ir::op::Activation::None;
    let (alpha, beta, transpose_a, transpose_b, bias) = (1.0, 1.0, false, true, false);
    let op = Op::Gemm(Gemm { alpha, beta, transpose_a, transpose_b, bias, activation });
    let y = graph.add("fc", op, &[x, weights]).expect("it fits");
    graph.output("y", y);
    graph
}
