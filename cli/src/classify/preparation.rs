//! Turns a decoded picture into the numbers that a network takes.

use clap::ValueEnum;
use image::DynamicImage;
use serde::Serialize;

use super::input::{Input, Layout};
use super::options::Options;
use super::pixels::Pixels;
use super::preset::{Channels, Preset, Resize};
use super::resample::{Filter, Window, resample};
use crate::failure::Failure;
use crate::units::shape;

/// How pictures become the numbers of one network's input.
#[derive(Debug, Serialize)]
pub(crate) struct Preparation {
    preset: &'static str,
    channels: Channels,
    /// Height and width that the scaled picture must cover; `None` if it is stretched.
    #[serde(skip_serializing_if = "Option::is_none")]
    cover: Option<[usize; 2]>,
    /// Height and width of the network's input.
    size: [usize; 2],
    interpolation: Filter,
    layout: Layout,
    #[serde(flatten)]
    normalization: Normalization,
    /// The number for each byte, channel by channel of the network.
    #[serde(skip)]
    numbers: Vec<[f32; 256]>,
}

/// The number of a byte is `(byte / 255 * scale - mean) / std`.
#[derive(Debug, Serialize)]
struct Normalization {
    scale: f32,
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Preparation {
    /// The preset of the options, or the `usual` one, with the changes of the options, for an
    /// input.
    pub(crate) fn new(
        options: &Options,
        usual: &str,
        input: impl Into<Input>,
    ) -> Result<Self, Failure> {
        let input = input.into();
        let preset = Preset::named(options.preset.as_deref().unwrap_or(usual))?;
        let channels = options.channels.unwrap_or(preset.channels);
        if channels.count() != input.channels {
            return Err(other_channels(options.channels, preset, &input));
        }
        if let Some([h, w]) = options.size.filter(|&size| size != input.size) {
            return Err(Failure::new(format!(
                "--size {h}x{w}: the model takes {}, whose size is fixed",
                shape(&input.shape())
            )));
        }
        let resize = options.resize().unwrap_or(preset.resize);
        let normalization = Normalization::of(options, preset, &input)?;
        let numbers = normalization.numbers();
        let preparation = Preparation {
            preset: preset.name,
            channels,
            layout: input.layout,
            cover: cover(resize, preset.name, &input)?,
            size: input.size,
            interpolation: options.interpolation.unwrap_or(preset.interpolation),
            normalization,
            numbers,
        };
        preparation.check(&input)?;
        Ok(preparation)
    }

    /// Checks that an input of integers can represent all numbers.
    fn check(&self, input: &Input) -> Result<(), Failure> {
        let Some((lo, hi)) = input.dtype.integers() else { return Ok(()) };
        let (lo, hi) = (lo as f32, hi as f32);
        let takes = |x: f32| (lo..=hi).contains(&x) && x.trunc() == x;
        let wrong = self.numbers.iter().find_map(|numbers| {
            numbers.iter().enumerate().find(|(_, x)| !takes(**x)).map(|(byte, &x)| (byte, x))
        });
        let Some((byte, x)) = wrong else { return Ok(()) };
        let dtype = input.dtype;
        Err(Failure::new(format!(
            "the model takes {dtype}, whole numbers from {lo} to {hi}, but a byte of {byte} becomes {x}"
        ))
        .help(match lo < 0.0 {
            true => "--scale 255 --mean 128 --std 1 subtracts 128 from each byte",
            false => "leave out --mean, --std and --scale to give it bytes",
        }))
    }

    /// The values of a picture in the network's order.
    pub(crate) fn values(&self, picture: DynamicImage) -> Vec<f32> {
        self.normalized(&self.seen(picture).bytes)
    }

    /// The part of a picture that the network sees, as bytes in RGB or grey.
    pub(super) fn seen(&self, picture: DynamicImage) -> Pixels {
        let pixels = Pixels::of(picture, self.channels == Channels::Grey);
        let [height, width] = self.size;
        let window = match self.cover {
            None => Window::whole([width, height]),
            Some(cover) => middle([pixels.height, pixels.width], cover, self.size),
        };
        resample(&pixels, &window, self.interpolation)
    }

    /// The values of bytes in RGB or grey that already have the network's size, such as a picture
    /// of a data set.
    pub(super) fn normalized(&self, bytes: &[u8]) -> Vec<f32> {
        let channels = self.channels.count();
        let from = |c: usize| if self.channels == Channels::Bgr { channels - 1 - c } else { c };
        let numbers = || self.numbers.iter().enumerate();
        match self.layout {
            Layout::Nchw => numbers()
                .flat_map(|(c, numbers)| {
                    let samples = bytes.iter().skip(from(c)).step_by(channels);
                    samples.map(|&b| numbers[usize::from(b)])
                })
                .collect(),
            Layout::Nhwc => bytes
                .chunks_exact(channels)
                .flat_map(|pixel| {
                    numbers().map(|(c, numbers)| numbers[usize::from(pixel[from(c)])])
                })
                .collect(),
        }
    }
}

impl Normalization {
    /// The user's values, and the preset's for the rest. A network that takes integers gets bytes
    /// unless the user says otherwise.
    fn of(options: &Options, preset: &Preset, input: &Input) -> Result<Self, Failure> {
        let (scale, mean, std) = match input.dtype.integers() {
            Some(_) => (255.0, [0.0; 3], [1.0; 3]),
            None => (preset.scale, preset.mean, preset.std),
        };
        Ok(Normalization {
            scale: options.scale.unwrap_or(scale),
            mean: per_channel("--mean", &options.mean, &mean, input.channels)?,
            std: per_channel("--std", &options.std, &std, input.channels)?,
        })
    }

