//! Operators on bytes: every engine equals the interpreter bit for bit wherever the operator on
//! floats is exact, and else wherever no error of the operator decides how the result is rounded.

use std::fmt;
use std::sync::Arc;

use proptest::prelude::*;
use resnetc::kernels::Operand;
use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::op::{
    Binary, Dequantize, OnBytes, Op, Pads, Pool, Quantize, Requantize, Unary, Window,
};
use resnetc_ir::random::SplitMix;
use resnetc_ir::{DType, Layout, TensorType};
use resnetc_testing::cases::with_cases;

use super::bytes::{Arena, elements};
use super::engine::engines;
use super::pads;

/// An operator, its operands, and where they are.
#[derive(Clone)]
struct Case {
    op: Op,
    operands: Vec<Value>,
    /// Of the operands, then of the result.
    layouts: Vec<Layout>,
    halos: Vec<Pads>,
    /// Whether the result takes the place of the first operand.
    in_place: bool,
}

/// Without the elements of the operands: the seed makes them again.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<TensorType> = self.operands.iter().map(Value::ty).collect();
        let Case { op, layouts, halos, in_place, .. } = self;
        write!(f, "{op:?} of {types:?} in {layouts:?} with {halos:?}, in place: {in_place}")
    }
}

/// How far a result may be from the interpreter's, relative to its magnitude: some units in the
/// last place, as `elementary.rs` asserts them; none for arithmetic, which is rounded once.
fn error(op: &Op) -> f64 {
    match op {
        Op::Unary(
            Unary::Sigmoid | Unary::Tanh | Unary::Erf | Unary::Exp | Unary::Log | Unary::Sqrt,
        )
        | Op::Binary(Binary::Pow) => 2e-5,
        _ => 0.0,
    }
}

/// A function or a mean for images of this shape.
fn operator(random: &mut SplitMix, shape: &[usize]) -> Op {
    let mut draw = |most: usize| (random.draw() % (most as u64 + 1)) as usize;
    match draw(5) {
        0 => match draw(Unary::PLAIN.len()) {
            12 => Op::Unary(Unary::Clip { lo: -1.0, hi: 2.5 }),
            n => Op::Unary(Unary::PLAIN[n]),
        },
        1 | 2 => Op::Binary(Binary::ALL[draw(Binary::ALL.len() - 1)]),
        3 => {
            let kernel = [1 + draw(2), 1 + draw(2)].map(|k| k.min(shape[2].min(shape[3])));
            let side = draw(1).min(kernel[0] - 1).min(kernel[1] - 1);
            let window = Window { kernel, ..Window::square(1, 1 + draw(1), side) };
            let pool = Pool { window, ceil_mode: draw(1) == 1 };
            Op::AveragePool { pool, count_include_pad: draw(1) == 1 }
        }
        4 => Op::GlobalAveragePool,
        _ => {
            let axes = [vec![3], vec![2, 3], vec![1], vec![1, 2]][draw(3)].clone();
            Op::ReduceMean { axes, keep_dims: draw(1) == 1 }
        }
    }
}

/// The shape of the second operand of a function: broadcast along some axes.
fn broadcast(random: &mut SplitMix, shape: &[usize]) -> Vec<usize> {
    match random.draw() % 6 {
        0 => vec![shape[0], shape[1], 1, 1],
        1 => vec![1, shape[1], 1, 1],
        2 => vec![],
        3 => shape.iter().map(|&n| if random.draw().is_multiple_of(3) { 1 } else { n }).collect(),
        _ => shape.to_vec(),
    }
}

fn is_mean(op: &Op) -> bool {
    !matches!(op, Op::Unary(_) | Op::Binary(_))
}

