//! The layers that a description stands for. All limits are checked here, before anything is allocated.

use super::{Block, Shortcut, Spec, SpecError, StrideIn};

/// More blocks than any published network, few enough to build in a moment.
const MAX_BLOCKS: usize = 4096;
/// More channels than any published network.
const MAX_CHANNELS: usize = 1 << 15;
/// One gigabyte of weights.
const MAX_PARAMETERS: usize = 1 << 28;

/// A stored tensor of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in PyTorch.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

/// What a stored tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights of a convolution.
    Conv,
    /// Scale of a batch normalization.
    Scale {
        /// Whether a shortcut is added right after it.
        closes_block: bool,
    },
    /// Shift of a batch normalization.
    Shift,
    /// Mean of a batch normalization: measured, not learned.
    Mean,
    /// Variance of a batch normalization: measured, not learned.
    Variance,
    /// Weights of the classifier.
    Linear,
    /// Shift of the classifier.
    Bias,
}

impl Role {
    /// Whether training changes it by gradient, so that papers count it as a parameter.
    pub fn is_learned(self) -> bool {
        !matches!(self, Role::Mean | Role::Variance)
    }
}

/// A convolution without bias, and the batch normalization behind it.
pub(super) struct Unit {
    pub(super) conv: String,
    pub(super) norm: String,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) groups: usize,
    closes_block: bool,
}

/// What runs around a block.
pub(super) enum Around {
    Nothing,
    Identity,
    /// Every `stride`-th pixel, and this many channels of zeros.
    Pad {
        stride: usize,
        extra: usize,
    },
    Project(Unit),
}

/// One residual block.
pub(super) struct BlockPlan {
    pub(super) name: String,
    pub(super) units: Vec<Unit>,
    pub(super) around: Around,
}

/// All layers of a network.
pub(super) struct Topology {
    pub(super) stem: Unit,
    pub(super) blocks: Vec<BlockPlan>,
    /// Channels behind the last block.
    pub(super) features: usize,
    pub(super) classes: usize,
}

fn invalid<T>(key: &'static str, reason: impl Into<String>) -> Result<T, SpecError> {
    Err(SpecError::Invalid { key, reason: reason.into() })
}

/// Checks that a value lies in a range, which ends with it.
fn within(key: &'static str, value: usize, least: usize, most: usize) -> Result<(), SpecError> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => invalid(key, format!("is {value}; {least} to {most} is supported")),
    }
}

impl Spec {
    fn check(&self) -> Result<(), SpecError> {
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
        within("groups", self.groups, 1, MAX_CHANNELS)?;
        within("width_per_group", self.width_per_group, 1, MAX_CHANNELS)?;
        within("classes", self.classes, 1, 1 << 20)?;
        within("input.channels", self.input.channels, 1, MAX_CHANNELS)?;
        within("input.height", self.input.height, 1, 1 << 14)?;
        within("input.width", self.input.width, 1, 1 << 14)?;
        within("stem.channels", self.stem.channels, 1, MAX_CHANNELS)?;
        within("stem.kernel", self.stem.kernel, 1, 31)?;
        within("stem.stride", self.stem.stride, 1, 8)?;
        if self.stem.kernel.is_multiple_of(2) {
            return invalid("stem.kernel", format!("is {}; it must be odd", self.stem.kernel));
        }
        if !(0.0..=1.0).contains(&self.norm_epsilon) {
            return invalid(
                "norm_epsilon",
                format!("is {}; 0 to 1 is supported", self.norm_epsilon),
            );
        }
        if self.block == Block::Basic && (self.groups, self.width_per_group) != (1, 64) {
            return invalid("groups", "and width_per_group go with bottleneck blocks only");
        }
        Ok(())
    }

    /// The layers of the network.
    pub(super) fn topology(&self) -> Result<Topology, SpecError> {
        self.check()?;
        let stem = Unit {
            conv: "conv1".into(),
            norm: "bn1".into(),
            from: self.input.channels,
            to: self.stem.channels,
            kernel: self.stem.kernel,
            stride: self.stem.stride,
            groups: 1,
            closes_block: false,
        };
        let mut blocks = Vec::new();
        let mut from = self.stem.channels;
        for (stage, (&count, &channels)) in self.layers.iter().zip(&self.channels).enumerate() {
            for i in 0..count {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                let block =
                    self.block_plan(format!("layer{}.{i}", stage + 1), from, channels, stride)?;
                from = block.units.last().map_or(from, |unit| unit.to);
                blocks.push(block);
            }
        }
        let topology = Topology { stem, blocks, features: from, classes: self.classes };
        topology.check_size()?;
        Ok(topology)
    }

