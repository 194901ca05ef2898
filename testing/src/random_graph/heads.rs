//! Steps of classifier heads.

use resnetc_ir::Op;
use resnetc_ir::op::{Binary, Gemm};

use super::builder::Builder;

impl Builder {
    pub(super) fn gemm(&mut self) {
        let [m, k] = self.matrix();
        let n = self.dice.between(1, 12);
        let (transpose_a, transpose_b) = (self.dice.coin(), self.dice.coin());
        if transpose_a {
            self.apply(Op::Transpose { perm: vec![1, 0] }, &[]);
        }
        let weights = if transpose_b { [n, k] } else { [k, n] };
        let mut more = vec![self.constant(&weights)];
        let shapes: [&[usize]; 5] = [&[n], &[1, n], &[m, n], &[m, 1], &[]];
        let (bias, shape) = (self.dice.coin(), self.dice.pick(&shapes));
        if bias {
            more.push(self.constant(shape));
        }
        let (alpha, beta) = (self.dice.pick(&[1.0, 0.5]), self.dice.pick(&[1.0, 2.0]));
        let activation = self.dice.activation();
        let op = Gemm { alpha, beta, transpose_a, transpose_b, bias, activation };
        self.apply(Op::Gemm(op), &more);
    }

    pub(super) fn matmul(&mut self) {
        let [_, k] = self.matrix();
        let n = self.dice.between(1, 12);
        let weights = self.constant(&[k, n]);
        self.apply(Op::MatMul, &[weights]);
        if self.dice.coin() {
            let bias = self.constant(&[n]);
            self.apply(Op::Binary(Binary::Add), &[bias]);
        }
    }

    pub(super) fn batched_matmul(&mut self) {
        let [_, c, _, w] = self.image();
        let n = self.dice.between(1, 4);
        let batch = if self.dice.coin() { c } else { 1 };
        let weights = self.constant(&[batch, w, n]);
        self.apply(Op::MatMul, &[weights]);
    }

    pub(super) fn softmax(&mut self) {
        if self.shape().is_empty() {
            self.image();
        }
        let axis = self.dice.between(0, self.shape().len() - 1);
        self.apply(Op::Softmax { axis }, &[]);
    }
}
