//! Values of bytes in memory, and kernels on them.

use resnetc::codegen::code::{Bases, CodeSpace};
use resnetc::codegen::emulate::{EmulatedMemory, emulate_region};
use resnetc::codegen::image::{Image, Options};
use resnetc::codegen::machine::Cranelift;
use resnetc::host::cpu::Vendor;
use resnetc::kernels::geometry::{Geometry, Place, Zero};
use resnetc::kernels::measure::scratch_bytes;
use resnetc::kernels::sink::{ARENA, BASES, Machine, Sink, THREAD, WEIGHTS};
use resnetc::kernels::{Operand, PlacedStep, lower};
use resnetc_ir::eval::Value;
use resnetc_ir::op::{Op, Pads};
use resnetc_ir::random::SplitMix;
use resnetc_ir::{DType, TensorType};

use super::engine::Engine;

/// Random elements of a type, its smallest and largest ones among them.
pub(crate) fn elements(random: &mut SplitMix, ty: DType, shape: &[usize]) -> Value {
    let (lo, hi) = ty.limits().expect("integers");
    let count = shape.iter().product::<usize>();
    let one = |random: &mut SplitMix| match random.draw() % 8 {
        0 => lo as f64,
        1 => hi as f64,
        n => (lo + (random.draw() ^ n) as i128 % (hi - lo + 1)) as f64,
    };
    Value::of(ty, shape, (0..count).map(|_| one(random)).collect())
}

/// The offset of an element of an image.
fn offset(place: &Place, index: usize) -> usize {
    let [_, c, h, w] = place.geometry.nchw();
    let s = place.geometry.strides();
    let (x, y, channel, image) = (index % w, index / w % h, index / w / h % c, index / w / h / c);
    let at = image as i64 * s.image + y as i64 * s.row + x as i64 * s.pixel + s.channel(channel);
    (place.origin() + at) as usize
}

/// Scratch memory of an operator, in bytes.
fn scratch(op: &Op, operands: &[Operand]) -> usize {
    match (op, operands) {
        (Op::Measure, [Operand::Value(place)]) => scratch_bytes(&place.geometry.ty.shape),
        _ => 0,
    }
}

/// Bytes.
#[derive(Default)]
pub(crate) struct Arena {
    bytes: Vec<u8>,
    /// The zero point that a run computes, and the operand that holds it.
    measured: Option<(u8, Operand)>,
}

impl Arena {
    fn words(&self) -> Vec<f32> {
        self.bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
    }

    /// Appends space for a value after a guard of a cache line.
    pub(crate) fn place(&mut self, ty: TensorType, halo: Pads, zero: impl Into<Zero>) -> Place {
        let zero = zero.into();
        self.bytes.extend([0xaa; 64]);
        let geometry = Geometry { halo, zero, ..Geometry::new(ty) };
        let place = Place { base: ARENA, offset: self.bytes.len() as i64, geometry };
        let bytes = place.geometry.bytes().next_multiple_of(64);
        self.bytes.resize(self.bytes.len() + bytes, 0xaa);
        self.bytes.extend([0xaa; 64]);
        place
    }

    /// Says that a run computes this zero point, and writes it to an operand.
    pub(crate) fn measure(&mut self, zero: u8, at: &Operand) {
        self.measured = Some((zero, at.clone()));
    }

    /// The byte that stands for zero around a value.
    fn zero(&self, place: &Place) -> u8 {
        match (place.geometry.zero, &self.measured) {
            (Zero::Byte(zero), _) => zero,
            (Zero::Measured(_), Some((zero, _))) => *zero,
            (Zero::Measured(_), None) => panic!("no zero point is known"),
        }
    }

    /// Writes a value and its border; lanes that hold no element keep what they are.
    pub(crate) fn write(&mut self, place: &Place, value: &Value) {
        let border = self.border(place);
        let zero = self.zero(place);
        border.into_iter().for_each(|at| self.bytes[at] = zero);
        for (i, &x) in value.data.iter().enumerate() {
            let at = offset(place, i);
            match value.dtype {
                DType::F32 => self.bytes[at..][..4].copy_from_slice(&(x as f32).to_le_bytes()),
                _ => self.bytes[at] = x as i32 as u8,
            }
        }
    }

    /// The bytes of a value that are not within the image.
    fn border(&self, place: &Place) -> Vec<usize> {
        let start = place.offset as usize;
        let mut border = vec![true; place.geometry.bytes()];
        let [n, c, h, w] = place.geometry.nchw();
        let s = place.geometry.strides();
        for i in 0..n * c.div_ceil(s.block) * h * w {
            let (x, y, plane) = (i % w, i / w % h, i / w / h);
            let at = y as i64 * s.row + x as i64 * s.pixel + plane as i64 * s.plane + s.origin;
            border[at as usize..][..s.pixel as usize].fill(false);
        }
        (0..border.len()).filter(|&i| border[i]).map(|i| start + i).collect()
    }

