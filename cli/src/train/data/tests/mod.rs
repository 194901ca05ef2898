//! Tests of the whole: files that become batches.

mod batches;
mod cifar;
mod folders;
mod idx;
mod normalization;
mod pipeline;
