//! What can be wrong with a plan.

use resnetc_ir::NodeId;

use crate::error_code::ErrorCode;

/// What is wrong with a plan; always a bug in the planner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A step reads a value that was overwritten or never computed. Values that a caller reads or
    /// writes count as read by themselves, after the last step.
    #[error("step {step} ({node}) reads {operand}, which {}", match .by { Some(by) => format!("{by} has overwritten"), None => "nothing has computed".into() })]
    Lost {
        /// Position of the step; the number of steps for a graph's inputs and outputs.
        step: usize,
        /// The reader.
        node: NodeId,
        /// What it reads.
        operand: NodeId,
        /// The node that overwrote it.
        by: Option<NodeId>,
    },
    /// A step overwrites memory that it reads or writes at the same time.
    #[error("step {step} ({node}) overwrites {operand} while it is in use")]
    Torn {
        /// Position of the step.
        step: usize,
        /// The writer.
        node: NodeId,
        /// The operand, or the step's own result.
        operand: NodeId,
    },
    /// A result that should reuse its operand's bytes cannot, or is placed elsewhere.
    #[error("step {step} ({node}) does not keep the bytes of {operand} in place")]
    Moved {
        /// Position of the step.
        step: usize,
        /// The step's operator.
        node: NodeId,
        /// The operand.
        operand: NodeId,
    },
    /// Windows reach beyond the border of what they read, or it is of another zero point.
    #[error(
        "step {step} ({node}) reads beyond the border of {operand}, or not its zero point there"
    )]
    Reach {
        /// Position of the step.
        step: usize,
        /// The convolution.
        node: NodeId,
        /// What it reads.
        operand: NodeId,
    },
    /// A value has a border, but a step that reads or writes it treats it as dense.
    #[error("step {step} ({node}) ignores the border of {operand}")]
    Bordered {
        /// Position of the step.
        step: usize,
        /// The step's operator.
        node: NodeId,
        /// An operand, or the result.
        operand: NodeId,
    },
    /// A value has a border that nothing writes.
    #[error("nothing fills the border of {node}")]
    Unfilled {
        /// The value.
        node: NodeId,
    },
    /// A graph output has a border, but callers see it as dense.
    #[error("the output {node} has a border")]
    Border {
        /// The value.
        node: NodeId,
    },
    /// A graph output overlaps an input, which callers write.
    #[error("the output {node} overlaps the input {input}")]
    Exposed {
        /// The output.
        node: NodeId,
        /// The input.
        input: NodeId,
    },
    /// The next value of state is not where the state is.
    #[error("{node}, the next value of {input}, is not computed in its place")]
    Apart {
        /// The next value.
        node: NodeId,
        /// The state.
        input: NodeId,
    },
    /// A value, or what a step keeps beside it, has no suitable place inside the arena.
    #[error("{node} has no place inside the arena")]
    Outside {
        /// The value.
        node: NodeId,
    },
}

impl PlanError {
    /// The error code, which is stable.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::PlanBug
    }
}
