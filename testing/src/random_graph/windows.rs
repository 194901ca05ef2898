//! Steps with sliding windows: convolutions and pools.

use resnetc_ir::op::{Conv, Pool, Residual, Unary, Window};
use resnetc_ir::{NodeId, Op};

use super::builder::Builder;

impl Builder {
    /// A 1x1 or padded 3x3 window that keeps the extents, or divides them by `stride`.
    pub(super) fn same_window(&mut self, stride: usize) -> Window {
        let kernel = self.dice.pick(&[1, 3]);
        Window::square(kernel, stride, kernel / 2)
    }

    /// A plain convolution of the current value.
    pub(super) fn convolve(&mut self, window: Window, filters: usize, groups: usize, bias: bool) {
        let [_, c, _, _] = self.image();
        let [r, s] = window.kernel;
        let mut more = vec![self.constant(&[filters, c / groups, r, s])];
        if bias {
            more.push(self.constant(&[filters]));
        }
        self.apply(Op::Conv(Conv { bias, ..Conv::new(window, groups) }), &more);
    }

    pub(super) fn conv(&mut self) {
        let [_, c, h, w] = self.image();
        let divisors: Vec<usize> = (1..=c).filter(|g| c % g == 0).collect();
        let groups = self.dice.pick(&divisors);
        let per_group = self.dice.between(1, (20 / groups).clamp(1, 4));
        let (window, bias) = (self.dice.window([h, w]), self.dice.coin());
        self.convolve(window, groups * per_group, groups, bias);
    }

    pub(super) fn conv_bn_relu(&mut self) {
        self.conv();
        self.batch_norm();
        self.apply(Op::Unary(Unary::Relu), &[]);
    }

    /// A convolution followed by an unfused batch normalization.
    pub(super) fn conv_affine(&mut self) {
        self.conv();
        for _ in 0..self.dice.between(1, 3) {
            self.per_channel();
        }
    }

    pub(super) fn fused_conv(&mut self) {
        let [n, c, h, w] = self.image();
        let (window, filters) = (self.same_window(1), self.dice.between(1, 20));
        let [r, s] = window.kernel;
        let bias = self.dice.coin();
        let residual = self.residual([n, filters, h, w]);
        let mut more = vec![self.constant(&[filters, c, r, s])];
        if bias {
            more.push(self.constant(&[filters]));
        }
        more.extend(residual.map(|(value, _)| value));
        let activation = self.dice.activation();
        let op = Conv {
            bias,
            residual: residual.map(|(_, how)| how),
            activation,
            ..Conv::new(window, 1)
        };
        self.apply(Op::Conv(op), &more);
    }

    /// An earlier value that can be added to a result of this shape as a residual, and how.
    fn residual(&mut self, [n, filters, h, w]: [usize; 4]) -> Option<(NodeId, Residual)> {
        let stride = |extent: usize, wanted: usize| (1..4).find(|s| extent.div_ceil(*s) == wanted);
        let fit = |&e: &NodeId| match self.shape_of(e)[..] {
            [m, c, i, j] if m == n && c <= filters => {
                Some((e, filters - c, [stride(i, h)?, stride(j, w)?]))
            }
            _ => None,
        };
        let (value, room, strides) = self.earlier.iter().find_map(fit)?;
        Some((value, Residual { strides, channel: self.dice.between(0, room) }))
    }

    /// A convolution with a projection of the value that it reads, or of its main branch's start.
    pub(super) fn projected_conv(&mut self) {
        let [_, c, h, w] = self.image();
        let (window, filters) = (self.dice.window([h, w]), self.dice.between(1, 20));
        let (bias, biased) = (self.dice.coin(), self.dice.coin());
        let projected = self.current;
        self.convolve(window, filters, 1, biased);
        let [r, s] = window.kernel;
        let mut more = vec![self.constant(&[filters, filters, 1, 1])];
        if bias {
            more.push(self.constant(&[filters]));
        }
        more.extend([projected, self.constant(&[filters, c, r, s])]);
        let activation = self.dice.activation();
        let conv = Conv::new(Window::square(1, 1, 0), 1);
        self.apply(Op::Conv(Conv { bias, projection: Some(window), activation, ..conv }), &more);
    }

    pub(super) fn max_pool(&mut self) {
        let [_, _, h, w] = self.image();
        let pool = Pool { window: self.dice.pool_window([h, w]), ceil_mode: self.dice.coin() };
        self.apply(Op::MaxPool(pool), &[]);
    }

    pub(super) fn average_pool(&mut self) {
        let [_, _, h, w] = self.image();
        let pool = Pool { window: self.dice.pool_window([h, w]), ceil_mode: self.dice.coin() };
        let count_include_pad = self.dice.coin();
        self.apply(Op::AveragePool { pool, count_include_pad }, &[]);
    }

    pub(super) fn global_average_pool(&mut self) {
        self.image();
        self.apply(Op::GlobalAveragePool, &[]);
    }
}
