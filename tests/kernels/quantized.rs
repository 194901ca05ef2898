//! Convolutions of quantized values: every engine with products of integers equals the interpreter
//! bit for bit.

use std::sync::Arc;

use proptest::prelude::*;
use resnetc::codegen::vir::Target;
use resnetc::host::cpu::Vendor;
use resnetc::kernels::Operand;
use resnetc::kernels::conv::PLANAR_BYTES_BEYOND;
use resnetc::kernels::rates::Rates;
use resnetc::kernels::sink::Machine;
use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::op::{
    Activation, Encoding, Ending, Op, Pads, QuantizedConv, QuantizedResidual, Requantize, Window,
};
use resnetc_ir::quantized::quantizer;
use resnetc_ir::random::SplitMix;
use resnetc_ir::{DType, Layout, TensorType};
use resnetc_testing::cases::with_cases;

use super::bytes::{Arena, elements};
use super::engine::{Engine, all_engines as engines};
use super::moved_bytes::numbers;
use super::{max, pads};

/// Machines with one thread and with several; where there are tile registers, both one that prefers
/// them and one that does not.
fn machines(target: Target) -> Vec<Machine> {
    let costs = if target.tiles > 0 { &[0.0, f64::INFINITY][..] } else { &[1.0] };
    let machine = |threads: usize, byte_tiles: f64| {
        let machine = Machine::new(target, threads, 32 * 1024, Vendor::Other);
        Machine { rates: Rates { byte_tiles, ..machine.rates }, ..machine }
    };
    let both = |threads: usize| costs.iter().map(move |&cost| machine(threads, cost));
    [1, 3].into_iter().flat_map(both).collect()
}

#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    size: [usize; 2],
    groups: usize,
    per_group: [usize; 2],
    window: Window,
    /// The types of residual and result.
    types: [DType; 2],
    residual: bool,
    /// Whether scale and zero point of the source are an operand.
    measured: bool,
    in_place: bool,
    /// Whether the source is planar.
    planar: bool,
    /// Of the source, the residual and the result.
    halos: [Pads; 3],
    extremes: Extremes,
    seed: u64,
}

/// Which bytes the operands have.
#[derive(Clone, Copy, Debug)]
enum Extremes {
    /// Any.
    No,
    /// The source has the largest one, and weights have this one.
    Weights(i8),
}

fn case() -> impl Strategy<Value = Case> {
    let channels = prop_oneof![
        3 => (1usize..70, 1usize..80).prop_map(|(i, o)| (1, [i, o])),
        1 => (2usize..4, prop::sample::select(vec![16usize, 32])).prop_map(|(g, o)| (g, [16, o])),
    ];
    let shape = (1usize..3, 1usize..16, 1usize..16, channels);
    let window = (1usize..4, 1usize..4, 1usize..3, 1usize..3, 1usize..3, 1usize..3, pads(2));
    let byte = prop::sample::select(vec![DType::U8, DType::I8]);
    let result = prop::sample::select(vec![DType::U8, DType::I8, DType::F32]);
    let flags = any::<[bool; 4]>();
    let rest = (byte, result, flags, any::<u64>());
    (shape, window, rest, (pads(1), pads(1), pads(1))).prop_map(|(shape, window, rest, halos)| {
        let (batch, h, w, (groups, per_group)) = shape;
        let (r, s, sy, sx, dy, dx, pads) = window;
        let fit =
            |extent: usize, taps: usize, dilation: usize| taps.min((extent - 1) / dilation + 1);
        let kernel =
            [fit(h + pads.top + pads.bottom, r, dy), fit(w + pads.left + pads.right, s, dx)];
        let window = Window { kernel, strides: [sy, sx], dilations: [dy, dx], pads };
        let (other, to, [residual, measured, in_place, planar], seed) = rest;
        let other = if to == DType::F32 { to } else { other };
        let measured = measured && to == DType::F32;
        let planar = planar && groups == 1 && per_group[0] < 16 && dx == 1;
        let mut halos = [max(halos.0, pads), halos.1, halos.2];
        if planar {
            halos[0].right += PLANAR_BYTES_BEYOND;
        }
        let types = [other, to];
        let in_place = in_place && residual && other == to;
        Case {
            batch,
            size: [h, w],
            groups,
            per_group,
            window,
            types,
            residual,
            measured,
            in_place,
            planar,
            halos,
            extremes: Extremes::No,
            seed,
        }
    })
}

