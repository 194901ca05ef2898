//! Quantization after training: networks in f32 to networks of bytes, which ONNX Runtime, OpenVINO,
//! this compiler and others run in integer arithmetic.
//!
//! ```no_run
//! use resnetc::quantize::{Method, Quantizer};
//! use resnetc::{Compiler, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let pictures: Vec<Vec<f32>> = Vec::new();
//! let network = Compiler::new(Options::default()).load("resnet50.onnx")?;
//! // For each run, the values of each input: a few hundred pictures, prepared as for the network.
//! let mut runs: Vec<Vec<Vec<f32>>> = pictures.into_iter().map(|picture| vec![picture]).collect();
//! let quantized = Quantizer::default().method(Method::Entropy).quantize(&network, &mut runs)?;
//! println!("{:.1} dB", quantized.report().outputs_db);
//! std::fs::write("resnet50.int8.onnx", quantized.to_onnx()?)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is quantized
//!
//! Convolutions and matrix products with constant weights; sums, concatenations, pooling and the
//! movement of what they compute. An activation that only one of these has is part of it. Before
//! that, normalizations are folded into the layers. All other operators stay in f32.
//!
//! Weights are signed bytes, symmetric, with a scale for each output, at which the largest weight is
//! 127. Values are unsigned bytes with one scale and one zero point; their range includes 0. Biases
//! are integers of 32 bits in steps of the product of both scales. No output of a network becomes
//! bytes for its own sake: that of a last matrix product stays in f32.
//!
//! # How
//!
//! Calibration inputs are read twice ([`Samples`]): to find the range of every value ([`Method`]),
//! then to find the error of each layer, whose mean is taken back by its bias. The [`Report`] names
//! the layers with the largest errors.
//!
//! | module | holds |
//! |---|---|
//! | `prepare` | the graph that is quantized |
//! | `select` | which operators are quantized, and which values become bytes |
//! | `observe`, `histogram`, `method` | ranges |
//! | `scale`, `encode` | integers for ranges, weights and biases |
//! | `simulate`, `probe`, `rank` | errors |
//! | `runner` | runs on calibration inputs |

mod encode;
mod error;
mod histogram;
mod method;
mod observe;
mod prepare;
mod probe;
mod quantizer;
mod rank;
mod report;
mod runner;
mod samples;
mod scale;
mod select;
mod simulate;

pub use error::QuantizeError;
pub use method::Method;
pub use quantizer::{Quantized, Quantizer};
pub use report::{Float, Operator, Reason, Report};
pub use samples::{Run, Samples, Stage};
