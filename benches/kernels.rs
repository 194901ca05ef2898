//! Benchmarks single kernels, each named by its problem line. The result is checked before it is
//! timed.
//!
//! `cargo bench --bench kernels`, or some of them:
//! `cargo bench --bench kernels -- 'winograd.* h56 '`. Convolutions are those of ResNet-50
//! (`benches/shapes/resnet50.txt`) and some of other forms (`benches/shapes/forms.txt`), with every
//! algorithm that can compute them. Times are those of the kernel alone: reorders between the
//! planar inputs and the kernels' layout do not count. Throughput is in multiply-adds, or for pools
//! in elements read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use resnetc::ir::eval::{Value, eval};
use resnetc::ir::op::{Activation, Gemm, Op, Pool, Window};
use resnetc::ir::{Graph, NodeId, Tensor};
use resnetc::kernels::Algorithm;
use resnetc::kernels::algorithm::ALGORITHMS;
use resnetc::kernels::problem::ConvProblem;
use resnetc::{Compiler, Context, Model, Options};

const LINES: [&str; 2] = [include_str!("shapes/resnet50.txt"), include_str!("shapes/forms.txt")];

/// The tolerance for Winograd's algorithm on these numbers, relative to the largest value. Its real
/// bound is asserted in `tests/kernels`; this one only shows that the right computation is timed.
const CLOSE: f64 = 1e-4;

/// Small integers: all sums of direct kernels are exact.
fn integers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7 + i / 13) % 5) as f32 - 2.0).collect()
}

fn constant(shape: &[usize]) -> Tensor {
    Tensor::new(shape.to_vec(), integers(shape.iter().product())).expect("sizes agree")
}

/// A compiled graph of one operator, and the steps of that operator.
struct Subject {
    model: Model,
    context: Context,
    times: Vec<Duration>,
    op: &'static str,
}

impl Subject {
    /// Compiles a graph with one output and compares it with the interpreter: bit for bit, or
    /// within `close` relative to the largest value.
    fn new(graph: Graph, options: Options, close: Option<f64>) -> Self {
        let result = graph.outputs()[0].node;
        let op = graph.node(result).op.name();
        let values = |&i: &NodeId| {
            let shape = graph.node(i).ty.shape.clone();
            let data = integers(shape.iter().product());
            Value::from_f32(shape, &data)
        };
        let inputs: Vec<Value> = graph.inputs().iter().map(values).collect();
        let expected = eval(&graph, &inputs).expect("evaluates").remove(0).to_f32();
        let options = options.threads(1);
        let model = Compiler::new(options)
            .graph(graph)
            .expect("no option of loading")
            .compile()
            .expect("compiles");
        let mut context = model.context().expect("memory");
        for (i, value) in inputs.iter().enumerate() {
            context.input_mut(i).expect("inputs agree").copy_from_slice(&value.to_f32());
        }
        model.run(&mut context).expect("its own context");
        let found = context.output::<f32>(0).expect("one output");
        let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
        let most = f64::from(largest) * close.unwrap_or(0.0);
        let is_close = |(f, e): (&f32, &f32)| f64::from((f - e).abs()) <= most;
        assert!(largest > 0.0 && found.iter().zip(&expected).all(is_close), "a wrong answer");
        let times = vec![Duration::ZERO; model.steps().len()];
        Subject { model, context, times, op }
    }

    fn run(&mut self) -> Duration {
        let start = Instant::now();
        self.model.run_timed(&mut self.context, &mut self.times).expect("its own context");
        let all = start.elapsed();
        let steps = self.model.steps().iter().zip(&self.times);
        let own: Duration = steps.filter(|(s, _)| s.op == self.op).map(|(_, &time)| time).sum();
        own.min(all)
    }
}

fn add(group: &mut BenchmarkGroup<'_, WallTime>, line: &str, work: u64, mut subject: Subject) {
    group.throughput(Throughput::Elements(work));
    group.bench_function(line, |b| b.iter_custom(|n| (0..n).map(|_| subject.run()).sum()));
}

