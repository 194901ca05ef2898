//! With exact and with portable numerics, outputs are the same bits on every instruction set whose
//! multiply-add rounds once, for any number of threads, and for any batch and place in it. NaN equals
//! NaN.

use std::path::PathBuf;

use proptest::prelude::*;
use resnetc::ir::eval::Value;
use resnetc::ir::op::{Binary, Conv, Pads, Window};
use resnetc::ir::{Graph, Op, Tensor, TensorType};
use resnetc::training::{Optimizer, Recipe, names};
use resnetc::{Compiler, Isa, Numerics, Options};
use resnetc_testing::cases::with_cases;
use resnetc_testing::family::Case;
use resnetc_testing::random_graph::dice::Dice;
use resnetc_testing::random_graph::{RandomGraph, random_graph};
use resnetc_testing::running::{self, fused_isas};

/// Numbers of threads: one, and one that seldom divides anything.
const THREADS: [usize; 2] = [1, 3];

/// The numerics that promise this.
const NUMERICS: [Numerics; 2] = [Numerics::Exact, Numerics::Portable];

/// The bits of a number, the same for every NaN.
fn bits(x: f32) -> u32 {
    if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }
}

/// The bits of all outputs, on an arena full of NaN.
fn outputs(
    graph: &Graph,
    inputs: &[Vec<f32>],
    isa: Isa,
    (threads, numerics): (usize, Numerics),
) -> Vec<Vec<u32>> {
    let options = running::options(isa, threads, 1).numerics(numerics).batch(None);
    let compiler = Compiler::new(options);
    let network = compiler.graph(graph.clone()).expect("no option of loading");
    let model = network.compile().expect("it compiles");
    let mut context = model.context().expect("memory");
    context.poison();
    for (i, input) in inputs.iter().enumerate() {
        context.input_mut(i).expect("inputs agree").copy_from_slice(input);
    }
    model.run(&mut context).expect("its own context");
    let output = |i| context.output::<f32>(i).expect("outputs agree").iter().copied();
    (0..model.outputs().len()).map(|i| output(i).map(bits).collect()).collect()
}

/// Where outputs differ between instruction sets or numbers of threads; otherwise the outputs.
fn agreed(numerics: Numerics, graph: &Graph, inputs: &[Vec<f32>]) -> Result<Vec<Vec<u32>>, String> {
    let mut first: Option<(String, Vec<Vec<u32>>)> = None;
    for (isa, threads) in
        fused_isas().into_iter().flat_map(|isa| THREADS.map(|threads| (isa, threads)))
    {
        let name = format!("{isa} with {threads} threads");
        let found = outputs(graph, inputs, isa, (threads, numerics));
        match &first {
            None => first = Some((name, found)),
            Some((other, expected)) => {
                compare(expected, &found).map_err(|e| format!("{other} and {name}: {e}"))?;
            }
        }
    }
    Ok(first.map(|(_, outputs)| outputs).unwrap_or_default())
}

/// The first difference of some outputs.
fn compare(expected: &[Vec<u32>], found: &[Vec<u32>]) -> Result<(), String> {
    for (output, (expected, found)) in expected.iter().zip(found).enumerate() {
        let pairs = expected.iter().zip(found);
        let count = pairs.clone().filter(|(a, b)| a != b).count();
        if let Some((at, (a, b))) = pairs.enumerate().find(|(_, (a, b))| a != b) {
            let [a, b] = [a, b].map(|&bits| f32::from_bits(bits));
            let all = expected.len();
            return Err(format!("output {output}: {count} of {all}, first {at}: {a:e} and {b:e}"));
        }
    }
    Ok(())
}

