//! Training: gradients of every network of the family and updates of every optimizer against
//! PyTorch's, in f64; what a recipe refuses.

mod compiled;
mod family;
mod memory;
mod norms;
mod optimizers;
mod refused;
mod support;
mod trainer;
