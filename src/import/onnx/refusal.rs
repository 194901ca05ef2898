//! Why one node of a model cannot be imported.

use resnetc_ir::GraphError;
use resnetc_ir::memory::NoMemory;

use super::proto::NodeProto;
use crate::import::error::ImportError;

/// Why one node cannot be imported.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) attribute: Option<String>,
    pub(super) reason: String,
    /// Set if nothing is wrong with the node, but the system does not have this much memory.
    pub(super) memory: Option<NoMemory>,
}

pub(super) type Result<T> = std::result::Result<T, Refusal>;

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Refusal { attribute: None, reason, memory: None }
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        reason.to_string().into()
    }
}

impl From<NoMemory> for Refusal {
    fn from(memory: NoMemory) -> Self {
        Refusal { memory: Some(memory), ..memory.to_string().into() }
    }
}

impl From<GraphError> for Refusal {
    fn from(error: GraphError) -> Self {
        error.reason.to_string().into()
    }
}

impl Refusal {
    /// The error of reading a tensor: too little memory, or what `broken` makes of the reason.
    pub(super) fn of_tensor<E: From<ImportError>>(
        self,
        name: &str,
        broken: impl FnOnce(String) -> E,
    ) -> E {
        match self.memory {
            Some(memory) => ImportError::memory(format!("tensor \"{name}\""))(memory).into(),
            None => broken(self.reason),
        }
    }

    /// The attribute at fault, if the node has such an attribute, and the reason. In some versions
    /// of the standard, the arguments of these operators are inputs instead.
    pub(super) fn of(self, node: &NodeProto) -> (Option<String>, String) {
        let inputs: &[&str] = match node.op_type() {
            "Pad" => &["pads", "axes", "axis"],
            "Slice" => &["starts", "ends", "steps", "axes", "axis"],
            "Squeeze" | "Unsqueeze" => &["axes", "axis"],
            "Split" => &["split"],
            "TopK" => &["k"],
            op if op.starts_with("Reduce") => &["axes", "axis"],
            _ => &[],
        };
        match self.attribute {
            Some(name)
                if inputs.contains(&name.as_str())
                    && node.attribute.iter().all(|a| inputs.iter().all(|i| *i != a.name())) =>
            {
                (None, format!("input {name}: {}", self.reason))
            }
            attribute => (attribute, self.reason),
        }
    }
}

/// Refuses because of an attribute, or of the input that newer versions of the standard have in its
/// place.
pub(super) fn bad<T>(attribute: &str, reason: impl Into<Refusal>) -> Result<T> {
    Err(Refusal { attribute: Some(attribute.into()), ..reason.into() })
}
