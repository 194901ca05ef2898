//! The pictures that a network takes, and how others are scaled to them.

use crate::classify::pixels::Pixels;
use crate::classify::preparation::middle;
use crate::classify::resample::{Filter, resample};
use crate::failure::Failure;

/// A scaled picture is less than this many times as high and as wide as the part that is seen.
const MOST_COVER: usize = 100;

/// The pictures that a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// 1 for grey, 3 for RGB.
    pub(crate) channels: usize,
    /// Height and width.
    pub(crate) size: [usize; 2],
    /// Height and width that a scaled picture must cover before its centre is cut out: at least
    /// the size. Data sets whose pictures already have the size are not scaled.
    pub(crate) cover: [usize; 2],
}

impl View {
    /// Sees as much of a picture as fits.
    pub(crate) fn new(channels: usize, size: [usize; 2]) -> Self {
        View { channels, size, cover: size }
    }

    /// How many numbers a picture becomes.
    pub(super) fn values(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    /// Checks that pictures can have this form.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let View { channels, size: [h, w], cover: [high, wide] } = *self;
        let values = h.checked_mul(w).and_then(|n| n.checked_mul(channels));
        match () {
            () if !matches!(channels, 1 | 3) => Err(Failure::new(format!(
                "the network takes {channels} channels, but pictures have 1 or 3"
            ))),
            () if values.is_none_or(|n| n == 0) => {
                Err(Failure::new(format!("pictures cannot have {h}x{w} pixels")))
            }
            () if high < h || wide < w => Err(Failure::new(format!(
                "pictures that are scaled to {high}x{wide} are too small to crop to {h}x{w}"
            ))
            .help(format!("scale them to at least {h}x{w}"))),
            () if high / MOST_COVER >= h || wide / MOST_COVER >= w => Err(Failure::new(format!(
                "pictures that are scaled to {high}x{wide} have little left when cropped to {h}x{w}"
            ))
            .help(format!("scale them to less than {MOST_COVER} times {h}x{w}"))),
            () => Ok(()),
        }
    }

    /// The centre of a picture, scaled in proportion, as `resnetc classify` shows it to a network.
    pub(super) fn centre(&self, picture: Pixels) -> Pixels {
        let own = [picture.height, picture.width];
        match own == self.size && own == self.cover {
            true => picture,
            false => resample(&picture, &middle(own, self.cover, self.size), Filter::Bilinear),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_constant_picture_stays_constant(
            [h, w, high, wide] in prop::array::uniform4(1usize..60),
            more in prop::array::uniform2(0usize..20),
            grey: bool,
            byte: u8,
        ) {
            let channels = if grey { 1 } else { 3 };
            let view = View { channels, size: [high, wide], cover: [high + more[0], wide + more[1]] };
            view.check().unwrap();
            let picture = Pixels { width: w, height: h, channels, bytes: vec![byte; h * w * channels] };
            let seen = view.centre(picture);
            prop_assert_eq!([seen.height, seen.width, seen.channels], [high, wide, channels]);
            prop_assert_eq!(seen.bytes, vec![byte; view.values()]);
        }
    }

    proptest! {
        /// A picture that is only too wide, or only too high, is cut without being scaled.
        #[test]
        fn the_middle_of_a_picture_that_covers_is_cut(
            [long, short, more] in prop::array::uniform3(1usize..20),
            is_high: bool,
        ) {
            let (whole, size) = match is_high {
                true => ([long + more, short], [long, short]),
                false => ([short, long + more], [short, long]),
            };
            // Every pixel is its own number.
            let bytes = (0..whole[0] * whole[1]).map(|i| i as u8).collect();
            let picture = Pixels { height: whole[0], width: whole[1], channels: 1, bytes };
            let seen = View::new(1, size).centre(picture);
            let start = more / 2 + usize::from(more % 4 == 3);
            let [top, left] = if is_high { [start, 0] } else { [0, start] };
            for (i, &byte) in seen.bytes.iter().enumerate() {
                let (y, x) = (top + i / size[1], left + i % size[1]);
                prop_assert_eq!(byte, (y * whole[1] + x) as u8);
            }
        }
    }

    #[test]
    fn a_picture_that_covers_exactly_is_cut_too() {
        let picture = Pixels { width: 4, height: 4, channels: 1, bytes: (0..16).collect() };
        let view = View { cover: [4, 4], ..View::new(1, [2, 2]) };
        assert_eq!(view.centre(picture).bytes, [5, 6, 9, 10]);
    }

    #[test]
    fn what_cannot_be_seen_is_refused() {
        for (view, says) in [
            (View::new(2, [8, 8]), "2 channels"),
            (View::new(3, [0, 8]), "0x8"),
            (View::new(3, [usize::MAX, 8]), "x8 pixels"),
            (View { cover: [8, 7], ..View::new(3, [8, 8]) }, "8x7 are too small"),
            (View { cover: [usize::MAX, 8], ..View::new(3, [8, 8]) }, "little left"),
        ] {
            let error = view.check().unwrap_err();
            assert!(error.message().contains(says), "{error:?}");
        }
    }
}
