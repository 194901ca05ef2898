//! Runs one operator through the kernels, on every engine, in its own small arena.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use resnetc::Isa;
use resnetc::codegen::code::{Bases, CodeSpace};
use resnetc::codegen::emulate::{EmulatedMemory, emulate_region};
use resnetc::codegen::image::{Image, Options};
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::region::Region;
use resnetc::codegen::vir::Target;
use resnetc::host::cpu::Vendor;
use resnetc::isa::ISAS;
use resnetc::kernels::geometry::{Geometry, Place};
use resnetc::kernels::precision::Precision;
use resnetc::kernels::published::{Fact, Published};
use resnetc::kernels::sink::{ARENA, BASES, Machine, Sink, THREAD, WEIGHTS};
use resnetc::kernels::site::Site;
use resnetc::kernels::summation::Summation;
use resnetc::kernels::{Algorithm, KernelError, Operand, PlacedStep, lower, scratch_bytes};
use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::infer::infer;
use resnetc_ir::op::{Op, Pads};
use resnetc_ir::{Layout, Tensor, TensorType};

/// What runs the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Lane by lane, for this target.
    Emulator(Target),
    /// Machine code.
    Native(Isa),
}

impl Engine {
    pub(crate) fn target(self) -> Target {
        match self {
            Engine::Emulator(target) => target,
            Engine::Native(isa) => isa.target(),
        }
    }
}

/// The emulator, for each of these targets. It computes the same on every machine, and on 64-bit Arm
/// these tests usually run in another emulator, which makes it slow: there, compiled code is enough.
fn emulators<const N: usize>(targets: [Target; N]) -> Vec<Engine> {
    match cfg!(target_arch = "aarch64") {
        true => Vec::new(),
        false => targets.map(Engine::Emulator).to_vec(),
    }
}

/// Compiled code, for each of these instruction sets that this machine can run; those that it cannot
/// are reported.
fn native<const N: usize>(isas: [Isa; N]) -> impl Iterator<Item = Engine> {
    isas.into_iter().filter(|&isa| resnetc_testing::host::runs(isa)).map(Engine::Native)
}

/// Every engine for floats.
pub(crate) fn engines() -> Vec<Engine> {
    let mut engines = emulators([Target::V128, Target::AVX2, Target::AVX512, Target::NEON]);
    engines.extend(native([Isa::Baseline, Isa::Avx2, Isa::Avx512, Isa::Neon]));
    engines
}

/// Every engine, for products of bytes: all machines run the baseline, and most that have `avx512`
/// run it.
pub(crate) fn all_engines() -> Vec<Engine> {
    let x86 = [Target::AVX2, Target::AVX_VNNI, Target::AVX512_VNNI, Target::AMX];
    let mut engines = emulators(x86);
    engines.extend(emulators([Target::NEON, Target::NEON_DOT, Target::NEON_I8MM]));
    engines.extend(native(ISAS));
    engines
}

/// Every engine with tiles.
pub(crate) fn tile_engines() -> Vec<Engine> {
    let mut engines = emulators([Target::AMX]);
    engines.extend(native([Isa::Amx]));
    engines
}

/// An operand: its elements, and its layout in memory. Constants have no geometry.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) value: Value,
    pub(crate) at: Option<(Layout, Pads)>,
}

impl Source {
    pub(crate) fn constant(shape: &[usize], data: &[f32]) -> Self {
        Source { value: Value::from_f32(shape, data), at: None }
    }

    pub(crate) fn value(layout: Layout, halo: Pads, shape: &[usize], data: &[f32]) -> Self {
        Source { value: Value::from_f32(shape, data), at: Some((layout, halo)) }
    }
}

/// The interpreter's result of the operator.
pub(crate) fn reference(op: &Op, sources: &[Source]) -> Value {
    let operands: Vec<&Value> = sources.iter().map(|s| &s.value).collect();
    eval_node(op, &operands).expect("the test's operator is valid")
}

/// Byte offset of a logical element.
fn offset(place: &Place, index: usize) -> usize {
    let shape = &place.geometry.ty.shape;
    let mut at = place.origin();
    let mut rest = index;
    let image = place.geometry.ty.nchw().is_some();
    if !image {
        return place.offset as usize + index * 4;
    }
    let s = place.geometry.strides();
    for axis in (0..shape.len()).rev() {
        let i = rest % shape[axis];
        rest /= shape[axis];
        at += match axis {
            0 => i as i64 * s.image,
            1 => s.channel(i),
            2 => i as i64 * s.row,
            _ => i as i64 * s.pixel,
        };
    }
    at as usize
}

