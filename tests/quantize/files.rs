//! What quantized files mean: to the importer, to the passes, and to the interpreter, whose results
//! are compared with those of the network in f32.

use proptest::prelude::*;
use resnetc::ir::op::{Binary, Conv, Pads, Pool, Unary, Window};
use resnetc::ir::text::print;
use resnetc::ir::{Graph, NodeId, Op, Tensor};
use resnetc::passes::{PassOptions, run};
use resnetc::quantize::{Method, Quantizer, Reason};

use crate::support::*;

/// A convolution to be quantized alone.
#[derive(Clone, Debug)]
struct Layer {
    conv: Conv,
    inputs: usize,
    outputs: usize,
    size: usize,
    bias: bool,
    seed: u64,
}

impl Layer {
    fn shape(&self) -> [usize; 4] {
        let [r, s] = self.conv.window.kernel;
        [self.outputs, self.inputs / self.conv.groups, r, s]
    }

    fn weights(&self) -> Vec<f32> {
        numbers(self.seed, self.shape().iter().product())
    }

    fn bias(&self) -> Option<Vec<f32>> {
        self.bias.then(|| numbers(self.seed + 1, self.outputs))
    }

    fn graph(&self, weights: &[f32], bias: Option<&[f32]>) -> Graph {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, self.inputs, self.size, self.size]);
        let y = conv(&mut graph, "conv", x, self.conv, self.shape(), weights, bias);
        graph.output("y", y);
        graph
    }
}

fn layer() -> impl Strategy<Value = Layer> {
    let window = (1usize..4, 1usize..3, 0usize..2);
    (window, 1usize..3, 1usize..4, 1usize..4, any::<bool>(), 0u64..1000).prop_map(
        |((kernel, stride, pad), groups, inputs, outputs, bias, seed)| {
            let window = Window {
                kernel: [kernel; 2],
                strides: [stride; 2],
                dilations: [1; 2],
                pads: Pads { top: pad, left: pad, bottom: pad, right: pad },
            };
            let (inputs, outputs) = (inputs * groups, outputs * groups);
            Layer { conv: Conv::new(window, groups), inputs, outputs, size: 5, bias, seed }
        },
    )
}

/// The largest and the smallest number, and 0.
fn range(numbers: &[f64]) -> f64 {
    let (lo, hi) = numbers.iter().fold((0.0f64, 0.0f64), |(lo, hi), &x| (lo.min(x), hi.max(x)));
    hi - lo
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// On an input within the calibrated range, each element is off by no more than: half a step of
    /// the source for each weight, half a step of each weight for its source, half a step of the
    /// bias, and half a step of the result. (Limiting to the range of the exact results brings a
    /// result nearer.)
    #[test]
    fn a_convolution_is_within_its_steps(layer in layer()) {
        let (weights, bias) = (layer.weights(), layer.bias());
        let graph = layer.graph(&weights, bias.as_deref());
        let network = network(graph.clone());
        let inputs = runs(&network, 3);
        let x = widened(&inputs[0][0]);
        let every = inputs.iter().flat_map(|run| widened(&run[0])).collect::<Vec<f64>>();
        let exact_of = |run: &Vec<Vec<f32>>| interpreted(&graph, &widened(&run[0]));
        let results = inputs.iter().flat_map(exact_of).collect::<Vec<f64>>();
        let quantizer = Quantizer::default().bias_correction(false);
        let quantized = quantize(&quantizer, &network, inputs.clone()).unwrap();
        let found = interpreted(&reread(&quantized), &x);
        let exact = interpreted(&graph, &x);
        let source_step = range(&every) / 255.0;
        let result_step = range(&results) / 255.0;
        let row = weights.len() / layer.outputs;
        let most = |row: &[f32]| row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
        let steps: Vec<f32> = weights.chunks(row).map(|row| most(row) / 127.0).collect();
        // The rounding of x (up to half a step) times a weight that may be half a step larger; the
        // rounding of a weight times x.
        let half_steps: Vec<f32> = (0..weights.len()).map(|i| steps[i / row] / 2.0).collect();
        let larger: Vec<f32> = weights.iter().zip(&half_steps).map(|(w, h)| w.abs() + h).collect();
        let of_source = interpreted(&layer.graph(&larger, None), &vec![source_step / 2.0; x.len()]);
        let magnitudes: Vec<f64> = x.iter().map(|x| x.abs()).collect();
        let of_weights = interpreted(&layer.graph(&half_steps, None), &magnitudes);
        let pixels = exact.len() / layer.outputs;
        for i in 0..exact.len() {
            let of_bias = if layer.bias { source_step * f64::from(steps[i / pixels]) / 2.0 } else { 0.0 };
            let bound = of_source[i] + of_weights[i] + of_bias + result_step / 2.0;
            // Scales are rounded to f32.
            prop_assert!((found[i] - exact[i]).abs() <= bound * (1.0 + 1e-4) + 1e-6, "{i}: {} {} {bound}", found[i], exact[i]);
        }
    }
}

