//! How pictures become the numbers that a network was trained on.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::DynamicImage;

use super::picture::Source;
use crate::failure::Failure;

/// One way to prepare pictures. The result is `(value - mean) / deviation` for each channel, value in `0..=scale`.
pub(super) struct Preset {
    name: &'static str,
    colours: Colours,
    frame: Frame,
    /// What white is before the mean is taken off.
    scale: f32,
    mean: [f32; 3],
    deviation: [f32; 3],
}

/// Which channels, in which order.
#[derive(Clone, Copy, PartialEq)]
enum Colours {
    Grey,
    Rgb,
    Bgr,
}

/// What of a picture is seen.
#[derive(Clone, Copy, PartialEq)]
enum Frame {
    /// All of it, stretched to the network's input.
    Whole,
    /// The middle: the picture is scaled until its short side is the network's input times 256/224.
    Centre,
}

const PRESETS: &[Preset] = &[
    Preset {
        name: "fashion-mnist",
        colours: Colours::Grey,
        frame: Frame::Whole,
        scale: 1.0,
        mean: [0.2860; 3],
        deviation: [0.3530; 3],
    },
    Preset {
        name: "torchvision",
        colours: Colours::Rgb,
        frame: Frame::Centre,
        scale: 1.0,
        mean: [0.485, 0.456, 0.406],
        deviation: [0.229, 0.224, 0.225],
    },
    Preset {
        name: "caffe",
        colours: Colours::Bgr,
        frame: Frame::Centre,
        scale: 255.0,
        mean: [103.939, 116.779, 123.68],
        deviation: [1.0; 3],
    },
    Preset {
        name: "tf",
        colours: Colours::Rgb,
        frame: Frame::Centre,
        scale: 1.0,
        mean: [0.5; 3],
        deviation: [0.5; 3],
    },
];

impl Preset {
    /// The preset of this name.
    pub(super) fn named(name: &str) -> Result<&'static Preset, Failure> {
        PRESETS.iter().find(|p| p.name == name).ok_or_else(|| {
            let names: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
            Failure::new(format!("there is no preset \"{name}\""))
                .help(format!("there are {}", names.join(", ")))
        })
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Channels of a prepared picture.
    pub(super) fn channels(&self) -> usize {
        if self.colours == Colours::Grey { 1 } else { 3 }
    }

    /// The values of a picture in the order `[C, H, W]`.
    pub(super) fn values(
        &self,
        picture: &DynamicImage,
        source: &Source,
        height: usize,
        width: usize,
    ) -> Result<Vec<f32>, Failure> {
        let fail = |e: String| Failure::file(source.path(), format!("scaling failed: {e}"));
        let bytes = self.scaled(picture, height, width).map_err(fail)?;
        Ok(self.normalized(&bytes))
    }

    /// A plane of bytes that has the right size already, such as a picture of a data set.
    pub(super) fn normalized(&self, bytes: &[u8]) -> Vec<f32> {
        let channels = self.channels();
        let mut values = Vec::with_capacity(bytes.len());
        for c in 0..channels {
            let from = if self.colours == Colours::Bgr { channels - 1 - c } else { c };
            let pixels = bytes.iter().skip(from).step_by(channels);
            let value = |&b: &u8| f32::from(b) * (self.scale / 255.0);
            values.extend(pixels.map(|b| (value(b) - self.mean[c]) / self.deviation[c]));
        }
        values
    }

    /// The part that is seen, in the network's size; grey or RGB bytes, pixel by pixel.
    fn scaled(
        &self,
        picture: &DynamicImage,
        height: usize,
        width: usize,
    ) -> Result<Vec<u8>, String> {
        let grey = self.colours == Colours::Grey;
        let (w, h) = (picture.width(), picture.height());
        if (w as usize, h as usize) == (width, height) && self.frame == Frame::Whole {
            return Ok(if grey {
                picture.to_luma8().into_raw()
            } else {
                picture.to_rgb8().into_raw()
            });
        }
        // Scaled with four channels, whatever is needed of them: the scaler is built for that form only.
        let pixels = match grey {
            true => DynamicImage::from(picture.to_luma8()).into_rgba8().into_raw(),
            false => picture.to_rgba8().into_raw(),
        };
        let ty = PixelType::U8x4;
        let side = |n: usize| u32::try_from(n).map_err(|e| e.to_string());
        let from = Image::from_vec_u8(w, h, pixels, ty).map_err(|e| e.to_string())?;
        let mut to = Image::new(side(width)?, side(height)?, ty);
        let mut options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .use_alpha(false);
        if self.frame == Frame::Centre {
            let [left, top, wide, high] = centre([w, h], [side(width)?, side(height)?]);
            options = options.crop(left, top, wide, high);
        }
        Resizer::new().resize(&from, &mut to, &options).map_err(|e| e.to_string())?;
        let kept = if grey { 1 } else { 3 };
        Ok(to.into_vec().chunks_exact(4).flat_map(|p| p.iter().take(kept).copied()).collect())
    }
}

/// The part of a picture (left, top, width, height) that is seen if it is scaled first and cut after.
///
/// As in torchvision: the short side is scaled to 256/224 of the network's short side, the long side in proportion,
/// rounded down, and the cut starts at a whole pixel of the scaled picture. Scaling just this part gives the same
/// values and takes no memory for the rest.
fn centre([w, h]: [u32; 2], [width, height]: [u32; 2]) -> [f64; 4] {
    let short = (f64::from(width.min(height)) * 256.0 / 224.0).round();
    let long = |l: u32, s: u32| (short * f64::from(l) / f64::from(s)).floor();
    let (sw, sh) = if w <= h { (short, long(h, w)) } else { (long(w, h), short) };
    let (scale_x, scale_y) = (f64::from(w) / sw, f64::from(h) / sh);
    let start =
        |scaled: f64, cut: u32| ((scaled - f64::from(cut)) / 2.0).round_ties_even().max(0.0);
    let left = start(sw, width) * scale_x;
    let top = start(sh, height) * scale_y;
    let wide = (f64::from(width) * scale_x).min(f64::from(w) - left);
    let high = (f64::from(height) * scale_y).min(f64::from(h) - top);
    [left, top, wide, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_centre_is_torchvisions() {
        // 640x480 becomes 341x256; 224x224 are cut at (58, 16): round(58.5) to even.
        let [left, top, wide, high] = centre([640, 480], [224, 224]);
        let (x, y) = (640.0 / 341.0, 480.0 / 256.0);
        assert_eq!([left, top], [58.0 * x, 16.0 * y]);
        assert_eq!([wide, high], [224.0 * x, 224.0 * y]);
    }

    #[test]
    fn extreme_pictures_stay_inside() {
        for [w, h] in [[1, 1], [1, 60_000], [60_000, 1], [223, 225]] {
            let [left, top, wide, high] = centre([w, h], [224, 224]);
            assert!(left >= 0.0 && top >= 0.0 && wide > 0.0 && high > 0.0, "{w}x{h}");
            assert!(left + wide <= f64::from(w) + 1e-9, "{w}x{h}");
            assert!(top + high <= f64::from(h) + 1e-9, "{w}x{h}");
        }
    }

    #[test]
    fn channels_are_planes_in_the_presets_order() {
        let caffe = Preset::named("caffe").unwrap();
        // Two pixels: pure red, pure blue.
        let values = caffe.normalized(&[255, 0, 0, 0, 0, 255]);
        let m = [103.939, 116.779, 123.68];
        assert_eq!(values, [-m[0], 255.0 - m[0], -m[1], -m[1], 255.0 - m[2], -m[2]]);
    }
}