fn convolutions(c: &mut Criterion) {
    for algorithm in ALGORITHMS {
        let mut group = c.benchmark_group(algorithm.to_string());
        for line in LINES.iter().flat_map(|lines| lines.lines()) {
            let problem: ConvProblem = line.parse().expect("a problem");
            let bias = problem.conv.bias.then(|| constant(&[problem.outputs]));
            let graph = problem.graph(constant(&problem.weight_shape()), bias).expect("valid");
            let tuned = Arc::new([(line, algorithm)].into_iter().collect());
            let options = Options::default().tuned(Some(tuned));
            let work = graph.nodes().map(|n| resnetc::compile::macs(&graph, n)).sum();
            let close = (algorithm != Algorithm::DIRECT).then_some(CLOSE);
            let subject = Subject::new(graph, options, close);
            // An algorithm that cannot compute a layer is ignored by the compiler.
            if subject.model.report().tuned == 1 {
                add(&mut group, line, work, subject);
            }
        }
        group.finish();
    }
}

/// A graph of one operator over inputs of these shapes, followed by constants of these shapes.
fn graph_of(op: Op, inputs: &[&[usize]], constants: &[&[usize]]) -> Graph {
    let mut graph = Graph::new();
    let mut operands: Vec<NodeId> =
        inputs.iter().map(|shape| graph.input("input", shape.to_vec())).collect();
    operands.extend(constants.iter().map(|shape| graph.constant("constant", constant(shape))));
    let result = graph.add("operator", op, &operands).expect("shapes fit");
    graph.output("result", result);
    graph
}

fn pools(c: &mut Criterion) {
    let mut group = c.benchmark_group("pool");
    let pool = |kernel, stride, pad| Pool {
        window: Window::square(kernel, stride, pad),
        ceil_mode: false,
    };
    let average = |pool| Op::AveragePool { pool, count_include_pad: false };
    for (line, op, [channels, size]) in [
        ("max_pool n1 c64 h112 w112 r3 s3 st2x2 p1,1,1,1", Op::MaxPool(pool(3, 2, 1)), [64, 112]),
        ("average_pool n1 c256 h56 w56 r2 s2 st2x2 p0,0,0,0", average(pool(2, 2, 0)), [256, 56]),
        ("global_average_pool n1 c2048 h7 w7", Op::GlobalAveragePool, [2048, 7]),
    ] {
        let shape = [1, channels, size, size];
        let work = shape.iter().product::<usize>() as u64;
        // A mean over 49 elements is rounded.
        let subject = Subject::new(graph_of(op, &[&shape], &[]), Options::default(), Some(1e-6));
        add(&mut group, line, work, subject);
    }
    group.finish();
}

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("product");
    let gemm = Op::Gemm(Gemm {
        alpha: 1.0,
        beta: 1.0,
        transpose_a: false,
        transpose_b: true,
        bias: true,
        activation: Activation::None,
    });
    for [rows, depth, columns] in [[1, 512, 1000], [1, 2048, 1000], [8, 2048, 1000]] {
        let line = format!("gemm m{rows} k{depth} n{columns} +bias");
        let graph = graph_of(gemm.clone(), &[&[rows, depth]], &[&[columns, depth], &[columns]]);
        let work = (rows * depth * columns) as u64;
        add(&mut group, &line, work, Subject::new(graph, Options::default(), None));
    }
    let [rows, depth, columns] = [196, 64, 196];
    let graph = graph_of(Op::MatMul, &[&[rows, depth], &[depth, columns]], &[]);
    let line = format!("matmul m{rows} k{depth} n{columns}");
    let work = (rows * depth * columns) as u64;
    add(&mut group, &line, work, Subject::new(graph, Options::default(), None));
    group.finish();
}

/// One second per kernel: everything takes a few minutes.
fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

criterion_group!(name = benches; config = quick(); targets = convolutions, pools, products);
criterion_main!(benches);
