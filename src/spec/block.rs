//! The blocks of a network, and their shortcuts.

use resnetc_ir::op::{Binary, Conv, PadMode, Window};
use resnetc_ir::{Op, Tensor};

use super::sketch::{ConvForm, Role, Seen, Shaped, Sketch, Value};
use super::{
    Attention, Block, Downsampling, Gain, Norm, Order, Projection, Shortcut, Spec, SpecError,
    StrideIn, WeightStandardization,
};

/// The place of a block in the network.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// The prefix of its tensors' names.
    pub(super) name: String,
    /// Channels of its stage.
    pub(super) channels: usize,
    /// From its input's pixels to its result's.
    pub(super) stride: usize,
    /// Dilation of its first 3x3 convolution, and of the following ones.
    pub(super) dilations: [usize; 2],
}

/// The convolutions of a block.
type Units = Vec<ConvForm>;

impl Spec {
    /// One residual or plain block.
    pub(super) fn block(&self, s: &mut Sketch, x: Value, site: &Site) -> Result<Value, SpecError> {
        let result = match (self.block, self.order) {
            (Block::Highway, _) => self.highway(s, x, site),
            (_, Order::Post) => self.post(s, x, site),
            (_, Order::Pre) => self.pre(s, x, site),
        }?;
        s.blocks.push((site.name.clone(), result.node));
        Ok(result)
    }

    /// A convolution, with a bias if nothing normalizes its result.
    pub(super) fn unit(&self, s: &mut Sketch, name: &str, x: Value, form: ConvForm) -> Value {
        let bias = self.norm == Norm::None;
        let closes_block = form.closes_block && (bias || self.order == Order::Pre);
        let standardized = self.standardization();
        s.conv(name, x, ConvForm { bias, closes_block, standardized, ..form })
    }

    /// The epsilon added to the variance of weights, if they are standardized.
    fn standardization(&self) -> Option<f64> {
        match self.weight_standardization {
            WeightStandardization::None => None,
            WeightStandardization::Channel => Some(self.weight_epsilon),
        }
    }

    /// Convolution, normalization, activation; the last activation comes after the sum.
    fn post(&self, s: &mut Sketch, x: Value, site: &Site) -> Result<Value, SpecError> {
        let name = &site.name;
        let units = self.units(site)?;
        let last = units.len() - 1;
        let mut y = x;
        for (i, unit) in units.into_iter().enumerate() {
            let blur = unit.stride > 1 && self.downsampling == Downsampling::Blur;
            let form = if blur { ConvForm { stride: 1, ..unit } } else { unit };
            y = self.unit(s, &format!("{name}.conv{}", i + 1), y, form);
            y = self.normalized(s, &format!("{name}.bn{}", i + 1), y, unit.closes_block)?;
            if i < last {
                y = s.activation(&format!("{name}.act{}", i + 1), self.activation, y);
            }
            if blur {
                y = s.blur(&format!("{name}.blur"), y);
            }
        }
        y = self.weighed(s, name, y);
        if let Some(around) = self.around(s, site, x, x, y.channels)? {
            y = s.binary(&format!("{name}.add"), Binary::Add, y, around);
        }
        Ok(s.activation(&format!("{name}.act{}", last + 1), self.activation, y))
    }

    /// Normalization, activation, convolution; nothing after the sum. An identity starts from the
    /// block's input, a projection from the input of the first convolution.
    fn pre(&self, s: &mut Sketch, x: Value, site: &Site) -> Result<Value, SpecError> {
        let name = &site.name;
        let (mut y, mut first) = (x, x);
        for (i, unit) in self.units(site)?.into_iter().enumerate() {
            y = self.normalized(s, &format!("{name}.norm{}", i + 1), y, false)?;
            y = s.activation(&format!("{name}.norm{}.act", i + 1), self.activation, y);
            if i == 0 {
                first = y;
            }
            y = self.unit(s, &format!("{name}.conv{}", i + 1), y, unit);
        }
        y = self.weighed(s, name, y);
        match self.around(s, site, x, first, y.channels)? {
            Some(around) => Ok(s.binary(&format!("{name}.add"), Binary::Add, y, around)),
            None => Ok(y),
        }
    }

