//! How pictures are varied, so that a network never sees the same one twice.

use resnetc::ir::random::SplitMix;

use super::chance::{below, coin};
use super::crop::{self, Part};
use super::view::View;
use crate::failure::Failure;

/// How pictures are varied from epoch to epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Augmentation {
    /// Not at all: the centre of each picture.
    None,
    /// The centre, mirrored with probability 1/2.
    Mirror,
    /// The centre with `pad` zeros on each side, cropped to the network's size at a random place
    /// and mirrored with probability 1/2: He et al. (2015), section 4.2. The zeros are those of
    /// normalized pictures, so they are the mean colour.
    PadCrop {
        /// Pixels on each side; fewer than the picture has.
        pad: usize,
    },
    /// A part of random size, shape and place, scaled to the network's size and mirrored with
    /// probability 1/2, as is usual for ImageNet. If ten parts do not fit into the picture, its
    /// centre.
    RandomResizedCrop {
        /// The least and the largest share of the picture's area.
        scale: (f64, f64),
        /// The least and the largest width over height.
        ratio: (f64, f64),
    },
}

/// What is drawn for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Variation {
    /// The part that is scaled to the network's size; without it, the centre is.
    pub(super) part: Option<Part>,
    /// By how many rows and columns the picture moves up and to the left, with zeros behind it.
    pub(super) shift: [isize; 2],
    /// Whether left and right are exchanged, after all else.
    pub(super) is_mirrored: bool,
}

impl Augmentation {
    /// Parts as in the usual training for ImageNet.
    pub(crate) const IMAGENET: Augmentation =
        Augmentation::RandomResizedCrop { scale: (0.08, 1.0), ratio: (3.0 / 4.0, 4.0 / 3.0) };

    /// Checks its numbers.
    pub(super) fn check(&self, view: &View) -> Result<(), Failure> {
        match *self {
            Augmentation::None | Augmentation::Mirror => Ok(()),
            Augmentation::PadCrop { pad } => {
                let [h, w] = view.size;
                match pad < h.min(w) {
                    true => Ok(()),
                    false => Err(Failure::new(format!(
                        "with {pad} pixels of padding, crops of {h}x{w} could miss the picture"
                    ))
                    .help(
                        "--augment none takes pictures as they are, --augment mirror mirrors them",
                    )),
                }
            }
            Augmentation::RandomResizedCrop { scale: (least, most), ratio: (narrow, wide) } => {
                if !(0.0 < least && least <= most && most <= 1.0) {
                    return Err(Failure::new(format!(
                        "crops cannot have {least} to {most} of a picture's area"
                    ))
                    .help("give two shares above 0 and up to 1, the smaller one first"));
                }
                if !(0.0 < narrow && narrow <= wide && wide.is_finite()) {
                    return Err(Failure::new(format!(
                        "crops cannot be {narrow} to {wide} times as wide as high"
                    ))
                    .help("give two ratios above 0, the smaller one first"));
                }
                Ok(())
            }
        }
    }

    /// Draws the variation of a picture of this height and width.
    pub(super) fn draw(&self, size: [usize; 2], random: &mut SplitMix) -> Variation {
        let still = Variation::default();
        match *self {
            Augmentation::None => still,
            Augmentation::Mirror => Variation { is_mirrored: coin(random), ..still },
            Augmentation::PadCrop { pad } => {
                let mut shift = || below(random, 2 * pad + 1) as isize - pad as isize;
                let shift = [shift(), shift()];
                Variation { shift, is_mirrored: coin(random), ..still }
            }
            Augmentation::RandomResizedCrop { scale, ratio } => {
                let part = Some(crop::draw(size, scale, ratio, random));
                Variation { part, is_mirrored: coin(random), ..still }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::data::chance::stream;

    /// Half of ten thousand samples are mirrored, up to five deviations of 50.
    #[test]
    fn half_of_all_samples_are_mirrored() {
        for (augmentation, expected) in [
            (Augmentation::None, 0),
            (Augmentation::Mirror, 5000),
            (Augmentation::PadCrop { pad: 4 }, 5000),
            (Augmentation::IMAGENET, 5000),
        ] {
            let is_mirrored = |i| augmentation.draw([40, 30], &mut stream(3, &[i])).is_mirrored;
            let count = (0..10_000).filter(|&i| is_mirrored(i)).count();
            assert!(count.abs_diff(expected) < if expected == 0 { 1 } else { 250 }, "{count}");
        }
    }

    /// All 81 shifts by at most 4 come equally often: 100 of 8,100 times, up to five deviations.
    #[test]
    fn all_shifts_come_equally_often() {
        let mut counts = std::collections::BTreeMap::new();
        for i in 0..8100 {
            let drawn = Augmentation::PadCrop { pad: 4 }.draw([32, 32], &mut stream(11, &[i]));
            *counts.entry(drawn.shift).or_insert(0i32) += 1;
        }
        assert_eq!(counts.len(), 81);
        assert!(counts.keys().flatten().all(|s| s.abs() <= 4));
        assert!(counts.values().all(|n| (n - 100).abs() < 50), "{counts:?}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let part = |scale, ratio| Augmentation::RandomResizedCrop { scale, ratio };
        for (augmentation, says) in [
            (Augmentation::PadCrop { pad: 8 }, "8 pixels"),
            (Augmentation::PadCrop { pad: usize::MAX }, "padding"),
            (part((0.0, 1.0), (1.0, 1.0)), "area"),
            (part((0.5, 0.4), (1.0, 1.0)), "area"),
            (part((0.5, 1.1), (1.0, 1.0)), "area"),
            (part((f64::NAN, 1.0), (1.0, 1.0)), "area"),
            (part((0.5, 1.0), (0.0, 1.0)), "wide"),
            (part((0.5, 1.0), (1.0, f64::INFINITY)), "wide"),
        ] {
            let error = augmentation.check(&View::new(3, [8, 10])).unwrap_err();
            assert!(error.message().contains(says), "{error:?}");
        }
        assert!(Augmentation::PadCrop { pad: 7 }.check(&View::new(3, [8, 10])).is_ok());
        assert!(Augmentation::IMAGENET.check(&View::new(3, [8, 10])).is_ok());
    }
}
