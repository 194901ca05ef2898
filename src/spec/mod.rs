//! Descriptions of residual networks: a few lines of TOML or JSON, or a built-in name, to a graph.
//!
//! | module | holds |
//! |---|---|
//! | [`Spec`] (here), `keys` | the description as written |
//! | `parse`, `suggest` | TOML and JSON, the position of errors in them, and which key may have been meant |
//! | [`builtin`] | the networks of the papers by name |
//! | `limits` | ranges of values, and valid combinations of keys |
//! | `effect` | which keys have an effect only together with others |
//! | `sketch` | a network without weights: its operators and the tensors they need |
//! | `activation`, `norm` | activations and normalizations of a sketch |
//! | `topology`, `block` | the sketch of a description |
//! | `weights` | PyTorch's names for tensors; matches a weight file to a sketch |
//! | `head` | weights of a network whose last layer begins anew |
//! | `standardize` | weights shifted and scaled to mean 0 and variance 1 |
//! | `random` | weights drawn from a seed |
//! | `assemble` | a sketch to a graph, whatever its parameters become |
//! | `network` | a sketch and weights to a graph |
//! | `trainable` | a sketch to a graph whose parameters are inputs |
//! | `error` | what can be wrong |
//!
//! ```toml
//! block = "basic"              # or "bottleneck"
//! layers = [2, 2, 2, 2]        # blocks in each stage; every stage but the first halves the image
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
//! pool = "max"
//! ```
//!
//! All keys except `block`, `layers` and `channels` are optional; the values above are the
//! defaults. `docs/SPEC.md` describes all keys.

mod activation;
mod assemble;
mod block;
pub mod builtin;
mod effect;
mod error;
mod head;
mod keys;
mod limits;
mod network;
mod norm;
mod parse;
mod random;
mod sketch;
mod standardize;
mod suggest;
mod topology;
mod trainable;
mod weights;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use error::{SpecError, SpecErrorKind, WrongShape, WrongType};
pub use keys::{
    ActivationKind, Attention, Block, Downsampling, Gain, Head, InputSpec, Norm, Order, Projection,
    Shortcut, Stem, StemPool, StrideIn, WeightStandardization,
};
pub use sketch::{Parameter, Role};
pub(crate) use trainable::{Statistics, Trainable};
pub use weights::Weights;

#[doc(inline)]
pub use crate::import::safetensors::WeightMap;

/// A residual network of the regular family: a stem, stages of equal blocks, a mean, a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// A name for people to read.
    #[serde(default)]
    pub name: String,
    /// The kind of block.
    pub block: Block,
    /// How many blocks each stage has.
    pub layers: Vec<usize>,
    /// The channels of each stage; a bottleneck block's result has `expansion` times as many.
    pub channels: Vec<usize>,
    /// A bottleneck's result has this many times the channels of its stage.
    #[serde(default = "defaults::expansion")]
    pub expansion: usize,
    /// Groups of the 3x3 convolution in a bottleneck (ResNeXt's cardinality).
    #[serde(default = "defaults::groups")]
    pub groups: usize,
    /// Channels of each group in a bottleneck where `channels` is 64 (ResNeXt, Wide ResNet).
    #[serde(default = "defaults::width_per_group")]
    pub width_per_group: usize,
    /// The shortcut around a block.
    #[serde(default)]
    pub shortcut: Shortcut,
    /// How a projection of a shortcut reduces the number of pixels.
    #[serde(default)]
    pub projection: Projection,
    /// Which convolution of a bottleneck has the stride.
    #[serde(default)]
    pub stride_in: StrideIn,
    /// How the height and width of an image are halved from one stage to the next.
    #[serde(default)]
    pub downsampling: Downsampling,
    /// How many times as high and wide the input is as the last stage's image, if not every stage
    /// halves it: the other stages have dilated convolutions instead. A power of two, at least the
    /// factor by which the stem divides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_stride: Option<usize>,
    /// Where normalization and activation are placed.
    #[serde(default)]
    pub order: Order,
    /// The activation after a normalization.
    #[serde(default)]
    pub activation: ActivationKind,
    /// What normalizes the results of convolutions.
    #[serde(default)]
    pub norm: Norm,
    /// Groups of a group normalization; all numbers of channels must be multiples of it.
    #[serde(default = "defaults::norm_groups")]
    pub norm_groups: usize,
    /// What the normalizations add to the variance.
    #[serde(default = "defaults::norm_epsilon")]
    pub norm_epsilon: f64,
    /// How the weights of convolutions are transformed before they are used; those of attention and
    /// classifier are not.
    #[serde(default)]
    pub weight_standardization: WeightStandardization,
    /// What weight standardization adds to the variance.
    #[serde(default = "defaults::weight_epsilon")]
    pub weight_epsilon: f64,
    /// The attention that weights the channels of a block's result.
    #[serde(default)]
    pub attention: Attention,
    /// The inner layer of squeeze and excitation has this many times fewer channels, rounded to a
    /// multiple of eight.
    #[serde(default = "defaults::attention_reduction")]
    pub attention_reduction: usize,
    /// The factor of a block's result before the shortcut is added.
    #[serde(default)]
    pub gain: Gain,
    /// The number of classes.
    #[serde(default = "defaults::classes")]
    pub classes: usize,
    /// One image of the input.
    #[serde(default)]
    pub input: InputSpec,
    /// The layers before the first stage.
    #[serde(default)]
    pub stem: Stem,
    /// The layers after the last stage.
    #[serde(default)]
    pub head: Head,
}

impl Spec {
    /// A description with these three keys, and the default of every other key.
    pub fn new(
        block: Block,
        layers: impl Into<Vec<usize>>,
        channels: impl Into<Vec<usize>>,
    ) -> Self {
        Spec {
            name: String::new(),
            block,
            layers: layers.into(),
            channels: channels.into(),
            expansion: defaults::expansion(),
            groups: defaults::groups(),
            width_per_group: defaults::width_per_group(),
            shortcut: Shortcut::default(),
            projection: Projection::default(),
            stride_in: StrideIn::default(),
            downsampling: Downsampling::default(),
            output_stride: None,
            order: Order::default(),
            activation: ActivationKind::default(),
            norm: Norm::default(),
            norm_groups: defaults::norm_groups(),
            norm_epsilon: defaults::norm_epsilon(),
            weight_standardization: WeightStandardization::default(),
            weight_epsilon: defaults::weight_epsilon(),
            attention: Attention::default(),
            attention_reduction: defaults::attention_reduction(),
            gain: Gain::default(),
            classes: defaults::classes(),
            input: InputSpec::default(),
            stem: Stem::default(),
            head: Head::default(),
        }
    }

    /// The JSON Schema of descriptions, for editors and other programs.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Spec).to_value()
    }
}

mod defaults {
    pub(super) fn expansion() -> usize {
        4
    }
    pub(super) fn groups() -> usize {
        1
    }
    pub(super) fn width_per_group() -> usize {
        64
    }
    pub(super) fn classes() -> usize {
        1000
    }
    pub(super) fn norm_groups() -> usize {
        32
    }
    pub(super) fn norm_epsilon() -> f64 {
        1e-5
    }
    pub(super) fn weight_epsilon() -> f64 {
        1e-8
    }
    pub(super) fn attention_reduction() -> usize {
        16
    }
}