    /// `t * h + (1 - t) * x`, where `t` and `h` are convolutions of `x`.
    fn highway(&self, s: &mut Sketch, x: Value, site: &Site) -> Result<Value, SpecError> {
        let name = &site.name;
        let biased = |stride| ConvForm { bias: true, ..ConvForm::new(site.channels, 3, stride) };
        let mut x = x;
        if site.stride != 1 || x.channels != site.channels {
            x = s.conv(&format!("{name}.transition"), x, biased(site.stride));
            x = s.activation(&format!("{name}.transition.act"), self.activation, x);
        }
        let gate = s.conv(&format!("{name}.gate"), x, biased(1));
        let gate = s.sigmoid(&format!("{name}.gate.sigmoid"), gate);
        let h = self.unit(s, &format!("{name}.conv1"), x, ConvForm::new(site.channels, 3, 1));
        let h = self.normalized(s, &format!("{name}.bn1"), h, false)?;
        let h = s.activation(&format!("{name}.act1"), self.activation, h);
        let new = s.binary(&format!("{name}.transform"), Binary::Mul, gate, h);
        let one = s.fixed(&format!("{name}.one"), Tensor::scalar(1.0));
        let rest = s.binary(&format!("{name}.rest"), Binary::Sub, one, gate);
        let rest = Value { channels: x.channels, ..rest };
        let old = s.binary(&format!("{name}.carry"), Binary::Mul, rest, x);
        Ok(s.binary(&format!("{name}.add"), Binary::Add, new, old))
    }

    /// The convolutions of a block.
    fn units(&self, site: &Site) -> Result<Units, SpecError> {
        let &Site { channels, stride, dilations: [first, rest], .. } = site;
        let mut units = match self.block {
            Block::Bottleneck => {
                let inner = self.inner_channels(channels)?;
                let [stride_1x1, stride_3x3] = match self.stride_in {
                    StrideIn::First => [stride, 1],
                    StrideIn::Second => [1, stride],
                };
                let middle = ConvForm {
                    dilation: first,
                    groups: self.groups,
                    ..ConvForm::new(inner, 3, stride_3x3)
                };
                let wide = self.wide_channels(channels)?;
                vec![ConvForm::new(inner, 1, stride_1x1), middle, ConvForm::new(wide, 1, 1)]
            }
            Block::Basic | Block::Conv | Block::Highway => vec![
                ConvForm { dilation: first, ..ConvForm::new(channels, 3, stride) },
                ConvForm { dilation: rest, ..ConvForm::new(channels, 3, 1) },
            ],
        };
        if let (Some(last), true) = (units.last_mut(), self.shortcut != Shortcut::None) {
            last.closes_block = true;
        }
        Ok(units)
    }

    /// The shortcut of a block: from its input, or, if it is a projection, from `first`.
    fn around(
        &self,
        s: &mut Sketch,
        site: &Site,
        x: Value,
        first: Value,
        to: usize,
    ) -> Result<Option<Value>, SpecError> {
        let changes = site.stride != 1 || x.channels != to;
        match self.shortcut {
            Shortcut::None => Ok(None),
            Shortcut::A | Shortcut::B if !changes => Ok(Some(x)),
            Shortcut::A => padded(s, site, x, to).map(Some),
            Shortcut::B | Shortcut::C => self.projection(s, site, first, to).map(Some),
        }
    }

    /// A 1x1 convolution; PyTorch's names count the mean before it, whether or not there is one.
    fn projection(
        &self,
        s: &mut Sketch,
        site: &Site,
        x: Value,
        to: usize,
    ) -> Result<Value, SpecError> {
        let name = format!("{}.downsample", site.name);
        let (mut x, mut stride, mut position) = (x, site.stride, 0);
        if self.projection == Projection::AveragePool {
            if stride > 1 || site.dilations[1] > 1 {
                x = s.shaped(&format!("{name}.0"), Shaped::AverageTwo { stride }, x);
            }
            (stride, position) = (1, 1);
        }
        match self.order {
            Order::Pre => {
                let standardized = self.standardization();
                let form = ConvForm { standardized, ..ConvForm::new(to, 1, stride) };
                Ok(s.conv(&format!("{name}.conv"), x, form))
            }
            Order::Post => {
                let form = ConvForm::new(to, 1, stride);
                let y = self.unit(s, &format!("{name}.{position}"), x, form);
                self.normalized(s, &format!("{name}.{}", position + 1), y, false)
            }
        }
    }

    /// Applies attention and gain.
    fn weighed(&self, s: &mut Sketch, block: &str, y: Value) -> Value {
        let y = match self.attention {
            Attention::None => y,
            Attention::Se => self.squeeze_and_excitation(s, &format!("{block}.se"), y),
            Attention::Eca => channel_attention(s, &format!("{block}.se"), y),
        };
        match self.gain {
            Gain::None => y,
            Gain::Scalar => {
                let gain = s.parameter(format!("{block}.gain"), vec![1], Role::Gain);
                s.binary(&format!("{block}.scaled"), Binary::Mul, y, gain)
            }
        }
    }

