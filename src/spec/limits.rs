//! Ranges of values, and valid combinations of keys. Checked before anything is allocated.

use crate::import::memory::for_constants;

use super::{
    Block, Downsampling, Gain, Norm, Order, Shortcut, Spec, SpecError, Stem, StemPool,
    WeightStandardization, defaults,
};

/// More blocks than any published network, few enough to build in a moment.
const MAX_BLOCKS: usize = 4096;
/// More channels than any published network.
const MAX_CHANNELS: usize = 1 << 15;
/// One gigabyte of weights is allowed on every machine.
const FREE_PARAMETERS: usize = 1 << 28;

/// How many weights a network may have: a gigabyte, or as many as the memory of this machine can
/// hold twice, unpacked and packed.
pub(super) fn max_parameters() -> usize {
    FREE_PARAMETERS.max(for_constants() / (2 * size_of::<f32>()))
}

fn invalid<T>(key: &'static str, reason: impl Into<String>) -> Result<T, SpecError> {
    Err(SpecError::Invalid { key, reason: reason.into() })
}

/// Checks that a value is in a range, both ends included.
fn within(key: &'static str, value: usize, least: usize, most: usize) -> Result<(), SpecError> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => invalid(key, format!("is {value}; it must be {least} to {most}")),
    }
}

impl Spec {
    pub(super) fn check(&self) -> Result<(), SpecError> {
        self.check_stages()?;
        self.check_stem()?;
        self.check_head()?;
        within("input.channels", self.input.channels, 1, MAX_CHANNELS)?;
        within("input.height", self.input.height, 1, 1 << 14)?;
        within("input.width", self.input.width, 1, 1 << 14)?;
        within("attention_reduction", self.attention_reduction, 1, MAX_CHANNELS)?;
        self.check_norm()?;
        self.check_combinations()?;
        self.check_output_stride()
    }

    fn check_stages(&self) -> Result<(), SpecError> {
        within("layers", self.layers.len(), 1, 8)?;
        if self.channels.len() != self.layers.len() {
            let (layers, channels) = (self.layers.len(), self.channels.len());
            return invalid("channels", format!("has {channels} stages, but layers has {layers}"));
        }
        for (&blocks, &channels) in self.layers.iter().zip(&self.channels) {
            within("layers", blocks, 1, MAX_BLOCKS)?;
            within("channels", channels, 1, MAX_CHANNELS)?;
        }
        within("layers", self.layers.iter().sum(), 1, MAX_BLOCKS)?;
        within("expansion", self.expansion, 1, 64)?;
        within("groups", self.groups, 1, MAX_CHANNELS)?;
        within("width_per_group", self.width_per_group, 1, MAX_CHANNELS)
    }

    fn check_stem(&self) -> Result<(), SpecError> {
        within("stem.channels", self.stem.channels, 1, MAX_CHANNELS)?;
        within("stem.kernel", self.stem.kernel, 1, 31)?;
        within("stem.stride", self.stem.stride, 1, 8)?;
        within("stem.deep", self.stem.deep.len(), 0, 8)?;
        for &channels in &self.stem.deep {
            within("stem.deep", channels, 1, MAX_CHANNELS)?;
        }
        if self.stem.kernel.is_multiple_of(2) {
            return invalid("stem.kernel", format!("is {}; it must be odd", self.stem.kernel));
        }
        Ok(())
    }

    fn check_head(&self) -> Result<(), SpecError> {
        within("classes", self.classes, 1, 1 << 20)?;
        within("head.pool", self.head.pool, 1, 64)?;
        within("head.hidden", self.head.hidden.len(), 0, 8)?;
        self.head.hidden.iter().try_for_each(|&n| within("head.hidden", n, 1, MAX_CHANNELS))
    }

