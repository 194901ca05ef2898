//! How fast this machine multiplies and adds: the roof of the roofline that kernels are measured
//! against.
//!
//! The measurement is a network of one step whose kernel does nothing but independent multiply-adds
//! in registers, so it uses the same encoder, pool and threads as any other network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use resnetc_ir::{DType, TensorType};

use crate::codegen::code::CodeSpace;
use crate::codegen::image::{Image, Options};
use crate::codegen::machine::Cranelift;
use crate::codegen::region::{Address, Arg, Call, Item, Piece, Region};
use crate::codegen::vir::{Arith, Builder, Count, OverBudget, Program as Kernel, Target};
use crate::error::Error;
use crate::host::executable;
use crate::isa::Isa;
use crate::kernels::Algorithm;
use crate::kernels::KernelError;
use crate::kernels::conv::Dot;
use crate::kernels::geometry::{Geometry, Place};
use crate::kernels::sink::ARENA;
use crate::report::compilation::CompileReport;

use super::compiled::Compiled;
use super::fpenv::Denormals;
use super::model::{Body, Model, Port, Program, StepInfo};
use super::threads::ThreadPool;

/// Independent sums: more than the multiply-adds that a core has in flight (5 cycles, 2 units).
const SUMS: usize = 12;
/// Multiply-adds into each sum in one iteration of the loop.
const UNROLL: usize = 4;
/// Iterations of a chunk: some 50 microseconds.
const TURNS: u32 = 8192;
/// Chunks for each thread: enough that the last ones to finish do not matter.
const CHUNKS_PER_THREAD: usize = 16;

/// The highest speed of arithmetic that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Instruction set.
    pub isa: Isa,
    /// Number of threads that worked.
    pub threads: usize,
    /// Billions of multiplications and additions per second, all threads together.
    pub gflops: f64,
}

/// What is multiplied and added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    Floats,
    Bytes(Dot),
}

impl Numbers {
    /// Bytes, if a target multiplies them.
    fn bytes(target: Target) -> Option<Self> {
        Dot::of(target).map(Numbers::Bytes)
    }
}

/// Measures for about `time`, at least one run. The fastest run counts.
///
/// # Errors
/// If the CPU lacks the instruction set, or there is not enough memory.
pub fn measure(isa: Isa, threads: usize, time: Duration) -> Result<Peak, Error> {
    measure_of(Numbers::Floats, isa, threads, time)
}

/// The same for products of bytes; `None` if the instruction set has none.
///
/// # Errors
/// If the CPU lacks the instruction set, or there is not enough memory.
pub fn measure_bytes(isa: Isa, threads: usize, time: Duration) -> Result<Option<Peak>, Error> {
    match Numbers::bytes(isa.target()) {
        Some(numbers) => measure_of(numbers, isa, threads, time).map(Some),
        None => Ok(None),
    }
}

fn measure_of(numbers: Numbers, isa: Isa, threads: usize, time: Duration) -> Result<Peak, Error> {
    let model = model(numbers, isa, threads)?;
    let mut context = model.context()?;
    let (start, mut best) = (Instant::now(), Duration::MAX);
    loop {
        let run = Instant::now();
        model.run(&mut context)?;
        best = best.min(run.elapsed());
        if start.elapsed() >= time {
            break;
        }
    }
    let macs: u64 = model.steps().iter().map(|s| s.macs).sum();
    let gflops = 2.0 * macs as f64 / best.as_secs_f64().max(1e-9) / 1e9;
    Ok(Peak { isa, threads: model.threads(), gflops })
}

