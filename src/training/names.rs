//! The names of a step's inputs and outputs, besides those of what it changes.

/// The images, `[N, C, H, W]`.
pub const IMAGES: &str = "input";
/// The number of each image's class, `[N]`.
pub const LABELS: &str = "labels";
/// The learning rate, `[1]`.
pub const RATE: &str = "rate";
/// The mean loss of the images, `[1]`.
pub const LOSS: &str = "loss";
/// The scores of the classes before the step, `[N, K]`.
pub const SCORES: &str = "scores";
/// The norms of the blocks' results, `[B]`.
pub const VALUE_NORMS: &str = "norms.values";
/// The norms of the gradients with respect to the blocks' results, `[B]`.
pub const GRADIENT_NORMS: &str = "norms.gradients";
