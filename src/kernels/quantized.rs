//! How a convolution of quantized values is computed. All ways are exact, so the choice may depend
//! on threads and batch.

use std::sync::Arc;

use resnetc_ir::Tensor;
use resnetc_ir::op::QuantizedConv;

use super::conv::cost::direct_cost;
use super::conv::pack::Weights;
use super::conv::{Dot, Operands};
use super::geometry::Place;
use super::sink::Machine;
use super::{fixed, winograd};

/// The cheapest way to compute a convolution.
#[derive(Debug)]
pub(super) enum Plan {
    /// As it is defined.
    Direct,
    /// By Winograd's algorithm in integers.
    Winograd(winograd::integer::Plan),
    /// With tile registers.
    Tiles(fixed::bytes::Plan),
}

/// The name of the way in which a convolution with these weights is computed; `None` if no kernel
/// computes it.
pub fn way(
    conv: &QuantizedConv,
    weights: &Arc<Tensor>,
    [src, dst]: [&Place; 2],
    machine: &Machine,
) -> Option<&'static str> {
    let weights = Weights::of(Arc::clone(weights), None)?;
    let operands = Operands { src, residual: None, dst };
    Some(Plan::of(conv, Dot::of(machine.target)?, &weights, &operands, machine).name())
}

impl Plan {
    /// Its name in reports.
    fn name(&self) -> &'static str {
        match self {
            Plan::Direct => "direct",
            Plan::Winograd(_) => "winograd",
            Plan::Tiles(_) => "tiles",
        }
    }

    /// The plan for a convolution. Costs are half cycles of a thread for two input channels and 16
    /// outputs.
    pub(super) fn of(
        conv: &QuantizedConv,
        dot: Dot,
        weights: &Weights,
        operands: &Operands<'_>,
        machine: &Machine,
    ) -> Self {
        let [images, _, rows, columns] = operands.dst.geometry.nchw();
        let taps = conv.window.kernel[0] * conv.window.kernel[1];
        let direct = direct_cost([images * rows * columns, taps], dot, machine);
        let tiles = fixed::bytes::Plan::of(conv, operands, machine).ok();
        let tiles = tiles.map(|plan| (plan.cost(), Plan::Tiles(plan)));
        let winograd = winograd::integer::Plan::of(conv, weights, operands, machine);
        let winograd = winograd.map(|plan| (plan.cost, Plan::Winograd(plan)));
        let plans = [Some((direct, Plan::Direct)), winograd, tiles].into_iter().flatten();
        plans.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(Plan::Direct, |(_, plan)| plan)
    }
}

#[cfg(test)]
mod tests {
    use resnetc_ir::op::{Encoding, Ending, Requantize, Window};
    use resnetc_ir::ty::Layout;
    use resnetc_ir::{DType, TensorType};

    use super::*;
    use crate::codegen::vir::Target;
    use crate::host::cpu::Vendor;
    use crate::kernels::conv_plan::Refusal;
    use crate::kernels::geometry::Geometry;
    use crate::kernels::sink::ARENA;

    /// A convolution of images of one size.
    #[derive(Clone, Copy)]
    struct Layer {
        size: usize,
        channels: [usize; 2],
        groups: usize,
        layout: Layout,
        window: Window,
    }

    impl Layer {
        fn new(size: usize, channels: [usize; 2], taps: usize, stride: usize) -> Self {
            let window = Window::square(taps, stride, taps / 2);
            Layer { size, channels, groups: 1, layout: Layout::Blocked, window }
        }

