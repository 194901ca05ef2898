//! The cost of generating code and calling it: encoding of kernels, and handing regions to threads.
//!
//! `cargo bench --bench machinery`. `resnetc doctor` measures how fast code can be,
//! `benches/kernels.rs` how fast kernels are.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use resnetc::codegen::image::{Image, Options as CodegenOptions};
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::vir::Program;
use resnetc::compile::Stages;
use resnetc::runtime::pool::{Pool, default_threads};
use resnetc::{Compiler, Isa, IsaChoice, Options};

/// The kernels of a network for an instruction set.
fn kernels(isa: Isa) -> Vec<Program> {
    let options = Options::default().isa(IsaChoice::Exactly(isa)).threads(1);
    let network = Compiler::new(options.clone()).load("resnet18").expect("built in");
    let stages = Stages::of(network.graph().clone(), &options).expect("it can be compiled");
    stages.lower().expect("it can be compiled").kernels
}

/// All kernels of ResNet-18, in instructions per second.
fn encoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.sample_size(10);
    let cranelift = Cranelift::host().expect("a CPU that Cranelift knows");
    for isa in resnetc::isa::ISAS.into_iter().filter(|isa| isa.missing().is_none()) {
        let kernels = kernels(isa);
        let instructions = kernels.iter().map(|k| k.work().instructions).sum();
        group.throughput(Throughput::Elements(instructions));
        group.bench_function(isa.name(), |b| {
            b.iter(|| Image::compile(&cranelift, isa, &kernels, &[], CodegenOptions::default()))
        });
    }
    group.finish();
}

/// A region whose chunks take 5 microseconds each: the time beyond that is the cost of handing it
/// out.
fn regions(c: &mut Criterion) {
    let mut group = c.benchmark_group("region");
    let work = |_, _| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(5) {
            spin_loop();
        }
    };
    for threads in 1..=default_threads() {
        let pool = Pool::new(threads).expect("the system starts a few threads");
        for chunks in [1, 2, 8] {
            let mut session = pool.session();
            let id = BenchmarkId::new(format!("chunks {chunks}"), format!("threads {threads}"));
            group.bench_function(id, |b| b.iter(|| session.run(chunks, &work)));
        }
    }
    group.finish();
}

criterion_group!(benches, encoding, regions);
criterion_main!(benches);
