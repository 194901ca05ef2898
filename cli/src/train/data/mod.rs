//! Pictures and their classes for training: read from the usual forms of data sets, varied at
//! random, and prepared in batches ahead of the step that takes them.
//!
//! | module | what it has |
//! |---|---|
//! | `dataset` | one half of a data set in any form: pictures, labels, names of classes |
//! | `form` | what all forms have: limits, two halves, classes |
//! | `idx` | the form of MNIST: arrays of bytes |
//! | `cifar` | the form of CIFAR-10 and CIFAR-100: records of bytes |
//! | `folders` | a folder of picture files for each class |
//! | `held` | pictures of one size, all in memory |
//! | `view` | the pictures that a network takes, and how others are scaled to them |
//! | `augmentation` | how pictures are varied from epoch to epoch |
//! | `crop` | parts of random size and shape |
//! | `normalization` | bytes to numbers with mean 0 and deviation 1 |
//! | `recipe` | all of that: from a sample to the numbers that the network takes |
//! | `planes` | writes a picture's numbers channel by channel |
//! | `chance` | random numbers by seed, epoch and sample |
//! | `order` | which sample comes when |
//! | `pipeline` | threads that make batches ahead |
//! | `batches` | the batches of an epoch |

mod augmentation;
mod batches;
mod chance;
mod cifar;
mod crop;
mod dataset;
mod folders;
mod form;
mod held;
mod idx;
mod normalization;
mod order;
mod pipeline;
mod planes;
mod recipe;
mod view;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub(crate) use augmentation::Augmentation;
pub(crate) use batches::{Batches, Epoch, Pace};
pub(crate) use dataset::Dataset;
pub(crate) use form::Split;
pub(crate) use normalization::Normalization;
pub(crate) use recipe::Recipe;
pub(crate) use view::View;
