//! Normalizations of a sketch.

use resnetc_ir::Op;
use resnetc_ir::op::{Binary, Unary};

use super::sketch::{Role, Seen, Shaped, Sketch, Value};
use super::{Norm, Spec, SpecError};

impl Spec {
    /// The normalization that the description selects, if any.
    pub(super) fn normalized(
        &self,
        s: &mut Sketch,
        name: &str,
        x: Value,
        closes_block: bool,
    ) -> Result<Value, SpecError> {
        match self.norm {
            Norm::Batch => Ok(s.batch_norm(name, x, self.norm_epsilon, closes_block)),
            Norm::None => Ok(x),
            Norm::Group if x.channels.is_multiple_of(self.norm_groups) => {
                Ok(s.group_norm(name, x, self.norm_groups, self.norm_epsilon, closes_block))
            }
            Norm::Group => {
                let (groups, channels) = (self.norm_groups, x.channels);
                let reason =
                    format!("is {groups}, which does not divide the {channels} channels of {name}");
                Err(SpecError::invalid("norm_groups", reason))
            }
        }
    }
}

/// The statistics by which groups of channels are normalized.
struct Moments {
    /// The image minus the mean of each channel.
    inside: Value,
    /// The mean of each channel minus that of its group, `[N, G, C / G]`.
    between: Value,
    /// The square root of each group's variance, `[N, G, 1]`.
    deviation: Value,
}

impl Sketch {
    /// A batch normalization; its tensors are `name.weight`, `name.bias` and so on.
    fn batch_norm(&mut self, name: &str, x: Value, epsilon: f64, closes_block: bool) -> Value {
        let tensors = [
            ("weight", Role::Scale { closes_block }),
            ("bias", Role::Shift),
            ("running_mean", Role::Mean),
            ("running_var", Role::Variance),
        ];
        let mut operands = vec![x];
        for (suffix, role) in tensors {
            operands.push(self.parameter(format!("{name}.{suffix}"), vec![x.channels], role));
        }
        self.op(name, Op::BatchNorm { epsilon }, &operands)
    }

    /// A normalization by the statistics of `groups` groups of each image's channels; its tensors
    /// are `name.weight` and `name.bias`. Scale and shift are combined into one number per channel
    /// before they are applied to the image.
    fn group_norm(
        &mut self,
        name: &str,
        x: Value,
        groups: usize,
        epsilon: f64,
        closes_block: bool,
    ) -> Value {
        let at = |part: &str| format!("{name}.{part}");
        let Moments { inside, between, deviation } = self.moments(name, x, groups, epsilon);
        let rows = vec![groups, x.channels / groups];
        let row = |s: &mut Self, part, role| {
            s.parameter_as(at(part), vec![x.channels], Seen::Reshaped(rows.clone()), role)
        };
        let weight = row(self, "weight", Role::Scale { closes_block });
        let grouped_scale = self.binary(&at("grouped_scale"), Binary::Div, weight, deviation);
        let scale = self.shaped(&at("scale"), Shaped::Ungroup, grouped_scale);
        let scaled = self.binary(&at("scaled"), Binary::Mul, inside, scale);
        let moved = self.binary(&at("moved"), Binary::Mul, between, grouped_scale);
        let bias = row(self, "bias", Role::Shift);
        let shift = self.binary(&at("grouped_shift"), Binary::Add, moved, bias);
        let shift = self.shaped(&at("shift"), Shaped::Ungroup, shift);
        self.binary(name, Binary::Add, scaled, shift)
    }

    /// All channels have the same number of pixels, so a group's mean is the mean of its channels'
    /// means, and its variance is the mean squared deviation of pixels from their channel's mean
    /// plus that of channels from the group's mean. So images are only reduced channel by channel,
    /// whatever their layout.
    fn moments(&mut self, name: &str, x: Value, groups: usize, epsilon: f64) -> Moments {
        let at = |part: &str| format!("{name}.{part}");
        let means = self.op(&at("channel_means"), Op::GlobalAveragePool, &[x]);
        let inside = self.binary(&at("inside"), Binary::Sub, x, means);
        let squares = self.binary(&at("inside_squares"), Binary::Mul, inside, inside);
        let variances = self.op(&at("channel_variances"), Op::GlobalAveragePool, &[squares]);
        let variances = self.shaped(&at("grouped_variances"), Shaped::Group(groups), variances);
        let means = self.shaped(&at("grouped_means"), Shaped::Group(groups), means);
        let mean = self.mean_of_rows(&at("mean"), means);
        let between = self.binary(&at("between"), Binary::Sub, means, mean);
        let squares = self.binary(&at("between_squares"), Binary::Mul, between, between);
        let squares = self.binary(&at("squares"), Binary::Add, variances, squares);
        let variance = self.mean_of_rows(&at("variance"), squares);
        let sum = self.with_number(&at("epsilon"), Binary::Add, variance, epsilon as f32);
        let deviation = self.op(&at("deviation"), Op::Unary(Unary::Sqrt), &[sum]);
        Moments { inside, between, deviation }
    }

    /// Means over the last of three axes, which is kept.
    fn mean_of_rows(&mut self, name: &str, x: Value) -> Value {
        self.op(name, Op::ReduceMean { axes: vec![2], keep_dims: true }, &[x])
    }
}
