//! Types of values: an element type, a shape and a layout mark.

use std::fmt;

use crate::dtype::DType;

/// How the elements of a value are arranged in memory.
///
/// A layout is a *mark*: it never changes what a value means, and the interpreter ignores it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Row-major over the logical dimensions (NCHW for images), any rank, no gaps.
    #[default]
    Planar,
    /// NCHW16c: `[N][ceil(C/16)][H][W][16]`; rank 2 `[N, C]` is taken as `[N, C, 1, 1]`. Lanes past
    /// `C` in the last block hold unspecified values that no kernel may mix into a result.
    Blocked,
}

/// Channels in one block of [`Layout::Blocked`]: one cache line of f32.
pub const BLOCK: usize = 16;

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layout::Planar => "planar",
            Layout::Blocked => "nchw16c",
        })
    }
}

/// The type of a value: elements of one type in a static shape, with a layout mark.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// The element type.
    pub dtype: DType,
    /// Logical dimensions, outermost first; images are `[N, C, H, W]`. Rank 0 is a scalar.
    pub shape: Vec<usize>,
    /// The arrangement of the elements in memory; not part of the meaning.
    pub layout: Layout,
}

impl TensorType {
    /// A row-major f32 type.
    pub fn planar(shape: impl Into<Vec<usize>>) -> Self {
        TensorType::of(DType::F32, shape)
    }

    /// A row-major type with this element type.
    pub fn of(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        TensorType { dtype, shape: shape.into(), layout: Layout::Planar }
    }

    /// The same elements and shape, row-major.
    pub fn to_planar(&self) -> Self {
        TensorType::of(self.dtype, &self.shape[..])
    }

    /// The number of logical elements. The verifier limits it, so it cannot overflow.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of its elements, without padding.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.bytes()
    }

    /// The dimensions `[N, C, H, W]` of an image, or of `[N, C]` taken as `[N, C, 1, 1]`.
    pub fn nchw(&self) -> Option<[usize; 4]> {
        match *self.shape {
            [n, c, h, w] => Some([n, c, h, w]),
            [n, c] => Some([n, c, 1, 1]),
            _ => None,
        }
    }
}

impl fmt::Display for TensorType {
    /// `f32[1, 64, 56, 56]`, followed by the layout if it is not planar.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype.short(), self.shape)?;
        match self.layout {
            Layout::Planar => Ok(()),
            other => write!(f, " {other}"),
        }
    }
}