/// What can be computed by Winograd's algorithm.
fn three_by_three() -> impl Strategy<Value = Case> {
    let extremes = prop_oneof![
        6 => Just(Extremes::No),
        1 => prop::sample::select(vec![i8::MIN, i8::MAX]).prop_map(Extremes::Weights),
    ];
    let shape = (7usize..20, 7usize..20, 16usize..140, 16usize..80, pads(2), 1usize..3);
    (case(), shape, extremes).prop_map(|(case, (h, w, inputs, outputs, pads, stride), extremes)| {
        let window = Window { kernel: [3, 3], strides: [stride; 2], dilations: [1, 1], pads };
        let halos = [max(case.halos[0], pads), case.halos[1], case.halos[2]];
        Case {
            size: [h, w],
            groups: 1,
            per_group: [inputs, outputs],
            window,
            planar: false,
            halos,
            extremes,
            ..case
        }
    })
}

/// What fills tiles: steps of 64 channels, panels of several blocks of outputs, and groups of whole
/// blocks of channels.
fn many_channels() -> impl Strategy<Value = Case> {
    let groups = (2usize..4, 1usize..6, 1usize..4).prop_map(|(g, i, o)| (g, [16 * i, 16 * o]));
    let channels = prop_oneof![
        2 => (1usize..200, 1usize..120).prop_map(|channels| (1, channels.into())),
        1 => groups,
    ];
    (case(), channels).prop_map(|(case, (groups, per_group))| {
        let mut halos = case.halos;
        if case.planar {
            halos[0].right -= PLANAR_BYTES_BEYOND;
        }
        Case { groups, per_group, planar: false, halos, ..case }
    })
}

fn byte(random: &mut SplitMix, ty: DType) -> i32 {
    elements(random, ty, &[1]).data[0] as i32
}

/// Whether numbers are the same; all NaN are.
pub(crate) fn are_same(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
}

/// A scale and a zero point, some of which no measurement gives.
pub(crate) fn encoding(random: &mut SplitMix) -> Value {
    let scales = [0.013f32, 1.0, 3e-5, 700.0, f32::INFINITY, f32::NAN];
    let zeros = [0.0, 255.0, 3.0, 128.0, 17.5, 18.5, -4.0, 300.0, f64::INFINITY, f64::NAN];
    let zero = match random.draw() % 3 {
        0 => zeros[(random.draw() % 10) as usize],
        _ => (random.draw() % 256) as f64,
    };
    Value::new([2], vec![scales[(random.draw() % 6) as usize].into(), zero])
}

/// The byte that stands for zero.
pub(crate) fn zero_point(encoding: &Value) -> u8 {
    quantizer([0, 1].map(|i| encoding.data[i] as f32)).result.zero as u8
}

fn requantize(random: &mut SplitMix, to: DType) -> Requantize {
    let [a, b] = [byte(random, to), byte(random, to)];
    Requantize { to, zero: byte(random, to), lo: a.min(b), hi: a.max(b) }
}

impl Case {
    fn conv(&self, random: &mut SplitMix) -> QuantizedConv {
        let factors = [0.013, 0.75, 1.5, -2.3];
        let mut factor = || factors[(random.draw() % 4) as usize];
        let [own, factor] = [factor(), factor()];
        let ending = match (self.residual, self.types[1]) {
            (residual, DType::F32) => {
                let activation = match random.draw() % 3 {
                    0 => Activation::None,
                    1 => Activation::Relu,
                    _ => Activation::Clip { lo: -1.0, hi: 2.5 },
                };
                match residual {
                    true => Ending::FloatSum(activation),
                    false => Ending::Floats(activation),
                }
            }
            (false, to) => Ending::Bytes(requantize(random, to)),
            (true, to) => Ending::Sum(
                requantize(random, to),
                QuantizedResidual {
                    own,
                    factor,
                    zero: byte(random, self.types[0]),
                    sum: requantize(random, to),
                },
            ),
        };
        let src = match self.measured {
            true => Encoding::Measured,
            false => Encoding::Known(byte(random, DType::U8)),
        };
        QuantizedConv { window: self.window, groups: self.groups, src, ending }
    }

