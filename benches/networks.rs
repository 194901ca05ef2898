//! Benchmarks whole networks and their compilation. Results are checked before they are timed.
//!
//! `cargo bench --bench networks`, or one of them: `cargo bench --bench networks -- resnet18`.
//! `resnetc bench MODEL --ablate` shows what each pass brings.

use std::collections::BTreeSet;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use resnetc::check::Difference;
use resnetc::runtime::pool::default_threads;
use resnetc::{Compiler, Context, Model, Options, PassSelection};

const NETWORKS: [&str; 4] = ["cifar_resnet20", "resnet18", "resnet34", "resnet50"];

fn compiled(name: &str, threads: usize, passes: PassSelection) -> (Model, Context) {
    let options = Options::default().threads(threads).passes(passes);
    let model = Compiler::new(options).load(name).expect("built in").compile().expect("compiles");
    let mut cx = model.context().expect("memory");
    let input = cx.input_mut::<f32>(0).expect("one input");
    input.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 97) as f32 / 48.0 - 1.0);
    model.run(&mut cx).expect("its own context");
    (model, cx)
}

fn networks(c: &mut Criterion) {
    for name in NETWORKS {
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        for threads in BTreeSet::from([1, default_threads()]) {
            let (fused, mut fused_cx) = compiled(name, threads, PassSelection::All);
            let (unfused, mut unfused_cx) = compiled(name, threads, PassSelection::None);
            let (a, b) = (
                fused_cx.output::<f32>(0).expect("one output"),
                unfused_cx.output::<f32>(0).expect("one output"),
            );
            let apart = Difference::of(a, b.iter().map(|&y| f64::from(y)));
            assert!(
                apart.largest > 0.0 && !apart.is_above(1e-4),
                "fused and unfused differ: {apart:?}"
            );
            let id = |what| BenchmarkId::new(what, format!("threads {threads}"));
            group.bench_function(id("fused"), |b| b.iter(|| fused.run(&mut fused_cx)));
            group.bench_function(id("unfused"), |b| b.iter(|| unfused.run(&mut unfused_cx)));
        }
        group.finish();
    }
}

fn compilation(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    for name in NETWORKS {
        let network = Compiler::new(Options::default().threads(1)).load(name).expect("built in");
        group.bench_function(name, |b| b.iter(|| network.clone().compile().expect("compiles")));
    }
    group.finish();
}

criterion_group!(benches, networks, compilation);
criterion_main!(benches);