    /// Runs the kernels of an operator, checks that nothing but the result and its border was
    /// written, and returns the result.
    pub(crate) fn run(
        self,
        engine: Engine,
        op: &Op,
        operands: Vec<Operand>,
        dst: &Place,
        fill_halo: bool,
        threads: usize,
    ) -> Vec<f64> {
        let machine = Machine::new(engine.target(), threads, 32 * 1024, Vendor::Other);
        self.run_for(machine, engine, op, operands, dst, fill_halo)
    }

    /// The same, with kernels for this machine, which the engine stands for.
    pub(crate) fn run_for(
        mut self,
        machine: Machine,
        engine: Engine,
        op: &Op,
        operands: Vec<Operand>,
        dst: &Place,
        fill_halo: bool,
    ) -> Vec<f64> {
        let measured = self.measured.take();
        let scratch = scratch(op, &operands);
        let scratch = (scratch > 0).then(|| {
            let start = self.bytes.len();
            self.bytes.resize((start + scratch).next_multiple_of(64), 0xaa);
            start
        });
        let step = PlacedStep {
            name: "test",
            op,
            operands,
            dst: dst.clone(),
            fill_halo,
            border: measured.as_ref().map(|(_, operand)| operand.clone()),
            plan: None,
            scratch: scratch.map(|start| start as i64),
            publishes: Vec::new(),
            known: Vec::new(),
        };
        let mut sink = Sink::new(machine);
        let regions = lower(&step, &mut sink).expect("the kernel exists");
        let mut private = vec![f32::NAN; sink.thread_bytes().div_ceil(4)];
        let (programs, packs, bytes) = sink.finish();
        let mut weights = vec![0.0; bytes / 4 + 16];
        packs.into_iter().for_each(|pack| pack.write_words(&mut weights));
        let before = self.bytes.clone();
        let mut words = self.words();
        let chunks = regions.iter().flat_map(|r| (0..r.chunk_count()).rev().map(move |c| (r, c)));
        match engine {
            Engine::Emulator(_) => {
                let mut memory = EmulatedMemory::new();
                let bases = [memory.add(words), memory.add(weights), memory.add(private)];
                for (region, chunk) in chunks {
                    let run = emulate_region(region, &programs, &bases, chunk, &mut memory, true);
                    run.expect("stays in bounds");
                }
                words = memory.buffer(bases[0]).to_vec();
            }
            Engine::Native(isa) => {
                let cranelift = Cranelift::host().expect("Cranelift knows this machine");
                let image =
                    Image::compile(&cranelift, isa, &programs, &regions, Options::default());
                let code = CodeSpace::new(&cranelift, &image.expect("compiles")).expect("links");
                let mut bases = Bases::new(BASES);
                bases.set(ARENA.0 as usize, words.as_mut_ptr().cast());
                bases.set(WEIGHTS.0 as usize, weights.as_mut_ptr().cast());
                bases.set(THREAD.0 as usize, private.as_mut_ptr().cast());
                for (i, region) in regions.iter().enumerate() {
                    for chunk in (0..region.chunk_count()).rev() {
                        // SAFETY: the emulator checked the same region on buffers of these sizes.
                        unsafe { code.run_chunk(i, &bases, chunk) };
                    }
                }
            }
        }
        let bytes = words.iter().flat_map(|x| x.to_bits().to_le_bytes()).collect();
        let arena = Arena { bytes, measured };
        let inside = dst.offset as usize..dst.offset as usize + dst.geometry.bytes();
        let end = scratch.unwrap_or(before.len());
        for (i, (a, b)) in before[..end].iter().zip(&arena.bytes).enumerate() {
            assert!(inside.contains(&i) || a == b, "wrote outside of the result, at {i}");
        }
        arena.check_border(dst);
        let read = |i: usize| {
            let at = offset(dst, i);
            match dst.geometry.ty.dtype {
                DType::I8 => f64::from(arena.bytes[at] as i8),
                DType::U8 => f64::from(arena.bytes[at]),
                _ => {
                    let bytes = arena.bytes[at..][..4].try_into().expect("four bytes");
                    f64::from(f32::from_le_bytes(bytes))
                }
            }
        };
        let [n, c, h, w] = dst.geometry.nchw();
        (0..n * c * h * w).map(read).collect()
    }

    fn check_border(&self, place: &Place) {
        for at in self.border(place) {
            assert_eq!(self.bytes[at], self.zero(place), "the border at {at}");
        }
    }
}