    fn check(&self) {
        let random = &mut SplitMix(self.seed);
        let conv = self.conv(random);
        let [inputs, outputs] = self.per_group.map(|n| n * self.groups);
        let [r, s] = self.window.kernel;
        let mut src =
            elements(random, DType::U8, &[self.batch, inputs, self.size[0], self.size[1]]);
        let mut weights = elements(random, DType::I8, &[outputs, self.per_group[0], r, s]);
        if let Extremes::Weights(all) = self.extremes {
            src.data.fill(255.0);
            weights.data.fill(all.into());
        }
        let spread = 1.0 / (self.per_group[0] * r * s) as f64;
        let biases = (0..outputs).map(|_| (random.draw() % 200_001) as f64 - 100_000.0).collect();
        let ty = if self.measured { DType::F32 } else { DType::I32 };
        let bias = Value::of(ty, [outputs], biases);
        let factor = |random: &mut SplitMix| (1 + random.draw() % 1000) as f64 / 1000.0 * spread;
        let factors = (0..outputs).map(|_| f64::from((factor(random) / 20.0) as f32)).collect();
        let factors = Value::new([outputs], factors);
        let mut operands = vec![src, weights, bias, factors];
        operands.extend(self.measured.then(|| encoding(random)));
        let op = Op::QuantizedConv(conv);
        let floats = Ending::Floats(Activation::None);
        let plain = Op::QuantizedConv(QuantizedConv { ending: floats, ..conv });
        let shape = eval_node(&plain, &operands.iter().collect::<Vec<_>>()).expect("valid").shape;
        operands.extend(self.residual.then(|| match self.types[0] {
            DType::F32 => numbers(random, &shape),
            byte => elements(random, byte, &shape),
        }));
        let expected = eval_node(&op, &operands.iter().collect::<Vec<_>>()).expect("valid");
        for engine in engines() {
            for machine in machines(engine.target()) {
                let found = self.run(engine, machine, &conv, &operands, &expected);
                let same = are_same(&found, &expected.data);
                assert!(same, "{engine:?} {op:?}: {found:?}, not {expected:?}");
            }
        }
    }

    /// The result of an engine with kernels for this machine.
    fn run(
        &self,
        engine: Engine,
        machine: Machine,
        conv: &QuantizedConv,
        operands: &[Value],
        expected: &Value,
    ) -> Vec<f64> {
        let op = Op::QuantizedConv(*conv);
        let mut arena = Arena::default();
        let mut placed = Vec::new();
        for (i, value) in operands.iter().enumerate() {
            placed.push(match i {
                1..=3 => Operand::Constant(Arc::new(value.to_tensor().unwrap().expect("sizes"))),
                _ => {
                    let halo = self.halos[if i == 0 {
                        0
                    } else if self.in_place {
                        2
                    } else {
                        1
                    }];
                    let zero = match (i, conv.src) {
                        (0, Encoding::Known(zero)) => zero as u8,
                        (0, Encoding::Measured) => zero_point(&operands[4]),
                        _ if value.dtype == DType::F32 => 0,
                        _ => 7,
                    };
                    let is_encoding = conv.encoding_operand() == Some(i);
                    let halo = if is_encoding { Pads::default() } else { halo };
                    let layout = match i == 0 && self.planar || is_encoding {
                        true => Layout::Planar,
                        false => Layout::Blocked,
                    };
                    let ty = TensorType { layout, ..TensorType::of(value.dtype, &*value.shape) };
                    let place = arena.place(ty, halo, zero);
                    arena.write(&place, value);
                    Operand::Value(place)
                }
            });
        }
        let dst = match (self.in_place, placed.last()) {
            (true, Some(Operand::Value(place))) => place.clone(),
            _ => {
                let ty = TensorType::of(self.types[1], &*expected.shape);
                let zero = if self.types[1] == DType::F32 { 0 } else { 9 };
                arena.place(TensorType { layout: Layout::Blocked, ..ty }, self.halos[2], zero)
            }
        };
        arena.run_for(machine, engine, &op, placed, &dst, !self.in_place)
    }
}

proptest! {
    #![proptest_config(with_cases(150))]

    #[test]
    fn quantized_convolution_is_exact(case in case()) {
        case.check();
    }
}

proptest! {
    #![proptest_config(with_cases(40))]

    #[test]
    fn windows_of_three_are_exact(case in three_by_three()) {
        case.check();
    }
}

proptest! {
    #![proptest_config(with_cases(50))]

    #[test]
    fn many_channels_are_exact(case in many_channels()) {
        case.check();
    }
}
