//! Where the elements of a value are stored: strides in bytes, with the border that a padded reader
//! needs.

use resnetc_ir::op::Pads;
use resnetc_ir::ty::{BLOCK, Layout, TensorType};
use resnetc_ir::{DType, NodeId};

use crate::codegen::region::Base;

/// Bytes of an f32.
pub const F32: i64 = 4;

/// Memory order of one value.
///
/// An image may have a *halo*: rows and columns around it that stand for zeros, so that a padded
/// convolution reads them like any pixel. Values that are not images have none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Logical shape and layout.
    pub ty: TensorType,
    /// The border that stands for zeros, in pixels.
    pub halo: Pads,
    /// What the border consists of.
    pub zero: Zero,
    /// The image of which this is a part, if it is.
    pub within: Option<Within>,
}

/// An image of which a value is every n-th row and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Within {
    /// Height and width of the image.
    pub size: [usize; 2],
    /// The first row and column.
    pub first: [usize; 2],
    /// Steps between rows and columns.
    pub step: [usize; 2],
}

/// The bytes that stand for zeros around an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zero {
    /// This one: the zero point of a quantized value, 0 for others.
    Byte(u8),
    /// The zero point that a run computes: a value holds it, together with a scale.
    Measured(NodeId),
}

impl From<u8> for Zero {
    fn from(byte: u8) -> Self {
        Zero::Byte(byte)
    }
}

impl Default for Zero {
    fn default() -> Self {
        Zero::Byte(0)
    }
}

/// Strides of an image `[N, C, H, W]` (or `[N, C]`, taken as `[N, C, 1, 1]`), in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strides {
    /// Between images.
    pub image: i64,
    /// Between channel blocks (blocked) or channels (planar).
    pub plane: i64,
    /// Between rows.
    pub row: i64,
    /// Between pixels.
    pub pixel: i64,
    /// Channels that share a plane: 16 or 1.
    pub block: usize,
    /// Between the channels of a block: the bytes of an element.
    pub lane: i64,
    /// Bytes from the start of the value to its first element that is not halo.
    pub origin: i64,
}

impl Strides {
    /// The offset of a channel's first pixel from that of channel 0.
    pub fn channel(&self, c: usize) -> i64 {
        (c / self.block) as i64 * self.plane + (c % self.block) as i64 * self.lane
    }
}

impl Geometry {
    /// A value without halo.
    pub fn new(ty: TensorType) -> Self {
        Geometry { ty, halo: Pads::default(), zero: Zero::default(), within: None }
    }

    /// Every n-th row and column of an image: `size` of them from `first` on.
    pub fn interleaved(&self, step: [usize; 2], first: [usize; 2], size: [usize; 2]) -> Self {
        let [n, c, h, w] = self.nchw();
        let ty = TensorType { shape: vec![n, c, size[0], size[1]], ..self.ty.clone() };
        let within = Some(Within { size: [h, w], first, step });
        Geometry { ty, within, ..self.clone() }
    }

    /// Whether there is no halo.
    pub fn is_dense(&self) -> bool {
        self.halo == Pads::default()
    }

    /// `[N, C, H, W]`; ranks other than 2 and 4 are treated as `[1, 1, 1, elements]`.
    pub fn nchw(&self) -> [usize; 4] {
        self.ty.nchw().unwrap_or([1, 1, 1, self.ty.elements()])
    }

    /// Strides as an image.
    pub fn strides(&self) -> Strides {
        let [_, c, mut h, mut w] = self.nchw();
        let within = self.within.unwrap_or(Within { size: [h, w], first: [0; 2], step: [1; 2] });
        [h, w] = within.size;
        let ([first_row, first_column], [down, across]) = (within.first, within.step);
        let block = match self.ty.layout {
            Layout::Blocked => BLOCK,
            Layout::Planar => 1,
        };
        let lane = self.ty.dtype.bytes() as i64;
        let pixel = block as i64 * lane;
        let row = (w + self.halo.left + self.halo.right) as i64 * pixel;
        let plane = (h + self.halo.top + self.halo.bottom) as i64 * row;
        Strides {
            image: c.div_ceil(block) as i64 * plane,
            plane,
            row: row * down as i64,
            pixel: pixel * across as i64,
            block,
            lane,
            origin: (self.halo.top + first_row) as i64 * row
                + (self.halo.left + first_column) as i64 * pixel,
        }
    }

    /// Bytes of the value, including halo and unused lanes.
    pub fn bytes(&self) -> usize {
        let [n, ..] = self.nchw();
        n * self.strides().image as usize
    }

    /// Row-major strides in bytes of a planar value of any rank, innermost last.
    pub fn planar_strides(&self) -> Vec<i64> {
        if self.ty.shape.len() == 4 {
            let s = self.strides();
            return vec![s.image, s.plane, s.row, s.pixel];
        }
        row_major(&self.ty.shape, self.ty.dtype)
    }
}

/// Row-major strides in bytes of a value with elements of this type.
pub fn row_major(shape: &[usize], dtype: DType) -> Vec<i64> {
    let mut strides = vec![dtype.bytes() as i64; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i] as i64;
    }
    strides
}

/// A value's place while the network runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The memory that it is in.
    pub base: Base,
    /// The offset in that memory, in bytes.
    pub offset: i64,
    /// The memory order of its elements.
    pub geometry: Geometry,
}

impl Place {
    /// The offset of the first element that is not halo.
    pub fn origin(&self) -> i64 {
        self.offset + self.geometry.strides().origin
    }
}
