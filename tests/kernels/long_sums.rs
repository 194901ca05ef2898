//! Exact numerics add up sums of thousands of terms in parts, so they err by far less than a chain of
//! additions may.

use resnetc::isa::ISAS;
use resnetc::{Compiler, IsaChoice, Numerics, Options};
use resnetc_ir::op::{Activation, Conv, Gemm, Op, Residual, Window};
use resnetc_ir::{Graph, NodeId, Tensor};
use resnetc_testing::host::runs;

/// Terms, not a multiple of anything.
const TERMS: usize = 4103;

/// Outputs; the last block of 16 is not full.
const OUTPUTS: usize = 20;

/// Slightly above 1: a chain of additions drops the excess of every term that it adds to a sum of
/// more than 1024, which is hundreds of roundings in the same direction.
const WEIGHT: f32 = 1.0 + 1.0 / 32768.0;

/// Roundings of a sum in parts of at most 128 terms, or of a block of 16 channels if that is more:
/// those of the longest part, of the sum of the parts, and of bias and residual.
fn roundings(taps: usize) -> f64 {
    (128.max(16 * taps) + TERMS.div_ceil(64) + 2) as f64
}

/// Checks the results of all pixels of a graph whose operands are 1, but for weights.
fn check(graph: &Graph, pixels: usize, taps: usize, extra: f64) {
    let exact = TERMS as f64 * f64::from(WEIGHT) + extra;
    let tolerance = roundings(taps) * 2f64.powi(-24) * exact;
    let chain = (0..TERMS).fold(extra as f32, |sum, _| sum + WEIGHT);
    assert!((f64::from(chain) - exact).abs() > tolerance, "a chain does not pass");
    for isa in ISAS.into_iter().filter(|&isa| runs(isa)) {
        let options = Options::default().isa(IsaChoice::Exactly(isa)).threads(1);
        let options = options.numerics(Numerics::Exact);
        let network = Compiler::new(options).graph(graph.clone()).expect("no option of loading");
        let model = network.compile().expect("it compiles");
        let mut context = model.context().expect("there is memory");
        for input in 0..model.inputs().len() {
            context.input_mut::<f32>(input).expect("f32").fill(1.0);
        }
        model.run(&mut context).expect("it runs");
        let results = context.output::<f32>(0).expect("f32");
        assert_eq!(results.len(), pixels * OUTPUTS);
        for &y in results {
            assert!((f64::from(y) - exact).abs() <= tolerance, "{isa}: {y}, exactly {exact}");
        }
    }
}

fn constant(graph: &mut Graph, name: &str, shape: &[usize], value: f32) -> NodeId {
    let len = shape.iter().product();
    graph.constant(name, Tensor::new(shape, vec![value; len]).expect("its size"))
}

#[test]
fn a_matrix_product() {
    for images in [1, 3] {
        let mut graph = Graph::new();
        let x = graph.input("x", [images, TERMS]);
        let w = constant(&mut graph, "w", &[OUTPUTS, TERMS], WEIGHT);
        let bias = constant(&mut graph, "bias", &[OUTPUTS], 2.0);
        let gemm = Gemm {
            alpha: 1.0,
            beta: 1.0,
            transpose_a: false,
            transpose_b: true,
            bias: true,
            activation: Activation::None,
        };
        let y = graph.add("y", Op::Gemm(gemm), &[x, w, bias]).expect("valid");
        graph.output("y", y);
        check(&graph, images, 1, 2.0);
    }
}

/// The residual is where the result will be, where the parts are saved.
#[test]
fn a_convolution_of_one_pixel_with_its_residual() {
    let mut graph = Graph::new();
    let x = graph.input("x", [2, TERMS, 1, 1]);
    let w = constant(&mut graph, "w", &[OUTPUTS, TERMS, 1, 1], WEIGHT);
    let r = graph.input("r", [2, OUTPUTS, 1, 1]);
    let conv = Conv { residual: Some(Residual::PLAIN), ..Conv::new(Window::square(1, 1, 0), 1) };
    let y = graph.add("y", Op::Conv(conv), &[x, w, r]).expect("valid");
    graph.output("y", y);
    check(&graph, 2, 1, 1.0);
}

/// As many terms, of several taps.
#[test]
fn an_image_with_its_residual() {
    const TAPS: usize = 11;
    let mut graph = Graph::new();
    let x = graph.input("x", [2, TERMS / TAPS, TAPS + 2, 5]);
    let w = constant(&mut graph, "w", &[OUTPUTS, TERMS / TAPS, TAPS, 1], WEIGHT);
    let r = graph.input("r", [2, OUTPUTS, 3, 5]);
    let window = Window { kernel: [TAPS, 1], ..Window::square(1, 1, 0) };
    let conv = Conv { residual: Some(Residual::PLAIN), ..Conv::new(window, 1) };
    let y = graph.add("y", Op::Conv(conv), &[x, w, r]).expect("valid");
    graph.output("y", y);
    check(&graph, 2 * 3 * 5, TAPS, 1.0);
}
