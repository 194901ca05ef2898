//! Inputs as models declare them, and what a caller chooses.

use std::collections::{BTreeMap, BTreeSet};

use resnetc_ir::DType;

use super::proto::{
    DataType, Dimension, GraphProto, SparseTensorProto, TensorProto, ValueInfoProto,
};
use crate::import::dim::Dim;
use crate::import::error::{ImportError, ImportErrorKind};

/// What a caller chooses: sizes of symbolic dimensions, a batch in place of the declared one,
/// shapes of inputs, and which outputs are computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings {
    /// The first extent of every input that is not named in `dims`. By default it is what the model
    /// declares, or 1 where that is a symbol. A model that declares another number gets this batch
    /// if each image's results depend on that image alone.
    pub batch: Option<usize>,
    /// Sizes by name. A dimension without a name goes by its input and axis, as in `"image.2"`.
    pub dims: BTreeMap<String, usize>,
    /// Whole shapes of inputs, by name. They must agree with the declaration, except for the batch;
    /// an input declared without a shape needs one.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// The outputs that are computed, by name and in this order; without names, all of them as they
    /// are declared. Nodes and inputs that only serve other outputs are left out, and not even
    /// checked.
    pub outputs: Vec<String>,
}

/// An input as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputInfo {
    /// The name.
    pub name: String,
    /// The dimensions, outermost first; `None` if no shape is declared.
    pub dims: Option<Vec<Dim>>,
    /// The element type. Callers always give f32 of the same values: see [`DType::holds`].
    pub dtype: DType,
}

impl InputInfo {
    /// The dimensions; empty if no shape is declared.
    pub(super) fn dims(&self) -> &[Dim] {
        self.dims.as_deref().unwrap_or_default()
    }
}

/// The inputs of a graph, without those that have an initializer: old files list both. Only the
/// wanted ones are checked.
pub(super) fn describe(
    graph: &GraphProto,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<InputInfo>, ImportError> {
    let dense = graph.initializer.iter().map(TensorProto::name);
    let sparse = graph.sparse_initializer.iter().map(SparseTensorProto::name);
    let constants: BTreeSet<&str> = dense.chain(sparse).collect();
    let is_wanted = |name: &str| !constants.contains(name) && wanted(name);
    graph.input.iter().filter(|i| is_wanted(i.name())).map(describe_one).collect()
}

fn describe_one(input: &ValueInfoProto) -> Result<InputInfo, ImportError> {
    let name = input.name();
    let Some(tensor) = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()) else {
        return Err(ImportError::invalid_input(
            name,
            "it is not a tensor; only tensors are supported",
        ));
    };
    let ty = DataType::try_from(tensor.elem_type()).unwrap_or(DataType::Undefined);
    let Some(dtype) = ty.dtype() else {
        let reason =
            format!("its element type is {ty:?}; floats, integers and booleans are supported");
        let place = format!("input \"{name}\"");
        return Err(ImportErrorKind::Elements { place, reason }.into());
    };
    let dims = tensor.shape.as_ref().map(|shape| {
        shape.dim.iter().enumerate().map(|(axis, dim)| describe_dim(name, axis, dim)).collect()
    });
    Ok(InputInfo { name: name.into(), dims, dtype })
}

/// Exporters write an unknown dimension as a name, as nothing, or as a number below 1.
fn describe_dim(input: &str, axis: usize, dim: &Dimension) -> Dim {
    match (dim.dim_value, dim.dim_param()) {
        (Some(n), _) if n > 0 => Dim::Fixed(usize::try_from(n).unwrap_or(usize::MAX)),
        (_, "") => Dim::Symbol(format!("{input}.{axis}")),
        (_, symbol) => Dim::Symbol(symbol.into()),
    }
}