        fn with<T>(
            &self,
            of: impl FnOnce(&QuantizedConv, &Weights, &Operands<'_>) -> T,
        ) -> Option<T> {
            let [inputs, outputs] = self.channels;
            let place = |channels: usize, size: usize, layout: Layout| {
                let ty = TensorType::of(DType::U8, [1, channels, size, size]);
                let geometry = Geometry::new(TensorType { layout, ..ty });
                Place { base: ARENA, offset: 0, geometry }
            };
            let src = place(inputs, self.size, self.layout);
            let dst = place(outputs, self.size / self.window.strides[0], Layout::Blocked);
            let shape =
                [outputs, inputs / self.groups, self.window.kernel[0], self.window.kernel[1]];
            let numbers = vec![100.0; shape.iter().product()];
            let tensor = Tensor::from_numbers(DType::I8, shape, &numbers)?;
            let weights = Weights::of(Arc::new(tensor), None)?;
            let ending = Ending::Bytes(Requantize { to: DType::U8, zero: 0, lo: 0, hi: 255 });
            let (window, groups) = (self.window, self.groups);
            let conv = QuantizedConv { window, groups, src: Encoding::Known(0), ending };
            Some(of(&conv, &weights, &Operands { src: &src, residual: None, dst: &dst }))
        }

        /// The cheapest plan for a target.
        fn plan(&self, target: Target) -> Option<Plan> {
            let machine = Machine::new(target, 1, 2 << 20, Vendor::Intel);
            let dot = Dot::of(target)?;
            self.with(|conv, weights, operands| Plan::of(conv, dot, weights, operands, &machine))
        }

        /// Why tiles cannot compute it.
        fn refusal(&self, target: Target) -> Option<Refusal> {
            let machine = Machine::new(target, 1, 2 << 20, Vendor::Intel);
            self.with(|conv, _, operands| fixed::bytes::Plan::of(conv, operands, &machine).err())?
        }
    }

    /// The convolutions of a ResNet-50 after the first, one of each kind.
    fn layers_of_a_resnet() -> Vec<Layer> {
        let stage = |size: usize, width: usize| {
            [
                Layer::new(size, [4 * width, width], 1, 1),
                Layer::new(size, [width, width], 3, 1),
                Layer::new(size, [width, 4 * width], 1, 1),
            ]
        };
        let stages = [(56, 64), (28, 128), (14, 256), (7, 512)];
        let strided = [Layer::new(28, [256, 256], 3, 2), Layer::new(28, [512, 1024], 1, 2)];
        stages.into_iter().flat_map(|(size, width)| stage(size, width)).chain(strided).collect()
    }

    #[test]
    fn tiles_compute_the_layers_of_a_resnet() {
        for layer in layers_of_a_resnet() {
            let plan = layer.plan(Target::AMX);
            assert!(matches!(plan, Some(Plan::Tiles(_))), "{:?}: {plan:?}", layer.channels);
            let plan = layer.plan(Target::AVX512_VNNI);
            assert!(!matches!(plan, Some(Plan::Tiles(_))), "{:?}: {plan:?}", layer.channels);
        }
    }

    /// Where there is little to sum, copies and sums in memory cost more than tiles save.
    #[test]
    fn small_layers_stay_in_vectors() {
        for layer in [Layer::new(1, [16, 16], 1, 1), Layer::new(4, [16, 16], 1, 1)] {
            assert!(matches!(layer.plan(Target::AMX), Some(Plan::Direct)));
        }
    }

    #[test]
    fn refusals_have_reasons() {
        let layer = Layer::new(28, [128, 128], 3, 1);
        assert_eq!(layer.refusal(Target::AMX), None);
        assert_eq!(layer.refusal(Target::AVX512_VNNI), Some(Refusal::NoTiles));
        let planar = Layer { layout: Layout::Planar, ..layer };
        assert_eq!(planar.refusal(Target::AMX), Some(Refusal::PlanarSource));
        assert_eq!(Layer { groups: 8, ..layer }.refusal(Target::AMX), None);
        let groups = Layer { groups: 16, ..layer };
        assert_eq!(groups.refusal(Target::AMX), Some(Refusal::Groups(16)));
        assert_eq!(Layer { size: 0, ..layer }.refusal(Target::AMX), Some(Refusal::Empty));
        let large = Layer::new(1 << 14, [16, 16], 63, 1);
        assert_eq!(large.refusal(Target::AMX), None);
        let dilations = [1 << 12, 1];
        let far = Layer { window: Window { dilations, ..large.window }, ..large };
        assert_eq!(far.refusal(Target::AMX), Some(Refusal::TooLarge("values")));
    }
}