    fn numbers(&self) -> Vec<[f32; 256]> {
        let number =
            |mean: f32, std: f32, byte: usize| (byte as f32 * self.scale / 255.0 - mean) / std;
        let channels = self.mean.iter().zip(&self.std);
        channels.map(|(&mean, &std)| std::array::from_fn(|byte| number(mean, std, byte))).collect()
    }
}

fn plural_channels(count: usize) -> String {
    crate::units::plural(count, "channel")
}

fn unfit(made: &str, input: &Input) -> Failure {
    Failure::new(format!("the preset makes {made}, but the model takes {}", shape(&input.shape())))
}

/// The error about another number of channels than the model takes: those that the user chose, or
/// the preset's.
fn other_channels(given: Option<Channels>, preset: &Preset, input: &Input) -> Failure {
    let fit = Channels::value_variants().iter().filter(|c| c.count() == input.channels);
    let fit: Vec<String> = fit.map(|c| format!("--channels {}", c.name())).collect();
    if fit.is_empty() {
        let takes = shape(&input.shape());
        return Failure::new(format!("the model takes {takes}; pictures have 1 or 3 channels"));
    }
    let fit = fit.join(" or ");
    match given {
        Some(given) => Failure::new(format!(
            "--channels {} makes {}, but the model takes {}",
            given.name(),
            plural_channels(given.count()),
            shape(&input.shape())
        ))
        .help(format!("use {fit}")),
        None => {
            let made = format!("{} of {}", plural_channels(preset.channels.count()), preset.name);
            unfit(&made, input).help(format!("use {fit}, or another --preset"))
        }
    }
}

/// One number per channel: the user's, or the preset's.
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
            "{option} has {n} numbers, but the model takes pictures of {}",
            plural_channels(channels)
        ))
        .help("give one number, or one for each channel")),
    }
}

