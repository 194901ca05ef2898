//! How much rounding may be traded for speed, and what follows from it for code and runs.

use crate::error::Error;
use crate::kernels::precision::Precision;
use crate::kernels::sink::Machine;
use crate::kernels::summation::Summation;
use crate::runtime::fpenv::Denormals;

/// How much rounding may be traded for speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Numerics {
    /// Algorithms that round differently from direct convolution are allowed.
    ///
    /// A value affects only outputs whose windows contain it, however large it is, and NaN and
    /// infinity appear where direct convolution has them: outputs for which this would not hold are
    /// computed directly.
    ///
    /// Winograd's algorithm has about twice the error of direct convolution. On tile registers
    /// (AMX) numbers are fixed-point: the error of a product is at most `2^-20` of the largest
    /// value of an image times the largest weight of an output, which in ResNets is about the error
    /// of f32 sums, and at most `2^-12` of the largest value in the output's own window.
    #[default]
    Fast,
    /// As [`Fast`](Numerics::Fast), with the same bits on every CPU that has fused multiply-adds:
    /// x86 with AVX2, AVX-512 or AMX, and 64-bit Arm.
    ///
    /// Which algorithm computes a layer depends on the network alone, and not on what is cheapest on
    /// this machine; tile registers are not used for f32. Denormal numbers are numbers.
    Portable,
    /// Direct convolution only, whose long sums are added up in parts of at most 128 terms. As with
    /// [`Portable`](Numerics::Portable), the bits are the same on every CPU that has fused
    /// multiply-adds.
    Exact,
    /// As [`Fast`](Numerics::Fast), with weights of 16 bits, which take half of the memory.
    ///
    /// They are integers in units of a scale that each output has. A weight changes by at most
    /// `2^-14.9` of the largest weight of its output, and so does the sum of consecutive weights.
    /// In ResNets an output of the network changes by some `2e-5` of the largest; floats of 16 bits
    /// would change it by `4e-4`. On tile registers, weights are integers of two bytes in place of
    /// three.
    ///
    /// On other instruction sets, weights of layers whose result has more than 256 pixels remain
    /// floats, because they are few, and so do those of layers with few channels per group, of outputs
    /// with weights far larger than the others, and of layers some of whose input channels have far
    /// smaller weights than others. An output with a weight that is not finite
    /// is NaN, and values above `2^100` may become infinite.
    Half,
}

impl Numerics {
    /// All of them, with their names on the command line and in other interfaces.
    pub const ALL: [(&'static str, Numerics); 4] = [
        ("fast", Numerics::Fast),
        ("portable", Numerics::Portable),
        ("half", Numerics::Half),
        ("exact", Numerics::Exact),
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        Numerics::ALL.iter().find(|(_, numerics)| *numerics == self).map_or("", |(name, _)| name)
    }

    /// Why measured times cannot choose algorithms, if they cannot.
    pub fn why_untuned(self) -> Option<&'static str> {
        match self {
            Numerics::Fast | Numerics::Half => None,
            Numerics::Portable => Some("portable numerics choose algorithms by the network alone"),
            Numerics::Exact => Some("exact numerics leave no choice of algorithms"),
        }
    }

    /// How many bits numbers have.
    pub fn precision(self) -> Precision {
        match self {
            Numerics::Fast | Numerics::Portable | Numerics::Exact => Precision::Full,
            Numerics::Half => Precision::Half,
        }
    }

    /// Refuses what these numerics promise on a CPU without fused multiply-adds.
    ///
    /// # Errors
    /// If they have the bits of fused multiply-adds, and there are none.
    pub(crate) fn check(self, fused: bool) -> Result<(), Error> {
        match self.is_portable() && !fused {
            true => Err(Error::NotFused { numerics: self.name() }),
            false => Ok(()),
        }
    }

    /// The machine that code with these numerics is for.
    pub(crate) fn on(self, machine: Machine) -> Machine {
        let (precision, images) = (self.precision(), self.images());
        Machine { precision, images, portable: self.is_portable(), ..machine }
    }

    /// Whether results have the same bits on every CPU that has fused multiply-adds.
    pub fn is_portable(self) -> bool {
        match self {
            Numerics::Fast | Numerics::Half => false,
            Numerics::Portable | Numerics::Exact => true,
        }
    }

    /// What denormal numbers are during a run.
    pub fn denormals(self) -> Denormals {
        if self.is_portable() { Denormals::Kept } else { Denormals::Zero }
    }

    /// How the sums of images are added up that are computed directly.
    pub fn images(self) -> Summation {
        match self {
            Numerics::Fast | Numerics::Portable | Numerics::Half => Summation::Chain,
            Numerics::Exact => Summation::Parts,
        }
    }
}
