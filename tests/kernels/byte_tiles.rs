//! How many instructions the quantized convolutions of a ResNet-50 take on tile registers.

use std::sync::Arc;

use resnetc::codegen::region::{Extent, Item};
use resnetc::codegen::vir::{Program, Target, Work};
use resnetc::host::cpu::Vendor;
use resnetc::kernels::geometry::{Geometry, Place};
use resnetc::kernels::sink::{ARENA, Machine, Sink};
use resnetc::kernels::{Operand, PlacedStep, lower};
use resnetc_ir::op::{
    Encoding, Ending, Op, Pads, QuantizedConv, QuantizedResidual, Requantize, Window,
};
use resnetc_ir::{DType, Layout, Tensor, TensorType};

/// A kind of layer: how many there are, rows of the source, input and output channels, taps and
/// stride along each axis, whether a residual is added.
type Layer = (u64, usize, [usize; 2], [usize; 2], bool);

/// The layers of a ResNet-50 after the first.
const LAYERS: [Layer; 23] = [
    (1, 56, [64, 64], [1, 1], false),
    (2, 56, [256, 64], [1, 1], false),
    (3, 56, [64, 64], [3, 1], false),
    (3, 56, [64, 256], [1, 1], true),
    (1, 56, [64, 256], [1, 1], false),
    (1, 56, [256, 128], [1, 1], false),
    (1, 56, [128, 128], [3, 2], false),
    (3, 28, [512, 128], [1, 1], false),
    (3, 28, [128, 128], [3, 1], false),
    (4, 28, [128, 512], [1, 1], true),
    (1, 56, [256, 512], [1, 2], false),
    (1, 28, [512, 256], [1, 1], false),
    (1, 28, [256, 256], [3, 2], false),
    (5, 14, [1024, 256], [1, 1], false),
    (5, 14, [256, 256], [3, 1], false),
    (6, 14, [256, 1024], [1, 1], true),
    (1, 28, [512, 1024], [1, 2], false),
    (1, 14, [1024, 512], [1, 1], false),
    (1, 14, [512, 512], [3, 2], false),
    (2, 7, [2048, 512], [1, 1], false),
    (2, 7, [512, 512], [3, 1], false),
    (3, 7, [512, 2048], [1, 1], true),
    (1, 14, [1024, 2048], [1, 2], false),
];

const BYTES: Requantize = Requantize { to: DType::U8, zero: 0, lo: 0, hi: 255 };

/// What one image takes.
fn work(size: usize, channels: [usize; 2], [taps, stride]: [usize; 2], residual: bool) -> Work {
    let [inputs, outputs] = channels;
    let mut arena = 0;
    let mut place = |channels: usize, size: usize, pads: usize| {
        let ty = TensorType::of(DType::U8, [1, channels, size, size]);
        let ty = TensorType { layout: Layout::Blocked, ..ty };
        let halo = Pads::same(pads);
        let geometry = Geometry { halo, ..Geometry::new(ty) };
        let place = Place { base: ARENA, offset: arena, geometry };
        arena += place.geometry.bytes() as i64;
        place
    };
    // What a convolution of a window of three reads has a halo; so has what one of 1x1 writes.
    let (src, dst) = (place(inputs, size, taps / 2), place(outputs, size / stride, 1 - taps / 2));
    let added = place(outputs, size / stride, 1 - taps / 2);
    let constant = |dtype: DType, shape: &[usize]| {
        let numbers = vec![0.25; shape.iter().product()];
        Operand::Constant(Arc::new(Tensor::from_numbers(dtype, shape, &numbers).expect("fits")))
    };
    let weights = constant(DType::I8, &[outputs, inputs, taps, taps]);
    let mut operands = vec![Operand::Value(src), weights];
    operands.extend([DType::I32, DType::F32].map(|dtype| constant(dtype, &[outputs])));
    operands.extend(residual.then_some(Operand::Value(added)));
    let sum = QuantizedResidual { own: 0.5, factor: 0.5, zero: 0, sum: BYTES };
    let ending = if residual { Ending::Sum(BYTES, sum) } else { Ending::Bytes(BYTES) };
    let window = Window::square(taps, stride, taps / 2);
    let op =
        Op::QuantizedConv(QuantizedConv { window, groups: 1, src: Encoding::Known(0), ending });
    let step = PlacedStep {
        name: "test",
        op: &op,
        operands,
        dst,
        fill_halo: false,
        border: None,
        plan: None,
        scratch: None,
        publishes: Vec::new(),
        known: Vec::new(),
    };
    let mut sink = Sink::new(Machine::new(Target::AMX, 1, 2 << 20, Vendor::Intel));
    let regions = lower(&step, &mut sink).expect("the kernel exists");
    let (programs, ..) = sink.finish();
    let pieces = regions.iter().flat_map(|region| &region.pieces);
    pieces.fold(Work::default(), |sum, piece| {
        plus(sum, piece.chunk_count(), executed(&piece.items, &programs))
    })
}

