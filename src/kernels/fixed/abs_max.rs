//! The abs-max of an image, lane by lane and part by part, and the scale that follows from it.

use crate::codegen::vir::{Builder, Count, Integer, Mem, OverBudget, P, Program, Target, V};
use crate::kernels::KernelError;
use crate::kernels::epilogue::MAGNITUDE;
use crate::kernels::geometry::F32;
use crate::kernels::published::Published;
use crate::kernels::sink::{ARENA, Pointer, Sink};

use super::number::{Format, Quantization, Width};
use super::sizes::{BLOCK, LANES_BYTES, SCALE};

/// The abs-max of each image of a value, part by part and lane by lane: the largest of all is the
/// image's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AbsMax {
    /// Their offset in the arena.
    pub(super) offset: i64,
    /// How many parts an image has.
    pub(super) count: usize,
}

impl AbsMax {
    /// The abs-max of `images` images that a step published.
    pub(super) fn of(published: Published, images: usize) -> Self {
        let count = published.bytes / LANES_BYTES as usize / images.max(1);
        AbsMax { offset: published.offset, count }
    }

    /// Bytes from one image's to the next.
    pub(super) fn image(&self) -> i64 {
        self.count as i64 * LANES_BYTES
    }

    /// The kernel that computes an image's [`Scale`] from them.
    pub(super) fn scale(
        &self,
        name: &str,
        clears: bool,
        sink: &mut Sink,
    ) -> Result<usize, KernelError> {
        let width = Format::of(sink.machine.precision).values;
        let scale = Scale { target: sink.machine.target, width, parts: self.count, clears };
        sink.program(name, format!("{scale:?}"), |n| scale.program(n))
    }
}

/// The abs-max that the chunks of a step publish: for each image, stripe by stripe and then by part
/// of the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Publication {
    /// Offset in the arena, if it is published.
    pub(super) offset: Option<i64>,
    /// Stripes of an image, and parts of the outputs.
    pub(super) stripes: usize,
    pub(super) parts: usize,
}

/// The maximum number of chunks of an image that publish their abs-max: every reader reads all of
/// them.
const MOST_RANGES: usize = 64;

impl Publication {
    /// Bytes for `images` images; 0 if there are too many chunks, or lanes that are not outputs.
    pub(super) fn bytes(&self, images: usize, outputs: usize) -> usize {
        let count = self.stripes * self.parts;
        match count <= MOST_RANGES && outputs.is_multiple_of(BLOCK) {
            true => images * AbsMax { offset: 0, count }.image() as usize,
            false => 0,
        }
    }

    /// Where the first chunk of a stripe publishes its abs-max.
    pub(super) fn of_stripe(&self, stripe: usize) -> Pointer {
        let before = (stripe * self.parts) as i64 * LANES_BYTES;
        Pointer::new(ARENA, self.offset.unwrap_or_default() + before)
    }

    /// Bytes from one image, stripe and part to the next.
    pub(super) fn strides(&self) -> [i64; 3] {
        let stripe = self.parts as i64 * LANES_BYTES;
        [self.stripes as i64 * stripe, stripe, LANES_BYTES]
    }
}

/// The search for the abs-max in some blocks of channels. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FindAbsMax {
    /// The machine.
    pub(super) target: Target,
    /// Rows, and vectors of a row.
    pub(super) size: [usize; 2],
    /// Bytes between blocks, rows and vectors.
    pub(super) strides: [i64; 3],
    /// If each row has one more, overlapping vector: how many bytes before the end of the row's
    /// last whole vector it begins.
    pub(super) last: Option<i64>,
    /// Channels of a block, from 1 to 16.
    pub(super) live: usize,
}

/// Pixels that are compared at a time.
const TOGETHER: usize = 4;

impl FindAbsMax {
    /// Arguments: the first pixel, the result, the number of blocks.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let (src, dst, blocks) = (b.arg(0), b.arg(1), b.arg(2));
        let [rows, columns] = self.size;
        let [plane, row, pixel] = self.strides;
        let abs_max = b.vectors(TOGETHER);
        abs_max.iter().for_each(|&g| b.bits(g, 0));
        let (mask, value) = (b.vector(), b.vector());
        b.bits(mask, MAGNITUDE);
        let at = b.pointer(src);
        let compare = |b: &mut Builder, abs_max: V, place: Mem| {
            b.load(value, place);
            b.integer(Integer::And, value, value, mask);
            b.integer(Integer::Max, abs_max, abs_max, value);
        };
        b.repeat(Count::Register(blocks), |b| {
            b.repeat(Count::Fixed(rows as u32), |b| {
                let run = |b: &mut Builder, turns: usize, together: usize| {
                    b.repeat(Count::Fixed(turns as u32), |b| {
                        for (i, &abs_max) in abs_max[..together].iter().enumerate() {
                            compare(b, abs_max, at.at(i as i64 * pixel));
                        }
                        b.advance(at, together as i64 * pixel);
                    });
                };
                run(b, columns / TOGETHER, TOGETHER);
                run(b, (columns % TOGETHER).min(1), columns % TOGETHER);
                if let Some(before) = self.last {
                    compare(b, abs_max[0], at.at(-before));
                }
                b.advance(at, row - columns as i64 * pixel);
            });
            b.advance(at, plane - rows as i64 * row);
        });
        for &other in &abs_max[1..] {
            b.integer(Integer::Max, abs_max[0], abs_max[0], other);
        }
        if self.live < BLOCK {
            b.bits(mask, 0);
            b.blend(abs_max[0], mask, abs_max[0], (1 << self.live) - 1);
        }
        b.store(dst.at(0), abs_max[0]);
        b.finish()
    }
}

/// Computes the inverse scale and the scale of an image's numbers, each in all lanes. Everything
/// that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    /// The machine.
    target: Target,
    /// How many digits numbers have.
    width: Width,
    /// Parts of an image.
    parts: usize,
    /// Whether the place for the results' abs-max is cleared.
    clears: bool,
}

impl Scale {
    /// Arguments: the parts' abs-max, the thread's memory, and the place that is cleared.
    fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2 + usize::from(self.clears));
        let (src, dst) = (b.arg(0), b.arg(1));
        let [abs_max, other] = [b.vector(), b.vector()];
        let take = |b: &mut Builder,
                    count: usize,
                    from: P,
                    bytes: i64,
                    load: fn(&mut Builder, V, P, i64)| {
            load(b, abs_max, from, 0);
            for i in 1..count as i64 {
                load(b, other, from, i * bytes);
                b.integer(Integer::Max, abs_max, abs_max, other);
            }
        };
        take(&mut b, self.parts, src, LANES_BYTES, |b, v, p, at| b.load(v, p.at(at)));
        b.store(dst.at(0), abs_max);
        take(&mut b, BLOCK, dst, F32, |b, v, p, at| b.broadcast(v, p.at(at)));
        let Quantization { inverse_scale, scale } = Quantization::emit(&mut b, abs_max, self.width);
        b.store(dst.at(0), inverse_scale);
        b.store(dst.at(SCALE), scale);
        if self.clears {
            b.bits(abs_max, 0);
            b.store(b.arg(2).at(0), abs_max);
        }
        b.finish()
    }
}