struct Arena {
    data: Vec<f32>,
}

impl Arena {
    /// Appends space for a value after a guard of one cache line, full of NaN.
    fn place(&mut self, geometry: Geometry) -> Place {
        self.data.extend([f32::NAN; 16]);
        let place = Place { base: ARENA, offset: self.data.len() as i64 * 4, geometry };
        let floats = place.geometry.bytes() / 4;
        self.data.resize(self.data.len() + floats.next_multiple_of(16), f32::NAN);
        place
    }

    /// Appends space for this many bytes that belong to no value.
    fn slots(&mut self, bytes: usize) -> Range<usize> {
        let start = self.data.len();
        self.data.resize(start + bytes / 4, f32::NAN);
        start..self.data.len()
    }

    /// Writes a value; its border is zero, lanes that hold no element are NaN.
    fn write(&mut self, place: &Place, value: &Value) {
        let (start, len) = (place.offset as usize / 4, place.geometry.bytes() / 4);
        if !place.geometry.is_dense() {
            let s = place.geometry.strides();
            let [n, c, h, w] = place.geometry.nchw();
            self.data[start..start + len].fill(0.0);
            let planes = c.div_ceil(s.block);
            for i in 0..n * planes * h * w * s.block {
                let (lane, x, y, plane) =
                    (i % s.block, i / s.block % w, i / s.block / w % h, i / s.block / w / h);
                let (image, plane) = (plane / planes, plane % planes);
                let at = place.origin()
                    + image as i64 * s.image
                    + plane as i64 * s.plane
                    + y as i64 * s.row
                    + x as i64 * s.pixel
                    + lane as i64 * 4;
                self.data[at as usize / 4] = f32::NAN;
            }
        }
        for (i, &x) in value.data.iter().enumerate() {
            self.data[offset(place, i) / 4] = x as f32;
        }
    }
}

/// Runs `op` and returns the result's elements. Panics if anything outside the result was written
/// or its border is not zero.
pub(crate) fn run(
    engine: Engine,
    op: &Op,
    sources: &[Source],
    dst: (Layout, Pads),
    in_place: Option<usize>,
    threads: usize,
) -> Result<Vec<f32>, KernelError> {
    // The values of these tests are exact however they are added up.
    let images = if threads.is_multiple_of(2) { Summation::Parts } else { Summation::Chain };
    let how = How { images, ..Algorithm::DIRECT.into() };
    run_with(how, engine, op, sources, dst, in_place, threads)
}

/// The algorithm of this name.
pub(crate) fn algorithm(name: &str) -> Algorithm {
    name.parse().expect("an algorithm")
}

/// How an operator is computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) algorithm: Algorithm,
    pub(crate) precision: Precision,
    /// Bytes of the core's cache, which limit what a chunk does at once.
    pub(crate) cache_bytes: usize,
    /// How sums of images are added up.
    pub(crate) images: Summation,
}

impl From<(Precision, Algorithm)> for How {
    /// With a cache that nearly every chunk is too large for.
    fn from((precision, algorithm): (Precision, Algorithm)) -> Self {
        How { algorithm, precision, cache_bytes: 32 << 10, images: Summation::Chain }
    }
}

impl From<Algorithm> for How {
    fn from(algorithm: Algorithm) -> Self {
        How::from((Precision::Full, algorithm))
    }
}

