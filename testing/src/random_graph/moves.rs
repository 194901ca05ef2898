//! Steps that move elements.

use resnetc_ir::op::{Binary, Interpolate, PadMode, SliceAxis};
use resnetc_ir::{Op, Tensor};

use super::builder::Builder;

impl Builder {
    pub(super) fn channels_last_mean(&mut self) {
        self.image();
        self.apply(Op::Transpose { perm: vec![0, 2, 3, 1] }, &[]);
        let keep_dims = self.dice.coin();
        self.apply(Op::ReduceMean { axes: vec![1, 2], keep_dims }, &[]);
    }

    /// Groups of channels, moved and scaled as by a group normalization; occasionally as an image
    /// again.
    pub(super) fn grouped(&mut self) {
        let [n, c, h, w] = self.image();
        let divisors: Vec<usize> = (1..=c).filter(|g| c % g == 0).collect();
        let groups = self.dice.pick(&divisors);
        self.apply(Op::Reshape { shape: vec![n, groups, c / groups * h * w] }, &[]);
        let values = self.current;
        self.apply(Op::ReduceMean { axes: vec![2], keep_dims: true }, &[]);
        let means = self.current;
        self.current = self.add(Op::Binary(Binary::Sub), &[values, means]);
        if self.dice.coin() {
            let scale = self.constant(&[groups, 1]);
            self.apply(Op::Binary(Binary::Mul), &[means]);
            self.apply(Op::Binary(Binary::Mul), &[scale]);
        }
        self.unary();
        if self.dice.coin() {
            self.apply(Op::Reshape { shape: vec![n, c, h, w] }, &[]);
        }
    }

    pub(super) fn channels_last_detour(&mut self) {
        self.image();
        self.apply(Op::Transpose { perm: vec![0, 2, 3, 1] }, &[]);
        self.unary();
        self.apply(Op::Transpose { perm: vec![0, 3, 1, 2] }, &[]);
    }

    pub(super) fn transpose(&mut self) {
        let mut perm: Vec<usize> = (0..self.shape().len()).collect();
        for i in (1..perm.len()).rev() {
            perm.swap(i, self.dice.between(0, i));
        }
        self.apply(Op::Transpose { perm }, &[]);
    }

    pub(super) fn pad(&mut self) {
        let shape = self.shape();
        let reflect = self.dice.coin();
        let mut extents = |most: usize| -> Vec<usize> {
            let most = |d: usize| if reflect { most.min(d - 1) } else { most };
            shape.iter().map(|&d| self.dice.between(0, most(d))).collect()
        };
        let (before, after) = (extents(2), extents(1));
        let mode = match reflect {
            true => PadMode::Reflect,
            false => PadMode::Constant(self.dice.pick(&[0.0, -1.0])),
        };
        self.apply(Op::Pad { before, after, mode }, &[]);
    }

    /// Explicit zero padding of an image that a convolution could do itself.
    pub(super) fn pad_conv(&mut self) {
        self.image();
        let (before, after) = (vec![0, 0, 1, self.dice.between(0, 2)], vec![0, 0, 1, 2]);
        self.apply(Op::Pad { before, after, mode: PadMode::Constant(0.0) }, &[]);
        self.conv();
    }

    pub(super) fn slice(&mut self) {
        let mut axes = Vec::new();
        for extent in self.shape() {
            let step = self.dice.pick(&[1, 1, 2, -1]);
            let start = match step < 0 {
                true => self.dice.between(extent / 2, extent - 1),
                false => self.dice.between(0, (extent - 1) / 2),
            };
            let most = if step < 0 { start + 1 } else { (extent - start).div_ceil(step as usize) };
            axes.push(SliceAxis { start, step, len: self.dice.between(most.div_ceil(2), most) });
        }
        self.apply(Op::Slice(axes), &[]);
    }

    /// An axis, and `count` positions on it.
    pub(super) fn positions(&mut self, count: usize) -> (usize, Vec<usize>) {
        if self.shape().is_empty() {
            self.image();
        }
        let axis = self.dice.between(0, self.shape().len() - 1);
        let last = self.shape()[axis] - 1;
        (axis, (0..count).map(|_| self.dice.between(0, last)).collect())
    }

    pub(super) fn gather(&mut self) {
        let count = self.dice.between(1, 12);
        let (axis, indices) = self.positions(count);
        self.apply(Op::Gather { axis, indices: indices.into() }, &[]);
    }

    pub(super) fn interpolate(&mut self) {
        let (count, taps) = (self.dice.between(1, 8), self.dice.between(1, 3));
        let (axis, indices) = self.positions(count * taps);
        let weights: Vec<f32> = indices.iter().map(|_| self.dice.number()).collect();
        let (indices, weights) = (indices.into(), weights.into());
        self.apply(Op::Interpolate(Interpolate { axis, taps, indices, weights }), &[]);
    }

    /// The current value in some places, a constant in others.
    pub(super) fn choose(&mut self) {
        let mut shape = self.shape();
        for extent in &mut shape {
            *extent = if self.dice.coin() { 1 } else { *extent };
        }
        let count = shape.iter().product();
        let mask: Vec<f32> = (0..count).map(|_| f32::from(u8::from(self.dice.coin()))).collect();
        let mask = Tensor::new(shape.clone(), mask).expect("as many as there are");
        let mask = self.graph.constant(format!("c_{}", self.graph.len()), mask);
        let other = self.constant(&shape);
        self.current = self.add(Op::Where, &[mask, self.current, other]);
    }

    pub(super) fn concat(&mut self) {
        if self.shape().is_empty() {
            self.image();
        }
        let axis = self.dice.between(0, self.shape().len() - 1);
        let mut more_shape = self.shape();
        more_shape[axis] = self.dice.between(1, 3);
        let more = [self.constant(&more_shape), self.current];
        let count = self.dice.between(0, 2);
        self.apply(Op::Concat { axis }, &more[..count]);
    }

    pub(super) fn reshape(&mut self) {
        match self.dice.between(0, 2) {
            0 => drop(self.matrix()),
            1 => drop(self.image()),
            _ => {
                let [n, c, h, w] = self.image();
                self.apply(Op::Reshape { shape: vec![n, c, h * w] }, &[]);
            }
        }
    }
}