impl Case {
    fn of(shape: Vec<usize>, halos: Vec<Pads>, seed: u64) -> Self {
        let random = &mut SplitMix(seed);
        let op = operator(random, &shape);
        let mut shapes = vec![shape.clone()];
        if let Op::Binary(_) = op {
            shapes.push(broadcast(random, &shape));
            if random.draw().is_multiple_of(2) {
                shapes.swap(0, 1);
            }
        }
        let types = [DType::U8, DType::I8, DType::F32];
        let (mut operands, mut from) = (Vec::new(), Vec::new());
        for shape in &shapes {
            let ty = types[(random.draw() % 5 % 3) as usize];
            let (lo, hi) = ty.limits().unwrap_or((0, 0));
            // Sums of multiples of a power of two are exact.
            let scales = if is_mean(&op) { [1.0, 0.25, 0.5] } else { [1.0, 0.1, 0.037] };
            let scale = scales[(random.draw() % 3) as usize];
            let zero = (lo + (random.draw() % 256) as i128 % (hi - lo + 1)) as i32;
            from.push((ty != DType::F32).then_some(Dequantize { scale, zero }));
            operands.push(match ty {
                DType::F32 => {
                    let one = |_| (random.draw() % 4001) as f64 / 16.0 - 125.0;
                    let count = shape.iter().product();
                    Value::new(shape.clone(), (0..count).map(one).collect())
                }
                ty => elements(random, ty, shape),
            });
        }
        let ty = types[(random.draw() % 3) as usize];
        let to = ty.limits().filter(|_| ty != DType::F32).map(|(lo, hi)| {
            let (lo, hi) = (lo as i32, hi as i32);
            let zero = if random.draw().is_multiple_of(2) {
                lo
            } else {
                lo + (random.draw() % 256) as i32
            };
            let scale = [1.0, 0.5, 0.11][(random.draw() % 3) as usize];
            let lo = lo + (random.draw() % 30) as i32;
            Quantize { scale, result: Requantize { to: ty, zero, lo, hi } }
        });
        let layout = |random: &mut SplitMix| match random.draw() % 2 {
            0 => Layout::Planar,
            _ => Layout::Blocked,
        };
        let layouts: Vec<Layout> = match op {
            Op::AveragePool { .. } | Op::GlobalAveragePool => vec![Layout::Blocked; 2],
            Op::ReduceMean { .. } => vec![Layout::Planar; 2],
            _ => {
                let of = |shape: &Vec<usize>| match shape.len() {
                    4 => layout(random),
                    _ => Layout::Planar,
                };
                let mut layouts: Vec<Layout> = shapes.iter().map(of).collect();
                layouts.push(layout(random));
                layouts
            }
        };
        let in_place = random.draw().is_multiple_of(2);
        let op = Op::OnBytes(OnBytes { op: Box::new(op), from, to });
        Case { op, operands, layouts, halos, in_place }
    }

    /// The result of an engine.
    fn run(&self, engine: super::engine::Engine, expected: &Value, threads: usize) -> Vec<f64> {
        let mut arena = Arena::default();
        let dense = |shape: &[usize]| shape.len() != 4;
        let border = |ty: DType| if ty == DType::F32 { 0 } else { 200 };
        let mut placed = Vec::new();
        for (i, value) in self.operands.iter().enumerate() {
            let ty = TensorType::of(value.dtype, &*value.shape);
            let ty = TensorType { layout: self.layouts[i], ..ty };
            let halo = if dense(&value.shape) { Pads::default() } else { self.halos[i] };
            let place = arena.place(ty, halo, border(value.dtype));
            arena.write(&place, value);
            placed.push(place);
        }
        let ty = TensorType::of(expected.dtype, &*expected.shape);
        let ty = TensorType { layout: *self.layouts.last().expect("of the result"), ..ty };
        let is_function = !is_mean(self.op.computation());
        let in_place = self.in_place && is_function && placed[0].geometry.ty == ty;
        let dst = match in_place {
            true => placed[0].clone(),
            false => {
                let is_dense = matches!(self.op.computation(), Op::ReduceMean { .. });
                let halo = if is_dense { Pads::default() } else { self.halos[2] };
                arena.place(ty, halo, border(expected.dtype))
            }
        };
        let operands = placed.into_iter().map(Operand::Value).collect();
        arena.run(engine, &self.op, operands, &dst, !in_place, threads)
    }

