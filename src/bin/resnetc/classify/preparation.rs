//! From a decoded picture to the numbers that a network takes.

use image::DynamicImage;
use serde::Serialize;

use super::pixels::Pixels;
use super::preset::{Channels, Preset, Resize};
use super::resample::{Filter, Window, resample};
use crate::failure::Failure;
use crate::units::shape;

/// How pictures become numbers: a preset, and what differs from it
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Picture options")]
pub(super) struct Options {
    /// torchvision, torchvision-v2, timm, caffe, tf, keras, keras-v2 or fashion-mnist
    /// [default: fashion-mnist with the bundled model, else torchvision]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Scale the short side to N pixels and cut the network's size out of the middle
    #[arg(long, value_name = "N", value_parser = crate::args::positive, group = "frame")]
    resize: Option<usize>,
    /// The same, so that the network sees this fraction of the short side
    #[arg(long, value_name = "F", value_parser = fraction, group = "frame")]
    crop_pct: Option<f64>,
    /// Stretch the whole picture to the network's size
    #[arg(long, group = "frame")]
    stretch: bool,
    /// The filter that scales
    #[arg(long, value_name = "FILTER", value_enum)]
    interpolation: Option<Filter>,
    /// The network's channels
    #[arg(long, value_name = "ORDER", value_enum)]
    channels: Option<Channels>,
    /// What white is before mean and std
    #[arg(long, value_name = "X", value_parser = above_zero, requires_all = ["mean", "std"])]
    scale: Option<f32>,
    /// What is taken off; one number, or one for each channel in the network's order
    #[arg(long, value_name = "X,..", value_delimiter = ',', value_parser = finite)]
    #[arg(allow_hyphen_values = true)]
    mean: Vec<f32>,
    /// What is divided by after that
    #[arg(long, value_name = "X,..", value_delimiter = ',', value_parser = above_zero)]
    std: Vec<f32>,
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

    fn resize(&self) -> Option<Resize> {
        let short = self.resize.map(Resize::Short);
        let stretch = self.stretch.then_some(Resize::Stretch);
        short.or(self.crop_pct.map(Resize::Fraction)).or(stretch)
    }
}

fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        _ => Err("it must be a number".to_owned()),
    }
}

fn finite(text: &str) -> Result<f32, String> {
    number(text).map(|x| x as f32)
}

