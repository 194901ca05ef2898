//! Quantization after training: what the files mean, and how far they are from the networks in f32.

mod files;
mod refused;
mod support;
