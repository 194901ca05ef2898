//! Weights drawn from a seed: the same numbers on every machine, scaled so that activations keep
//! their magnitude at any depth.

use std::sync::Arc;

use resnetc_ir::Tensor;
use resnetc_ir::memory::{NoMemory, collected};
use resnetc_ir::random::SplitMix;

use super::{Parameter, Role, Spec, SpecError, SpecErrorKind};
use crate::import::safetensors::WeightMap;

impl Spec {
    /// Weights drawn from a seed, by name; [`Weights::Random`](super::Weights::Random) uses the
    /// same ones.
    ///
    /// # Errors
    /// If a value of the description is out of range, or there is not enough memory.
    pub fn random_weights(&self, seed: u64) -> Result<WeightMap, SpecError> {
        self.drawn_weights(seed, range)
    }

    /// Weights to begin training with, by name: those of convolutions are uniform numbers of He's
    /// variance, 2 / fan-in (He et al., "Delving Deep into Rectifiers", 2015, section 2.2), those of
    /// dense layers of variance 1 / (3 fan-in), as in PyTorch; scales and variances are 1, and
    /// shifts, means and biases 0.
    ///
    /// # Errors
    /// As [`Spec::random_weights`].
    pub fn initial_weights(&self, seed: u64) -> Result<WeightMap, SpecError> {
        self.drawn_weights(seed, initial_range)
    }

    fn drawn_weights(&self, seed: u64, range: Range) -> Result<WeightMap, SpecError> {
        let parameters = self.parameters()?;
        let tensors = drawn(&parameters, seed, range)?;
        Ok(parameters.into_iter().map(|p| p.name).zip(tensors).collect())
    }
}

/// The range of the uniform numbers of a parameter.
type Range = fn(&Parameter) -> (f32, f32);

/// A tensor for each parameter. Each has its own random stream, so that none depends on the others'
/// sizes.
pub(super) fn tensors(parameters: &[Parameter], seed: u64) -> Result<Vec<Arc<Tensor>>, SpecError> {
    drawn(parameters, seed, range)
}

fn drawn(parameters: &[Parameter], seed: u64, range: Range) -> Result<Vec<Arc<Tensor>>, SpecError> {
    let of = |p: &Parameter| tensor(p, range(p), stream(seed, &p.name)).map(Arc::new);
    parameters.iter().map(of).collect()
}

fn tensor(
    parameter: &Parameter,
    (low, high): (f32, f32),
    random: SplitMix,
) -> Result<Tensor, SpecError> {
    let count = parameter.shape.iter().product::<usize>();
    let scale = high - low;
    // One step of the generator gives two 24-bit numbers, the precision of an f32.
    let number =
        |bits: u64| low + scale * ((bits & 0xff_ffff) as u32 as f32 * (1.0 / 16_777_216.0));
    let pair = |i: usize| {
        let bits = random.nth(i as u64);
        [number(bits), number(bits >> 32)]
    };
    let pairs = collected((0..count.div_ceil(2)).map(pair));
    let pairs = pairs.map_err(|NoMemory { bytes }| SpecErrorKind::Memory {
        name: parameter.name.clone(),
        bytes,
    })?;
    let mut data = pairs.into_flattened();
    data.truncate(count);
    // The sizes agree by construction, so the fallback is never taken.
    Ok(Tensor::new(parameter.shape.clone(), data).unwrap_or_else(|| Tensor::scalar(0.0)))
}

/// The range of the numbers that training begins with.
fn initial_range(parameter: &Parameter) -> (f32, f32) {
    let fan_in = parameter.shape.iter().skip(1).product::<usize>() as f32;
    let symmetric = |bound: f32| (-bound, bound);
    match parameter.role {
        // The variance of a uniform number in [-b, b] is b^2 / 3.
        Role::Conv { .. } => symmetric((6.0 / fan_in).sqrt()),
        Role::Linear => symmetric((1.0 / fan_in).sqrt()),
        Role::Scale { .. } | Role::Variance => (1.0, 1.0),
        Role::Shift | Role::Mean | Role::Bias => (0.0, 0.0),
        // A block begins as its shortcut (De and Smith, "Batch Normalization Biases Residual
        // Blocks Towards the Identity Function in Deep Networks", 2020).
        Role::Gain => (0.0, 0.0),
        // PyTorch's.
        Role::Slope => (0.25, 0.25),
    }
}

/// The range of the numbers of networks that are not trained.
///
/// Convolutions have He's variance, 2 / fan-in, so a layer keeps the variance of its input. A sum
/// of a block and its shortcut would double it, fifty times over in the deepest network; the scale
/// of a block's last normalization (of its last convolution, where no normalization follows) is
/// therefore small, and the sum grows by only a few percent.
fn range(parameter: &Parameter) -> (f32, f32) {
    let fan_in = parameter.shape.iter().skip(1).product::<usize>() as f32;
    // The variance of a uniform number in [-b, b] is b^2 / 3.
    let symmetric = |variance: f32| (-(3.0 * variance).sqrt(), (3.0 * variance).sqrt());
    match parameter.role {
        Role::Conv { closes_block: false } => symmetric(2.0 / fan_in),
        Role::Conv { closes_block: true } => symmetric(0.08 / fan_in),
        Role::Linear => symmetric(1.0 / fan_in),
        Role::Scale { closes_block: true } => (0.1, 0.3),
        Role::Scale { closes_block: false } => (0.7, 1.2),
        Role::Shift => (-0.2, 0.2),
        Role::Mean => (-0.2, 0.2),
        Role::Variance => (0.6, 1.4),
        Role::Bias => (-0.1, 0.1),
        Role::Gain => (0.1, 0.3),
        Role::Slope => (0.1, 0.3),
    }
}

/// The stream of a name (FNV-1a of it, mixed with the seed).
fn stream(seed: u64, name: &str) -> SplitMix {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    SplitMix(SplitMix(seed ^ hash).nth(0))
}
