//! The values that the keys of a description may have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3 and 1x1 convolutions, the last one with `expansion` times the channels.
    Bottleneck,
    /// One 3x3 convolution with a bias: VGG. Such a network has no stem.
    Conv,
    /// A 3x3 convolution, and a second one whose sigmoid says how much of the first replaces the
    /// block's input: a highway network. Where shapes change, another 3x3 convolution comes first.
    Highway,
}

/// The shortcut around a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Shortcut {
    /// The identity; where the shape changes, every second pixel, and zeros for the new channels:
    /// half of them before the old ones, half after.
    A,
    /// The identity; where the shape changes, a 1x1 convolution.
    #[default]
    B,
    /// A 1x1 convolution around every block.
    C,
    /// Nothing: a plain network.
    #[serde(rename = "none")]
    None,
}

/// How the 1x1 convolution of a shortcut reduces the number of pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// It skips every second pixel.
    #[default]
    Strided,
    /// A 2x2 mean comes before it (ResNet-D).
    AveragePool,
}

/// Which convolution of a bottleneck has the stride.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StrideIn {
    /// The first one, as in the paper.
    #[serde(rename = "1x1")]
    First,
    /// The second one, as in torchvision ("v1.5").
    #[default]
    #[serde(rename = "3x3")]
    Second,
}

/// How the height and width of an image are halved from one stage to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Downsampling {
    /// A convolution of stride 2 in the first block of a stage.
    #[default]
    Stride,
    /// That convolution has stride 1, and a fixed 3x3 binomial filter of stride 2 follows its
    /// activation (anti-aliased networks). The stem's max-pooling is changed in the same way.
    Blur,
    /// A 2x2 max-pooling after every stage (VGG).
    MaxPool,
}

/// Where normalization and activation are placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// After each convolution, and an activation after the sum ("v1").
    #[default]
    Post,
    /// Before each convolution of a block, and once more after the last block ("v2",
    /// pre-activation).
    Pre,
}

/// The activation after a normalization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivationKind {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` where it is positive, else `0.01 x`.
    LeakyRelu,
    /// `x` where it is positive, else a learned multiple of it, one number per layer.
    Prelu,
    /// `x * sigmoid(x)`.
    Silu,
    /// `x * min(max(x + 3, 0), 6) / 6`.
    HardSwish,
    /// `x / 2 * (1 + erf(x / sqrt(2)))`.
    Gelu,
}

/// What normalizes the results of convolutions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Batch normalization, with the statistics from training.
    #[default]
    Batch,
    /// Group normalization: groups of neighbouring channels, each with the image's own statistics.
    Group,
    /// Nothing: convolutions have biases instead.
    None,
}

/// How the weights of convolutions are transformed before they are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeightStandardization {
    /// Nothing.
    #[default]
    None,
    /// The weights of each output channel are shifted and scaled to mean 0 and variance 1 (BiT).
    Channel,
}

/// The attention that weights the channels of a block's result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// Nothing.
    #[default]
    None,
    /// Squeeze and excitation: two dense layers on the channels' means, and a sigmoid.
    Se,
    /// Efficient channel attention: a one-dimensional convolution along the channels' means, and a
    /// sigmoid.
    Eca,
}

/// The factor of a block's result before the shortcut is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gain {
    /// Nothing.
    #[default]
    None,
    /// A learned number (SkipInit, ReZero).
    Scalar,
}

/// One image of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InputSpec {
    /// Colours.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Default for InputSpec {
    /// Three colours, 224 by 224.
    fn default() -> Self {
        InputSpec { channels: 3, height: 224, width: 224 }
    }
}

/// The layer between the stem's convolution and the first stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StemPool {
    /// Nothing.
    None,
    /// A 3x3 max-pooling of stride 2.
    #[default]
    Max,
    /// A 3x3 max-pooling of stride 2 whose zero padding counts: where all pixels are negative, zero
    /// wins (BiT).
    ZeroPaddedMax,
    /// A 3x3 convolution of stride 2, normalization and activation (ResNet-RS).
    Conv,
}

/// The layers before the first stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stem {
    /// Channels of the last convolution before the pooling.
    pub channels: usize,
    /// Kernel extent of each convolution of the stem; odd, and padded by half of it.
    pub kernel: usize,
    /// Stride of the first convolution.
    pub stride: usize,
    /// Channels of additional convolutions before that one (ResNet-C and relatives), each with
    /// normalization and activation.
    pub deep: Vec<usize>,
    /// The layer that follows.
    pub pool: StemPool,
}

impl Default for Stem {
    /// ImageNet's: 7x7 with stride 2 to 64 channels, and the max-pooling.
    fn default() -> Self {
        Stem { channels: 64, kernel: 7, stride: 2, deep: Vec::new(), pool: StemPool::Max }
    }
}

/// The layers after the last stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Head {
    /// Rows and columns to which images are averaged; the images' height and width must be
    /// multiples of it.
    pub pool: usize,
    /// Numbers of outputs of dense layers with ReLU before the classifier (VGG has two with 4096).
    pub hidden: Vec<usize>,
}

impl Default for Head {
    /// The mean over each channel, and the classifier.
    fn default() -> Self {
        Head { pool: 1, hidden: Vec::new() }
    }
}