    fn check(&self) {
        let operands: Vec<&Value> = self.operands.iter().collect();
        let expected = eval_node(&self.op, &operands).expect("valid");
        let Op::OnBytes(on_bytes) = &self.op else { panic!("an operator on bytes") };
        let floats = Op::OnBytes(OnBytes { to: None, ..on_bytes.clone() });
        let floats = eval_node(&floats, &operands).expect("valid");
        let error = error(&on_bytes.op);
        let is_right = |(&found, &x): (&f64, &f64)| {
            let slack = if error == 0.0 { 0.0 } else { x.abs() * error + error };
            let near = if slack == 0.0 { [x; 2] } else { [x - slack, x + slack] };
            let [least, most] = near.map(|x| match on_bytes.to {
                Some(to) => f64::from(to.apply(x as f32)),
                None => f64::from(x as f32),
            });
            (least..=most).contains(&found) || found.is_nan() && x.is_nan() || found == x
        };
        for engine in engines() {
            for threads in [1, 3] {
                let found = self.run(engine, &expected, threads);
                let wrong = found.iter().zip(&floats.data).position(|pair| !is_right(pair));
                if let Some(i) = wrong {
                    panic!(
                        "{engine:?} {self:?}: element {i} is {}, not {}, the byte for {}",
                        found[i], expected.data[i], floats.data[i]
                    );
                }
            }
        }
    }
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (1usize..3, 1usize..40, 1usize..7, 1usize..40);
    let shape = shape.prop_map(|(n, c, h, w)| vec![n, c, h, w]);
    let halos = (pads(2), pads(2), pads(2)).prop_map(|(a, b, c)| vec![a, b, c]);
    (shape, halos, any::<u64>()).prop_map(|(shape, halos, seed)| Case::of(shape, halos, seed))
}

proptest! {
    #![proptest_config(with_cases(400))]

    #[test]
    fn operators_on_bytes_are_exact(case in case()) {
        case.check();
    }

    /// A table of bytes, constant or not.
    #[test]
    fn bytes_are_looked_up(
        shape in (1usize..3, 1usize..40, 1usize..7, 1usize..40), halos in (pads(2), pads(2)),
        layouts in (any::<bool>(), any::<bool>()), options in (any::<bool>(), any::<bool>(), any::<bool>()),
        seed in any::<u64>(),
    ) {
        let random = &mut SplitMix(seed);
        let ty = if options.0 { DType::U8 } else { DType::I8 };
        let shape = [shape.0, shape.1, shape.2, shape.3];
        let (x, table) = (elements(random, DType::U8, &shape), elements(random, ty, &[256]));
        let op = Op::Lookup { zero: 3 };
        let expected = eval_node(&op, &[&x, &table]).expect("valid");
        let layout = |blocked: bool| if blocked { Layout::Blocked } else { Layout::Planar };
        for engine in engines() {
            let mut arena = Arena::default();
            let of = |ty: DType, shape: &[usize], blocked: bool| {
                TensorType { layout: layout(blocked), ..TensorType::of(ty, shape) }
            };
            let src = arena.place(of(DType::U8, &shape, layouts.0), halos.0, 7);
            arena.write(&src, &x);
            let in_place = options.2 && options.0 && layouts.0 == layouts.1;
            let dst = match in_place {
                true => src.clone(),
                false => arena.place(of(ty, &shape, layouts.1), halos.1, 9),
            };
            let table = match options.1 {
                true => Operand::Constant(Arc::new(table.to_tensor().unwrap().expect("sizes"))),
                false => {
                    let place = arena.place(of(ty, &[256], false), Pads::default(), 0);
                    arena.write(&place, &table);
                    Operand::Value(place)
                }
            };
            let operands = vec![Operand::Value(src), table];
            let found = arena.run(engine, &op, operands, &dst, !in_place, 3);
            prop_assert_eq!(&found, &expected.data, "{:?}", engine);
        }
    }
}
