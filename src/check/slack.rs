//! How far a value of the compiled code may be from the interpreter's.

use resnetc_ir::eval::Value;

/// How far the operands of an operator may be off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slack<'a> {
    /// Relative to the largest element of an operand.
    pub(super) tolerance: f64,
    /// What rounding explains of each operand, however large it is; empty if that is not known.
    pub(super) explained: &'a [f64],
}

impl Slack<'_> {
    /// The slack of a value of which it is not known what rounding explains.
    pub(super) fn relative(tolerance: f64) -> Self {
        Slack { tolerance, explained: &[] }
    }

    /// How far the operand at this position may be off.
    pub(super) fn of(&self, position: usize, operand: &Value) -> f64 {
        let finite = operand.data.iter().filter(|x| x.is_finite());
        let largest = finite.fold(0.0f64, |most, x| most.max(x.abs()));
        let explained = self.explained.get(position).copied().unwrap_or(0.0);
        explained.max(self.tolerance * largest)
    }
}