    fn block_plan(
        &self,
        name: String,
        from: usize,
        channels: usize,
        stride: usize,
    ) -> Result<BlockPlan, SpecError> {
        let shapes = self.unit_shapes(from, channels, stride)?;
        let to = shapes.last().map_or(from, |shape| shape[1]);
        let around = self.around(&name, from, to, stride)?;
        let count = shapes.len();
        let unit = |(i, [from, to, kernel, stride, groups]): (usize, [usize; 5])| Unit {
            conv: format!("{name}.conv{}", i + 1),
            norm: format!("{name}.bn{}", i + 1),
            from,
            to,
            kernel,
            stride,
            groups,
            closes_block: i + 1 == count && !matches!(around, Around::Nothing),
        };
        let units = shapes.into_iter().enumerate().map(unit).collect();
        Ok(BlockPlan { name, units, around })
    }

    /// Input channels, output channels, kernel, stride and groups of each convolution in a block.
    fn unit_shapes(
        &self,
        from: usize,
        channels: usize,
        stride: usize,
    ) -> Result<Vec<[usize; 5]>, SpecError> {
        if self.block == Block::Basic {
            return Ok(vec![[from, channels, 3, stride, 1], [channels, channels, 3, 1, 1]]);
        }
        let inner = channels * self.width_per_group / 64 * self.groups;
        within("width_per_group", inner, 1, MAX_CHANNELS)?;
        let (first, second) = match self.stride_in {
            StrideIn::First => (stride, 1),
            StrideIn::Second => (1, stride),
        };
        Ok(vec![
            [from, inner, 1, first, 1],
            [inner, inner, 3, second, self.groups],
            [inner, 4 * channels, 1, 1, 1],
        ])
    }

    fn around(
        &self,
        name: &str,
        from: usize,
        to: usize,
        stride: usize,
    ) -> Result<Around, SpecError> {
        let changes = stride != 1 || from != to;
        Ok(match self.shortcut {
            Shortcut::None => Around::Nothing,
            Shortcut::A | Shortcut::B if !changes => Around::Identity,
            Shortcut::A => match to.checked_sub(from) {
                Some(extra) => Around::Pad { stride, extra },
                None => {
                    return invalid(
                        "shortcut",
                        format!("A cannot take {from} channels to {to}, at {name}"),
                    );
                }
            },
            Shortcut::B | Shortcut::C => Around::Project(Unit {
                conv: format!("{name}.downsample.0"),
                norm: format!("{name}.downsample.1"),
                from,
                to,
                kernel: 1,
                stride,
                groups: 1,
                closes_block: false,
            }),
        })
    }

    /// Every stored tensor of the network, in the order of the layers.
    ///
    /// # Errors
    /// If the description is out of range.
    pub fn parameters(&self) -> Result<Vec<Parameter>, SpecError> {
        Ok(self.topology()?.parameters())
    }

    /// The number of learned elements, as papers count them.
    ///
    /// # Errors
    /// If the description is out of range.
    pub fn parameter_count(&self) -> Result<usize, SpecError> {
        let learned = self.parameters()?.into_iter().filter(|p| p.role.is_learned());
        Ok(learned.map(|p| p.shape.iter().product::<usize>()).sum())
    }
}

impl Unit {
    fn parameters(&self) -> [Parameter; 5] {
        let norm = |suffix: &str, role| Parameter {
            name: format!("{}.{suffix}", self.norm),
            shape: vec![self.to],
            role,
        };
        [
            Parameter {
                name: format!("{}.weight", self.conv),
                shape: vec![self.to, self.from / self.groups, self.kernel, self.kernel],
                role: Role::Conv,
            },
            norm("weight", Role::Scale { closes_block: self.closes_block }),
            norm("bias", Role::Shift),
            norm("running_mean", Role::Mean),
            norm("running_var", Role::Variance),
        ]
    }
}

impl Topology {
    fn units(&self) -> impl Iterator<Item = &Unit> {
        std::iter::once(&self.stem).chain(self.blocks.iter().flat_map(|block| {
            let projection =
                if let Around::Project(unit) = &block.around { Some(unit) } else { None };
            block.units.iter().chain(projection)
        }))
    }

    /// The limit on the sum holds for each summand, and each product is of factors within their own limits.
    fn check_size(&self) -> Result<(), SpecError> {
        let mut total = self.features * self.classes;
        for unit in self.units() {
            total += unit.to * (unit.from / unit.groups) * unit.kernel * unit.kernel;
            if total > MAX_PARAMETERS {
                let reason =
                    format!("with layers and classes needs more than {MAX_PARAMETERS} weights");
                return invalid("channels", reason);
            }
        }
        Ok(())
    }

    pub(super) fn parameters(&self) -> Vec<Parameter> {
        let mut all: Vec<Parameter> = self.units().flat_map(Unit::parameters).collect();
        let shape = vec![self.classes, self.features];
        all.push(Parameter { name: "fc.weight".into(), shape, role: Role::Linear });
        all.push(Parameter { name: "fc.bias".into(), shape: vec![self.classes], role: Role::Bias });
        all
    }
}
