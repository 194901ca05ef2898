//! Parts of pictures of random size and shape, as Szegedy et al. drew them for Inception (2014) and
//! torchvision's `RandomResizedCrop` does.

use resnetc::ir::random::SplitMix;

use super::chance::{below, between};
use crate::classify::pixels::Pixels;

/// Sizes that are drawn before the centre is taken.
const TRIES: usize = 10;

/// A rectangle of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

/// Draws a part of a picture of height and width `size`: its share of the area from `scale`, the
/// logarithm of its width over its height from those of `ratio`, and its place.
pub(super) fn draw(
    size: [usize; 2],
    scale: (f64, f64),
    ratio: (f64, f64),
    random: &mut SplitMix,
) -> Part {
    let [high, wide] = size;
    let area = high as f64 * wide as f64;
    for _ in 0..TRIES {
        let area = area * between(random, scale);
        let ratio = between(random, (ratio.0.ln(), ratio.1.ln())).exp();
        let height = (area / ratio).sqrt().round_ties_even() as usize;
        let width = (area * ratio).sqrt().round_ties_even() as usize;
        if (1..=high).contains(&height) && (1..=wide).contains(&width) {
            let top = below(random, high - height + 1);
            let left = below(random, wide - width + 1);
            return Part { top, left, height, width };
        }
    }
    centre(size, ratio)
}

/// The largest part in the middle whose shape is within `ratio`.
fn centre([high, wide]: [usize; 2], ratio: (f64, f64)) -> Part {
    let [h, w] = [high as f64, wide as f64];
    // A cast ends at the largest number there is.
    let within = |x: f64, most: usize| (x.round_ties_even() as usize).clamp(1, most);
    let (height, width) = match w / h {
        r if r < ratio.0 => (within(w / ratio.0, high), wide),
        r if r > ratio.1 => (high, within(h * ratio.1, wide)),
        _ => (high, wide),
    };
    Part { top: (high - height) / 2, left: (wide - width) / 2, height, width }
}

/// The pixels of a part of a picture.
pub(super) fn cut(picture: &Pixels, part: &Part) -> Pixels {
    let Part { top, left, height, width } = *part;
    let channels = picture.channels;
    let mut bytes = Vec::with_capacity(height * width * channels);
    let rows = picture.bytes.chunks_exact(picture.width * channels);
    for row in rows.skip(top).take(height) {
        bytes.extend_from_slice(&row[left * channels..(left + width) * channels]);
    }
    Pixels { width, height, channels, bytes }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::train::data::chance::stream;

    const SCALE: (f64, f64) = (0.08, 1.0);
    const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);

    fn is_inside([high, wide]: [usize; 2], part: &Part) -> bool {
        let Part { top, left, height, width } = *part;
        height > 0 && width > 0 && top + height <= high && left + width <= wide
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn parts_stay_inside(
            size in prop::array::uniform2(prop_oneof![1usize..5, 1usize..3000, Just(60_000)]),
            (lo, hi) in (1e-4..1.0, 0.0..1.0f64),
            (narrow, wide) in (1e-3..3.0, 0.0..3.0f64),
            seed: u64,
        ) {
            let (scale, ratio) = ((lo, lo + hi * (1.0 - lo)), (narrow, narrow + wide));
            let part = draw(size, scale, ratio, &mut stream(seed, &[]));
            prop_assert!(is_inside(size, &part), "{part:?}");
            prop_assert!(is_inside(size, &centre(size, ratio)));
        }

        /// Where a size of the first try fits, it has the share and the shape that were asked for,
        /// up to rounding each side by half a pixel.
        #[test]
        fn shares_and_shapes_are_those_asked_for(size in prop::array::uniform2(200usize..2000), seed: u64) {
            let part = draw(size, SCALE, RATIO, &mut stream(seed, &[]));
            prop_assume!(part != centre(size, RATIO));
            let [h, w] = [part.height as f64, part.width as f64];
            let area = (size[0] * size[1]) as f64;
            let slack = 0.5 * (h + w) + 0.25;
            prop_assert!(h * w >= SCALE.0 * area - slack && h * w <= SCALE.1 * area + slack);
            prop_assert!((w + 0.5) / (h - 0.5) >= RATIO.0 && (w - 0.5) / (h + 0.5) <= RATIO.1);
        }

        #[test]
        fn a_cut_has_the_pixels_of_its_part(
            size in prop::array::uniform2(1usize..30),
            channels in prop::sample::select(vec![1usize, 3]),
            seed: u64,
        ) {
            let [height, width] = size;
            let bytes = (0..height * width * channels).map(|i| (i * 7 % 251) as u8).collect();
            let picture = Pixels { width, height, channels, bytes };
            let part = draw(size, SCALE, RATIO, &mut stream(seed, &[]));
            let cut = cut(&picture, &part);
            for y in 0..part.height {
                for x in 0..part.width * channels {
                    let from = (part.top + y) * width * channels + part.left * channels + x;
                    prop_assert_eq!(cut.bytes[y * part.width * channels + x], picture.bytes[from]);
                }
            }
        }
    }

    /// The centre as torchvision takes it from pictures that are too long for all tries.
    #[test]
    fn long_pictures_give_their_centre() {
        let part = |top, left, height, width| Part { top, left, height, width };
        assert_eq!(centre([100, 1000], RATIO), part(0, 433, 100, 133));
        assert_eq!(centre([1000, 100], RATIO), part(433, 0, 133, 100));
        assert_eq!(centre([100, 120], RATIO), part(0, 0, 100, 120));
        // Ten tries of at least 8 % of the area never fit here: each is 28 pixels high or more.
        for seed in 0..100 {
            let drawn = draw([10, 10_000], SCALE, RATIO, &mut stream(seed, &[]));
            assert_eq!(drawn, centre([10, 10_000], RATIO));
        }
    }
}
