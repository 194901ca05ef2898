//! The convolutions of ResNet-50 one by one (`benches/shapes/resnet50.txt`), answer checked before it is timed.
//!
//! `cargo bench --bench kernels`, or some of them: `cargo bench --bench kernels -- 'r3 s3'`. Throughput is in
//! multiply-adds; reorders between planar inputs and the kernels' layout are part of the time.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use resnetc::ir::Tensor;
use resnetc::ir::eval::{Value, eval};
use resnetc::kernels::problem::ConvProblem;
use resnetc::{Compiler, Options};

/// Small integers: all sums are exact, so the answer must equal the interpreter's.
fn integers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7 + i / 13) % 5) as f32 - 2.0).collect()
}

fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("conv");
    for line in include_str!("shapes/resnet50.txt").lines() {
        let problem: ConvProblem = line.parse().expect("a problem");
        let shape = problem.weight_shape();
        let weights = Tensor::new(shape, integers(shape.iter().product())).expect("sizes agree");
        let bias = problem.conv.bias.then(|| Tensor::vector(integers(problem.outputs)));
        let graph = problem.graph(weights, bias).expect("a valid problem");
        let inputs: Vec<Value> = graph
            .inputs()
            .iter()
            .map(|&i| graph.node(i).ty.shape.clone())
            .map(|s| Value::from_f32(s.clone(), &integers(s.iter().product())))
            .collect();
        let expected = eval(&graph, &inputs).expect("evaluates").remove(0).to_f32();
        let options = Options { threads: Some(1), ..Options::default() };
        let model = Compiler::new(options).graph(graph).compile().expect("compiles");
        let mut cx = model.context().expect("memory");
        for (i, value) in inputs.iter().enumerate() {
            cx.input_mut(i).expect("inputs agree").copy_from_slice(&value.to_f32());
        }
        model.run(&mut cx).expect("its own context");
        assert_eq!(cx.output(0).expect("one output"), expected, "{line}");
        group.throughput(Throughput::Elements(model.steps().iter().map(|s| s.macs).sum()));
        group.bench_function(line, |b| b.iter(|| model.run(&mut cx)));
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