/// Like [`run`], with an algorithm and whatever else it depends on.
pub(crate) fn run_with(
    how: impl Into<How>,
    engine: Engine,
    op: &Op,
    sources: &[Source],
    dst: (Layout, Pads),
    in_place: Option<usize>,
    threads: usize,
) -> Result<Vec<f32>, KernelError> {
    let How { algorithm, precision, cache_bytes, images } = how.into();
    let types: Vec<TensorType> = sources.iter().map(|s| s.value.ty()).collect();
    let ty = infer(op, &types.iter().collect::<Vec<_>>()).expect("the test's operator is valid");
    let mut arena = Arena { data: Vec::new() };
    let mut operands = Vec::new();
    for s in sources {
        operands.push(match s.at {
            None => Operand::Constant(Arc::new(
                Tensor::new(s.value.shape.clone(), s.value.to_f32()).expect("sizes agree"),
            )),
            Some((layout, halo)) => {
                let ty = TensorType { layout, ..s.value.ty() };
                let place = arena.place(Geometry { halo, ..Geometry::new(ty) });
                arena.write(&place, &s.value);
                Operand::Value(place)
            }
        });
    }
    let fill_halo = in_place.is_none();
    let dst = match in_place.map(|i| &operands[i]) {
        Some(Operand::Value(place)) => place.clone(),
        _ => arena.place(Geometry {
            halo: dst.1,
            ..Geometry::new(TensorType { layout: dst.0, ..ty.clone() })
        }),
    };
    arena.data.extend([f32::NAN; 16]);
    let types = operand_types(&operands);
    let types: Vec<&TensorType> = types.iter().collect();
    let machine = Machine::new(engine.target(), threads, cache_bytes, Vendor::Other);
    let machine = Machine { precision, images, ..machine };
    let weights: Vec<&Tensor> = operands.iter().filter_map(constant).collect();
    let site = Site::of(op, &types, &weights, &dst.geometry.ty, machine);
    let plan = site.map(|site| algorithm.plan(&site).expect("it can compute the test's operator"));
    let own = scratch_bytes(op, &types);
    let scratch = arena.slots(plan.as_ref().map_or(own, |plan| plan.scratch_bytes()));
    let scratch_start = scratch.start;
    let mut sink = Sink::new(machine);
    let scratch = (!scratch.is_empty()).then_some(scratch_start as i64 * 4);
    let offers = plan.as_ref().map_or(Vec::new(), |plan| plan.offers());
    let range = offers.iter().find(|offer| offer.fact == Fact::AbsMax && keeps_range(threads));
    let range = range.map_or(0..0, |offer| arena.slots(offer.bytes));
    let publishes = (!range.is_empty()).then(|| published(&range)).into_iter().collect();
    let reads = plan.as_ref().is_some_and(|plan| plan.reads(0) == Some(Fact::AbsMax));
    let known = (reads && threads == 3).then(|| source_range(&mut arena, &sources[0].value));
    let known = vec![known.into_iter().collect()];
    let step = PlacedStep {
        name: "test",
        op,
        operands: operands.clone(),
        dst: dst.clone(),
        fill_halo,
        border: None,
        plan: plan.as_deref(),
        scratch,
        publishes,
        known,
    };
    let regions = lower(&step, &mut sink)?;
    for piece in regions.iter().flat_map(|r| &r.pieces) {
        assert!(piece.is_well_formed(), "{piece:?}");
    }
    let mut own = vec![f32::NAN; sink.thread_bytes() / 4];
    let (programs, packs, bytes) = sink.finish();
    let mut weights = vec![0.0; bytes / 4 + 16];
    for pack in packs {
        pack.write_words(&mut weights);
    }
    let before = arena.data.clone();
    let order = Order::new(&(format!("{engine:?} {op:?}"), threads));
    match engine {
        Engine::Emulator(_) => {
            let mut memory = EmulatedMemory::new();
            let arena_data = std::mem::take(&mut arena.data);
            let bases = [memory.add(arena_data), memory.add(weights), memory.add(own)];
            for (region, chunk) in regions.iter().flat_map(|r| order.of(r).map(move |c| (r, c))) {
                memory.buffer_mut(bases[THREAD.0 as usize]).fill(f32::NAN);
                emulate_region(region, &programs, &bases, chunk, &mut memory, true)
                    .expect("stays in bounds");
            }
            arena.data = memory.buffer(bases[0]).to_vec();
        }
        Engine::Native(isa) => {
            let cranelift = Cranelift::host().expect("Cranelift knows this machine");
            let image = Image::compile(&cranelift, isa, &programs, &regions, Options::default());
            let image = image.expect("compiles");
            let code = CodeSpace::new(&cranelift, &image).expect("links");
            let mut bases = Bases::new(BASES);
            bases.set(ARENA.0 as usize, arena.data.as_mut_ptr().cast());
            bases.set(WEIGHTS.0 as usize, weights.as_mut_ptr().cast());
            for (i, region) in regions.iter().enumerate() {
                for chunk in order.of(region) {
                    own.fill(f32::NAN);
                    bases.set(THREAD.0 as usize, own.as_mut_ptr().cast());
                    // SAFETY: the emulator checked the same region on buffers of the same sizes.
                    unsafe { code.run_chunk(i, &bases, chunk) };
                }
            }
        }
    }
    check_outside(&before[..scratch_start], &arena.data, &dst);
    check_border(&arena.data, &dst);
    let result: Vec<f32> = (0..ty.elements()).map(|i| arena.data[offset(&dst, i) / 4]).collect();
    check_range(&arena.data[range], &result, ty.shape.first().copied().unwrap_or(1));
    Ok(result)
}