/// Two convolutions and a shortcut.
fn block() -> Graph {
    let window = |kernel: usize| {
        let pad = kernel / 2;
        let pads = Pads { top: pad, left: pad, bottom: pad, right: pad };
        Window { kernel: [kernel; 2], strides: [1; 2], dilations: [1; 2], pads }
    };
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 16, 6, 6]);
    let layer = |graph: &mut Graph, name: &str, source: NodeId, seed: u64| {
        let weights: Vec<f32> = numbers(seed, 16 * 16 * 9).iter().map(|w| w / 12.0).collect();
        let shape = [16, 16, 3, 3];
        let bias = numbers(seed + 1, 16);
        conv(graph, name, source, Conv::new(window(3), 1), shape, &weights, Some(&bias))
    };
    let stem = layer(&mut graph, "stem", x, 1);
    let stem = graph.add("stem.relu", Op::Unary(Unary::Relu), &[stem]).unwrap();
    let first = layer(&mut graph, "first", stem, 3);
    let first = graph.add("first.relu", Op::Unary(Unary::Relu), &[first]).unwrap();
    let second = layer(&mut graph, "second", first, 5);
    let sum = graph.add("sum", Op::Binary(Binary::Add), &[second, stem]).unwrap();
    let y = graph.add("y", Op::Unary(Unary::Relu), &[sum]).unwrap();
    graph.output("y", y);
    graph
}

#[test]
fn a_file_has_a_pair_around_each_operator() {
    let network = network(block());
    let quantized = quantize(&Quantizer::default(), &network, runs(&network, 4)).unwrap();
    let model = message(&quantized);
    // x, stem.relu, first.relu, second and y; and the constants of three layers.
    assert_eq!(count(&model, "QuantizeLinear"), 5);
    assert_eq!(count(&model, "DequantizeLinear"), 5 + 6);
    assert_eq!([count(&model, "Conv"), count(&model, "Relu"), count(&model, "Add")], [3, 3, 1]);
    // After a ReLU no byte is below 0.
    assert_eq!(initializer(&model, "first.relu.zero_point").raw_data.as_deref(), Some(&[0][..]));
    assert_eq!(floats(&model, "first.bias.scale").len(), 16);
    let most = initializer(&model, "first.weight.q").raw_data.clone().unwrap();
    for filter in most.chunks(16 * 9) {
        assert_eq!(filter.iter().map(|&q| (q as i8).unsigned_abs()).max(), Some(127));
    }
    // The scale of a bias is the product of those of source and weights.
    let [source] = floats(&model, "stem.relu.scale")[..] else { panic!("one scale") };
    let weights = floats(&model, "first.weight.scale");
    for (bias, weight) in floats(&model, "first.bias.scale").iter().zip(weights) {
        assert!((bias - source * weight).abs() <= bias * 1e-6);
    }
    assert_eq!(convolutions(reread(&quantized)), [3, 0]);
    let report = quantized.report();
    assert_eq!((report.runs, report.operators.len(), report.floats.len()), (4, 4, 0));
    let gains: Vec<f64> = report.operators.iter().filter_map(|o| o.outputs_db_without).collect();
    assert!(gains.len() == 4 && gains.is_sorted_by(|a, b| a >= b), "{report:?}");
    assert!(report.outputs_db > 25.0, "{report:?}");
}

