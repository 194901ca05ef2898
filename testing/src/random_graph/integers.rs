//! Steps of random graphs of integers.

use resnetc_ir::op::{
    Activation, Binary, Conv, Gemm, PadMode, Pool, Residual, TopK, TopPart, Unary,
};
use resnetc_ir::{DType, Op, TensorType};

use super::builder::Builder;

/// The element types of inputs of such graphs.
pub(super) const TYPES: &[DType] =
    &[DType::I8, DType::U8, DType::I16, DType::U16, DType::I32, DType::U32];

/// All steps that can be added.
pub(super) const STEPS: &[fn(&mut Builder)] = &[
    Builder::convert,
    Builder::integer_conv,
    Builder::integer_matmul,
    Builder::integer_gemm,
    Builder::integer_unary,
    Builder::integer_binary,
    Builder::integer_earlier,
    Builder::integer_input,
    Builder::integer_pad,
    Builder::integer_top,
    Builder::integer_max,
    Builder::channels_last_integers,
    Builder::through_floats,
    Builder::max_pool,
    Builder::slice,
    Builder::gather,
    Builder::choose,
    Builder::concat,
    Builder::transpose,
    Builder::reshape,
    Builder::identity,
];

const FUNCTIONS: [Binary; 7] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Max,
    Binary::Equal,
    Binary::Less,
    Binary::LessOrEqual,
];

impl Builder {
    fn convert(&mut self) {
        let to = self.dice.pick(TYPES);
        self.apply(Op::Convert { to }, &[]);
    }

    /// The current value as one of bytes.
    fn bytes(&mut self) {
        let to = self.dice.pick(&[DType::I8, DType::U8]);
        if !matches!(self.dtype(), DType::I8 | DType::U8) {
            self.apply(Op::Convert { to }, &[]);
        }
    }

    /// Limits that are integers, or none.
    fn integer_activation(&mut self) -> Activation {
        let lo = self.dice.pick(&[f32::NEG_INFINITY, 0.0, 2.0]);
        let hi = self.dice.pick(&[f32::INFINITY, 6.0, 100.0]);
        self.dice.pick(&[Activation::None, Activation::Relu, Activation::Clip { lo, hi }])
    }

    fn integer_conv(&mut self) {
        self.bytes();
        let [_, c, h, w] = self.image();
        let filters = self.dice.between(1, 20);
        let window = match self.dice.coin() {
            true => self.same_window(1),
            false => self.dice.window([h, w]),
        };
        let [r, s] = window.kernel;
        let factors = self.dice.pick(&[DType::I8, DType::U8]);
        let mut more = vec![self.constant_of(factors, &[filters, c, r, s])];
        let bias = self.dice.coin();
        if bias {
            more.push(self.constant_of(DType::I32, &[filters]));
        }
        let activation = self.integer_activation();
        let plain = Conv { bias, activation, ..Conv::new(window, 1) };
        self.apply(Op::Conv(plain), &more);
        // It is added to a value of the type of sums, so to the result of another convolution.
        let (result, pixels) = (self.current, self.shape()[2..].to_vec());
        let source = self.graph.operand(result, 0);
        if let (Some(source), true) = (source, pixels == [h, w] && self.dice.coin()) {
            let mut operands = vec![source];
            operands.extend(more);
            operands.push(result);
            let fused = Conv { residual: Some(Residual::PLAIN), ..plain };
            self.current = self.add(Op::Conv(fused), &operands);
        } else if self.dice.coin() {
            self.apply(Op::Binary(Binary::Add), &[result]);
        }
    }

    fn integer_matmul(&mut self) {
        self.bytes();
        let [_, k] = self.matrix();
        let (factors, n) = (self.dice.pick(&[DType::I8, DType::U8]), self.dice.between(1, 12));
        let weights = self.constant_of(factors, &[k, n]);
        self.apply(Op::MatMul, &[weights]);
        if self.dice.coin() {
            let bias = self.constant(&[n]);
            self.apply(Op::Binary(Binary::Add), &[bias]);
        }
    }

    fn integer_gemm(&mut self) {
        self.bytes();
        let [_, k] = self.matrix();
        let (transpose_b, n) = (self.dice.coin(), self.dice.between(1, 12));
        let factors = self.dice.pick(&[DType::I8, DType::U8]);
        let weights = self.constant_of(factors, &if transpose_b { [n, k] } else { [k, n] });
        let bias = self.constant_of(DType::I32, &[n]);
        let activation = self.integer_activation();
        let gemm =
            Gemm { alpha: 1.0, beta: 1.0, transpose_a: false, transpose_b, bias: true, activation };
        self.apply(Op::Gemm(gemm), &[weights, bias]);
    }