    fn squeeze_and_excitation(&self, s: &mut Sketch, name: &str, y: Value) -> Value {
        let reduction = self.attention_reduction;
        let inner = ((y.channels / reduction + 4) / 8 * 8).max(8);
        let dense = |to| ConvForm { bias: true, ..ConvForm::new(to, 1, 1) };
        let mut gate = s.op(&format!("{name}.mean"), Op::GlobalAveragePool, &[y]);
        gate = s.conv(&format!("{name}.fc1"), gate, dense(inner));
        gate = s.relu(&format!("{name}.relu"), gate);
        gate = s.conv(&format!("{name}.fc2"), gate, dense(y.channels));
        gate = s.sigmoid(&format!("{name}.sigmoid"), gate);
        s.binary(&format!("{name}.mul"), Binary::Mul, y, gate)
    }
}

/// A convolution along the channels' means; the number of taps grows with the logarithm of the
/// number of channels.
fn channel_attention(s: &mut Sketch, name: &str, y: Value) -> Value {
    let half = (y.channels.max(1).ilog2() as usize).div_ceil(2);
    let taps = (half + usize::from(half.is_multiple_of(2))).max(3);
    let mut gate = s.op(&format!("{name}.mean"), Op::GlobalAveragePool, &[y]);
    gate = s.shaped(&format!("{name}.row"), Shaped::SwapChannelsAndRows, gate);
    let role = Role::Conv { closes_block: false };
    let (stored, seen) = (vec![1, 1, taps], vec![1, 1, taps, 1]);
    let seen = Seen::Reshaped(seen);
    let weight = s.parameter_as(format!("{name}.conv.weight"), stored, seen, role);
    let mut window = Window { kernel: [taps, 1], ..Window::square(1, 1, 0) };
    (window.pads.top, window.pads.bottom) = (taps / 2, taps / 2);
    gate = s.op(&format!("{name}.conv"), Op::Conv(Conv::new(window, 1)), &[gate, weight]);
    gate = s.sigmoid(&format!("{name}.sigmoid"), gate);
    gate = s.shaped(&format!("{name}.channels"), Shaped::SwapChannelsAndRows, gate);
    s.binary(&format!("{name}.mul"), Binary::Mul, y, gate)
}

/// Shortcut A: pixels are skipped, new channels are zeros.
fn padded(s: &mut Sketch, site: &Site, x: Value, to: usize) -> Result<Value, SpecError> {
    let name = &site.name;
    let Some(extra) = to.checked_sub(x.channels) else {
        let reason = format!("A cannot reduce {} channels to {to}, at {name}", x.channels);
        return Err(SpecError::invalid("shortcut", reason));
    };
    let mut x = x;
    if site.stride > 1 {
        x = s.shaped(&format!("{name}.shortcut.slice"), Shaped::Subsample(site.stride), x);
    }
    if extra > 0 {
        let before = vec![0, extra / 2, 0, 0];
        let after = vec![0, extra - extra / 2, 0, 0];
        let op = Op::Pad { before, after, mode: PadMode::Constant(0.0) };
        x = s.op(&format!("{name}.shortcut.pad"), op, &[x]);
    }
    Ok(Value { channels: to, ..x })
}

impl Sketch {
    /// Every second pixel of the image after a 3x3 binomial filter with mirrored borders.
    pub(super) fn blur(&mut self, name: &str, x: Value) -> Value {
        let border = vec![0, 0, 1, 1];
        let op = Op::Pad { before: border.clone(), after: border, mode: PadMode::Reflect };
        let wide = self.op(&format!("{name}.pad"), op, &[x]);
        let binomial = [1.0f32, 2.0, 1.0];
        let filter: Vec<f32> =
            binomial.iter().flat_map(|a| binomial.map(|b| a * b / 16.0)).collect();
        let data = filter.repeat(x.channels);
        // The sizes agree by construction, so the fallback is never taken.
        let filter = Tensor::new(vec![x.channels, 1, 3, 3], data);
        let filter = filter.unwrap_or_else(|| Tensor::scalar(0.0));
        let filter = self.fixed(&format!("{name}.filter"), filter);
        let conv = Op::Conv(Conv::new(Window::square(3, 2, 0), x.channels));
        self.op(name, conv, &[wide, filter])
    }
}