#[test]
fn the_passes_compute_every_layer_in_integers() {
    // The last layer is a matrix product, which is computed as a convolution of one pixel.
    for (name, layers) in [("cifar_resnet20", 20), ("resnet18", 21)] {
        let network = built_in(name);
        let quantizer = Quantizer::default().rank(false);
        let quantized = quantize(&quantizer, &network, runs(&network, 1)).unwrap();
        assert_eq!(convolutions(reread(&quantized)), [layers, 0], "{name}");
    }
}

#[test]
fn what_is_to_stay_stays() {
    let network = built_in("cifar_resnet20");
    let with = |quantizer: Quantizer| {
        let quantized = quantize(&quantizer, &network, runs(&network, 1)).unwrap();
        let [integer, float] = convolutions(reread(&quantized));
        let floats: Vec<_> = quantized.report().floats.iter().map(|f| f.reason).collect();
        (integer, float, floats)
    };
    let all = Quantizer::default().rank(false);
    assert_eq!(with(all.clone()), (20, 0, vec![]));
    assert_eq!(with(all.clone().first_layers(false)), (19, 1, vec![Reason::First]));
    // The last layer is a matrix product.
    assert_eq!(with(all.clone().last_layers(false)), (19, 0, vec![Reason::Last]));
    let name = quantize(&all, &network, runs(&network, 1)).unwrap().report().operators[0].clone();
    let kept = all.keep([name.name.clone()]);
    assert_eq!(with(kept).2, [Reason::Named], "{name:?}");
}

/// The mean error of each output is less than a step of its bias: half a step from rounding the
/// bias, and what rounding in f32 adds.
#[test]
fn biases_take_back_mean_errors() {
    let graph = product(64, 8, 3);
    let network = network(graph.clone());
    let inputs = runs(&network, 20);
    let mean_error = |corrects: bool| {
        let quantizer = Quantizer::default().bias_correction(corrects);
        let quantized = quantize(&quantizer, &network, inputs.clone()).unwrap();
        let read = reread(&quantized);
        let mut means = [0.0; 8];
        for run in &inputs {
            let x = widened(&run[0]);
            let pairs = interpreted(&read, &x).into_iter().zip(interpreted(&graph, &x));
            for (mean, (found, exact)) in means.iter_mut().zip(pairs) {
                *mean += (found - exact) / inputs.len() as f64;
            }
        }
        let most = means.iter().fold(0.0f64, |most, mean| most.max(mean.abs()));
        (most, message(&quantized))
    };
    let (corrected, model) = mean_error(true);
    let step = floats(&model, "fc.bias.scale").iter().copied().fold(0.0, f32::max);
    assert!(corrected <= f64::from(step), "{corrected} of {step}");
    let (plain, _) = mean_error(false);
    assert!(plain > 2.0 * corrected, "{plain} {corrected}");
}

#[test]
fn the_same_inputs_give_the_same_file_for_every_method() {
    let network = network(block());
    for method in [Method::MinMax, Method::PERCENTILE, Method::Entropy] {
        let quantizer = Quantizer::default().method(method);
        let file =
            |inputs: Runs| quantize(&quantizer, &network, inputs).unwrap().to_onnx().unwrap();
        let inputs = runs(&network, 5);
        assert!(file(inputs.clone()) == file(inputs), "{method:?}");
    }
}

