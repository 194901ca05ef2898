//! The values that keys of a description may have.

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
    /// A 3x3 convolution, and another one whose sigmoid says how much of it replaces the block's
    /// input: a highway network. Where shapes change, a 3x3 convolution comes before.
    Highway,
}

/// What runs around a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Shortcut {
    /// The identity; where the shape changes, every second pixel, and zeros for the new channels:
    /// half of them before, half after the old ones.
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

/// How the 1x1 convolution of a shortcut comes to fewer pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// It skips every second one.
    #[default]
    Strided,
    /// A 2x2 mean comes before it (ResNet-D).
    AveragePool,
}

/// Which convolution of a bottleneck carries the stride.
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

/// How an image gets half as high and wide from one stage to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Downsampling {
    /// A convolution of stride 2 in the first block of a stage.
    #[default]
    Stride,
    /// That convolution has stride 1, and a fixed 3x3 binomial filter of stride 2 follows its
    /// activation (anti-aliased networks); so does the stem's maximum.
    Blur,
    /// A 2x2 maximum behind every stage (VGG).
    MaxPool,
}

/// Where normalization and activation stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Behind each convolution, and an activation behind the sum ("v1").
    #[default]
    Post,
    /// Before each convolution of a block, and once more behind the last block ("v2",
    /// pre-activation).
    Pre,
}

/// What follows a normalization.
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
    /// `x` where it is positive, else a learned multiple of it, one number a layer.
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
    /// Batch normalization, with the statistics of training.
    #[default]
    Batch,
    /// Group normalization: groups of neighbouring channels, each with the image's own statistics.
    Group,
    /// Nothing: convolutions have biases instead.
    None,
}

/// What is done to the weights of convolutions before they are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeightStandardization {
    /// Nothing.
    #[default]
    None,
    /// The weights of each output channel are moved and scaled to mean 0 and variance 1 (BiT).
    Channel,
}

/// What weighs the channels of a block's result.
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

/// What a block's result is multiplied by before the shortcut is added.
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

/// What comes between the stem's convolution and the first stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StemPool {
    /// Nothing.
    None,
    /// A 3x3 maximum of stride 2.
    #[default]
    Max,
    /// The same, and zeros around the image count: where all pixels are negative, they win (BiT).
    ZeroPaddedMax,
    /// A 3x3 convolution of stride 2, normalization and activation (ResNet-RS).
    Conv,
}

/// What comes before the first stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stem {
    /// Channels of the last convolution before the maximum.
    pub channels: usize,
    /// Extent of each convolution of the stem, odd; it is padded by half of it.
    pub kernel: usize,
    /// Stride of the first convolution.
    pub stride: usize,
    /// Channels of more convolutions before that one (ResNet-C and relatives), each with
    /// normalization and activation.
    pub deep: Vec<usize>,
    /// What follows.
    pub pool: StemPool,
}

impl Default for Stem {
    /// ImageNet's: 7x7 with stride 2 to 64 channels, and the maximum.
    fn default() -> Self {
        Stem { channels: 64, kernel: 7, stride: 2, deep: Vec::new(), pool: StemPool::Max }
    }
}

/// What comes behind the last stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Head {
    /// Rows and columns to which images are averaged; their extents must be multiples of it.
    pub pool: usize,
    /// Results of dense layers with ReLU before the classifier (VGG has two of 4096).
    pub hidden: Vec<usize>,
}

impl Default for Head {
    /// The mean over each channel, and the classifier.
    fn default() -> Self {
        Head { pool: 1, hidden: Vec::new() }
    }
}
