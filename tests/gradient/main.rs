//! Gradients: every rule against central differences in f64, on random graphs and on each operator
//! alone, and the formulas of residual networks.

mod difference;
mod operators;
mod random;
mod refused;
mod residual;