/// Where outputs of a batch differ from those of its images by themselves. The first input has the
/// batch, the others none.
fn images_agree(
    numerics: Numerics,
    images: usize,
    graph: impl Fn(usize) -> Graph,
    inputs: &[Vec<f32>],
) -> Result<(), String> {
    let together = agreed(numerics, &graph(images), inputs)?;
    let alone = graph(1);
    for (i, image) in inputs[0].chunks(inputs[0].len() / images).enumerate() {
        let own = [&[image.to_vec()], &inputs[1..]].concat();
        let of_image = |all: &Vec<u32>| {
            let count = all.len() / images;
            all[i * count..][..count].to_vec()
        };
        let expected: Vec<Vec<u32>> = together.iter().map(of_image).collect();
        let found = agreed(numerics, &alone, &own)?;
        compare(&expected, &found).map_err(|e| format!("image {i} of {images} and alone: {e}"))?;
    }
    Ok(())
}

/// A convolution alone.
#[derive(Clone, Debug)]
struct Single {
    conv: Conv,
    /// Outputs and inputs of a group.
    channels: [usize; 2],
    size: [usize; 2],
    seed: u64,
}

impl Single {
    fn input(&self, images: usize) -> TensorType {
        let [height, width] = self.size;
        TensorType::planar([images, self.conv.groups * self.channels[1], height, width])
    }

    fn graph(&self, images: usize) -> Graph {
        let mut graph = Graph::new();
        let mut dice = Dice::new(self.seed, false);
        let ([outputs, inputs], [rows, columns]) = (self.channels, self.conv.window.kernel);
        let outputs = self.conv.groups * outputs;
        let x = graph.input_of("x", self.input(images));
        let weights = graph.constant("weights", dice.tensor(&[outputs, inputs, rows, columns]));
        let bias = graph.constant("bias", dice.tensor(&[outputs]));
        let y = graph.add("y", Op::Conv(self.conv), &[x, weights, bias]).expect("it type-checks");
        graph.output("y", y);
        graph
    }
}

/// Convolutions with groups of few and many channels, short and long sums, windows and images of
/// all sizes.
fn single() -> impl Strategy<Value = Single> {
    let channels = || prop_oneof![1..=9usize, 15..=17usize, 24..=40usize];
    let kernel = prop::sample::select(vec![[1, 1], [3, 3], [3, 3], [1, 3], [5, 5], [7, 7]]);
    let size = || prop_oneof![1..=3usize, 4..=20usize];
    let groups = prop_oneof![2 => Just(1usize), 1 => 2..=5usize];
    (groups, channels(), channels(), kernel, 1..=2usize, size(), size(), any::<u64>()).prop_map(
        |(groups, outputs, inputs, kernel, stride, height, width, seed)| {
            let [down, right] = kernel.map(|extent| extent / 2);
            let pads = Pads { top: down, bottom: down, left: right, right };
            let window = Window { kernel, strides: [stride; 2], dilations: [1; 2], pads };
            let conv = Conv { bias: true, ..Conv::new(window, groups) };
            Single { conv, channels: [outputs, inputs], size: [height, width], seed }
        },
    )
}

fn numerics() -> impl Strategy<Value = Numerics> {
    prop::sample::select(NUMERICS.to_vec())
}

fn numbers(seed: u64, shape: &[usize]) -> Vec<f32> {
    Dice::new(seed, false).tensor(shape).data().to_vec()
}

fn inputs(case: &RandomGraph) -> Vec<Vec<f32>> {
    case.inputs().iter().map(Value::to_f32).collect()
}