/// The order in which chunks run is arbitrary, as on threads. Chunks cannot rely on what another
/// chunk left in the memory of its thread, so it is poisoned before each of them.
struct Order(DefaultHasher);

impl Order {
    /// The same order for the same case.
    fn new(case: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        case.hash(&mut hasher);
        Order(hasher)
    }

    /// All chunks of a region.
    fn of(&self, region: &Region) -> impl Iterator<Item = u64> + use<> {
        let mut chunks: Vec<u64> = (0..region.chunk_count()).collect();
        chunks.sort_by_cached_key(|chunk| {
            let mut hasher = self.0.clone();
            chunk.hash(&mut hasher);
            hasher.finish()
        });
        chunks.into_iter()
    }
}

/// Whether a step keeps its result's range, if it can. That must not change a result, so tests that
/// run with several numbers of threads cover both.
fn keeps_range(threads: usize) -> bool {
    threads != 2
}

/// The range of a source: the largest magnitude in one lane of one part, and less elsewhere.
fn source_range(arena: &mut Arena, source: &Value) -> Published {
    const PARTS: usize = 3;
    let (images, values) = (source.shape[0], source.to_f32());
    let slots = arena.slots(images * PARTS * 64);
    arena.data[slots.clone()].fill(0.0);
    for (i, image) in values.chunks(values.len() / images).enumerate() {
        let greatest = image.iter().map(|x| x.to_bits() & 0x7fff_ffff).max().unwrap_or(0);
        let lanes = &mut arena.data[slots.clone()][i * PARTS * 16..][..PARTS * 16];
        (lanes[7], lanes[21]) = (f32::from_bits(greatest / 2), f32::from_bits(greatest));
    }
    published(&slots)
}

/// The largest magnitudes in these slots of the arena.
fn published(slots: &Range<usize>) -> Published {
    Published { fact: Fact::AbsMax, offset: slots.start as i64 * 4, bytes: slots.len() * 4 }
}

/// An operand that is a constant.
fn constant(operand: &Operand) -> Option<&Tensor> {
    match operand {
        Operand::Constant(tensor) => Some(tensor),
        Operand::Value(_) => None,
    }
}

/// Checks that the kept range is the largest magnitude of each image, compared as bits, where NaN
/// is above all others.
fn check_range(kept: &[f32], result: &[f32], images: usize) {
    if kept.is_empty() {
        return;
    }
    let greatest = |values: &[f32]| values.iter().map(|x| x.to_bits() & 0x7fff_ffff).max();
    let kept = kept.chunks(kept.len() / images);
    for (kept, image) in kept.zip(result.chunks(result.len() / images)) {
        assert_eq!(greatest(kept), greatest(image), "not the range of the result");
    }
}

/// The operands' types.
fn operand_types(operands: &[Operand]) -> Vec<TensorType> {
    let ty = |o: &Operand| match o {
        Operand::Value(place) => place.geometry.ty.clone(),
        Operand::Constant(tensor) => tensor.ty(),
    };
    operands.iter().map(ty).collect()
}

fn check_outside(before: &[f32], after: &[f32], dst: &Place) {
    let inside = dst.offset as usize / 4..dst.offset as usize / 4 + dst.geometry.bytes() / 4;
    for (i, (a, b)) in before.iter().zip(after).enumerate() {
        assert!(
            inside.contains(&i) || a.to_bits() == b.to_bits(),
            "wrote outside of the result, at {i}"
        );
    }
}

fn check_border(data: &[f32], dst: &Place) {
    if dst.geometry.is_dense() {
        return;
    }
    let s = dst.geometry.strides();
    let [n, c, h, w] = dst.geometry.nchw();
    let halo = dst.geometry.halo;
    let rows = h + halo.top + halo.bottom;
    let pixels = w + halo.left + halo.right;
    for i in 0..n * c.div_ceil(s.block) * rows * pixels {
        let (x, y) = (i % pixels, i / pixels % rows);
        let inside =
            (halo.left..halo.left + w).contains(&x) && (halo.top..halo.top + h).contains(&y);
        if !inside {
            let at = dst.offset as usize / 4 + i * s.block;
            assert!(
                data[at..at + s.block].iter().all(|&v| v == 0.0),
                "border not zero at row {y}, column {x}"
            );
        }
    }
}
