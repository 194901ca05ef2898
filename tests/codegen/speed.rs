//! How fast the code is, and how fast it is made. Not run by default:
//! `cargo test --release --test codegen -- --ignored --nocapture speed`.

use std::hint::spin_loop;
use std::time::Instant;

use resnetc::codegen::code::{Bases, CodeSpace};
use resnetc::codegen::emulate::{Memory, emulate};
use resnetc::codegen::image::{Backend, Image, Options};
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::region::{Arg, Base, Call, Extent, Item, Piece, Region};
use resnetc::codegen::vir::{Builder, Count, Program, Target};
use resnetc::runtime::pool::{Pool, default_threads};

/// Pixels by output channels in registers; 16 input channels a turn.
fn tile(target: Target, pixels: usize, channels: usize) -> Program {
    let wide = channels / target.lanes;
    let mut b = Builder::new(format!("tile{pixels}x{channels}"), target, 4);
    let (out, n) = (b.arg(2), b.arg(3));
    let (x, w) = (b.pointer(b.arg(0)), b.pointer(b.arg(1)));
    let sums = b.vectors(pixels * wide);
    let bytes = target.vector_bytes();
    // The shorter side of the tile is held in registers, the other passes through one.
    let held = b.vectors(wide.min(pixels));
    let passing = b.vector();
    sums.iter().for_each(|&v| b.constant(v, 0.0));
    b.repeat(Count::Register(n), |b| {
        for k in 0..16 {
            let weight = |j: usize| w.at((k * channels * 4) as i32 + j as i32 * bytes);
            let value = |p: usize| x.at((p * 64 + k * 4) as i32);
            if wide < pixels {
                held.iter().enumerate().for_each(|(j, &v)| b.load(v, weight(j)));
                for p in 0..pixels {
                    b.broadcast(passing, value(p));
                    (0..wide).for_each(|j| b.multiply_add(sums[p * wide + j], passing, held[j]));
                }
            } else {
                held.iter().enumerate().for_each(|(p, &v)| b.broadcast(v, value(p)));
                for j in 0..wide {
                    b.load(passing, weight(j));
                    (0..pixels).for_each(|p| b.multiply_add(sums[p * wide + j], held[p], passing));
                }
            }
        }
        b.advance(x, 64 * pixels as i32);
        b.advance(w, 4 * 16 * channels as i32);
    });
    for (i, &v) in sums.iter().enumerate() {
        b.store(out.at(i as i32 * bytes), v);
    }
    b.finish().unwrap()
}

/// GFLOP/s of `program` with everything in the first-level cache.
fn measure(cranelift: &Cranelift, program: &Program, pixels: usize, channels: usize) -> f64 {
    const DEPTH: usize = 256;
    let calls = 2000;
    let address = |base| Arg::Address { base: Base(base), offset: 0, strides: vec![] };
    let turns = Arg::Count(Extent::Fixed(DEPTH as u32 / 16));
    let args = vec![address(0), address(1), address(2), turns];
    let piece = Piece {
        chunks: vec![],
        items: vec![Item::Call(Call { kernel: 0, loops: vec![Extent::Fixed(calls)], args })],
    };
    let region = Region { name: "calls".into(), pieces: vec![piece] };
    let kernel = (program, Backend::of(program.target));
    let image = Image::compile(cranelift, &[kernel], &[region], Options::default()).unwrap();
    let space = CodeSpace::new(cranelift, &image).unwrap();
    let mut buffers =
        [DEPTH * pixels, DEPTH * channels, pixels * channels].map(|n| vec![0.5f32; n]);
    let mut bases = Bases::new(3);
    buffers.iter_mut().enumerate().for_each(|(i, b)| bases.set(i, b.as_mut_ptr().cast()));
    let mut best = f64::MAX;
    for _ in 0..50 {
        let start = Instant::now();
        // SAFETY: `tile` reads DEPTH values a pixel and DEPTH rows of channels, and writes all sums once.
        unsafe { space.run_chunk(0, &bases, 0) };
        best = best.min(start.elapsed().as_secs_f64());
    }
    assert_eq!(buffers[2][0], 0.25 * DEPTH as f32);
    2.0 * (DEPTH * pixels * channels) as f64 * f64::from(calls) / best / 1e9
}

