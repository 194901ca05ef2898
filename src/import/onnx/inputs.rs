//! Symbolic dimensions of inputs, and the sizes that they get.

use std::collections::{BTreeMap, BTreeSet};

use resnetc_ir::infer::check_shape;

use super::proto::{DataType, Dimension, GraphProto, ValueInfoProto};
use crate::import::error::{ImportError, ImportErrorKind, UnboundDim};

/// Sizes for symbolic dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bindings {
    /// The size of every symbolic dimension that is the first of an input and is not named in `dims`.
    pub batch: usize,
    /// Sizes by name. A dimension without a name goes by its input and axis, as in `"image.2"`.
    pub dims: BTreeMap<String, usize>,
}

impl Default for Bindings {
    /// Batch 1.
    fn default() -> Self {
        Bindings { batch: 1, dims: BTreeMap::new() }
    }
}

/// One dimension as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Fixed(usize),
    /// A name that stands for any number.
    Symbol(String),
}

/// An input as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputInfo {
    /// The name.
    pub name: String,
    /// The dimensions, outermost first.
    pub dims: Vec<Dim>,
    /// The element type: float32, or 8-bit integers. Callers give floats in either case, which must be integers of
    /// that type then.
    pub ty: DataType,
}

/// An input with sizes.
pub(super) struct Input {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// Whether the first dimension is a symbol.
    pub(super) is_batch: bool,
    pub(super) ty: DataType,
}

fn invalid(input: &str, reason: String) -> ImportError {
    ImportErrorKind::Invalid { place: format!("input \"{input}\""), reason }.into()
}

/// The inputs of a graph, without those that an initializer gives a value: old files list both.
pub(super) fn describe(graph: &GraphProto) -> Result<Vec<InputInfo>, ImportError> {
    let constants: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name()).collect();
    graph.input.iter().filter(|i| !constants.contains(i.name())).map(describe_one).collect()
}

fn describe_one(input: &ValueInfoProto) -> Result<InputInfo, ImportError> {
    let name = input.name();
    let Some(tensor) = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()) else {
        return Err(invalid(name, "it is no tensor; only tensors are supported".into()));
    };
    let ty = DataType::try_from(tensor.elem_type()).unwrap_or(DataType::Undefined);
    if !matches!(ty, DataType::Float | DataType::Uint8 | DataType::Int8) {
        let reason = format!(
            "its element type is {ty:?}; float32 and 8-bit integers are supported, so export the model in float32"
        );
        return Err(invalid(name, reason));
    }
    let Some(shape) = &tensor.shape else {
        return Err(invalid(name, "it has no declared shape".into()));
    };
    let dims =
        shape.dim.iter().enumerate().map(|(axis, dim)| describe_dim(name, axis, dim)).collect();
    Ok(InputInfo { name: name.into(), dims, ty })
}

/// Exporters write an unknown dimension as a name, as nothing, or as a number below 1.
fn describe_dim(input: &str, axis: usize, dim: &Dimension) -> Dim {
    match (dim.dim_value, dim.dim_param()) {
        (Some(n), _) if n > 0 => Dim::Fixed(usize::try_from(n).unwrap_or(usize::MAX)),
        (_, "") => Dim::Symbol(format!("{input}.{axis}")),
        (_, symbol) => Dim::Symbol(symbol.into()),
    }
}

/// Gives every dimension a size.
pub(super) fn bind(inputs: &[InputInfo], bindings: &Bindings) -> Result<Vec<Input>, ImportError> {
    let sizes = sizes(inputs, bindings)?;
    check_batch(inputs, bindings)?;
    let mut unbound = Vec::new();
    let mut bound = Vec::new();
    for input in inputs {
        let mut shape = Vec::new();
        for (axis, dim) in input.dims.iter().enumerate() {
            match dim {
                Dim::Fixed(n) => shape.push(*n),
                Dim::Symbol(name) => match sizes.get(name.as_str()) {
                    Some(n) => shape.push(*n),
                    None => unbound.push(UnboundDim {
                        input: input.name.clone(),
                        axis,
                        name: name.clone(),
                    }),
                },
            }
        }
        let is_batch = matches!(input.dims.first(), Some(Dim::Symbol(_)));
        bound.push(Input { is_batch, name: input.name.clone(), shape, ty: input.ty });
    }
    if !unbound.is_empty() {
        return Err(ImportErrorKind::UnboundDims { dims: unbound }.into());
    }
    for Input { name, shape, .. } in &bound {
        check_shape(shape).map_err(|e| invalid(name, e.to_string()))?;
    }
    Ok(bound)
}

/// The size of each symbol: what the caller says, or the batch for one that is first in some input.
fn sizes<'a>(
    inputs: &'a [InputInfo],
    bindings: &'a Bindings,
) -> Result<BTreeMap<&'a str, usize>, ImportError> {
    let symbol =
        |dim: &'a Dim| if let Dim::Symbol(name) = dim { Some(name.as_str()) } else { None };
    let first = inputs.iter().filter_map(|i| i.dims.first().and_then(symbol));
    let mut sizes: BTreeMap<&str, usize> = first.map(|name| (name, bindings.batch)).collect();
    let known: BTreeSet<&str> =
        inputs.iter().flat_map(|i| i.dims.iter().filter_map(symbol)).collect();
    for (name, &size) in &bindings.dims {
        if !known.contains(name.as_str()) {
            let known = known.into_iter().map(String::from).collect();
            return Err(ImportErrorKind::UnknownDim { name: name.clone(), known }.into());
        }
        sizes.insert(name, size);
    }
    Ok(sizes)
}

/// A batch other than 1 must reach some input, or the caller would silently get another one.
fn check_batch(inputs: &[InputInfo], bindings: &Bindings) -> Result<(), ImportError> {
    let reached = |input: &InputInfo| match input.dims.first() {
        Some(Dim::Fixed(n)) => *n == bindings.batch,
        Some(Dim::Symbol(_)) => true,
        None => false,
    };
    match inputs.first() {
        Some(input) if bindings.batch != 1 && !inputs.iter().any(reached) => {
            let fixed = |dim: &Dim| if let Dim::Fixed(n) = dim { *n } else { 0 };
            let shape = input.dims.iter().map(fixed).collect();
            let (wanted, input) = (bindings.batch, input.name.clone());
            Err(ImportErrorKind::FixedBatch { wanted, input, shape }.into())
        }
        _ => Ok(()),
    }
}
