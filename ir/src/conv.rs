//! Attributes of convolutions and of their gradients.

use crate::activation::Activation;
use crate::window::{Pads, Window};

/// How a residual operand is added to a result: the shortcut without parameters of a block that
/// halves the image and has new channels (option A of He et al., "Deep Residual Learning for Image
/// Recognition", 2015).
///
/// To pixel `[y, x]` of the result's channel `channel + c`, pixel
/// `[y * strides[0], x * strides[1]]` of the residual's channel `c` is added. The result has as
/// many pixels as these steps find in the residual. Nothing is added to channels of the result
/// before and after those of the residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Residual {
    /// Step between the residual's pixels, `[height, width]`, at least 1.
    pub strides: [usize; 2],
    /// The result's channel to which the residual's first is added.
    pub channel: usize,
}

impl Residual {
    /// Every pixel, from the result's first channel on: how a residual of the result's shape is
    /// added.
    pub const PLAIN: Residual = Residual { strides: [1; 2], channel: 0 };
}

/// Attributes of [`Op::Conv`](crate::op::Op::Conv).
///
/// Operands: `src [N, C, H, W]`, `weights [K, C/groups, R, S]`, `[bias [K]]`, then those of a
/// shortcut, if there is one: `[residual]` or `[projected [N, D, I, J], projection [K, D, T, U]]`.
///
/// The result is `activation(conv(src, weights) + bias + shortcut)`. A residual is added as it is,
/// see [`Residual`]. A projection adds a second convolution, `conv(projected, projection)`, whose
/// result has the same shape. Neither a projection nor the convolution that has one may be grouped.
///
/// Elements are floats of one type; or each source and weight operand is u8 or i8, and bias,
/// residual and result are i32, with sums exact modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// Kernel, stride, dilation and padding; `kernel` equals the last two weight dimensions.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Whether a bias operand is present.
    pub bias: bool,
    /// How the residual operand is added, if it is present.
    pub residual: Option<Residual>,
    /// The window of a projection, if its two operands are present; not together with a residual.
    pub projection: Option<Window>,
    /// Applied last.
    pub activation: Activation,
}

impl Conv {
    /// A plain convolution without bias, shortcut or activation.
    pub fn new(window: Window, groups: usize) -> Self {
        Conv {
            window,
            groups,
            bias: false,
            residual: None,
            projection: None,
            activation: Activation::None,
        }
    }

    /// How many operands there are.
    pub fn operand_count(&self) -> usize {
        let residual = usize::from(self.residual.is_some());
        self.shortcut() + residual + 2 * usize::from(self.projection.is_some())
    }

    /// Position of the residual operand, if there is one.
    pub fn residual_operand(&self) -> Option<usize> {
        self.residual.map(|_| self.shortcut())
    }

    /// Position of the operand that a projection reads, if there is one. Its weights follow.
    pub fn projected_operand(&self) -> Option<usize> {
        self.projection.map(|_| self.shortcut())
    }

    /// The position of the first operand of the shortcut.
    fn shortcut(&self) -> usize {
        2 + usize::from(self.bias)
    }
}

/// Attributes of the gradients of a convolution: those of the convolution, and the extents of what
/// the gradient is for, which its operands do not determine.
///
/// With `y = conv(src, weights)` and the gradient `dy` of a number with respect to `y`, they give
/// that number's gradients with respect to `src` and `weights` (Goodfellow et al., "Deep Learning",
/// 2016, section 9.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGradient {
    /// The window of the convolution.
    pub window: Window,
    /// Its groups.
    pub groups: usize,
    /// Height and width of its source.
    pub image: [usize; 2],
}

/// Attributes of [`Op::ConvSource`](crate::op::Op::ConvSource).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceGradient {
    /// The convolution, and the extents of its source.
    pub gradient: ConvGradient,
    /// Whether a residual operand of the result's shape is added.
    pub residual: bool,
}

impl SourceGradient {
    /// Position of the residual operand, if there is one.
    pub fn residual_operand(&self) -> Option<usize> {
        self.residual.then_some(2)
    }
}

impl From<ConvGradient> for SourceGradient {
    fn from(gradient: ConvGradient) -> Self {
        SourceGradient { gradient, residual: false }
    }
}

