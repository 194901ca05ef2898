//! The sketch of a description: stem, stages, head. All limits are checked first.

use resnetc_ir::Op;
use resnetc_ir::op::{PadMode, Window};

use super::block::Site;
use super::limits::max_parameters;
use super::sketch::{ConvForm, Parameter, Shaped, Sketch, Value};
use super::{Block, Downsampling, Norm, Order, Spec, SpecError, StemPool};

/// How the stages have changed the size of an image so far.
#[derive(Clone, Copy)]
struct Sampling {
    /// How many times as high the input is as the image.
    stride: usize,
    /// Dilation of the convolutions.
    dilation: usize,
}

impl Spec {
    /// The layers of the network.
    pub(super) fn sketch(&self) -> Result<Sketch, SpecError> {
        self.check()?;
        let mut s = Sketch::default();
        let input = s.input(self.input.channels);
        let features = match self.block {
            Block::Conv => self.plain_stages(&mut s, input)?,
            Block::Basic | Block::Bottleneck | Block::Highway => {
                let x = self.stem(&mut s, input)?;
                self.stages(&mut s, x)?
            }
        };
        self.head(&mut s, features);
        let size = s.parameters().map(|p| p.shape.iter().product::<usize>());
        // The sizes and their sum cannot overflow: each shape is a product of few factors that are
        // within their limits, and the number of shapes is limited, too.
        let (count, most) = (size.sum::<usize>(), max_parameters());
        if count > most {
            let reason = format!(
                "with layers and classes needs {count} weights, but the free memory of this machine holds only {most}"
            );
            return Err(SpecError::invalid("channels", reason));
        }
        Ok(s)
    }

    /// One or more convolutions and a max-pooling. Before pre-activation blocks the last
    /// convolution has no normalization or activation.
    fn stem(&self, s: &mut Sketch, input: Value) -> Result<Value, SpecError> {
        let stem = &self.stem;
        let mut x = input;
        let mut stride = stem.stride;
        for (i, &to) in stem.deep.iter().enumerate() {
            let [conv, norm, act] = self.stem_names(i);
            x = self.unit(s, &conv, x, ConvForm::new(to, stem.kernel, stride));
            x = self.normalized(s, &norm, x, false)?;
            x = s.activation(&act, self.activation, x);
            stride = 1;
        }
        let [conv, norm, act] = self.stem_names(stem.deep.len());
        x = self.unit(s, &conv, x, ConvForm::new(stem.channels, stem.kernel, stride));
        if self.order == Order::Post {
            x = self.normalized(s, &norm, x, false)?;
            x = s.activation(&act, self.activation, x);
        }
        Ok(match (stem.pool, self.downsampling) {
            (StemPool::None, _) => x,
            (StemPool::Max, Downsampling::Blur) => {
                x = s.max_pool("maxpool.0", x, Window::square(3, 1, 1));
                s.blur("maxpool.1", x)
            }
            (StemPool::Max, _) => s.max_pool("maxpool", x, Window::square(3, 2, 1)),
            (StemPool::ZeroPaddedMax, _) => {
                let border = vec![0, 0, 1, 1];
                let mode = PadMode::Constant(0.0);
                let op = Op::Pad { before: border.clone(), after: border, mode };
                x = s.op("maxpool.pad", op, &[x]);
                s.max_pool("maxpool", x, Window::square(3, 2, 0))
            }
            (StemPool::Conv, _) => {
                x = self.unit(s, "maxpool.0", x, ConvForm::new(stem.channels, 3, 2));
                x = self.normalized(s, "maxpool.1", x, false)?;
                s.activation("maxpool.2", self.activation, x)
            }
        })
    }

    /// PyTorch's names of the stem's convolution number `i`, and of the normalization and
    /// activation after it.
    fn stem_names(&self, i: usize) -> [String; 3] {
        let (deep, last) = (!self.stem.deep.is_empty(), i == self.stem.deep.len());
        let layer = |n: usize| format!("conv1.{}", 3 * i + n);
        match (self.order, deep) {
            (Order::Post, false) => ["conv1".into(), "bn1".into(), "act1".into()],
            (Order::Post, true) if last => [layer(0), "bn1".into(), "act1".into()],
            (Order::Post, true) => [layer(0), layer(1), layer(2)],
            (Order::Pre, false) => ["conv", "norm", "norm.act"].map(|n| format!("stem.{n}")),
            (Order::Pre, true) => {
                let n = i + 1;
                [format!("stem.conv{n}"), format!("stem.norm{n}"), format!("stem.norm{n}.act")]
            }
        }
    }

