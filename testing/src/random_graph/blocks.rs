//! Blocks with a shortcut.

use resnetc_ir::op::{Binary, PadMode, Pool, SliceAxis, Unary, Window};
use resnetc_ir::{NodeId, Op, Tensor};

use super::builder::Builder;

impl Builder {
    fn join(&mut self, shortcut: NodeId) {
        match self.dice.coin() {
            true => self.apply(Op::Binary(Binary::Add), &[shortcut]),
            false => self.current = self.add(Op::Binary(Binary::Add), &[shortcut, self.current]),
        }
        if self.dice.coin() {
            self.apply(Op::Unary(Unary::Relu), &[]);
        }
    }

    pub(super) fn identity_block(&mut self) {
        let [_, c, _, _] = self.image();
        let start = self.current;
        for _ in 0..self.dice.between(1, 2) {
            let (window, bias) = (self.same_window(1), self.dice.coin());
            self.convolve(window, c, 1, bias);
            if self.dice.coin() {
                self.batch_norm();
            }
        }
        self.join(start);
    }

    pub(super) fn projection_block(&mut self) {
        self.image();
        let start = self.current;
        let (filters, stride) = (self.dice.between(1, 20), self.dice.between(1, 2));
        let window = self.same_window(stride);
        self.convolve(window, filters, 1, true);
        // Otherwise both branches are linear and parallel.
        if self.dice.coin() {
            self.apply(Op::Unary(Unary::Relu), &[]);
            self.convolve(Window::square(1, 1, 0), filters, 1, true);
        }
        let branch = std::mem::replace(&mut self.current, start);
        self.convolve(Window::square(1, stride, 0), filters, 1, false);
        self.join(branch);
    }

    /// A shortcut with a stride, usually every second pixel, and zeros for the missing channels.
    pub(super) fn option_a_block(&mut self) {
        let [_, c, _, _] = self.image();
        let start = self.current;
        let (front, back) = (self.dice.between(0, 4), self.dice.between(0, 4));
        let stride = self.dice.between(1, 3);
        let window = self.same_window(stride);
        self.convolve(window, front + c + back, 1, true);
        let branch = std::mem::replace(&mut self.current, start);
        let channels_first = self.dice.coin();
        if channels_first {
            self.zero_channels(front, back);
        }
        self.skip_pixels(stride);
        if !channels_first {
            self.zero_channels(front, back);
        }
        self.join(branch);
    }

    /// A spatial stride, in one of its usual forms.
    fn skip_pixels(&mut self, stride: usize) {
        let pool = Pool { window: Window::square(1, stride, 0), ceil_mode: false };
        let shape = self.shape();
        let axis = |(i, &extent): (usize, &usize)| {
            let step = if i < 2 { 1 } else { stride };
            SliceAxis { start: 0, step: step as isize, len: extent.div_ceil(step) }
        };
        let op = match self.dice.between(0, 3) {
            0 => Op::AveragePool { pool, count_include_pad: false },
            1 => Op::MaxPool(pool),
            _ => Op::Slice(shape.iter().enumerate().map(axis).collect()),
        };
        self.apply(op, &[]);
    }

    /// Channels of zeros around those of the current value.
    fn zero_channels(&mut self, front: usize, back: usize) {
        if self.dice.coin() {
            let (before, after) = (vec![0, front, 0, 0], vec![0, back, 0, 0]);
            return self.apply(Op::Pad { before, after, mode: PadMode::Constant(0.0) }, &[]);
        }
        let (before, after) = (self.zeros(front), self.zeros(back));
        let operands: Vec<NodeId> = before.into_iter().chain([self.current]).chain(after).collect();
        self.current = self.add(Op::Concat { axis: 1 }, &operands);
    }

    /// This many channels of zeros, of the current value's height and width.
    fn zeros(&mut self, channels: usize) -> Option<NodeId> {
        let [n, _, h, w] = self.image();
        let zeros = Tensor::new([n, channels, h, w], vec![0.0; n * channels * h * w]);
        (channels > 0).then(|| self.graph.constant("zeros", zeros.expect("as many elements")))
    }

    pub(super) fn pre_activation(&mut self) {
        let [_, c, _, _] = self.image();
        let start = self.current;
        self.batch_norm();
        self.apply(Op::Unary(Unary::Relu), &[]);
        let window = self.same_window(1);
        self.convolve(window, c, 1, false);
        self.join(start);
    }
}
