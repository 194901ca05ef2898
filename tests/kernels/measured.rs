//! Scales and zero points that a run computes, and bytes made with them: every engine equals the
//! interpreter bit for bit.

use proptest::prelude::*;
use resnetc::kernels::Operand;
use resnetc::kernels::geometry::Zero;
use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::op::{Op, Pads};
use resnetc_ir::random::SplitMix;
use resnetc_ir::{DType, Graph, Layout, NodeId, TensorType};
use resnetc_testing::cases::with_cases;

use super::bytes::Arena;
use super::engine::engines;
use super::moved_bytes::numbers;
use super::pads;
use super::quantized::{are_same, encoding, zero_point};

/// Values whose range is of some kind.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// With NaN and infinities.
    Any,
    /// Finite, multiplied with this.
    Times(f32),
    /// Without negative numbers, or without positive ones.
    OneSided(f32),
}

fn kind() -> impl Strategy<Value = Kind> {
    let factors = prop::sample::select(vec![1.0f32, 0.0, 1e-3, 1e36, 1e-37]);
    prop_oneof![
        1 => Just(Kind::Any),
        3 => factors.prop_map(Kind::Times),
        1 => prop::sample::select(vec![1.0f32, -1.0]).prop_map(Kind::OneSided),
    ]
}

impl Kind {
    fn value(self, random: &mut SplitMix, shape: &[usize]) -> Value {
        let mut value = numbers(random, shape);
        let finite = |x: f64| if x.is_finite() { x as f32 } else { 0.0 };
        let one = |x: f64| match self {
            Kind::Any => x as f32,
            Kind::Times(factor) => finite(x) * factor,
            Kind::OneSided(sign) => finite(x).abs() * sign,
        };
        value.data.iter_mut().for_each(|x| *x = one(*x).into());
        value
    }
}

#[derive(Clone, Debug)]
struct Case {
    shape: Vec<usize>,
    kind: Kind,
    layout: Layout,
    /// Of the operand and of the result.
    halos: [Pads; 2],
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let image =
        (1usize..3, 1usize..40, 1usize..9, 1usize..40).prop_map(|(n, c, h, w)| [n, c, h, w]);
    // Several parts, and a rest.
    let large = (1usize..4, 30usize..70, 15usize..30).prop_map(|(n, c, h)| [n, c, h, 31]);
    let shape = prop_oneof![4 => image, 1 => large];
    let layout = prop::sample::select(vec![Layout::Planar, Layout::Blocked]);
    (shape, kind(), layout, pads(2), pads(2), any::<u64>()).prop_map(
        |(shape, kind, layout, a, b, seed)| Case {
            shape: shape.to_vec(),
            kind,
            layout,
            halos: [a, b],
            seed,
        },
    )
}

impl Case {
    /// A place for the case's value in an arena.
    fn operand(&self, arena: &mut Arena, value: &Value) -> Operand {
        let ty = TensorType { layout: self.layout, ..TensorType::of(DType::F32, &*value.shape) };
        let place = arena.place(ty, self.halos[0], 0);
        arena.write(&place, value);
        Operand::Value(place)
    }

    fn check_measure(&self) {
        let value = self.kind.value(&mut SplitMix(self.seed), &self.shape);
        let expected = eval_node(&Op::Measure, &[&value]).expect("valid");
        for (engine, threads) in engines().into_iter().flat_map(|e| [(e, 1), (e, 3)]) {
            let mut arena = Arena::default();
            let operands = vec![self.operand(&mut arena, &value)];
            let dst = arena.place(TensorType::of(DType::F32, [2]), Pads::default(), 0);
            let found = arena.run(engine, &Op::Measure, operands, &dst, true, threads);
            let same = are_same(&found, &expected.data);
            assert!(same, "{engine:?} {self:?}: {found:?}, not {expected:?}");
        }
    }

    fn check_quantize(&self) {
        let random = &mut SplitMix(self.seed);
        let value = self.kind.value(random, &self.shape);
        let encoding = match random.draw() % 2 {
            0 => eval_node(&Op::Measure, &[&value]).expect("valid"),
            _ => encoding(random),
        };
        let expected = eval_node(&Op::QuantizeMeasured, &[&value, &encoding]).expect("valid");
        for (engine, threads) in engines().into_iter().flat_map(|e| [(e, 1), (e, 3)]) {
            let mut arena = Arena::default();
            let source = self.operand(&mut arena, &value);
            let at = arena.place(TensorType::of(DType::F32, [2]), Pads::default(), 0);
            arena.write(&at, &encoding);
            let at = Operand::Value(at);
            arena.measure(zero_point(&encoding), &at);
            let ty = TensorType { layout: self.layout, ..TensorType::of(DType::U8, &*self.shape) };
            let dst = arena.place(ty, self.halos[1], Zero::Measured(a_node()));
            let operands = vec![source, at];
            let found = arena.run(engine, &Op::QuantizeMeasured, operands, &dst, true, threads);
            assert!(found == expected.data, "{engine:?} {self:?}: {found:?}, not {expected:?}");
        }
    }
}

/// Some node, which holds a zero point.
fn a_node() -> NodeId {
    Graph::new().input("encoding", [2])
}

proptest! {
    #![proptest_config(with_cases(150))]

    #[test]
    fn measurements_are_exact(case in case()) {
        case.check_measure();
    }

    #[test]
    fn bytes_of_a_measured_value_are_exact(case in case()) {
        case.check_quantize();
    }
}