    /// Stages of residual blocks; where the image must not get smaller, dilations grow instead.
    fn stages(&self, s: &mut Sketch, stem: Value) -> Result<Value, SpecError> {
        let mut x = stem;
        let mut now = Sampling { stride: self.stem_stride(), dilation: 1 };
        for (stage, (&blocks, &channels)) in self.layers.iter().zip(&self.channels).enumerate() {
            let mut before = now.dilation;
            let halves = stage > 0 && self.downsampling != Downsampling::MaxPool;
            let mut stride = if halves { 2 } else { 1 };
            if self.output_stride.is_some_and(|most| now.stride >= most) {
                now.dilation *= stride;
                stride = 1;
            }
            now.stride *= stride;
            for i in 0..blocks {
                let name = match self.order {
                    Order::Post => format!("layer{}.{i}", stage + 1),
                    Order::Pre => format!("stages.{stage}.blocks.{i}"),
                };
                let stride = if i == 0 { stride } else { 1 };
                let site = Site { name, channels, stride, dilations: [before, now.dilation] };
                x = self.block(s, x, &site)?;
                before = now.dilation;
            }
            if self.downsampling == Downsampling::MaxPool {
                x = s.max_pool(&format!("maxpool{}", stage + 1), x, Window::square(2, 2, 0));
            }
        }
        if self.order == Order::Pre {
            x = self.normalized(s, "norm", x, false)?;
            x = s.activation("norm.act", self.activation, x);
        }
        Ok(x)
    }

    /// Stages of single convolutions, which PyTorch numbers together with everything between them.
    fn plain_stages(&self, s: &mut Sketch, input: Value) -> Result<Value, SpecError> {
        let mut x = input;
        let mut count = 0;
        let mut name = || {
            count += 1;
            format!("features.{}", count - 1)
        };
        for (stage, (&blocks, &channels)) in self.layers.iter().zip(&self.channels).enumerate() {
            for i in 0..blocks {
                let halves = stage > 0 && i == 0 && self.downsampling == Downsampling::Stride;
                let form = ConvForm::new(channels, 3, if halves { 2 } else { 1 });
                x = s.conv(&name(), x, ConvForm { bias: true, ..form });
                if self.norm != Norm::None {
                    x = self.normalized(s, &name(), x, false)?;
                }
                x = s.activation(&name(), self.activation, x);
            }
            if self.downsampling == Downsampling::MaxPool {
                x = s.max_pool(&name(), x, Window::square(2, 2, 0));
            }
        }
        Ok(x)
    }

    /// Means, dense layers, classifier.
    fn head(&self, s: &mut Sketch, features: Value) -> Value {
        let pool = self.head.pool;
        let mut x = match pool {
            1 => s.op("avgpool", Op::GlobalAveragePool, &[features]),
            rows => s.shaped("avgpool", Shaped::AverageTo(rows), features),
        };
        let numbered = self.block == Block::Conv || !self.head.hidden.is_empty();
        if self.order == Order::Pre && !numbered && pool == 1 {
            // PyTorch's checkpoints of these networks have this form.
            let form = ConvForm { bias: true, ..ConvForm::new(self.classes, 1, 1) };
            x = s.conv("head.fc", x, form);
            return s.shaped("flatten", Shaped::Flatten, x);
        }
        x = s.shaped("flatten", Shaped::Flatten, x);
        let mut from = features.channels * pool * pool;
        for (i, &to) in self.head.hidden.iter().enumerate() {
            x = s.linear(&format!("classifier.{}", 3 * i), x, from, to);
            x = s.relu(&format!("classifier.{}", 3 * i + 1), x);
            from = to;
        }
        let name = match numbered {
            true => format!("classifier.{}", 3 * self.head.hidden.len()),
            false => "fc".to_owned(),
        };
        s.linear(&name, x, from, self.classes)
    }

    /// Every stored tensor of the network, in the order of the layers.
    ///
    /// # Errors
    /// If a value of the description is out of range.
    pub fn parameters(&self) -> Result<Vec<Parameter>, SpecError> {
        Ok(self.sketch()?.parameters().cloned().collect())
    }

    /// The names of the blocks, such as `layer1.0`, in their order.
    ///
    /// # Errors
    /// If a value of the description is out of range.
    pub fn block_names(&self) -> Result<Vec<String>, SpecError> {
        Ok(self.sketch()?.blocks.into_iter().map(|(name, _)| name).collect())
    }

    /// The number of learned elements, as papers count them.
    ///
    /// # Errors
    /// If a value of the description is out of range.
    pub fn parameter_count(&self) -> Result<usize, SpecError> {
        let sketch = self.sketch()?;
        let learned = sketch.parameters().filter(|p| p.role.is_learned());
        Ok(learned.map(|p| p.shape.iter().product::<usize>()).sum())
    }
}
