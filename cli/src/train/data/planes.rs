//! Writes the numbers of a picture, channel by channel.

use std::ops::Range;

use super::augmentation::Variation;
use crate::classify::pixels::Pixels;

/// Writes a picture into `planes`, which are as large as all of it: moved and mirrored by the
/// variation, with zeros where there is no picture, and `numbers` for each channel's bytes.
pub(super) fn write(
    picture: &Pixels,
    variation: &Variation,
    numbers: &[[f32; 256]],
    planes: &mut [f32],
) {
    match picture.channels {
        1 => write_pixels::<1>(picture, variation, numbers, planes),
        _ => write_pixels::<3>(picture, variation, numbers, planes),
    }
}

/// The same for pixels of `C` channels.
fn write_pixels<const C: usize>(
    picture: &Pixels,
    variation: &Variation,
    numbers: &[[f32; 256]],
    planes: &mut [f32],
) {
    let [height, width] = [picture.height, picture.width];
    let pixels = picture.bytes.as_chunks::<C>().0;
    let (rows, rows_from) = overlap(variation.shift[0], height);
    let (columns, columns_from) = overlap(variation.shift[1], width);
    let columns = match variation.is_mirrored {
        true => width - columns.end..width - columns.start,
        false => columns,
    };
    let channels = planes.chunks_exact_mut(height * width).zip(numbers).enumerate();
    for (channel, (plane, numbers)) in channels {
        let number = |pixel: &[u8; C]| numbers[usize::from(pixel[channel])];
        let (above, rest) = plane.split_at_mut(rows.start * width);
        let (inside, below) = rest.split_at_mut(rows.len() * width);
        above.fill(0.0);
        below.fill(0.0);
        let from = pixels.chunks_exact(width).skip(rows_from.start);
        for (row, from) in inside.chunks_exact_mut(width).zip(from) {
            row[..columns.start].fill(0.0);
            row[columns.end..].fill(0.0);
            let (values, from) = (row[columns.clone()].iter_mut(), &from[columns_from.clone()]);
            match variation.is_mirrored {
                true => values.rev().zip(from).for_each(|(v, p)| *v = number(p)),
                false => values.zip(from).for_each(|(v, p)| *v = number(p)),
            }
        }
    }
}

/// The positions of an axis that have something after a shift, and the positions that it comes
/// from.
fn overlap(shift: isize, extent: usize) -> (Range<usize>, Range<usize>) {
    let lost = shift.unsigned_abs().min(extent);
    let (first, last) = (0..extent - lost, lost..extent);
    if shift < 0 { (last, first) } else { (first, last) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(height: usize, width: usize, channels: usize, seed: usize) -> Pixels {
        let byte = |i: usize| ((i + seed) * 89 % 256) as u8;
        Pixels {
            width,
            height,
            channels,
            bytes: (0..height * width * channels).map(byte).collect(),
        }
    }

    /// A different number for each channel and byte, none of them 0.
    fn numbers(channels: usize) -> Vec<[f32; 256]> {
        (0..channels).map(|c| std::array::from_fn(|b| (1 + b + 1000 * c) as f32)).collect()
    }

    proptest! {
        /// Cropping the padded, normalized picture and mirroring the crop, number by number.
        #[test]
        fn a_shifted_picture_is_a_crop_of_the_padded_one(
            [height, width] in prop::array::uniform2(1usize..12),
            channels in prop::sample::select(vec![1usize, 3]),
            pad in 0usize..12,
            at in prop::array::uniform2(any::<prop::sample::Index>()),
            is_mirrored: bool,
            seed in 0usize..1000,
        ) {
            let (picture, numbers) = (picture(height, width, channels, seed), numbers(channels));
            let wide = width + 2 * pad;
            let mut padded = vec![0.0; channels * (height + 2 * pad) * wide];
            for (i, &byte) in picture.bytes.iter().enumerate() {
                let (c, x, y) = (i % channels, i / channels % width, i / channels / width);
                padded[(c * (height + 2 * pad) + y + pad) * wide + x + pad] = numbers[c][usize::from(byte)];
            }
            let at = at.map(|at| at.index(2 * pad + 1));
            let mut expected = Vec::new();
            for c in 0..channels {
                for y in 0..height {
                    let start = (c * (height + 2 * pad) + y + at[0]) * wide + at[1];
                    let mut row = padded[start..start + width].to_vec();
                    if is_mirrored {
                        row.reverse();
                    }
                    expected.extend(row);
                }
            }
            let shift = at.map(|at| at as isize - pad as isize);
            let mut planes = vec![f32::NAN; expected.len()];
            write(&picture, &Variation { part: None, shift, is_mirrored }, &numbers, &mut planes);
            prop_assert_eq!(planes, expected);
        }
    }
}
