//! Bytes of a decoded picture, as Pillow's `convert("RGB")` and `convert("L")` give them.

use image::DynamicImage;

/// A picture with one byte per channel, pixel by pixel and row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pixels {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// 1 or 3.
    pub(crate) channels: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Pixels {
    /// A picture as grey or as RGB.
    ///
    /// Alpha is dropped: the colour of a transparent pixel counts as it is in the file. Samples of
    /// 16 bits are reduced to their high byte. Grey is the luma of ITU-R 601.
    pub(crate) fn of(picture: DynamicImage, grey: bool) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (own, bytes) = match picture {
            DynamicImage::ImageLuma8(p) => (1, p.into_raw()),
            DynamicImage::ImageLumaA8(p) => (1, first(p.as_raw(), 1, 2, |s| s)),
            DynamicImage::ImageRgb8(p) => (3, p.into_raw()),
            DynamicImage::ImageRgba8(p) => (3, first(p.as_raw(), 3, 4, |s| s)),
            DynamicImage::ImageLuma16(p) => (1, first(p.as_raw(), 1, 1, high)),
            DynamicImage::ImageLumaA16(p) => (1, first(p.as_raw(), 1, 2, high)),
            DynamicImage::ImageRgb16(p) => (3, first(p.as_raw(), 3, 3, high)),
            DynamicImage::ImageRgba16(p) => (3, first(p.as_raw(), 3, 4, high)),
            other => (3, other.into_rgb8().into_raw()),
        };
        let bytes = match (own, grey) {
            (1, false) => bytes.iter().flat_map(|&y| [y; 3]).collect(),
            (3, true) => bytes.as_chunks().0.iter().map(luma).collect(),
            _ => bytes,
        };
        Pixels { width, height, channels: if grey { 1 } else { 3 }, bytes }
    }
}

/// The first `kept` samples of every pixel of `all`.
fn first<S: Copy>(samples: &[S], kept: usize, all: usize, byte: impl Fn(S) -> u8) -> Vec<u8> {
    samples.chunks_exact(all).flat_map(|p| p[..kept].iter().map(|&s| byte(s))).collect()
}

fn high(sample: u16) -> u8 {
    sample.to_be_bytes()[0]
}

/// 0.299 R + 0.587 G + 0.114 B with 16 fractional bits, rounded.
fn luma(&[r, g, b]: &[u8; 3]) -> u8 {
    let sum = 19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b);
    ((sum + (1 << 15)) >> 16) as u8
}
