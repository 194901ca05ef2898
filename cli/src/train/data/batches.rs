//! The batches of an epoch.

use std::ops::Range;
use std::sync::Arc;

use super::augmentation::Augmentation;
use super::chance::stream;
use super::dataset::Dataset;
use super::order::Order;
use super::pipeline::{Pipeline, Plan};
use super::recipe::{Purpose, Recipe, Samples};
use crate::failure::Failure;
use crate::units::plural;

/// How many samples are taken at once, and how many threads prepare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The samples of a batch.
    pub(crate) batch: usize,
    /// Threads that prepare batches beside the caller; with 0, the caller prepares them when it
    /// takes them. The batches are the same.
    pub(crate) threads: usize,
}

/// A place in a training, which determines all its random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// The seed of the training.
    pub(crate) seed: u64,
    /// The number of the epoch, from 0.
    pub(crate) number: u64,
    /// The batches of the epoch that were taken before, and do not come again.
    pub(crate) skip: usize,
}

/// Samples that the network takes at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Batch {
    /// Picture by picture, channel by channel, row by row.
    pub(crate) images: Vec<f32>,
    /// The class of each picture.
    pub(crate) labels: Vec<usize>,
}

/// The batches of an epoch, prepared ahead. Dropping it ends the threads.
pub(crate) struct Batches {
    samples: Arc<Samples>,
    order: Arc<Order>,
    plan: Plan,
    pipeline: Pipeline,
    /// The position of the next sample.
    position: usize,
    /// The labels of a batch that was given back.
    spare: Vec<usize>,
}

impl Batches {
    /// The batches of an epoch of training: all samples in random order, varied by the recipe's
    /// augmentation. Samples at the end that do not fill a batch are left out.
    ///
    /// # Errors
    /// If the recipe does not fit the data set, or there is no such batch.
    pub(crate) fn training(
        dataset: &Arc<Dataset>,
        recipe: &Recipe,
        pace: Pace,
        epoch: Epoch,
    ) -> Result<Self, Failure> {
        let Epoch { seed, number, skip } = epoch;
        let samples = recipe.samples(dataset, [seed, number])?;
        let Pace { batch, .. } = pace;
        check_batch(batch)?;
        let whole = dataset.len() / batch;
        if whole == 0 {
            let what = format!(
                "the data set has {}, fewer than a batch of {batch}",
                plural(dataset.len(), "training picture")
            );
            return Err(Failure::file(dataset.folder(), what)
                .help(format!("use a batch of at most {}", dataset.len())));
        }
        if skip > whole {
            return Err(Failure::file(
                dataset.folder(),
                format!(
                    "the epoch has {} of {batch}, so {skip} cannot be skipped",
                    plural(whole, "batch")
                ),
            )
            .help("go on with the data set and the batch that the training was begun with"));
        }
        let random = stream(seed, &[number, Purpose::Order as u64]);
        let order = Order::shuffled(dataset.len(), random);
        let order = order.map_err(Failure::memory("the order of the samples"))?;
        Batches::new(samples, order, skip * batch..whole * batch, pace)
    }

    /// All samples once, in the data set's order and as they are, to measure a network. The last
    /// batch may have fewer samples than the others.
    ///
    /// # Errors
    /// If the recipe does not fit the data set.
    pub(crate) fn evaluation(
        dataset: &Arc<Dataset>,
        recipe: &Recipe,
        pace: Pace,
    ) -> Result<Self, Failure> {
        let still = Recipe { augmentation: Augmentation::None, ..recipe.clone() };
        check_batch(pace.batch)?;
        let samples = still.samples(dataset, [0, 0])?;
        Batches::new(samples, Order::Sequential, 0..dataset.len(), pace)
    }

    /// Begins to prepare the samples at some positions of an order.
    fn new(
        samples: Samples,
        order: Order,
        positions: Range<usize>,
        pace: Pace,
    ) -> Result<Self, Failure> {
        let (samples, order) = (Arc::new(samples), Arc::new(order));
        let plan = Plan { positions, batch: pace.batch, values: samples.values() };
        let make = {
            let (samples, order) = (Arc::clone(&samples), Arc::clone(&order));
            move |position: usize, planes: &mut [f32]| samples.write(order.at(position), planes)
        };
        let pipeline = Pipeline::new(plan.clone(), pace.threads, Box::new(make))?;
        let position = plan.positions.start;
        Ok(Batches { samples, order, plan, pipeline, position, spare: Vec::new() })
    }

    /// Gives the memory of a batch back, which a later one then uses.
    pub(crate) fn recycle(&mut self, batch: Batch) {
        self.pipeline.give_back(batch.images);
        self.spare = batch.labels;
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, Failure>;

    /// The next batch, once it is prepared. If one of its samples cannot be read, that error comes
    /// in its place; the batches after it can be taken.
    fn next(&mut self) -> Option<Self::Item> {
        let start = self.position;
        // Also behind a batch that ends in a panic, so that the next one has its own labels.
        self.position = self.plan.positions.end.min(start.saturating_add(self.plan.batch));
        let images = self.pipeline.take()?;
        let mut labels = std::mem::take(&mut self.spare);
        labels.clear();
        let label = |position| self.samples.dataset().label(self.order.at(position));
        labels.extend((start..self.position).map(label));
        Some(images.map(|images| Batch { images, labels }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.pipeline.len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches {}

/// Checks that a batch has samples.
fn check_batch(batch: usize) -> Result<(), Failure> {
    match batch {
        0 => Err(Failure::new("a batch cannot have 0 pictures").help("use a batch of at least 1")),
        _ => Ok(()),
    }
}
