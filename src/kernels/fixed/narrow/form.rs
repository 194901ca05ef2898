//! A convolution of few channels as tiles see it.

use resnetc_ir::op::Conv;

use crate::codegen::vir::TILE_ROWS;
use crate::kernels::conv_plan::Refusal;
use crate::kernels::fixed::abs_max::{AbsMax, Publication};
use crate::kernels::fixed::cost;
use crate::kernels::fixed::guard::Windows;
use crate::kernels::fixed::magnitudes::MAGNITUDE_BYTES;
use crate::kernels::fixed::number::Format;
use crate::kernels::fixed::pack::Panels;
use crate::kernels::fixed::product::Together;
use crate::kernels::fixed::sizes::{
    BLOCK, FARTHEST, GROUP_BLOCKS, LANES_BYTES, MOST_WEIGHTS, ROW, SUMS, TILE,
};
use crate::kernels::fixed::unpack::{Level, Stretch};
use crate::kernels::precision::Precision;
use crate::kernels::sink::Machine;

/// The maximum number of rows that share a pixel's bytes.
pub(super) const MOST_ROWS: usize = 2;

/// Parts into which the outputs are cut: each chunk computes all outputs.
pub(super) const PARTS: usize = 1;

/// What is computed together: the weights are in a near cache.
pub(super) const TOGETHER: Together = Together { tiles: 1, blocks: 2 };

/// A convolution of few channels as tiles see it.
#[derive(Clone, Debug)]
pub struct NarrowForm {
    /// How many digits numbers have.
    pub(super) format: Format,
    pub(super) images: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Rows and columns of the source.
    pub(super) source: [usize; 2],
    /// Rows and columns of the result.
    pub(super) size: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) strides: [usize; 2],
}

impl NarrowForm {
    /// The form of a convolution of these shapes.
    ///
    /// # Errors
    /// The reason, if there is none and only other algorithms remain.
    pub fn of(
        conv: &Conv,
        src: [usize; 4],
        dst: [usize; 4],
        precision: Precision,
    ) -> Result<NarrowForm, Refusal> {
        let [_, inputs, h, w] = src;
        let [images, outputs, rows, columns] = dst;
        let window = &conv.window;
        let (kernel, strides) = (window.kernel, window.strides);
        if conv.groups != 1 {
            return Err(Refusal::Groups(conv.groups));
        }
        if conv.residual.is_some() {
            return Err(Refusal::Residual);
        }
        if window.dilations != [1, 1] {
            return Err(Refusal::Dilation(window.dilations));
        }
        if [images, inputs, outputs, rows, columns].contains(&0) {
            return Err(Refusal::Empty);
        }
        if inputs > GROUP_BLOCKS {
            return Err(Refusal::ManyChannels { inputs, most: GROUP_BLOCKS });
        }
        let form = NarrowForm {
            format: Format::of(precision),
            images,
            inputs,
            outputs,
            source: [h, w],
            size: [rows, columns],
            kernel,
            strides,
        };
        if strides[0] > MOST_ROWS {
            return Err(Refusal::Stride(strides));
        }
        if kernel[1] as i64 * form.pixel() > ROW {
            return Err(Refusal::Window(kernel));
        }
        if w < BLOCK || form.pixels() < BLOCK {
            return Err(Refusal::ShortRows { columns: w.min(form.pixels()), least: BLOCK });
        }
        if form.steps() * TILE_ROWS * GROUP_BLOCKS > MOST_WEIGHTS {
            return Err(Refusal::ManyWeights);
        }
        match form.memory(rows).end <= FARTHEST {
            true => Ok(form),
            false => Err(Refusal::TooLarge("digits")),
        }
    }

    /// Rows that share a pixel's bytes: as many as the vertical stride, so that all outputs see
    /// rows in the same grouping.
    pub(super) fn together(&self) -> usize {
        self.strides[0]
    }

    /// Bytes of one digit of a pixel.
    pub(super) fn pixel(&self) -> i64 {
        (GROUP_BLOCKS * self.together()) as i64
    }

    /// Pixels of a row that windows see.
    pub(super) fn pixels(&self) -> usize {
        (self.size[1] - 1) * self.strides[1] + self.kernel[1]
    }

    /// Steps of the sum.
    pub(super) fn steps(&self) -> usize {
        self.kernel[0].div_ceil(self.together())
    }

    pub(super) fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// Number of tiles of a row.
    pub(super) fn tiles(&self) -> usize {
        self.size[1].div_ceil(TILE_ROWS)
    }

    /// Rows of digits for `rows` rows of the result.
    pub(super) fn rows(&self, rows: usize) -> usize {
        rows + self.steps() - 1
    }

    /// Rows of the source that `rows` rows of the result see.
    pub(super) fn seen_rows(&self, rows: usize) -> usize {
        (rows - 1) * self.strides[0] + self.kernel[0]
    }

    /// Bytes of the magnitudes of a row's pixels.
    pub(super) fn magnitudes_row(&self) -> i64 {
        self.pixels() as i64 * MAGNITUDE_BYTES
    }

    /// Where a chunk of `rows` rows has the magnitudes of what windows see. Windows between those
    /// of outputs are checked as well: their neighbours see nearly everything that they see.
    pub(super) fn windows(&self, rows: usize) -> Windows {
        let row = self.magnitudes_row();
        let tap = |y: usize, x: usize| y as i64 * row + x as i64 * MAGNITUDE_BYTES;
        let [height, width] = self.kernel;
        Windows {
            bytes: self.seen_rows(rows) as i64 * row,
            row: self.strides[0] as i64 * row,
            columns: (self.size[1] - 1) * self.strides[1] + 1,
            taps: (0..height).flat_map(|y| (0..width).map(move |x| tap(y, x))).collect(),
        }
    }