    fn integer_unary(&mut self) {
        let op = match self.integer_activation() {
            Activation::None => self.dice.pick(&[Unary::Abs, Unary::Sign]),
            Activation::Relu => Unary::Relu,
            Activation::Clip { lo, hi } => Unary::Clip { lo, hi },
        };
        self.apply(Op::Unary(op), &[]);
    }

    fn integer_binary(&mut self) {
        let mut shape = self.shape();
        for extent in &mut shape {
            *extent = if self.dice.coin() { 1 } else { *extent };
        }
        let op = self.dice.pick(&FUNCTIONS);
        let constant = match self.dice.coin() {
            true => self.constant(&shape),
            false => {
                let (from, to) = (self.dice.pick(TYPES), self.dtype());
                let constant = self.constant_of(from, &shape);
                self.add(Op::Convert { to }, &[constant])
            }
        };
        match self.dice.coin() {
            true => self.current = self.add(Op::Binary(op), &[constant, self.current]),
            false => self.apply(Op::Binary(op), &[constant]),
        }
    }

    fn integer_earlier(&mut self) {
        let ty = self.graph.node(self.current).ty.clone();
        let same = self.earlier.iter().copied().find(|&e| self.graph.node(e).ty == ty);
        let op = self.dice.pick(&FUNCTIONS);
        self.apply(Op::Binary(op), &[same.unwrap_or(self.current)]);
    }

    fn integer_input(&mut self) {
        let ty = TensorType::of(self.dtype(), self.shape());
        let other = self.graph.input_of(format!("x_{}", self.graph.len()), ty);
        let op = self.dice.pick(&FUNCTIONS);
        self.apply(Op::Binary(op), &[other]);
    }

    /// Explicit padding; for an image, often padding that a convolution could do itself.
    fn integer_pad(&mut self) {
        let mut extents = vec![0; self.shape().len()];
        let last = extents.len();
        extents.iter_mut().skip(last.saturating_sub(2)).for_each(|e| *e = 1);
        let value = self.dice.pick(&[0.0, 0.0, 7.0]);
        let mode = PadMode::Constant(value);
        self.apply(Op::Pad { before: extents.clone(), after: extents, mode }, &[]);
        if self.dice.coin() && value == 0.0 && self.shape().len() == 4 {
            self.integer_conv();
        }
    }

    fn integer_top(&mut self) {
        if self.shape().is_empty() {
            self.image();
        }
        let axis = self.dice.between(0, self.shape().len() - 1);
        let k = self.dice.between(1, self.shape()[axis]);
        let (largest, to) = (self.dice.coin(), self.dtype());
        let part = self.dice.pick(&[TopPart::Values, TopPart::Indices]);
        self.apply(Op::TopK(TopK { axis, k, largest, part }), &[]);
        if part == TopPart::Indices {
            self.apply(Op::Convert { to }, &[]);
        }
    }

    fn integer_max(&mut self) {
        let [_, _, h, w] = self.image();
        match self.dice.coin() {
            true => self.apply(Op::ReduceMax { axes: vec![2, 3], keep_dims: true }, &[]),
            false => {
                let (window, ceil_mode) = (self.dice.pool_window([h, w]), self.dice.coin());
                self.apply(Op::MaxPool(Pool { window, ceil_mode }), &[]);
            }
        }
    }

    /// A detour between two transposes that cancel.
    fn channels_last_integers(&mut self) {
        self.image();
        self.apply(Op::Transpose { perm: vec![0, 2, 3, 1] }, &[]);
        match self.dice.coin() {
            true => self.integer_unary(),
            false => self.integer_binary(),
        }
        self.convert();
        self.apply(Op::Transpose { perm: vec![0, 3, 1, 2] }, &[]);
    }

    /// A function on floats of each integer that gives the same result on every engine.
    fn through_floats(&mut self) {
        let to = self.dtype();
        let float = self.dice.pick(&[DType::F32, DType::F64, DType::F16, DType::BF16]);
        self.apply(Op::Convert { to: float }, &[]);
        let function = self.dice.pick(&[Unary::Abs, Unary::Relu, Unary::Round]);
        self.apply(Op::Unary(function), &[]);
        self.apply(Op::Convert { to }, &[]);
    }
}
