//! Inputs and outputs: what an array for them must be.

use numpy::PyArrayDescr;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use resnetc::ir::{Graph, NodeId};
use resnetc::one_line::name_line;
use resnetc::{DType, Port as ModelPort};

/// An input or output of a network.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// The type that the network declares.
    pub(crate) declared: DType,
    /// The type that a context holds.
    pub(crate) held: DType,
}

impl From<&ModelPort> for Slot {
    fn from(port: &ModelPort) -> Self {
        let (declared, held) = (port.dtype, port.element());
        Slot { name: port.name.clone(), shape: port.shape.clone(), declared, held }
    }
}

impl Slot {
    /// The inputs of a network that is not compiled.
    pub(crate) fn inputs(graph: &Graph) -> Vec<Slot> {
        let slot = |&input: &NodeId| {
            let node = graph.node(input);
            let (name, shape) = (node.name.clone(), node.ty.shape.clone());
            Slot { name, shape, declared: graph.input_dtype(input), held: node.ty.dtype }
        };
        graph.inputs().iter().map(slot).collect()
    }

    /// Its name in messages: `input "x"`.
    pub(crate) fn input(&self) -> String {
        format!("input \"{}\"", name_line(&self.name))
    }

    /// The type of the arrays that are outputs. NumPy has no bfloat16, which is held as float32.
    pub(crate) fn offered(&self) -> DType {
        match self.declared {
            DType::BF16 => self.held,
            declared => declared,
        }
    }
}

/// The names of some slots, for messages.
pub(crate) fn names(slots: &[Slot]) -> String {
    let names = slots.iter().map(|slot| format!("\"{}\"", name_line(&slot.name)));
    names.collect::<Vec<_>>().join(", ")
}

/// A shape as Python writes it: `(1, 3)`, `(5,)`.
pub(crate) fn tuple(shape: &[usize]) -> String {
    match shape {
        [extent] => format!("({extent},)"),
        shape => {
            format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
        }
    }
}

/// An input or output of a model.
#[pyclass(frozen, module = "resnetc")]
#[derive(Debug)]
pub(crate) struct Port {
    slot: Slot,
}

impl From<&Slot> for Port {
    fn from(slot: &Slot) -> Self {
        Port { slot: slot.clone() }
    }
}

#[pymethods]
impl Port {
    /// Its name in the model's description.
    #[getter]
    fn name(&self) -> &str {
        &self.slot.name
    }

    /// The shape of its arrays, a tuple of ints.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.slot.shape)
    }

    /// The type of its arrays, a numpy.dtype.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        PyArrayDescr::new(py, self.slot.offered().name())
    }

    /// The type that the model declares, as ONNX Runtime writes it: "tensor(float)".
    #[getter]
    fn r#type(&self) -> String {
        let name = match self.slot.declared {
            DType::F32 => "float",
            DType::F64 => "double",
            other => other.name(),
        };
        format!("tensor({name})")
    }

    fn __repr__(&self) -> String {
        let Slot { name, shape, .. } = &self.slot;
        let dtype = self.slot.offered();
        format!("Port(name=\"{}\", shape={}, dtype={dtype})", name_line(name), tuple(shape))
    }
}
