//! The options for how pictures become numbers.

use super::input::Layout;
use super::preset::{Channels, Resize};
use super::resample::Filter;

/// How pictures become numbers: a preset, and changes to it
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Picture options")]
pub(crate) struct Options {
    /// torchvision, torchvision-v2, timm, caffe, tf, keras, keras-v2 or fashion-mnist
    /// [default: fashion-mnist with the bundled model, else torchvision]
    #[arg(long, value_name = "NAME")]
    pub(super) preset: Option<String>,
    /// Scale the short side to N pixels and crop the center to the network's size
    #[arg(long, value_name = "N", value_parser = crate::args::positive, group = "frame")]
    pub(super) resize: Option<usize>,
    /// Scale and crop the center so that the network sees this fraction of the short side
    #[arg(long, value_name = "F", value_parser = fraction, group = "frame")]
    pub(super) crop_pct: Option<f64>,
    /// Stretch the whole picture to the network's size
    #[arg(long, group = "frame")]
    pub(super) stretch: bool,
    /// Height and width for a network that leaves them open: N, or HxW [default: the preset's,
    /// usually 224]
    #[arg(long, value_name = "HxW", value_parser = size)]
    pub(super) size: Option<[usize; 2]>,
    /// The order of the network's axes [default: determined by the axis with 1 or 3 channels]
    #[arg(long, value_name = "ORDER", value_enum)]
    pub(crate) layout: Option<Layout>,
    /// The filter for scaling
    #[arg(long, value_name = "FILTER", value_enum)]
    pub(super) interpolation: Option<Filter>,
    /// The network's channels
    #[arg(long, value_name = "ORDER", value_enum)]
    pub(super) channels: Option<Channels>,
    /// The value of white before mean and std are applied
    #[arg(long, value_name = "X", value_parser = above_zero, requires_all = ["mean", "std"])]
    pub(super) scale: Option<f32>,
    /// What to subtract; one number, or one for each channel in the network's order
    #[arg(long, value_name = "X,..", value_delimiter = ',', value_parser = finite)]
    #[arg(allow_hyphen_values = true)]
    pub(super) mean: Vec<f32>,
    /// What to divide by after that; one number, or one for each channel
    #[arg(long, value_name = "X,..", value_delimiter = ',', value_parser = above_zero)]
    pub(super) std: Vec<f32>,
}

impl Options {
    /// The option that says how pictures are scaled, if there is one.
    pub(super) fn scaling(&self) -> Option<&'static str> {
        let given = [
            (self.resize.is_some(), "--resize"),
            (self.crop_pct.is_some(), "--crop-pct"),
            (self.stretch, "--stretch"),
            (self.interpolation.is_some(), "--interpolation"),
        ];
        given.into_iter().find_map(|(given, name)| given.then_some(name))
    }

    /// The first option that is given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            (self.preset.is_some(), "--preset"),
            (self.size.is_some(), "--size"),
            (self.layout.is_some(), "--layout"),
            (self.channels.is_some(), "--channels"),
            (self.scale.is_some(), "--scale"),
            (!self.mean.is_empty(), "--mean"),
            (!self.std.is_empty(), "--std"),
        ];
        self.scaling().or(given.into_iter().find_map(|(given, name)| given.then_some(name)))
    }

    pub(super) fn resize(&self) -> Option<Resize> {
        let short = self.resize.map(Resize::Short);
        let stretch = self.stretch.then_some(Resize::Stretch);
        short.or(self.crop_pct.map(Resize::Fraction)).or(stretch)
    }
}

/// `224`, or `192x256`, height first.
fn size(text: &str) -> Result<[usize; 2], String> {
    let (height, width) = text.split_once(['x', 'X']).unwrap_or((text, text));
    Ok([crate::args::positive(height)?, crate::args::positive(width)?])
}

fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        _ => Err("it must be a number".to_owned()),
    }
}

fn finite(text: &str) -> Result<f32, String> {
    match number(text)? as f32 {
        x if x.is_finite() => Ok(x),
        _ => Err("it must be a number that float32 holds".to_owned()),
    }
}

fn above_zero(text: &str) -> Result<f32, String> {
    match finite(text)? {
        x if x > 0.0 && x.is_finite() => Ok(x),
        _ => Err("it must be greater than 0".to_owned()),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match number(text)? {
        // Less than a hundredth is a mistake, and would scale pictures without bounds.
        x if (0.01..=1.0).contains(&x) => Ok(x),
        _ => Err("it must be between 0.01 and 1".to_owned()),
    }
}
