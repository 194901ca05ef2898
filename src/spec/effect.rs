//! Keys that have an effect only together with certain values of other keys. Elsewhere they are
//! refused, since whoever sets a key expects it to do something.

use super::{
    Attention, Block, Downsampling, Norm, Shortcut, Spec, SpecError, StemPool,
    WeightStandardization,
};

/// A key, and whether two descriptions differ in it.
type Key = (&'static str, fn(&Spec, &Spec) -> bool);

macro_rules! key {
    ($field:ident) => {
        (stringify!($field), |a: &Spec, b: &Spec| a.$field != b.$field)
    };
}

/// What a key needs to have an effect: whether a description has it, and its name.
struct Need(fn(&Spec) -> bool, &'static str);

const RESIDUAL: Need = Need(Spec::is_residual, "basic or bottleneck blocks");
const BOTTLENECKS: Need = Need(|s| s.block == Block::Bottleneck, "bottleneck blocks");
const LATER_STAGES: Need =
    Need(Spec::has_later_stages, "a second stage, and downsampling = \"stride\" or \"blur\"");

/// A key may have several needs; all must be met.
const ROWS: &[(Key, Need)] = &[
    (
        key!(stem),
        Need(|s| s.block != Block::Conv, "a stem, which networks of conv blocks do not have"),
    ),
    (key!(expansion), BOTTLENECKS),
    (key!(groups), BOTTLENECKS),
    (key!(width_per_group), BOTTLENECKS),
    (key!(stride_in), BOTTLENECKS),
    (key!(stride_in), LATER_STAGES),
    (key!(stride_in), Need(Spec::strides, "an output_stride greater than the stem's")),
    (key!(shortcut), RESIDUAL),
    (key!(projection), RESIDUAL),
    (
        key!(projection),
        Need(|s| matches!(s.shortcut, Shortcut::B | Shortcut::C), "shortcut = \"B\" or \"C\""),
    ),
    (key!(projection), LATER_STAGES),
    (
        key!(projection),
        Need(
            Spec::projects_later,
            "a later stage that projects: one with a stride or other channels, or shortcut = \"C\"",
        ),
    ),
    (key!(downsampling), Need(Spec::can_blur, "a second stage or stem.pool = \"max\"")),
    (key!(gain), RESIDUAL),
    (key!(attention), RESIDUAL),
    (key!(attention_reduction), Need(|s| s.attention == Attention::Se, "attention = \"se\"")),
    (key!(norm_groups), Need(|s| s.norm == Norm::Group, "norm = \"group\"")),
    (key!(norm_epsilon), Need(|s| s.norm != Norm::None, "norm = \"batch\" or \"group\"")),
    (
        key!(weight_epsilon),
        Need(
            |s| s.weight_standardization != WeightStandardization::None,
            "weight_standardization = \"channel\"",
        ),
    ),
];

impl Spec {
    /// Refuses keys that have no effect, unless they have their default values.
    pub(super) fn check_effects(&self) -> Result<(), SpecError> {
        let default = Spec::new(self.block, [], []);
        let idle = |((_, differs), Need(is_met, _)): &&(Key, Need)| {
            differs(self, &default) && !is_met(self)
        };
        match ROWS.iter().find(idle) {
            Some(((key, _), Need(_, what))) => {
                Err(SpecError::invalid(key, format!("has no effect without {what}")))
            }
            None => Ok(()),
        }
    }

    /// Whether the network has basic or bottleneck blocks.
    pub(super) fn is_residual(&self) -> bool {
        matches!(self.block, Block::Basic | Block::Bottleneck)
    }

    /// Whether there are stages whose first block halves the image, or dilates instead.
    fn has_later_stages(&self) -> bool {
        self.layers.len() > 1 && self.downsampling != Downsampling::MaxPool
    }

    /// Whether not all of these stages dilate.
    fn strides(&self) -> bool {
        self.output_stride.is_none_or(|most| most > self.stem_stride())
    }

    /// Whether the shortcut of a stage after the first is a projection. A stage that dilates and
    /// keeps the channels has none with shortcut B.
    fn projects_later(&self) -> bool {
        let changes = self.channels.windows(2).any(|pair| pair[0] != pair[1]);
        self.shortcut == Shortcut::C || self.strides() || changes
    }

    /// Whether there is something to blur, if that is how images are halved.
    fn can_blur(&self) -> bool {
        self.downsampling != Downsampling::Blur
            || self.layers.len() > 1
            || self.stem.pool == StemPool::Max
    }
}