#[test]
#[ignore = "measures; run alone"]
fn speed_of_code() {
    let (host, oldest) = (Cranelift::host().unwrap(), Cranelift::oldest().unwrap());
    for (name, cranelift, target, pixels, channels) in [
        ("any CPU", &oldest, Target::V128, 3, 16),
        ("any CPU", &oldest, Target::V128, 6, 8),
        ("this CPU", &host, Target::V128, 3, 16),
        ("this CPU", &host, Target::V128, 6, 8),
        ("this CPU", &host, Target::AVX2, 6, 16),
    ] {
        let gflops = measure(cranelift, &tile(target, pixels, channels), pixels, channels);
        println!("{name}, {} lanes, {pixels}x{channels}: {gflops:.1} GFLOP/s", target.lanes);
    }
}

/// What a region takes whose chunks take 5 microseconds each.
#[test]
#[ignore = "measures; run alone"]
fn speed_of_regions() {
    let work = |_, _| {
        let start = Instant::now();
        while start.elapsed().as_nanos() < 5000 {
            spin_loop();
        }
    };
    for threads in 1..=default_threads() {
        let pool = Pool::new(threads);
        for chunks in [1, 2, 8] {
            let mut session = pool.session();
            let mut times: Vec<f64> = (0..300)
                .map(|_| {
                    let start = Instant::now();
                    (0..60).for_each(|_| session.run(chunks, &work));
                    start.elapsed().as_secs_f64() / 60.0 * 1e6
                })
                .collect();
            times.sort_by(f64::total_cmp);
            println!(
                "{threads} threads, {chunks} chunks: {:.2} us least, {:.2} us median",
                times[0], times[150]
            );
        }
    }
}

#[test]
#[ignore = "measures; run alone"]
fn speed_of_encoding() {
    let cranelift = Cranelift::host().unwrap();
    let plan = [(Target::V128, 3, 16), (Target::AVX2, 6, 16), (Target::AVX512, 12, 32)];
    for (target, pixels, channels) in plan {
        let program = tile(target, pixels, channels);
        let count = program.work().instructions as f64;
        let kernels = vec![(&program, Backend::of(target)); 100];
        let start = Instant::now();
        let image = Image::compile(&cranelift, &kernels, &[], Options::default()).unwrap();
        let compiled = start.elapsed().as_secs_f64() / 100.0;
        let start = Instant::now();
        let linked = CodeSpace::new(&cranelift, &image).map(|_| start.elapsed());
        println!(
            "{} lanes: {count} instructions, {} bytes in {:.3} ms: {:.3} ms per 1000; all 100 linked in {linked:?}",
            target.lanes,
            image.kernels[0].bytes.len(),
            compiled * 1e3,
            compiled * 1e6 / count
        );
    }
}

#[test]
#[ignore = "measures; run alone"]
fn speed_of_emulation() {
    for fused in [false, true] {
        let program = tile(Target::AVX512, 12, 32);
        let mut memory = Memory::new();
        let args = [12 * 256, 32 * 256, 12 * 32].map(|n| memory.add(vec![0.5; n]));
        let start = Instant::now();
        for _ in 0..20 {
            emulate(&program, &[args[0], args[1], args[2], 16], &mut memory, fused).unwrap();
        }
        let instructions = 20.0 * 16.0 * program.work().instructions as f64;
        let each = start.elapsed().as_secs_f64() / instructions * 1e9;
        println!("16 lanes, fused {fused}: {each:.1} ns an instruction");
    }
}
