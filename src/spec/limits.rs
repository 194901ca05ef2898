//! Ranges of values, and valid combinations of keys. Checked before anything is allocated.

use crate::import::memory::for_constants;

use super::{
    Block, Downsampling, Norm, Order, Shortcut, Spec, SpecError, StemPool, WeightStandardization,
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
    Err(SpecError::invalid(key, reason))
}

/// Checks that a value is in a range, both ends included.
fn within(key: &'static str, value: usize, least: usize, most: usize) -> Result<(), SpecError> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => invalid(key, format!("is {value}; it must be {least} to {most}")),
    }
}

/// Checks that a list has a number of entries in a range, both ends included.
fn holds(
    key: &'static str,
    count: usize,
    entries: &str,
    least: usize,
    most: usize,
) -> Result<(), SpecError> {
    match (least..=most).contains(&count) {
        true => Ok(()),
        false => invalid(key, format!("has {count} {entries}; it must have {least} to {most}")),
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
        self.check_effects()?;
        self.check_combinations()?;
        self.check_output_stride()
    }

    fn check_stages(&self) -> Result<(), SpecError> {
        holds("layers", self.layers.len(), "stages", 1, 8)?;
        if self.channels.len() != self.layers.len() {
            let (layers, channels) = (self.layers.len(), self.channels.len());
            return invalid(
                "channels",
                format!("has {channels} stages, but \"layers\" has {layers}"),
            );
        }
        for (&blocks, &channels) in self.layers.iter().zip(&self.channels) {
            within("layers", blocks, 1, MAX_BLOCKS)?;
            within("channels", channels, 1, MAX_CHANNELS)?;
        }
        holds("layers", self.layers.iter().sum(), "blocks", 1, MAX_BLOCKS)?;
        within("expansion", self.expansion, 1, 64)?;
        within("groups", self.groups, 1, MAX_CHANNELS)?;
        within("width_per_group", self.width_per_group, 1, MAX_CHANNELS)
    }

    fn check_stem(&self) -> Result<(), SpecError> {
        within("stem.channels", self.stem.channels, 1, MAX_CHANNELS)?;
        within("stem.kernel", self.stem.kernel, 1, 31)?;
        within("stem.stride", self.stem.stride, 1, 8)?;
        holds("stem.deep", self.stem.deep.len(), "convolutions", 0, 8)?;
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
        holds("head.hidden", self.head.hidden.len(), "layers", 0, 8)?;
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
        let standardized = self.weight_standardization != WeightStandardization::None;
        if standardized && (self.norm != Norm::Group || !self.is_residual()) {
            let reason = "is only valid with basic and bottleneck blocks and norm = \"group\"";
            return invalid("weight_standardization", reason);
        }
        Ok(())
    }

    /// Keys that conflict are refused, rather than one of them ignored.
    fn check_combinations(&self) -> Result<(), SpecError> {
        let residual = self.is_residual();
        if !residual && self.order == Order::Pre {
            return invalid("order", "\"pre\" is only valid with basic and bottleneck blocks");
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
        let most = least << (self.layers.len() - 1);
        if stride > most {
            let reason =
                format!("is {stride}, but the stages halve the image only to a stride of {most}");
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
        match (1..=MAX_CHANNELS).contains(&inner) {
            true => Ok(inner),
            false => invalid(
                "width_per_group",
                format!("gives a block {inner} inner channels; it must be 1 to {MAX_CHANNELS}"),
            ),
        }
    }

    /// Channels of a bottleneck's result.
    pub(super) fn wide_channels(&self, channels: usize) -> Result<usize, SpecError> {
        let wide = channels * self.expansion;
        const MOST: usize = 4 * MAX_CHANNELS;
        match (1..=MOST).contains(&wide) {
            true => Ok(wide),
            false => invalid(
                "expansion",
                format!("gives a block a result of {wide} channels; it must be 1 to {MOST}"),
            ),
        }
    }
}