/// Every n-th row and column of the source of a convolution with strides: those that see the same
/// taps. See [`ConvGradient::phases`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Phase {
    /// The first row and column; the others are strides apart.
    pub first: [usize; 2],
    /// How many rows and columns.
    pub size: [usize; 2],
    /// The last row and column of taps that they see; the others are strides before.
    pub tap: [usize; 2],
    /// The window, of stride 1, through which they see the gradient of the result. A kernel of 0
    /// rows or columns sees nothing.
    pub window: Window,
}

impl Phase {
    /// Whether any tap sees its pixels.
    pub fn is_seen(&self) -> bool {
        !self.window.kernel.contains(&0)
    }
}

/// Rows or columns of a phase.
struct PhaseAxis {
    size: usize,
    tap: usize,
    taps: usize,
    before: usize,
}

impl ConvGradient {
    /// Rows and columns of the convolution's result.
    pub fn outputs(&self) -> [usize; 2] {
        let Window { kernel, strides, dilations, pads } = self.window;
        let pads = [pads.top + pads.bottom, pads.left + pads.right];
        [0, 1].map(|axis| {
            let reach = dilations[axis] * (kernel[axis] - 1) + 1;
            (self.image[axis] + pads[axis]).saturating_sub(reach) / strides[axis] + 1
        })
    }

    /// The source's pixels by the taps that see them. The gradient with respect to those of a phase
    /// is a convolution of `dy` of stride 1, with its taps in reverse order and with the weights'
    /// inputs as outputs. `None` for more than one group, for dilations beside strides, and where
    /// no tap of a window sees its first pixels.
    pub fn phases(&self) -> Option<Vec<Phase>> {
        let Window { strides, dilations, .. } = self.window;
        if self.groups != 1 || strides != [1, 1] && dilations != [1, 1] {
            return None;
        }
        let mut phases = Vec::new();
        for row in 0..strides[0].min(self.image[0]) {
            for column in 0..strides[1].min(self.image[1]) {
                let first = [row, column];
                let (vertical, horizontal) = (self.phase(0, row)?, self.phase(1, column)?);
                let window = Window {
                    kernel: [vertical.taps, horizontal.taps],
                    strides: [1, 1],
                    dilations,
                    pads: Pads {
                        top: vertical.before,
                        left: horizontal.before,
                        bottom: self.after(0, &vertical),
                        right: self.after(1, &horizontal),
                    },
                };
                let size = [vertical.size, horizontal.size];
                phases.push(Phase { first, size, tap: [vertical.tap, horizontal.tap], window });
            }
        }
        Some(phases)
    }

    /// The window of the convolution that the gradient is, if it is a single one.
    pub fn turned(&self) -> Option<Window> {
        match &self.phases()?[..] {
            [phase] => Some(phase.window),
            _ => None,
        }
    }

    /// The phase of an axis that begins at `first`: taps `r` with `first + pad - r` a multiple of
    /// the stride see it, and its pixel `i` sees output `i + base - j` with its tap number `j`.
    fn phase(&self, axis: usize, first: usize) -> Option<PhaseAxis> {
        let Window { kernel, strides, dilations, pads } = self.window;
        let (stride, dilation) = (strides[axis], dilations[axis]);
        let pad = [pads.top, pads.left][axis];
        let size = (self.image[axis] - first).div_ceil(stride);
        let lowest = if stride == 1 { 0 } else { (first + pad) % stride };
        let taps = kernel[axis].saturating_sub(lowest).div_ceil(stride);
        let base = (first + pad - lowest) / stride;
        match taps {
            0 => Some(PhaseAxis { size, tap: 0, taps, before: 0 }),
            _ => {
                let tap = lowest + stride * (taps - 1);
                let before = ((taps - 1) * dilation).checked_sub(base)?;
                Some(PhaseAxis { size, tap, taps, before })
            }
        }
    }

    /// How far the windows of a phase reach beyond the last output.
    fn after(&self, axis: usize, phase: &PhaseAxis) -> usize {
        let reach = phase.taps.saturating_sub(1) * self.window.dilations[axis];
        (phase.size + reach).saturating_sub(phase.before + self.outputs()[axis])
    }
}