fn above_zero(text: &str) -> Result<f32, String> {
    match finite(text)? {
        x if x > 0.0 && x.is_finite() => Ok(x),
        _ => Err("it must be greater than 0".to_owned()),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match number(text)? {
        // Less than a hundredth is a percentage the wrong way round; it would scale pictures without bounds.
        x if (0.01..=1.0).contains(&x) => Ok(x),
        _ => Err("it must be between 0.01 and 1".to_owned()),
    }
}

/// How pictures become the numbers of one network's input.
#[derive(Debug, Serialize)]
pub(super) struct Preparation {
    preset: &'static str,
    channels: Channels,
    /// Height and width of what the scaled picture must cover; nothing if it is stretched.
    #[serde(skip_serializing_if = "Option::is_none")]
    cover: Option<[usize; 2]>,
    /// Height and width of the network's input.
    size: [usize; 2],
    interpolation: Filter,
    scale: f32,
    mean: Vec<f32>,
    std: Vec<f32>,
    /// The number for each byte, channel by channel of the network.
    #[serde(skip)]
    numbers: Vec<[f32; 256]>,
}

impl Preparation {
    /// The preset of the options, or the `usual` one, with what the options change, for an input of `[N, C, H, W]`.
    pub(super) fn new(options: &Options, usual: &str, input: [usize; 4]) -> Result<Self, Failure> {
        let preset = Preset::named(options.preset.as_deref().unwrap_or(usual))?;
        let [_, depth, height, width] = input;
        let channels = options.channels.unwrap_or(preset.channels);
        if channels.count() != depth {
            let made = format!("{} of {}", plural_channels(channels.count()), preset.name);
            return Err(unfit(&made, &input).help("use another --preset, or --channels"));
        }
        let resize = options.resize().unwrap_or(preset.resize);
        let scale = options.scale.unwrap_or(preset.scale);
        let mean = per_channel("--mean", &options.mean, &preset.mean, depth)?;
        let std = per_channel("--std", &options.std, &preset.std, depth)?;
        let number = |c: usize, byte: usize| (byte as f32 * scale / 255.0 - mean[c]) / std[c];
        let numbers = (0..depth).map(|c| std::array::from_fn(|b| number(c, b))).collect();
        Ok(Preparation {
            preset: preset.name,
            channels,
            cover: cover(resize, preset.name, input)?,
            size: [height, width],
            interpolation: options.interpolation.unwrap_or(preset.interpolation),
            scale,
            mean,
            std,
            numbers,
        })
    }

    /// The values of a picture in the order `[C, H, W]`.
    pub(super) fn values(&self, picture: DynamicImage) -> Vec<f32> {
        self.normalized(&self.seen(picture).bytes)
    }

    /// What the network sees of a picture, as bytes in RGB or grey.
    pub(super) fn seen(&self, picture: DynamicImage) -> Pixels {
        let pixels = Pixels::of(picture, self.channels == Channels::Grey);
        let [height, width] = self.size;
        let window = match self.cover {
            None => Window::whole([width, height]),
            Some(cover) => middle([pixels.height, pixels.width], cover, self.size),
        };
        resample(&pixels, &window, self.interpolation)
    }

    /// The values of bytes in RGB or grey that have the network's size, such as a picture of a data set.
    pub(super) fn normalized(&self, bytes: &[u8]) -> Vec<f32> {
        let channels = self.channels.count();
        let mut values = Vec::with_capacity(bytes.len());
        for (c, numbers) in self.numbers.iter().enumerate() {
            let from = if self.channels == Channels::Bgr { channels - 1 - c } else { c };
            let samples = bytes.iter().skip(from).step_by(channels);
            values.extend(samples.map(|&b| numbers[usize::from(b)]));
        }
        values
    }
}

fn plural_channels(count: usize) -> String {
    crate::units::plural(count, "channel")
}

fn unfit(made: &str, input: &[usize; 4]) -> Failure {
    Failure::new(format!("the preset makes {made}, the model takes {}", shape(input)))
}

/// One number a channel: what the user gave, or the preset's.
fn per_channel(
    option: &str,
    given: &[f32],
    preset: &[f32; 3],
    channels: usize,
) -> Result<Vec<f32>, Failure> {
    match given.len() {
        0 => Ok(preset[..channels].to_vec()),
        1 => Ok(vec![given[0]; channels]),
        n if n == channels => Ok(given.to_vec()),
        n => Err(Failure::new(format!(
            "{option} has {n} numbers, the model takes pictures of {}",
            plural_channels(channels)
        ))
        .help("give one number, or one for each channel")),
    }
}

/// Height and width of what a scaled picture must cover; nothing if it is stretched.
fn cover(resize: Resize, preset: &str, input: [usize; 4]) -> Result<Option<[usize; 2]>, Failure> {
    let size = [input[2], input[3]];
    let short = size[0].min(size[1]);
    let rounded = |n: usize, by: usize, of: usize| (n * by + of / 2) / of;
    match resize {
        Resize::Stretch => Ok(None),
        Resize::StretchTo(only) if only == size => Ok(None),
        Resize::StretchTo([h, w]) => Err(unfit(&format!("{h}x{w} pixels of {preset}"), &input)
            .help("use another --preset; or --stretch, --resize N or --crop-pct F")),
        Resize::Ratio { short: by, of } => Ok(Some(size.map(|n| rounded(n, by, of)))),
        Resize::Fraction(seen) => Ok(Some(size.map(|n| (n as f64 / seen).floor() as usize))),
        Resize::Short(n) if n < short => Err(Failure::new(format!(
            "--resize {n} makes pictures too small to cut {} from",
            shape(&input)
        ))
        .help(format!("give at least {short}"))),
        // Beyond this a pixel of the picture would be larger than what the network sees.
        Resize::Short(n) if n > 100 * short => Err(Failure::new(format!(
            "--resize {n} leaves less than a hundredth of a picture for {}",
            shape(&input)
        ))),
        Resize::Short(n) => Ok(Some(size.map(|side| rounded(side, n, short)))),
    }
}

/// The middle of a picture that is scaled in proportion until it just covers `cover`. All are height and width.
///
/// For squares as in torchvision: the short side is scaled to the square's side, the long side in proportion, rounded
/// down; the cut starts at half of what is left over, a half rounded to even.
fn middle([h, w]: [usize; 2], [high, wide]: [usize; 2], size: [usize; 2]) -> Window {
    let scaled = match w * high <= h * wide {
        true => [wide * h / w, wide],
        false => [high, high * w / h],
    };
    let cut = |axis: usize| {
        let over = scaled[axis] - size[axis];
        let start = over / 2 + usize::from(over % 4 == 3);
        start..start + size[axis]
    };
    Window { scaled: [scaled[1], scaled[0]], columns: cut(1), rows: cut(0) }
}

#[cfg(test)]
#[path = "../../../../tests/pictures/stored.rs"]
mod stored;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_torchvisions() {
        // 640x480 becomes 341x256; 224x224 are cut at (58, 16): 58.5 is rounded to even. 343 would make 59.5 and 60.
        let window = middle([480, 640], [256, 256], [224, 224]);
        assert_eq!(window, Window { scaled: [341, 256], columns: 58..282, rows: 16..240 });
        assert_eq!(middle([256, 343], [256, 256], [224, 224]).columns, 60..284);
    }

    #[test]
    fn extreme_pictures_stay_inside() {
        for [h, w] in [[1, 1], [1, 60_000], [60_000, 1], [223, 225]] {
            for size in [[224, 224], [224, 448], [96, 7]] {
                let cover = cover(Resize::Fraction(0.9), "", [1, 3, size[0], size[1]]).unwrap();
                let window = middle([h, w], cover.unwrap(), size);
                assert!(window.columns.end <= window.scaled[0], "{h}x{w}: {window:?}");
                assert!(window.rows.end <= window.scaled[1], "{h}x{w}: {window:?}");
                assert_eq!([window.rows.len(), window.columns.len()], size);
            }
        }
    }

    #[test]
    fn channels_are_planes_in_the_presets_order() {
        let caffe = Options { preset: Some("caffe".into()), ..Options::default() };
        let caffe = Preparation::new(&caffe, "", [1, 3, 1, 2]).unwrap();
        // Two pixels: pure red, pure blue.
        let values = caffe.normalized(&[255, 0, 0, 0, 0, 255]);
        let m = [103.939, 116.779, 123.68];
        assert_eq!(values, [-m[0], 255.0 - m[0], -m[1], -m[1], 255.0 - m[2], -m[2]]);
    }

    #[test]
    fn options_come_before_the_preset() {
        let options = Options {
            preset: Some("caffe".into()),
            crop_pct: Some(0.95),
            interpolation: Some(Filter::Lanczos),
            channels: Some(Channels::Rgb),
            scale: Some(2.0),
            mean: vec![0.5],
            std: vec![1.0, 2.0, 4.0],
            ..Options::default()
        };
        let made = Preparation::new(&options, "", [1, 3, 224, 160]).unwrap();
        assert_eq!(made.cover, Some([235, 168]));
        assert_eq!(made.interpolation, Filter::Lanczos);
        assert_eq!(made.normalized(&[255, 0, 255]), [1.5, -0.25, 0.375]);
    }
}