    /// Where the weights of a panel are, and where they go as numbers: by channel, then by tap.
    pub(super) fn stretches(&self, blocks: usize) -> Vec<Stretch> {
        let [height, width] = self.kernel;
        let (together, step) =
            (self.together(), (self.format.weights.digits() * blocks) as i64 * TILE);
        let number = blocks as i64 * LANES_BYTES;
        let stretch = |channel: usize, y: usize| Stretch {
            byte: channel as u8,
            from: y as i64 * ROW,
            to: ((channel * height + y) * width) as i64 * number,
            levels: [
                Level { count: 1, from: 0, to: 0 },
                Level {
                    count: (height - y).div_ceil(together),
                    from: step,
                    to: (together * width) as i64 * number,
                },
                Level { count: width, from: together as i64 * ROW, to: number },
            ],
        };
        let rows = 0..together.min(height);
        (0..self.inputs)
            .flat_map(|c| rows.clone().map(move |y| (c, y)))
            .map(|(c, y)| stretch(c, y))
            .collect()
    }

    pub(super) fn panels(&self) -> Panels {
        Panels {
            format: self.format,
            blocks: self.blocks(),
            wide: TOGETHER.blocks,
            steps: self.steps(),
        }
    }

    /// The layout of the thread's memory for a chunk of `rows` rows.
    pub(super) fn memory(&self, rows: usize) -> NarrowMemory {
        let line = |bytes: i64| (bytes + ROW - 1) / ROW * ROW;
        let pitch = line(self.pixels() as i64 * self.pixel());
        // The last tile of a row may extend far past the end of the row.
        let behind = line((TILE_ROWS * self.strides[1]) as i64 * self.pixel() + ROW);
        let digits = SUMS + TOGETHER.sums_bytes(self.format);
        let plane = self.rows(rows) as i64 * pitch + behind;
        let apart = digits + self.format.values.digits() as i64 * plane;
        let end = apart + MOST_ROWS as i64 * self.format.values.position();
        NarrowMemory { digits, pitch, plane, apart, end }
    }

    /// Number of rows of the result of a chunk.
    pub(super) fn stripe(&self, machine: &Machine) -> usize {
        let near = machine.cache_bytes as f64 * cost::NEAR;
        let fits = |rows: &usize| self.memory(*rows).end as f64 <= near;
        let even = self.size[0].div_ceil(2 * machine.threads);
        (1..=even).rev().find(fits).unwrap_or(1)
    }

    /// Number of chunks of an image.
    pub(super) fn stripes(&self, machine: &Machine) -> usize {
        self.size[0].div_ceil(self.stripe(machine))
    }

    /// The abs-max of all channels, from offset 0 on.
    pub(super) fn abs_max(&self) -> AbsMax {
        AbsMax { offset: 0, count: self.inputs }
    }

    /// Bytes of scratch memory: the abs-max of all channels.
    pub(in crate::kernels::fixed) fn scratch_bytes(&self) -> usize {
        self.images * self.abs_max().image() as usize
    }

    /// Where chunks publish the abs-max of their results.
    pub(super) fn published(&self, machine: &Machine, offset: Option<i64>) -> Publication {
        Publication { offset, stripes: self.stripes(machine), parts: PARTS }
    }

    /// Bytes of what all chunks publish.
    pub(in crate::kernels::fixed) fn published_bytes(&self, machine: &Machine) -> usize {
        self.published(machine, None).bytes(self.images, self.outputs)
    }

    /// Half cycles for one input channel and 16 outputs.
    pub(in crate::kernels::fixed) fn cost(&self, machine: &Machine) -> f64 {
        let rows = self.stripe(machine);
        let turns = (self.stripes(machine) * self.images).div_ceil(machine.threads) as f64;
        let vectors = self.rows(rows) * self.together() * self.pixels().div_ceil(BLOCK);
        let split = vectors as f64 * cost::SPLIT;
        let dots = (rows * self.tiles() * self.steps()) as f64 * cost::dots(self.format);
        let finish = (rows * self.size[1]) as f64 * cost::FINISH + cost::CALL;
        let area = self.images * self.inputs * self.source[0] * self.source[1] / BLOCK;
        let abs_max = area as f64 * cost::ABS_MAX / machine.threads as f64;
        let blocks = self.blocks() as f64;
        let all = cost::REGION + abs_max + turns * (split + blocks * (dots + finish));
        all / (self.inputs as f64 * blocks)
    }

    /// The index of the output's weight that is in byte `channel` of row `row` of a step's tile, if
    /// there is one.
    pub(super) fn weight(&self, step: usize, row: usize, channel: usize) -> Option<usize> {
        let (y, x) = (step * self.together() + row % self.together(), row / self.together());
        let exists = channel < self.inputs && y < self.kernel[0] && x < self.kernel[1];
        exists.then(|| (channel * self.kernel[0] + y) * self.kernel[1] + x)
    }
}

/// Byte distances in the memory of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NarrowMemory {
    /// Offset of the digits, row by row.
    pub(super) digits: i64,
    /// Bytes from one row to the next, and from one digit to the next.
    pub(super) pitch: i64,
    pub(super) plane: i64,
    /// Offset of the rows before they are interleaved.
    pub(super) apart: i64,
    pub(super) end: i64,
}
