//! Random regions: the driver does the same as `emulate_region`.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use resnetc::Isa;
use resnetc::codegen::clif;
use resnetc::codegen::code::{Bases, CodeSpace};
use resnetc::codegen::emulate::{EmulatedMemory, emulate_region};
use resnetc::codegen::error::CodegenError;
use resnetc::codegen::image::{Image, Options};
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::machine::Scratch;
use resnetc::codegen::region::{Address, Arg, Base, Call, Extent, Item, Piece, Region, Word};
use resnetc::codegen::vir::{Arith, Builder, Count, Program, Target};
use resnetc::isa::ISAS;
use resnetc_testing::cases::cases;

/// Values of each buffer; arguments start near the middle.
const BUFFER: usize = 8192;
const BASES: u32 = 3;

/// `dst = dst * 0.5 + src`: the result depends on the order of calls.
fn mix() -> Program {
    let mut b = Builder::new("mix", Target::V128, 2);
    let v = b.vectors(3);
    let (dst, src) = (b.arg(0), b.arg(1));
    b.load(v[0], dst.at(0));
    b.load(v[1], src.at(0));
    b.constant(v[2], 0.5);
    b.arith(Arith::Mul, v[0], v[0], v[2]);
    b.arith(Arith::Add, v[0], v[0], v[1]);
    b.store(dst.at(0), v[0]);
    b.finish().unwrap()
}

/// `dst[i] += 1` for `i` below the product of two counts.
fn count() -> Program {
    let mut b = Builder::new("count", Target::V128, 3);
    let v = b.vectors(2);
    let (dst, n, m) = (b.pointer(b.arg(0)), b.arg(1), b.arg(2));
    b.constant(v[1], 1.0);
    b.repeat(Count::Register(n), |b| {
        b.repeat(Count::Register(m), |b| {
            b.load(v[0], dst.at(0));
            b.arith(Arith::Add, v[0], v[0], v[1]);
            b.store_first(dst.at(0), v[0]);
            b.advance(dst, 4);
        });
    });
    b.finish().unwrap()
}

fn extent(outer: usize) -> BoxedStrategy<Extent> {
    let fixed = (0u32..4).prop_map(Extent::Fixed);
    if outer == 0 {
        return fixed.boxed();
    }
    let rest = (0..outer, 1u32..4, 0u32..12).prop_map(|(level, per, total)| Extent::Rest {
        level,
        per,
        total,
    });
    prop_oneof![fixed, rest].boxed()
}

fn place(levels: usize) -> impl Strategy<Value = Address> {
    let stride = prop_oneof![Just(0), (-64i64..64).prop_map(|s| 4 * s)];
    let strides = proptest::collection::vec(stride, 0..=levels);
    (0..BASES, -500i64..500, strides).prop_map(|(base, near, strides)| Address {
        base: Base(base),
        offset: 4 * (BUFFER as i64 / 2 + near),
        strides,
    })
}

fn address(levels: usize) -> impl Strategy<Value = Arg> {
    place(levels).prop_map(Arg::Address)
}

fn call(outer: usize) -> impl Strategy<Value = Call> {
    (0usize..3, 0usize..2).prop_flat_map(move |(inner, kernel)| {
        let levels = outer + inner;
        let loops: Vec<_> = (0..inner).map(|i| extent(outer + i)).collect();
        let number = || extent(levels).prop_map(Arg::Count).boxed();
        let args = match kernel {
            0 => vec![address(levels).boxed(), address(levels).boxed()],
            _ => vec![address(levels).boxed(), number(), number()],
        };
        (loops, args).prop_map(move |(loops, args)| Call { kernel, loops, args })
    })
}

fn items(outer: usize, depth: usize) -> BoxedStrategy<Vec<Item>> {
    let one = call(outer).prop_map(Item::Call);
    if depth == 0 {
        return proptest::collection::vec(one, 0..3).boxed();
    }
    let repeat = (0u32..3, items(outer + 1, depth - 1))
        .prop_map(|(count, items)| Item::Repeat { count, items });
    let is = prop::sample::select(vec![Word::Zero, Word::NotZero]);
    let when = (place(outer), is, items(outer, depth - 1))
        .prop_map(|(word, is, items)| Item::When { word, is, items });
    proptest::collection::vec(prop_oneof![2 => one, 1 => repeat, 1 => when], 0..3).boxed()
}

fn piece() -> impl Strategy<Value = Piece> {
    let chunks = proptest::collection::vec(prop_oneof![5 => 1u32..4, 1 => Just(0)], 0..4);
    chunks.prop_flat_map(|chunks| {
        items(chunks.len(), 2).prop_map(move |items| Piece { chunks: chunks.clone(), items })
    })
}

fn region() -> impl Strategy<Value = Region> {
    proptest::collection::vec(piece(), 0..4)
        .prop_map(|pieces| Region { name: "random".into(), pieces })
}

fn values(base: u32) -> Vec<f32> {
    // Every third one is zero, which conditions test for.
    let value = |i: u32| ((i * (base + 3) % 101) as f32 - 50.0) * (i % 3).min(1) as f32;
    (0..BUFFER as u32).map(value).collect()
}

fn emulated(region: &Region, kernels: &[Program]) -> Vec<Vec<f32>> {
    let mut memory = EmulatedMemory::new();
    let bases: Vec<u64> = (0..BASES).map(|b| memory.add(values(b))).collect();
    for chunk in 0..region.chunk_count() {
        emulate_region(region, kernels, &bases, chunk, &mut memory, true).unwrap();
    }
    bases.iter().map(|&b| memory.buffer(b).to_vec()).collect()
}

