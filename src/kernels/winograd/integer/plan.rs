//! The plan for a convolution of bytes, if it can be computed so and that is cheaper than directly.

use resnetc_ir::op::{Conv, QuantizedConv};
use resnetc_ir::ty::Layout;

use crate::kernels::conv::cost::direct_cost;
use crate::kernels::conv::pack::Weights;
use crate::kernels::conv::{Dot, Operands};
use crate::kernels::sink::Machine;

use super::super::Tiling;
use super::super::matrices::{TAPS, Transforms};
use super::super::tile_blocks::Cut;
use super::cost::{cut, vectors};
use super::divisors::{Divisor, OutputRow};
use super::programs::HALF;

/// The transforms: of stride 1, then of stride 2.
const TRANSFORMS: [fn() -> Transforms; 3] =
    [Transforms::f2, Transforms::f4_integers, Transforms::f2_strided];

/// How a convolution is computed.
#[derive(Debug)]
pub(in crate::kernels) struct Plan {
    pub(super) form: Tiling,
    pub(super) cut: Cut,
    /// Half cycles of a thread for two input channels and 16 outputs.
    pub(in crate::kernels) cost: f64,
    /// Vectors of outputs in a group.
    pub(super) vectors: usize,
    pub(super) rows: Vec<OutputRow>,
}

/// The limit of an output's sum: the larger one of its sums of positive and of negative weights,
/// times the largest byte.
fn largest_sum(weights: &Weights) -> i64 {
    let mut filter = vec![0; weights.inputs * weights.taps[0] * weights.taps[1]];
    let mut largest = 0;
    for output in 0..weights.outputs {
        weights.weights.read_bytes(output * filter.len(), &mut filter);
        let signed = filter.iter().map(|&w| i64::from(w as i8));
        let (above, below) = signed.fold((0, 0), |(above, below), w| match w > 0 {
            true => (above + w, below),
            false => (above, below - w),
        });
        largest = largest.max(above).max(below);
    }
    largest * 255
}