proptest! {
    #![proptest_config(with_cases(32))]

    #[test]
    fn of_random_graphs(numerics in numerics(), case in random_graph(2..12)) {
        agreed(numerics, &case.graph, &inputs(&case)).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn of_convolutions(numerics in numerics(), case in single(), images in 2..=3usize) {
        let input = numbers(!case.seed, &case.input(images).shape);
        let graph = |images| case.graph(images);
        images_agree(numerics, images, graph, &[input]).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn of_networks() {
    // Every other network with one of the two.
    let numerics = NUMERICS.into_iter().cycle();
    let cases = Case::described().into_iter().chain(Case::exported());
    for (case, numerics) in cases.zip(numerics) {
        let shape = |images: usize| [&[images], &case.input.shape()[1..]].concat();
        let graph = |images| {
            let input = Tensor::new(shape(images), numbers(0, &shape(images))).expect("its shape");
            Case { input, ..case.clone() }.graph()
        };
        let inputs = [numbers(1, &shape(2))];
        let agreed = images_agree(numerics, 2, graph, &inputs);
        agreed.unwrap_or_else(|e| panic!("{} {}: {e}", case.name, numerics.name()));
    }
}

/// A product of values without a batch is of the shape of its sum with an image only if that is
/// alone.
#[test]
fn of_values_without_a_batch() {
    let shape = |images| [images, 8, 5, 5];
    let graph = |images| {
        let mut graph = Graph::new();
        let [x, a, b] = [("x", images), ("a", 1), ("b", 1)]
            .map(|(name, images)| graph.input_of(name, TensorType::planar(shape(images))));
        let product = graph.add("product", Op::Binary(Binary::Mul), &[a, b]).expect("alike");
        let sum = graph.add("sum", Op::Binary(Binary::Add), &[x, product]).expect("it broadcasts");
        graph.output("y", sum);
        graph
    };
    let inputs = [numbers(0, &shape(3)), numbers(1, &shape(1)), numbers(2, &shape(1))];
    for numerics in NUMERICS {
        let agreed = images_agree(numerics, 3, graph, &inputs);
        agreed.unwrap_or_else(|e| panic!("{}: {e}", numerics.name()));
    }
}

/// Files of other quantizers: products with ranges that are known, and that a run measures.
#[test]
fn of_quantized_networks() {
    let cases = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for name in ["onnx_runtime_products", "onnx_runtime_saved_dynamic", "onnx_runtime_quantized_s8"]
    {
        let network = Compiler::new(Options::default()).load(cases.join(name).join("model.onnx"));
        let graph = network.expect("it loads").graph().clone();
        let shapes = graph.inputs().iter().map(|&id| graph.node(id).ty.shape.clone());
        let inputs: Vec<Vec<f32>> = (0..).zip(shapes).map(|(i, s)| numbers(i, &s)).collect();
        let agreed = agreed(Numerics::Exact, &graph, &inputs);
        agreed.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

/// Something for every input of a step: the weights of a network, labels, a rate, and small numbers for
/// what an optimizer remembers.
fn given(graph: &Graph, case: &Case) -> Vec<Vec<f32>> {
    let mut dice = Dice::new(0, false);
    let mut value = |name: &str, ty: &TensorType| match (name, case.weights.get(name)) {
        (_, Some(weights)) => weights.data().to_vec(),
        (names::LABELS, _) => (0..ty.elements()).map(|i| (7 * i % 10) as f32).collect(),
        (names::IMAGES, _) => dice.tensor(&ty.shape).data().to_vec(),
        ("rate", _) => vec![0.1],
        _ => dice.tensor(&ty.shape).data().iter().map(|x| 0.01 * x.abs()).collect(),
    };
    graph.inputs().iter().map(|&id| value(&graph.node(id).name, &graph.node(id).ty)).collect()
}

#[test]
fn of_training_steps() {
    let small = ["bit_basic", "ecaresnet", "padded", "prelu", "resnext", "cifar20_b", "seresnet"];
    let optimizers = [Optimizer::PAPER, Optimizer::ADAM_W].into_iter().cycle();
    let cases = Case::described().into_iter().chain(Case::exported());
    let cases = cases.filter(|case| small.contains(&case.name.as_str()));
    for (case, optimizer) in cases.zip(optimizers) {
        let mut spec = case.spec.clone();
        (spec.input.height, spec.input.width) = (32, 32);
        let recipe = Recipe { optimizer, decay: 1e-4, smoothing: 0.1, ..Recipe::new(3) };
        let graph = recipe.step(&spec).expect("it can be trained");
        let agreed = agreed(Numerics::Portable, &graph, &given(&graph, &case));
        agreed.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    }
}