    /// Checks normalization of results and of weights. Sums over standardized weights grow with
    /// their number, which only a normalization by statistics of those sums can offset.
    fn check_norm(&self) -> Result<(), SpecError> {
        within("norm_groups", self.norm_groups, 1, MAX_CHANNELS)?;
        let epsilons =
            [("norm_epsilon", self.norm_epsilon), ("weight_epsilon", self.weight_epsilon)];
        for (key, epsilon) in epsilons {
            if !(0.0..=1.0).contains(&epsilon) {
                return invalid(key, format!("is {epsilon}; it must be 0 to 1"));
            }
        }
        if self.norm != Norm::Group && self.norm_groups != defaults::norm_groups() {
            return invalid("norm_groups", "is only valid with norm = \"group\"");
        }
        let standardized = self.weight_standardization != WeightStandardization::None;
        if standardized && (self.norm != Norm::Group || !self.is_residual()) {
            let reason = "is only valid with basic and bottleneck blocks and norm = \"group\"";
            return invalid("weight_standardization", reason);
        }
        if !standardized && self.weight_epsilon != defaults::weight_epsilon() {
            return invalid("weight_epsilon", "is only valid with weight_standardization");
        }
        Ok(())
    }

    /// Whether the network has basic or bottleneck blocks.
    fn is_residual(&self) -> bool {
        matches!(self.block, Block::Basic | Block::Bottleneck)
    }

    /// Keys that conflict are refused, rather than one of them ignored.
    fn check_combinations(&self) -> Result<(), SpecError> {
        let residual = self.is_residual();
        if self.block != Block::Bottleneck && (self.groups, self.width_per_group) != (1, 64) {
            let key = if self.groups == 1 { "width_per_group" } else { "groups" };
            return invalid(key, "is only valid with bottleneck blocks");
        }
        if !residual && self.order == Order::Pre {
            return invalid("order", "\"pre\" is only valid with basic and bottleneck blocks");
        }
        if !residual && self.gain != Gain::None {
            return invalid("gain", "is only valid with basic and bottleneck blocks");
        }
        if !residual && self.attention != super::Attention::None {
            return invalid("attention", "is only valid with basic and bottleneck blocks");
        }
        if self.block == Block::Conv && self.stem != Stem::default() {
            return invalid("stem", "is not valid with conv blocks, whose networks have no stem");
        }
        let blurs = self.downsampling == Downsampling::Blur;
        if blurs && (!residual || self.order == Order::Pre) {
            return invalid("downsampling", "\"blur\" is only valid with post-activation blocks");
        }
        if blurs && !matches!(self.stem.pool, StemPool::None | StemPool::Max) {
            return invalid(
                "stem.pool",
                "must be \"max\" or \"none\" with downsampling = \"blur\"",
            );
        }
        Ok(())
    }

    fn check_output_stride(&self) -> Result<(), SpecError> {
        let Some(stride) = self.output_stride else { return Ok(()) };
        if self.downsampling != Downsampling::Stride || self.block == Block::Conv {
            return invalid("output_stride", "is only valid with downsampling = \"stride\"");
        }
        let least = self.stem_stride();
        if !stride.is_power_of_two() || !(least..=1 << 12).contains(&stride) {
            let reason =
                format!("is {stride}; it must be a power of two, and at least the stem's {least}");
            return invalid("output_stride", reason);
        }
        if self.shortcut == Shortcut::A {
            return invalid("output_stride", "is not valid with shortcut A");
        }
        Ok(())
    }

    /// How many times as high the input is as the stem's result.
    pub(super) fn stem_stride(&self) -> usize {
        self.stem.stride * if self.stem.pool == StemPool::None { 1 } else { 2 }
    }

    /// Channels between the 1x1 convolutions of a bottleneck.
    pub(super) fn inner_channels(&self, channels: usize) -> Result<usize, SpecError> {
        let inner = channels * self.width_per_group / 64 * self.groups;
        within("width_per_group", inner, 1, MAX_CHANNELS).map(|()| inner)
    }

    /// Channels of a bottleneck's result.
    pub(super) fn wide_channels(&self, channels: usize) -> Result<usize, SpecError> {
        let wide = channels * self.expansion;
        within("expansion", wide, 1, 4 * MAX_CHANNELS).map(|()| wide)
    }
}
