//! The table of presets: how pictures become numbers for well-known families of networks.

use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use super::resample::Filter;
use crate::failure::Failure;

/// One way to prepare pictures. The result is `(value - mean) / std` for each channel, value in
/// `0..=scale`.
#[derive(Debug)]
pub(super) struct Preset {
    pub(super) name: &'static str,
    pub(super) channels: Channels,
    pub(super) resize: Resize,
    /// Height and width for networks that leave them open.
    pub(super) size: [usize; 2],
    pub(super) interpolation: Filter,
    /// The value of white before the mean is subtracted.
    pub(super) scale: f32,
    /// In the order of the channels.
    pub(super) mean: [f32; 3],
    pub(super) std: [f32; 3],
}

/// The channels and their order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Channels {
    /// One channel
    Grey,
    /// Red first
    Rgb,
    /// Blue first
    Bgr,
}

impl Channels {
    pub(super) fn count(self) -> usize {
        if self == Channels::Grey { 1 } else { 3 }
    }

    /// The value of `--channels` that selects them.
    pub(super) fn name(self) -> &'static str {
        match self {
            Channels::Grey => "grey",
            Channels::Rgb => "rgb",
            Channels::Bgr => "bgr",
        }
    }
}

/// How a picture of any size becomes one of the network's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Resize {
    /// Stretched to it, whatever its proportions.
    Stretch,
    /// The same, for networks of this height and width only.
    StretchTo([usize; 2]),
    /// Scaled in proportion to `short` where the network has `of` pixels, rounded; the center is
    /// cropped.
    Ratio { short: usize, of: usize },
    /// Scaled in proportion until the network sees this fraction of it, rounded down; the center is
    /// cropped.
    Fraction(f64),
    /// Scaled in proportion until the short side has this many pixels; the center is cropped.
    Short(usize),
}

const IMAGENET_SIZE: [usize; 2] = [224, 224];
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
/// The means of blue, green and red with which Caffe's networks were trained.
const CAFFE_MEAN: [f32; 3] = [103.939, 116.779, 123.68];

const PRESETS: &[Preset] = &[
    Preset {
        name: "torchvision",
        channels: Channels::Rgb,
        resize: Resize::Ratio { short: 256, of: 224 },
        size: IMAGENET_SIZE,
        interpolation: Filter::Bilinear,
        scale: 1.0,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
    },
    Preset {
        name: "torchvision-v2",
        channels: Channels::Rgb,
        resize: Resize::Ratio { short: 232, of: 224 },
        size: IMAGENET_SIZE,
        interpolation: Filter::Bilinear,
        scale: 1.0,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
    },
    Preset {
        name: "timm",
        channels: Channels::Rgb,
        resize: Resize::Fraction(0.875),
        size: IMAGENET_SIZE,
        interpolation: Filter::Bicubic,
        scale: 1.0,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
    },
    Preset {
        name: "caffe",
        channels: Channels::Bgr,
        resize: Resize::Ratio { short: 256, of: 224 },
        size: IMAGENET_SIZE,
        interpolation: Filter::Bilinear,
        scale: 255.0,
        mean: CAFFE_MEAN,
        std: [1.0; 3],
    },
    Preset {
        name: "tf",
        channels: Channels::Rgb,
        resize: Resize::Fraction(0.875),
        size: IMAGENET_SIZE,
        interpolation: Filter::Bilinear,
        scale: 1.0,
        mean: [0.5; 3],
        std: [0.5; 3],
    },
    Preset {
        name: "keras",
        channels: Channels::Bgr,
        resize: Resize::Stretch,
        size: IMAGENET_SIZE,
        interpolation: Filter::Nearest,
        scale: 255.0,
        mean: CAFFE_MEAN,
        std: [1.0; 3],
    },
    Preset {
        name: "keras-v2",
        channels: Channels::Rgb,
        resize: Resize::Stretch,
        size: IMAGENET_SIZE,
        interpolation: Filter::Nearest,
        scale: 1.0,
        mean: [0.5; 3],
        std: [0.5; 3],
    },
    Preset {
        name: "fashion-mnist",
        channels: Channels::Grey,
        resize: Resize::StretchTo([28, 28]),
        size: [28, 28],
        interpolation: Filter::Bilinear,
        scale: 1.0,
        mean: [0.2860; 3],
        std: [0.3530; 3],
    },
];

impl Preset {
    /// The preset of this name.
    pub(super) fn named(name: &str) -> Result<&'static Preset, Failure> {
        PRESETS.iter().find(|p| p.name == name).ok_or_else(|| {
            let names: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
            Failure::new(format!("there is no preset \"{name}\""))
                .help(format!("the presets are {}", names.join(", ")))
        })
    }
}

/// The default preset of a model.
pub(crate) fn usual_preset(model: Option<&Path>) -> &'static str {
    if model.is_none() { "fashion-mnist" } else { "torchvision" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_documented() {
        let page = include_str!("../../../docs/CLASSIFY.md");
        for preset in PRESETS {
            assert!(page.contains(&format!("\n| `{}` |", preset.name)), "{}", preset.name);
        }
        assert_eq!(page.matches("\n| `").count(), PRESETS.len(), "a row without a preset");
    }
}
