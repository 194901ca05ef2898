//! Windows that slide over images.

/// Zeros (or what the operator pads with) added around an image, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pads {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Pads {
    /// The same padding on all four sides.
    pub fn same(n: usize) -> Self {
        Pads { top: n, left: n, bottom: n, right: n }
    }
}

/// A sliding window over the two spatial dimensions; pairs are `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Kernel extent, at least 1.
    pub kernel: [usize; 2],
    /// Step between outputs, at least 1.
    pub strides: [usize; 2],
    /// Distance between taps, at least 1.
    pub dilations: [usize; 2],
    /// Padding.
    pub pads: Pads,
}

impl Window {
    /// A square window: `kernel` taps, `stride`, and `pad` on every side, no dilation.
    pub fn square(kernel: usize, stride: usize, pad: usize) -> Self {
        Window {
            kernel: [kernel; 2],
            strides: [stride; 2],
            dilations: [1; 2],
            pads: Pads::same(pad),
        }
    }
}