/// What only moves bytes leaves their scale, so that it can move bytes.
#[test]
fn bytes_that_are_moved_keep_their_scale() {
    let mut graph = block();
    let y = graph.outputs()[0].node;
    graph.keep_outputs(&[]);
    let window =
        Window { kernel: [2; 2], strides: [2; 2], dilations: [1; 2], pads: Pads::default() };
    let pool = Op::MaxPool(Pool { window, ceil_mode: false });
    let pooled = graph.add("pool", pool, &[y]).unwrap();
    let flat = graph.add("flat", Op::Reshape { shape: vec![1, 144] }, &[pooled]).unwrap();
    let weights = Tensor::new([144, 4], numbers(9, 144 * 4)).unwrap();
    let weights = graph.constant("w", weights);
    let z = graph.add("fc", Op::MatMul, &[flat, weights]).unwrap();
    graph.output("z", z);
    let network = network(graph);
    let quantized = quantize(&Quantizer::default(), &network, runs(&network, 2)).unwrap();
    let model = message(&quantized);
    let scale = floats(&model, "y.scale");
    assert_eq!(
        [floats(&model, "pool.scale"), floats(&model, "flat.scale")],
        [scale.clone(), scale]
    );
    // The result of the last layer is not stored as bytes.
    assert_eq!(count(&model, "QuantizeLinear"), 7);
    let names: Vec<_> = quantized.report().operators.iter().map(|o| o.name.clone()).collect();
    assert!(!names.contains(&"pool".to_owned()) && names.contains(&"fc".to_owned()), "{names:?}");
}

/// An image times a factor for each channel that is computed from its means, plus a shortcut.
fn gated(gate: impl Fn(&mut Graph, NodeId) -> NodeId) -> Graph {
    let mut graph = block();
    let y = graph.outputs()[0].node;
    graph.keep_outputs(&[]);
    let mean = graph.add("mean", Op::GlobalAveragePool, &[y]).unwrap();
    let weights = numbers(11, 16 * 16);
    let one = Conv::new(Window::square(1, 1, 0), 1);
    let scores = conv(&mut graph, "scores", mean, one, [16, 16, 1, 1], &weights, None);
    let factors = gate(&mut graph, scores);
    let product = graph.add("gated", Op::Binary(Binary::Mul), &[y, factors]).unwrap();
    let sum = graph.add("sum", Op::Binary(Binary::Add), &[product, y]).unwrap();
    graph.output("z", sum);
    graph
}

fn sigmoid(graph: &mut Graph, x: NodeId) -> NodeId {
    graph.add("gate", Op::Unary(Unary::Sigmoid), &[x]).unwrap()
}

/// A clipped line, as an importer composes it.
fn hard_sigmoid(graph: &mut Graph, x: NodeId) -> NodeId {
    let [slope, offset] = [0.25, 0.5].map(|c| graph.constant("c", Tensor::scalar(c)));
    let line = graph.add("line", Op::Binary(Binary::Mul), &[x, slope]).unwrap();
    let line = graph.add("line", Op::Binary(Binary::Add), &[line, offset]).unwrap();
    graph.add("gate", Op::Unary(Unary::Clip { lo: 0.0, hi: 1.0 }), &[line]).unwrap()
}

#[test]
fn attention_is_computed_on_bytes() {
    let gates: [fn(&mut Graph, NodeId) -> NodeId; 2] = [sigmoid, hard_sigmoid];
    for gate in gates {
        let network = network(gated(gate));
        let quantized = quantize(&Quantizer::default(), &network, runs(&network, 2)).unwrap();
        let mut graph = reread(&quantized);
        assert_eq!(convolutions(graph.clone()), [4, 0]);
        let options = PassOptions::default();
        run(&mut graph, &options).expect("passes");
        let is_float = |&node: &NodeId| {
            let op = &graph.node(node).op;
            matches!(op, Op::Unary(_) | Op::Binary(_) | Op::GlobalAveragePool)
        };
        let floats: Vec<_> = graph.nodes().filter(is_float).collect();
        assert!(floats.is_empty(), "{}", print(&graph));
    }
}

/// What is not a layer of the kind stays as it is, and a value between is still read in f32.
#[test]
fn other_operators_stay_in_floats() {
    let mut graph = block();
    let y = graph.outputs()[0].node;
    let sigmoid = graph.add("gate", Op::Unary(Unary::Sigmoid), &[y]).unwrap();
    let product = graph.add("gated", Op::Binary(Binary::Mul), &[sigmoid, y]).unwrap();
    graph.output("z", product);
    let network = network(graph);
    let quantized = quantize(&Quantizer::default(), &network, runs(&network, 2)).unwrap();
    let model = message(&quantized);
    assert_eq!([count(&model, "QuantizeLinear"), count(&model, "Sigmoid")], [5, 1]);
    assert_eq!(convolutions(reread(&quantized)), [3, 0]);
}
