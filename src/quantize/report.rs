//! What quantization did to a network, as data.

/// What was quantized, and how well.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How many runs of calibration inputs there were.
    pub runs: usize,
    /// The quantized operators, those that cost the outputs the most first.
    pub operators: Vec<Operator>,
    /// Operators that could be quantized but stay in f32, in the order in which they run.
    pub floats: Vec<Float>,
    /// How far the network's outputs are from those in f32, on a few of the calibration inputs: the
    /// ratio of signal to quantization noise, in dB.
    pub outputs_db: f64,
    /// On how many runs that was measured.
    pub outputs_runs: usize,
}

/// A quantized operator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Operator {
    /// The name of its node.
    pub name: String,
    /// The name of the operator.
    pub op: &'static str,
    /// How many weights it has.
    pub weights: usize,
    /// The error if only this operator is quantized: the ratio of signal to quantization noise of its
    /// own result before it becomes bytes, in dB.
    pub own_db: f64,
    /// The same ratio of the network's outputs if this operator stays in f32, too; `None` if operators
    /// are not [ranked](super::Quantizer::rank). The larger it is than [`Report::outputs_db`], the
    /// more leaving the operator in f32 helps.
    pub outputs_db_without: Option<f64>,
}

/// An operator that stays in f32.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Float {
    /// The name of its node.
    pub name: String,
    /// The name of the operator.
    pub op: &'static str,
    /// Why.
    pub reason: Reason,
}

/// Why an operator stays in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was named.
    Named,
    /// It is a first layer, and first layers stay.
    First,
    /// It is a last layer, and last layers stay.
    Last,
    /// Sums of its products may need more than 32 bits.
    Sums,
    /// Its scales have a product that no normal f32 holds.
    Scales,
}

impl Reason {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Named => "as requested",
            Reason::First => "a first layer",
            Reason::Last => "a last layer",
            Reason::Sums => "its sums may overflow 32 bits",
            Reason::Scales => "the product of its scales is no normal f32",
        }
    }
}

impl Report {
    /// The operator that should stay in f32 first, if that raises the ratio of the outputs by at
    /// least 1 dB.
    pub fn hint(&self) -> Option<&Operator> {
        let best = self.operators.first()?;
        (best.outputs_db_without? >= self.outputs_db + 1.0).then_some(best)
    }
}
