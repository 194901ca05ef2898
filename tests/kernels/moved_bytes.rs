//! Bytes that are moved, compared and converted: every engine equals the interpreter bit for bit.

use proptest::prelude::*;
use resnetc::kernels::Operand;
use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::op::{Dequantize, Op, Pads, Pool, Quantize, Requantize, SliceAxis, Window};
use resnetc_ir::random::SplitMix;
use resnetc_ir::{DType, Layout, TensorType};
use resnetc_testing::cases::with_cases;

use super::bytes::{Arena, elements};
use super::engine::engines;
use super::pads;

/// An operator on values of these types.
#[derive(Clone, Debug)]
struct Case {
    op: Op,
    shapes: Vec<Vec<usize>>,
    from: DType,
    to: DType,
    /// Of the operands and of the result.
    layouts: [Layout; 2],
    halos: [Pads; 2],
    seed: u64,
}

fn layout() -> impl Strategy<Value = Layout> {
    prop::sample::select(vec![Layout::Planar, Layout::Blocked])
}

fn byte() -> impl Strategy<Value = DType> {
    prop::sample::select(vec![DType::U8, DType::I8])
}

/// The operator of a number for an image; the types that it goes from and to.
fn operator(n: u8, shape: &[usize], byte: DType, seed: u64) -> (Op, DType, DType, usize) {
    let random = &mut SplitMix(seed);
    let mut draw = |most: usize| (random.draw() % (most as u64 + 1)) as usize;
    let scale = [0.25, 0.1, 3.7][draw(2)];
    let zero = draw(255) as i32 - if byte == DType::I8 { 128 } else { 0 };
    let (lo, hi) = if byte == DType::I8 { (-128, 127) } else { (0, 255) };
    match n {
        0 => {
            let result = Requantize { to: byte, zero, lo: lo + draw(20) as i32, hi };
            (Op::Quantize(Quantize { scale, result }), DType::F32, byte, 1)
        }
        1 => (Op::Dequantize(Dequantize { scale, zero }), byte, DType::F32, 1),
        2 => (Op::Convert { to: DType::F32 }, byte, DType::F32, 1),
        3 => (Op::Convert { to: DType::U8 }, DType::F32, DType::U8, 1),
        4 => {
            let slice = |&extent: &usize| {
                let start = draw(extent - 1);
                SliceAxis { start, step: 1, len: 1 + draw(extent - 1 - start) }
            };
            (Op::Slice(shape.iter().map(slice).collect()), byte, byte, 1)
        }
        5 => (Op::Transpose { perm: vec![0, 2, 3, 1] }, byte, byte, 1),
        6 => (Op::Concat { axis: 1 + draw(2) }, byte, byte, 2),
        _ => {
            let kernel = [1 + draw(1), 1 + draw(1)].map(|k| k.min(shape[2].min(shape[3])));
            let window = Window { kernel, ..Window::square(1, 1 + draw(1), 0) };
            (Op::MaxPool(Pool { window, ceil_mode: false }), byte, byte, 1)
        }
    }
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (1usize..3, 1usize..40, 1usize..7, 1usize..40);
    let rest = (0u8..8, byte(), layout(), layout(), pads(2), pads(2), any::<u64>());
    (shape, rest).prop_map(
        |((n, c, h, w), (operator_number, byte, from_layout, to_layout, a, b, seed))| {
            let shape = vec![n, c, h, w];
            let (op, from, to, operands) = operator(operator_number, &shape, byte, seed);
            let layouts = match op {
                Op::MaxPool(_) => [Layout::Blocked; 2],
                _ => [from_layout, to_layout],
            };
            Case { op, shapes: vec![shape; operands], from, to, layouts, halos: [a, b], seed }
        },
    )
}

/// Numbers around those that bytes stand for, NaN and infinities among them.
pub(crate) fn numbers(random: &mut SplitMix, shape: &[usize]) -> Value {
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5, -0.0];
    let mut one = || match random.draw() % 40 {
        n @ 0..5 => odd[n as usize],
        n => (random.draw() % 4000) as f32 / n as f32 - 30.0,
    };
    let data = (0..shape.iter().product()).map(|_| f64::from(one())).collect();
    Value::new(shape, data)
}

impl Case {
    fn check(&self) {
        let random = &mut SplitMix(self.seed);
        let value = |shape: &Vec<usize>| match self.from {
            DType::F32 => numbers(random, shape),
            ty => elements(random, ty, shape),
        };
        let values: Vec<Value> = self.shapes.iter().map(value).collect();
        let expected = eval_node(&self.op, &values.iter().collect::<Vec<_>>()).expect("valid");
        for engine in engines() {
            for threads in [1, 3] {
                let mut arena = Arena::default();
                let mut operands = Vec::new();
                for value in &values {
                    let ty = TensorType::of(value.dtype, &*value.shape);
                    let ty = TensorType { layout: self.layouts[0], ..ty };
                    let place = arena.place(ty, self.halos[0], self.border(self.from));
                    arena.write(&place, value);
                    operands.push(Operand::Value(place));
                }
                let ty = TensorType::of(self.to, &*expected.shape);
                let ty = TensorType { layout: self.layouts[1], ..ty };
                let dst = arena.place(ty, self.halos[1], self.border(self.to));
                let found = arena.run(engine, &self.op, operands, &dst, true, threads);
                assert!(found == expected.data, "{engine:?} {self:?}: {found:?}, not {expected:?}");
            }
        }
    }

    fn border(&self, ty: DType) -> u8 {
        if ty == DType::F32 { 0 } else { 200 }
    }
}

proptest! {
    #![proptest_config(with_cases(200))]

    #[test]
    fn moved_bytes_are_what_they_were(case in case()) {
        case.check();
    }
}