/// A network that only computes: each chunk stores the total of its sums in its own vector of the
/// output.
fn model(numbers: Numbers, isa: Isa, threads: usize) -> Result<Model, Error> {
    isa.enable()?;
    executable::probe().map_err(Error::NoCode)?;
    let target = isa.target();
    let kernel = kernel(numbers, target)
        .map_err(|source| Error::from(KernelError::Budget { kernel: "peak".to_owned(), source }))?;
    let pool = ThreadPool::common(threads)?;
    let chunks = pool.threads() * CHUNKS_PER_THREAD;
    let region = region(chunks, target);
    let cranelift = Cranelift::host()?;
    let kernels = std::slice::from_ref(&kernel);
    let image = Image::compile(&cranelift, isa, kernels, &[region], Options::default())?;
    let code = CodeSpace::new(&cranelift, &image)?;
    let ty = TensorType::planar([chunks * target.lanes]);
    let arena_bytes = ty.elements() * size_of::<f32>();
    let output = Port {
        name: "sums".to_owned(),
        shape: ty.shape.clone(),
        dtype: DType::F32,
        place: Place { base: ARENA, offset: 0, geometry: Geometry::new(ty.clone()) },
    };
    let step = StepInfo {
        operator: 0,
        name: "peak".to_owned(),
        op: "peak",
        class: "peak".to_owned(),
        shape: ty.shape.clone(),
        kernel: kernel.name.clone(),
        algorithm: Algorithm::DIRECT,
        tile: None,
        bytes: 0,
        macs: chunks as u64 * kernel.work().arithmetic() * target.lanes as u64,
        chunks: chunks as u64,
    };
    let report = CompileReport {
        code_bytes: code.size(),
        kernels: 1,
        ..CompileReport::unplanned(isa, arena_bytes)
    };
    let compiled = Compiled {
        code,
        weights: Vec::new(),
        thread_bytes: 0,
        steps: vec![step],
        pool,
        denormals: Denormals::Zero,
    };
    let body = Body::Compiled(Box::new(compiled));
    let program = Program { inputs: Vec::new(), outputs: vec![output], arena_bytes, body };
    Ok(Model { program: Arc::new(program), report: Arc::new(report), origin: None })
}

/// Counts: every sum starts at 0 and grows by 1 * 1, or by several of them.
fn kernel(numbers: Numbers, target: Target) -> Result<Kernel, OverBudget> {
    let mut b = Builder::new("peak", target, 1);
    let sums = b.vectors(SUMS);
    let [x, y, product] = [(); 3].map(|()| b.vector());
    sums.iter().for_each(|&sum| b.constant(sum, 0.0));
    for one in [x, y] {
        match numbers {
            Numbers::Floats => b.constant(one, 1.0),
            Numbers::Bytes(Dot::Pairs) => b.bits(one, 0x0001_0001),
            Numbers::Bytes(Dot::Fours | Dot::Shifted) => b.bits(one, 0x0101_0101),
        }
    }
    b.repeat(Count::Fixed(TURNS), |b| {
        for _ in 0..UNROLL {
            sums.iter().for_each(|&sum| match numbers {
                Numbers::Floats => b.multiply_add(sum, x, y),
                Numbers::Bytes(dot) => dot.add(b, sum, [x, y], product),
            });
        }
    });
    if numbers != Numbers::Floats {
        sums.iter().for_each(|&sum| b.from_integer(sum, sum));
    }
    for &sum in &sums[1..] {
        b.arith(Arith::Add, sums[0], sums[0], sum);
    }
    let place = b.arg(0).at(0);
    b.store(place, sums[0]);
    b.finish()
}

fn region(chunks: usize, target: Target) -> Region {
    let strides = vec![target.vector_bytes()];
    let args = vec![Arg::Address(Address { base: ARENA, offset: 0, strides })];
    let piece = Piece {
        chunks: vec![chunks as u32],
        items: vec![Item::Call(Call { kernel: 0, loops: Vec::new(), args })],
    };
    Region { name: "peak".to_owned(), pieces: vec![piece] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::ISAS;

    /// Products that are summed into each lane at once.
    fn together(numbers: Numbers) -> usize {
        match numbers {
            Numbers::Floats => 1,
            Numbers::Bytes(dot) => dot.together(),
        }
    }

    /// The loop runs as often as the figures assume: each sum is an exact count.
    #[test]
    fn every_multiply_add_is_executed() {
        for isa in ISAS.into_iter().filter(|i| i.missing().is_none()) {
            for numbers in [Numbers::Floats].into_iter().chain(Numbers::bytes(isa.target())) {
                let model = model(numbers, isa, 2).unwrap();
                let mut context = model.context().unwrap();
                model.run(&mut context).unwrap();
                let sum = (together(numbers) * SUMS * UNROLL) as u64 * u64::from(TURNS);
                let sums = context.output::<f32>(0).unwrap();
                assert!(sums.iter().all(|&x| x == sum as f32), "{isa}");
                assert_eq!(model.steps()[0].macs, sums.len() as u64 * sum, "{isa}");
            }
        }
    }

    #[test]
    fn a_peak_is_a_positive_number() {
        let peak = measure(Isa::Baseline, 1, Duration::ZERO).unwrap();
        assert!(peak.gflops.is_finite() && peak.gflops > 0.0);
    }
}