impl Plan {
    /// The plan for a convolution, if it can be computed so and that is cheaper than directly.
    pub(in crate::kernels) fn of(
        conv: &QuantizedConv,
        weights: &Weights,
        operands: &Operands<'_>,
        machine: &Machine,
    ) -> Option<Self> {
        let Machine { target, .. } = *machine;
        let is_blocked = operands.src.geometry.ty.layout == Layout::Blocked;
        let dot = Dot::of(target)?;
        if !is_blocked || target.lanes < HALF {
            return None;
        }
        let shapes = [operands.src, operands.dst].map(|place| place.geometry.nchw());
        let plain = Conv::new(conv.window, conv.groups);
        let form =
            |transforms: Transforms| Tiling::with(transforms, &plain, shapes[0], shapes[1]).ok();
        let forms: Vec<Tiling> = TRANSFORMS.iter().filter_map(|t| form(t())).collect();
        let largest = if forms.is_empty() { return None } else { largest_sum(weights) };
        let plan = |form: Tiling| {
            let rows = OutputRow::all(&form.transforms.output)?;
            let shift = 2 * rows.iter().map(|row| Divisor::of(row.divisor).shift).max()?;
            (largest < 1 << (31 - shift)).then_some(())?;
            let (cut, cost) = cut(&form, machine);
            Some((cost, form, cut, rows))
        };
        let plans = forms.into_iter().filter_map(plan);
        let (cost, form, cut, rows) = plans.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let pixels = form.images * form.size[0] * form.size[1];
        (cost < direct_cost([pixels, TAPS * TAPS], dot, machine)).then_some(())?;
        let vectors = vectors(&form, cut.rows * form.tiles[1], target);
        Some(Plan { form, cut, cost, vectors, rows })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use resnetc_ir::op::{Encoding, Ending, Requantize, Window};
    use resnetc_ir::{DType, Tensor, TensorType};

    use super::*;
    use crate::codegen::vir::Target;
    use crate::host::cpu::Vendor;
    use crate::kernels::geometry::{Geometry, Place};
    use crate::kernels::sink::ARENA;

    /// All transforms are of integers, whose results fit 16 bits.
    #[test]
    fn transforms_fit() {
        for transforms in TRANSFORMS.map(|transforms| transforms()) {
            let all = transforms.input.iter().chain(&transforms.filter).flatten();
            assert!(all.clone().all(|c| c.fract() == 0.0), "{transforms:?}");
            // The least and the greatest result of a row on a range.
            let reach = |row: &[f64], [lo, hi]: [f64; 2]| {
                let ends = row.iter().map(|c| [c * lo, c * hi]);
                ends.fold([0.0, 0.0], |[a, b], [x, y]| [a + x.min(y), b + x.max(y)])
            };
            for (matrix, range) in
                [(&transforms.input, [0.0, 255.0]), (&transforms.filter, [-128.0, 127.0])]
            {
                for (first, second) in
                    matrix.iter().flat_map(|a| matrix.iter().map(move |b| (a, b)))
                {
                    let [lo, hi] = reach(second, reach(first, range));
                    assert!(lo >= -32768.0 && hi <= 32767.0, "{lo} to {hi}");
                }
            }
            let rows = OutputRow::all(&transforms.output).expect("they are fractions");
            for row in &rows {
                let Divisor { inverse, shift } = Divisor::of(row.divisor);
                assert_eq!((row.divisor >> shift).wrapping_mul(inverse), 1);
            }
        }
        let shifts = |t: Transforms| {
            let rows = OutputRow::all(&t.output).expect("they are fractions");
            rows.iter().map(|row| Divisor::of(row.divisor).shift).max()
        };
        let shifts = TRANSFORMS.map(|transforms| shifts(transforms()));
        assert_eq!(shifts, [Some(1), Some(3), Some(0)]);
    }

    /// The outputs along an axis of the tiles that a convolution of stride 1, with 128 channels of
    /// 28x28, is cut into; all its weights are this.
    fn outputs_of_a_tile(target: Target, weight: i8) -> Option<usize> {
        let ty =
            TensorType { layout: Layout::Blocked, ..TensorType::of(DType::U8, [1, 128, 28, 28]) };
        let place = Place { base: ARENA, offset: 0, geometry: Geometry::new(ty) };
        let operands = Operands { src: &place, residual: None, dst: &place };
        let weight = f64::from(weight);
        let numbers = vec![weight; 128 * 128 * 9];
        let weights = Tensor::from_numbers(DType::I8, [128, 128, 3, 3], &numbers)?;
        let weights = Weights {
            weights: Arc::new(weights),
            bias: None,
            outputs: 128,
            inputs: 128,
            taps: [3, 3],
        };
        let bytes = Requantize { to: DType::U8, zero: 0, lo: 0, hi: 255 };
        let ending = Ending::Bytes(bytes);
        let window = Window::square(3, 1, 1);
        let conv = QuantizedConv { window, groups: 1, src: Encoding::Known(0), ending };
        let machine = Machine::new(target, 1, 1 << 20, Vendor::Other);
        Some(Plan::of(&conv, &weights, &operands, &machine)?.form.transforms.outputs)
    }

    /// Large layers are computed so, with large tiles if weights limit the sums.
    #[test]
    fn tiles_are_as_large_as_weights_allow() {
        for target in [Target::AVX2, Target::AVX_VNNI, Target::AVX512, Target::AVX512_VNNI] {
            assert_eq!(outputs_of_a_tile(target, 100), Some(4), "{target}");
            assert_ne!(outputs_of_a_tile(target, 127), Some(4), "{target}");
        }
        // A vector is the channels of half a block.
        assert_eq!(outputs_of_a_tile(Target::V128, 1), None);
    }
}
