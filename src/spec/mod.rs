//! Descriptions of residual networks: a few lines of TOML or JSON, or a built-in name, to a graph.
//!
//! | room | holds |
//! |---|---|
//! | [`Spec`] (here) | the description as written |
//! | `parse` | TOML and JSON, and where in them an error stands |
//! | [`builtin`] | the networks of the papers by name |
//! | `topology` | the layers that a description stands for; every limit is checked there |
//! | `weights` | PyTorch's names for them; a weight file against the layers |
//! | `random` | weights drawn from a seed |
//! | `network` | layers and weights to a graph |
//! | `error` | what can be wrong |
//!
//! ```toml
//! block = "basic"              # or "bottleneck"
//! layers = [2, 2, 2, 2]        # blocks in each stage; every stage but the first halves the picture
//! channels = [64, 128, 256, 512]
//! classes = 1000
//! shortcut = "B"               # "A" pads with zeros, "B" projects where shapes change, "C" always, or "none"
//! stride_in = "3x3"            # which convolution of a bottleneck strides; the first paper's is "1x1"
//! norm_epsilon = 1e-5
//!
//! [input]
//! channels = 3
//! height = 224
//! width = 224
//!
//! [stem]
//! channels = 64
//! kernel = 7
//! stride = 2
//! max_pool = true
//! ```
//!
//! Everything but `block`, `layers` and `channels` may be left out; the values above are the defaults.

pub mod builtin;
mod error;
mod network;
mod parse;
mod random;
mod topology;
mod weights;

use serde::{Deserialize, Serialize};

pub use error::{SpecError, WrongShape};
pub use topology::{Parameter, Role};
pub use weights::Weights;

/// A residual network of the regular family: a stem, stages of equal blocks, a global mean, a linear classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// For people.
    #[serde(default)]
    pub name: String,
    /// The kind of block.
    pub block: Block,
    /// How many blocks each stage has.
    pub layers: Vec<usize>,
    /// The channels of each stage; a bottleneck block's result has four times as many.
    pub channels: Vec<usize>,
    /// Groups of the 3x3 convolution in a bottleneck (ResNeXt's cardinality).
    #[serde(default = "defaults::groups")]
    pub groups: usize,
    /// Channels of each group in a bottleneck where `channels` is 64 (ResNeXt, Wide ResNet).
    #[serde(default = "defaults::width_per_group")]
    pub width_per_group: usize,
    /// What runs around a block.
    #[serde(default)]
    pub shortcut: Shortcut,
    /// Which convolution of a bottleneck carries the stride.
    #[serde(default)]
    pub stride_in: StrideIn,
    /// The number of results.
    #[serde(default = "defaults::classes")]
    pub classes: usize,
    /// What the batch normalizations add to the variance.
    #[serde(default = "defaults::norm_epsilon")]
    pub norm_epsilon: f64,
    /// One picture of the input.
    #[serde(default)]
    pub input: InputSpec,
    /// What comes before the first stage.
    #[serde(default)]
    pub stem: Stem,
}

/// The kinds of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3 and 1x1 convolutions, the last one with four times the channels.
    Bottleneck,
}

/// What runs around a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shortcut {
    /// The identity; where the shape changes, every second pixel, and zeros for the new channels: half of them
    /// before, half after the old ones.
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

/// Which convolution of a bottleneck carries the stride.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StrideIn {
    /// The first one, as in the paper.
    #[serde(rename = "1x1")]
    First,
    /// The second one, as in torchvision ("v1.5").
    #[default]
    #[serde(rename = "3x3")]
    Second,
}

/// One picture of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What comes before the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stem {
    /// Channels of the convolution.
    pub channels: usize,
    /// Its extent, odd; it is padded by half of it.
    pub kernel: usize,
    /// Its stride.
    pub stride: usize,
    /// Whether a 3x3 maximum with stride 2 follows.
    pub max_pool: bool,
}

impl Default for Stem {
    /// ImageNet's: 7x7 with stride 2 to 64 channels, and the maximum.
    fn default() -> Self {
        Stem { channels: 64, kernel: 7, stride: 2, max_pool: true }
    }
}

mod defaults {
    pub(super) fn groups() -> usize {
        1
    }
    pub(super) fn width_per_group() -> usize {
        64
    }
    pub(super) fn classes() -> usize {
        1000
    }
    pub(super) fn norm_epsilon() -> f64 {
        1e-5
    }
}