/// What items execute.
fn executed(items: &[Item], programs: &[Program]) -> Work {
    items.iter().fold(Work::default(), |sum, item| match item {
        Item::Call(call) => {
            let turns = call.loops.iter().map(|extent| match extent {
                Extent::Fixed(count) => u64::from(*count),
                Extent::Rest { per, .. } => u64::from(*per),
            });
            plus(sum, turns.product(), programs[call.kernel].work())
        }
        Item::Repeat { count, items } => plus(sum, (*count).into(), executed(items, programs)),
        Item::When { items, .. } => plus(sum, 1, executed(items, programs)),
    })
}

fn plus(sum: Work, times: u64, more: Work) -> Work {
    Work {
        tile_dots: sum.tile_dots + times * more.tile_dots,
        prefetches: sum.prefetches + times * more.prefetches,
        instructions: sum.instructions + times * more.instructions,
        ..sum
    }
}

/// Multiplications of a product of tiles: 16 positions, 16 outputs and 64 channels.
const PRODUCTS: f64 = 16.0 * 16.0 * 64.0;

/// Tiles hold nearly nothing that is not multiplied: images have few columns between rows, and 64
/// divides the channels.
///
/// Of other instructions there are at most, beside prefetches, for each vector of 16 results a load,
/// the addition of the bias, two conversions, a multiplication and a store; with a residual seven
/// more for the steps of both operands, and five constants. For each block of channels of a position
/// of the source, a load and a store; for each product of tiles, a load, and a share of clearing and
/// storing its sum. Loops add a tenth at most.
#[test]
fn tiles_are_full() {
    let mut total = Work::default();
    let mut products = 0.0;
    for (count, size, channels, window @ [taps, stride], residual) in LAYERS {
        let work = work(size, channels, window, residual);
        let pixels = (size / stride).pow(2) * taps.pow(2);
        let least = (pixels * channels[0] * channels[1]) as f64 / PRODUCTS;
        let others = work.instructions - work.tile_dots;
        println!(
            "{size:3} {channels:?} {window:?}: {} products, {:.3} of the least, {others} others, \
             of which {} prefetches",
            work.tile_dots,
            work.tile_dots as f64 / least,
            work.prefetches,
        );
        assert!((work.tile_dots as f64) < 1.4 * least, "{size} {channels:?} {window:?}");
        let results = (size / stride).pow(2) * channels[1] / 16 * if residual { 18 } else { 6 };
        let seen = (size + taps - 1).pow(2) * channels[0] / 16 * 2;
        let most = (results + seen) as u64 + 4 * work.tile_dots;
        assert!(10 * (others - work.prefetches) <= 11 * most, "{size} {channels:?} {window:?}");
        products += count as f64 * least;
        total = plus(total, count, work);
    }
    let others = total.instructions - total.tile_dots;
    println!(
        "all: {} products, {products:.0} at least; {others} others, of which {} prefetches",
        total.tile_dots, total.prefetches
    );
    assert!((total.tile_dots as f64) < 1.15 * products);
}