/// Height and width that a scaled picture must cover; `None` if it is stretched.
fn cover(resize: Resize, preset: &str, input: &Input) -> Result<Option<[usize; 2]>, Failure> {
    let size = input.size;
    let short = size[0].min(size[1]);
    let rounded = |n: usize, by: usize, of: usize| (n * by + of / 2) / of;
    match resize {
        Resize::Stretch => Ok(None),
        Resize::StretchTo(only) if only == size => Ok(None),
        Resize::StretchTo([h, w]) => Err(unfit(&format!("{h}x{w} pixels of {preset}"), input)
            .help("use another --preset; or --stretch, --resize N or --crop-pct F")),
        Resize::Ratio { short: by, of } => Ok(Some(size.map(|n| rounded(n, by, of)))),
        Resize::Fraction(seen) => Ok(Some(size.map(|n| (n as f64 / seen).floor() as usize))),
        Resize::Short(n) if n < short => Err(Failure::new(format!(
            "--resize {n} makes pictures too small to crop to {}",
            shape(&input.shape())
        ))
        .help(format!("give at least {short}"))),
        // Beyond this, a pixel of the picture would be larger than the network's view.
        Resize::Short(n) if n > 100 * short => Err(Failure::new(format!(
            "--resize {n} leaves less than a hundredth of a picture for {}",
            shape(&input.shape())
        ))),
        Resize::Short(n) => Ok(Some(size.map(|side| rounded(side, n, short)))),
    }
}

/// The center of a picture that is scaled in proportion until it just covers `cover`. All sizes are
/// height and width.
///
/// For squares as in torchvision: the short side is scaled to the square's side, the long side in
/// proportion, rounded down; the crop starts at half of the excess, a half rounded to even.
pub(crate) fn middle([h, w]: [usize; 2], [high, wide]: [usize; 2], size: [usize; 2]) -> Window {
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
mod stored;

#[cfg(test)]
mod tests {
    use resnetc::DType;

    use super::*;

    #[test]
    fn the_middle_is_torchvisions() {
        // 640x480 becomes 341x256; the 224x224 crop is at (58, 16): 58.5 is rounded to even. 343
        // would give 59.5 and 60.
        let window = middle([480, 640], [256, 256], [224, 224]);
        assert_eq!(window, Window { scaled: [341, 256], columns: 58..282, rows: 16..240 });
        assert_eq!(middle([256, 343], [256, 256], [224, 224]).columns, 60..284);
    }

    #[test]
    fn extreme_pictures_stay_inside() {
        for [h, w] in [[1, 1], [1, 60_000], [60_000, 1], [223, 225]] {
            for size in [[224, 224], [224, 448], [96, 7]] {
                let cover =
                    cover(Resize::Fraction(0.9), "", &[1, 3, size[0], size[1]].into()).unwrap();
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
    fn channels_are_together_where_the_network_has_them_so() {
        let options = Options {
            channels: Some(Channels::Bgr),
            mean: vec![0.0],
            std: vec![1.0],
            scale: Some(255.0),
            ..Options::default()
        };
        let input = Input { layout: Layout::Nhwc, ..[1, 3, 1, 2].into() };
        let made = Preparation::new(&options, "torchvision", input).unwrap();
        assert_eq!(made.normalized(&[1, 2, 3, 4, 5, 6]), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
    }

    #[test]
    fn networks_of_integers_get_bytes_and_nothing_else() {
        let input = |dtype| Input { dtype, ..[1, 1, 1, 3].into() };
        let with = |mean: &[f32], dtype| {
            let grey = Options {
                channels: Some(Channels::Grey),
                mean: mean.to_vec(),
                ..Options::default()
            };
            Preparation::new(&grey, "torchvision", input(dtype)).map(|p| p.normalized(&[0, 7, 255]))
        };
        assert_eq!(with(&[], DType::U8).unwrap(), [0.0, 7.0, 255.0]);
        assert_eq!(with(&[128.0], DType::I8).unwrap(), [-128.0, -121.0, 127.0]);
        for (mean, dtype, says) in
            [(&[][..], DType::I8, "128"), (&[0.5], DType::U8, "-0.5"), (&[], DType::Bool, "2")]
        {
            let error = with(mean, dtype).unwrap_err();
            assert!(error.message().contains(says), "{error:?}");
        }
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
