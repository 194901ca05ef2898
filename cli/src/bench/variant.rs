//! A network under options, or in numbers, other than those it was loaded with.

use resnetc::quantize::{Method, QuantizeError, Quantizer};
use resnetc::{Compiler, Network, Options};

use crate::failure::Failure;
use crate::{inputs, stages};

/// A variant to be timed.
#[derive(Clone)]
pub(super) struct Variant {
    /// Its name in messages.
    pub(super) name: String,
    pub(super) network: Network,
    /// Whether it is another network, whose outputs no rounding explains.
    pub(super) is_other: bool,
}

impl Variant {
    /// The same network under other options.
    pub(super) fn of(network: &Network, name: &str, options: Options) -> Self {
        Variant { name: name.to_owned(), network: network.with_options(options), is_other: false }
    }

    /// The network without its optional passes.
    pub(super) fn unfused(network: &Network) -> Self {
        Variant::of(network, "unfused", stages::unfused(network.options()))
    }

    /// The network quantized to 8 bits, with ranges from the inputs that it is timed with. `None`
    /// if it is quantized already, is a step of training, or has no layer that can be.
    pub(super) fn quantized(
        network: &Network,
        name: &str,
        seed: u64,
    ) -> Result<Option<Self>, Failure> {
        if !network.start().is_empty() {
            return Ok(None);
        }
        let quantizer =
            Quantizer::default().method(Method::MinMax).bias_correction(false).rank(false);
        let values = inputs::random(network, seed)?;
        let run = values.iter().map(|tensor| tensor.data().to_vec()).collect();
        let bytes = match quantizer.quantize(network, &mut vec![run]) {
            Ok(quantized) => quantized.to_onnx()?,
            Err(
                QuantizeError::AlreadyQuantized { .. } | QuantizeError::NothingToQuantize { .. },
            ) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let compiler = Compiler::new(network.options().clone());
        let network = compiler.onnx_bytes(&bytes, None)?;
        Ok(Some(Variant { name: name.to_owned(), network, is_other: true }))
    }
}
