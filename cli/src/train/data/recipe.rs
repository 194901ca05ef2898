//! From a sample of a data set to the numbers that a network takes.

use std::sync::Arc;

use resnetc::ErrorCode;

use super::augmentation::{Augmentation, Variation};
use super::chance::stream;
use super::dataset::Dataset;
use super::normalization::Normalization;
use super::view::View;
use super::{crop, planes};
use crate::classify::pixels::Pixels;
use crate::classify::resample::{Filter, Window, resample};
use crate::failure::Failure;
use crate::units::shape;

/// How pictures become what a network takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recipe {
    /// The pictures that it takes.
    pub(crate) view: View,
    /// How bytes become numbers.
    pub(crate) normalization: Normalization,
    /// How pictures are varied in training.
    pub(crate) augmentation: Augmentation,
}

/// Makes the numbers of the samples of one epoch.
#[derive(Debug)]
pub(super) struct Samples {
    dataset: Arc<Dataset>,
    view: View,
    /// The number for each byte, channel by channel.
    numbers: Vec<[f32; 256]>,
    augmentation: Augmentation,
    /// The seed and the epoch, which all random numbers are drawn from.
    chance: [u64; 2],
}

impl Recipe {
    /// Checks that it makes numbers of a data set's pictures.
    fn check(&self, dataset: &Dataset) -> Result<(), Failure> {
        self.view.check()?;
        self.normalization.check(self.view.channels)?;
        self.augmentation.check(&self.view)?;
        let View { channels, size: [h, w], .. } = self.view;
        let takes = [channels, h, w];
        let is = match dataset.fixed() {
            Some(fixed) if fixed != takes => shape(&fixed),
            None if dataset.channels() != channels => format!("in {} channels", dataset.channels()),
            _ => return Ok(()),
        };
        Err(Failure::file(
            dataset.folder(),
            format!("the data set's pictures are {is}, but the network takes {}", shape(&takes)),
        )
        .help("train a network that takes pictures of the data set's shape")
        .code(ErrorCode::Picture))
    }

    /// The samples of an epoch.
    ///
    /// # Errors
    /// If the recipe does not fit the data set.
    pub(super) fn samples(
        &self,
        dataset: &Arc<Dataset>,
        chance: [u64; 2],
    ) -> Result<Samples, Failure> {
        self.check(dataset)?;
        let view = match dataset.fixed() {
            Some(_) => View::new(self.view.channels, self.view.size),
            None => self.view,
        };
        Ok(Samples {
            dataset: Arc::clone(dataset),
            view,
            numbers: self.normalization.numbers(),
            augmentation: self.augmentation,
            chance,
        })
    }
}

/// What the random numbers of an epoch are for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The order of samples.
    Order,
    /// The variation of each sample.
    Variation,
}

impl Samples {
    /// The data set.
    pub(super) fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// How many numbers a sample has.
    pub(super) fn values(&self) -> usize {
        self.view.values()
    }

    /// Writes the numbers of a sample.
    ///
    /// # Errors
    /// If its file cannot be read or decoded.
    pub(super) fn write(&self, sample: usize, planes: &mut [f32]) -> Result<(), Failure> {
        let picture = self.dataset.read(sample)?;
        let [seed, epoch] = self.chance;
        let mut random = stream(seed, &[epoch, Purpose::Variation as u64, sample as u64]);
        let variation = self.augmentation.draw([picture.height, picture.width], &mut random);
        let seen = self.seen(picture, &variation);
        planes::write(&seen, &variation, &self.numbers, planes);
        Ok(())
    }

    /// The part of a picture that the network sees, before it is moved and mirrored.
    fn seen(&self, picture: Pixels, variation: &Variation) -> Pixels {
        let Some(part) = &variation.part else { return self.view.centre(picture) };
        let [height, width] = self.view.size;
        resample(&crop::cut(&picture, part), &Window::whole([width, height]), Filter::Bilinear)
    }
}