#[test]
fn the_driver_agrees_with_the_emulator() {
    let kernels = [mix(), count()];
    let cranelift = Cranelift::host().unwrap();
    let mut runner = TestRunner::new(Config {
        cases: cases(150),
        failure_persistence: None,
        ..Config::default()
    });
    let regions = proptest::collection::vec(region(), 1..4);
    let result = runner.run(&regions, |regions| {
        let options = Options { threads: 2, ..Options::default() };
        let image = Image::compile(&cranelift, Isa::Baseline, &kernels, &regions, options).unwrap();
        let space = CodeSpace::new(&cranelift, &image).unwrap();
        for (i, region) in regions.iter().enumerate() {
            let want = emulated(region, &kernels);
            let mut got: Vec<Vec<f32>> = (0..BASES).map(values).collect();
            let mut bases = Bases::new(BASES as usize);
            got.iter_mut().enumerate().for_each(|(i, b)| bases.set(i, b.as_mut_ptr().cast()));
            assert_eq!(space.region(i).unwrap().chunks, region.chunk_count());
            for chunk in 0..region.chunk_count() + 2 {
                // SAFETY: the emulator has run the same region on buffers of the same sizes and
                // found every access in bounds; the chunks past the last do nothing.
                unsafe { space.run_chunk(i, &bases, chunk) };
            }
            prop_assert_eq!(&got, &want, "{:?}", region);
        }
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
}

#[test]
fn what_cannot_be_compiled_is_refused() {
    let kernels = [mix()];
    let cranelift = Cranelift::host().unwrap();
    let compile = |piece| {
        let region = Region { name: "bad".into(), pieces: vec![piece] };
        Image::compile(&cranelift, Isa::Baseline, &kernels, &[region], Options::default())
    };
    let number = |extent| vec![Arg::Count(extent), Arg::Count(Extent::Fixed(1))];
    let piece = |kernel, args| Piece {
        chunks: vec![2],
        items: vec![Item::Call(Call { kernel, loops: vec![], args })],
    };
    let inward = Extent::Rest { level: 1, per: 1, total: 1 };
    for bad in [piece(1, number(Extent::Fixed(1))), piece(0, number(inward)), piece(0, vec![])] {
        assert!(matches!(compile(bad), Err(CodegenError::Region { .. })));
    }
    let wide = Builder::new("wide", Target::AVX2, 0).finish().unwrap();
    let encoded = clif::compile(&cranelift, &mut Scratch::new(), &wide, false);
    assert!(matches!(encoded, Err(CodegenError::Target { target: Target::AVX2, .. })));
    // Otherwise code would run without a check that the CPU can run it.
    let image = Image::compile(&cranelift, Isa::Baseline, &[wide], &[], Options::default());
    assert!(matches!(image, Err(CodegenError::Excess { isa: Isa::Baseline, .. })));
}

#[test]
fn dumps_are_kept_on_request_only() {
    let kernels = [mix()];
    let cranelift = Cranelift::host().unwrap();
    for keep_ir in [false, true] {
        let options = Options { keep_ir, ..Options::default() };
        let image = Image::compile(&cranelift, Isa::Baseline, &kernels, &[], options).unwrap();
        assert_eq!(image.kernels[0].ir.is_some(), keep_ir);
        assert!(!keep_ir || image.kernels[0].ir.as_ref().unwrap().contains("fmul"));
    }
}

/// How many bytes of this process are executable. (The system merges mappings, so their number
/// means little.)
#[cfg(target_os = "linux")]
fn executable_bytes() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(
        !maps.lines().any(|line| line.contains("rwxp")),
        "a page is writable and executable:\n{maps}"
    );
    let size = |line: &str| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        Some(u64::from_str_radix(end, 16).ok()? - u64::from_str_radix(start, 16).ok()?)
    };
    maps.lines().filter(|line| line.contains("r-xp")).filter_map(size).sum()
}

#[cfg(target_os = "linux")]
#[test]
fn dropped_code_is_freed_and_no_page_is_both_writable_and_executable() {
    let kernels = [mix()];
    let cranelift = Cranelift::host().unwrap();
    let image =
        Image::compile(&cranelift, Isa::Baseline, &kernels, &[], Options::default()).unwrap();
    let before = executable_bytes();
    for _ in 0..300 {
        CodeSpace::new(&cranelift, &image).unwrap();
    }
    // Other tests of this process have code at the same time, but only a little.
    assert!(executable_bytes() < before + 100 * 4096);
    let _space = CodeSpace::new(&cranelift, &image).unwrap();
    executable_bytes();
}

#[test]
fn code_may_be_shared_by_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<CodeSpace>();
    check::<Bases>();
    check::<Image>();
}

/// Any machine can encode for any other, even if it cannot run the code.
#[test]
fn every_row_names_a_back_end_that_encodes_its_target() {
    let cranelift = Cranelift::host().unwrap();
    for isa in ISAS {
        let mut b = Builder::new("add", isa.target(), 1);
        let (v, arg) = (b.vector(), b.arg(0));
        b.load(v, arg.at(0));
        b.arith(Arith::Add, v, v, v);
        b.store(arg.at(0), v);
        let image =
            Image::compile(&cranelift, isa, &[b.finish().unwrap()], &[], Options::default());
        assert!(image.is_ok_and(|image| image.isa == isa && image.size() > 0), "{isa}");
    }
}
