//! Binds the symbolic dimensions of inputs to sizes.

use std::collections::{BTreeMap, BTreeSet};

use resnetc_ir::DType;
use resnetc_ir::infer::check_shape;

use super::given;
use super::inputs::{Bindings, InputInfo};
use super::rebatch::NewBatch;
use crate::import::dim::Dim;
use crate::import::error::{ImportError, ImportErrorKind, UnboundDim};
use crate::import::limits;

/// The shapes of the inputs once all dimensions are bound.
///
/// # Errors
/// If a size is missing, or a given size or shape does not fit the declaration.
pub(crate) fn shapes(
    inputs: &[InputInfo],
    bindings: &Bindings,
) -> Result<Vec<Vec<usize>>, ImportError> {
    Ok(bind(inputs, bindings)?.inputs.into_iter().map(|input| input.shape).collect())
}

/// An input with sizes.
pub(super) struct Input {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// Whether the first dimension is a symbol.
    pub(super) is_batch: bool,
    pub(super) dtype: DType,
}

/// All inputs with sizes.
pub(super) struct Bound {
    pub(super) inputs: Vec<Input>,
    /// How to change the batch with which the inputs are declared, if at all.
    pub(super) new_batch: Option<NewBatch>,
}

impl Bound {
    /// The error that the model cannot have another batch.
    pub(super) fn refuse(&self, wanted: usize, reason: String) -> ImportError {
        fixed_batch(&self.inputs, wanted, reason)
    }
}

fn fixed_batch(inputs: &[Input], wanted: usize, reason: String) -> ImportError {
    let (input, shape) = match inputs.first() {
        Some(input) => (input.name.clone(), input.shape.clone()),
        None => Default::default(),
    };
    ImportErrorKind::FixedBatch { wanted, input, shape, reason }.into()
}

/// Gives every dimension a size.
pub(super) fn bind(inputs: &[InputInfo], bindings: &Bindings) -> Result<Bound, ImportError> {
    let (inputs, dims) = given::as_dims(inputs, bindings)?;
    let (sizes, named_batch) = sizes(&inputs, bindings.batch, &dims)?;
    let kept = kept(&inputs, &dims);
    let mut unbound = Vec::new();
    let mut bound = Vec::new();
    for input in &inputs {
        let mut shape = Vec::new();
        for (axis, dim) in input.dims().iter().enumerate() {
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
        let is_batch = matches!(input.dims().first(), Some(Dim::Symbol(_)));
        bound.push(Input { is_batch, name: input.name.clone(), shape, dtype: input.dtype });
    }
    if !unbound.is_empty() || inputs.iter().any(|input| input.dims.is_none()) {
        return Err(no_sizes(unbound, &inputs));
    }
    for Input { name, shape, .. } in &bound {
        check_size(name, shape)?;
    }
    let new_batch = new_batch(&bound, named_batch, bindings.batch)?;
    // The inputs of a model that gets another batch all have the same first extent.
    if let (Some(NewBatch { to, .. }), Some((input, size))) = (new_batch, kept) {
        let reason = format!("a batch of {to} was requested, but {size} for \"{input}\"");
        return Err(ImportError::conflict(format!("input \"{input}\""), reason));
    }
    Ok(Bound { inputs: bound, new_batch })
}

/// Checks the limits of every shape. Files declare extents of 1 or more, so the caller gives a 0.
fn check_size(input: &str, shape: &[usize]) -> Result<(), ImportError> {
    let elements = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    if elements.is_none_or(|n| n > limits::VALUE_ELEMENTS) {
        return Err(ImportErrorKind::Limit {
            place: format!("value \"{input}\" of shape {shape:?}"),
            what: "elements",
            limit: limits::VALUE_ELEMENTS,
            advice: limits::SMALLER_INPUTS,
        }
        .into());
    }
    check_shape(shape).map_err(|e| {
        let (input, reason) = (input.to_owned(), e.to_string());
        ImportErrorKind::ImpossibleShape { input, reason }.into()
    })
}

/// The error that lists all dimensions without a size and all inputs without a shape.
fn no_sizes(dims: Vec<UnboundDim>, inputs: &[InputInfo]) -> ImportError {
    let shapeless = inputs.iter().filter(|i| i.dims.is_none()).map(|i| i.name.clone());
    ImportErrorKind::UnboundDims { dims, shapeless: shapeless.collect() }.into()
}

/// The size of each symbol: the caller's, or the batch for a symbol that is the first dimension of
/// some input. Also the batch that the caller requests in place of a fixed one by naming that
/// dimension.
fn sizes<'a>(
    inputs: &'a [InputInfo],
    asked: Option<usize>,
    dims: &'a BTreeMap<String, usize>,
) -> Result<(BTreeMap<&'a str, usize>, Option<usize>), ImportError> {
    let symbol =
        |dim: &'a Dim| if let Dim::Symbol(name) = dim { Some(name.as_str()) } else { None };
    let first = inputs.iter().filter_map(|i| i.dims().first().and_then(symbol));
    let batch = asked.unwrap_or(1);
    let mut sizes: BTreeMap<&str, usize> = first.map(|name| (name, batch)).collect();
    let known: BTreeSet<&str> =
        inputs.iter().flat_map(|i| i.dims().iter().filter_map(symbol)).collect();
    let mut named_batch = None;
    for (name, &size) in dims {
        if known.contains(name.as_str()) {
            sizes.insert(name, size);
            continue;
        }
        match fixed(inputs, name) {
            Some((_, _, found)) if found == size => {}
            Some((input, 0, _)) => match named_batch.replace(size) {
                Some(other) if other != size => {
                    let reason =
                        format!("a model has one batch, but {other} and {size} were requested");
                    return Err(ImportError::conflict(format!("input \"{}\"", input.name), reason));
                }
                _ => {}
            },
            Some((input, axis, found)) => {
                let input = input.name.clone();
                return Err(ImportErrorKind::FixedDim { input, axis, found, wanted: size }.into());
            }
            // An input without a declared shape has no dimensions that could be named.
            None if inputs.iter().any(|input| input.dims.is_none()) => {
                return Err(no_sizes(Vec::new(), inputs));
            }
            None => {
                let known = known.into_iter().map(String::from).collect();
                return Err(ImportErrorKind::UnknownDim { name: name.clone(), known }.into());
            }
        }
    }
    let firsts = inputs.iter().filter_map(|i| i.dims().first().and_then(symbol));
    let firsts: Vec<(&str, usize)> = firsts.map(|name| (name, sizes[name])).collect();
    let batches = firsts.iter().map(|first| first.1).chain(named_batch);
    match (asked, firsts.first()) {
        // The requested batch would have no effect.
        (Some(asked), first)
            if batches.clone().count() > 0 && batches.clone().all(|n| n != asked) =>
        {
            let input = inputs.first().map_or("", |i| &i.name);
            let (name, size) = first.copied().unwrap_or((input, named_batch.unwrap_or(asked)));
            let reason = format!("a batch of {asked} was requested, but {size} for \"{name}\"");
            Err(ImportError::conflict(format!("input \"{input}\""), reason))
        }
        _ => Ok((sizes, named_batch)),
    }
}

/// The fixed dimension of this name: its input, axis and size.
fn fixed<'a>(inputs: &'a [InputInfo], name: &str) -> Option<(&'a InputInfo, usize, usize)> {
    let (input, axis) = name.rsplit_once('.')?;
    let (input, axis) = (inputs.iter().find(|i| i.name == input)?, axis.parse().ok()?);
    match input.dims().get(axis)? {
        Dim::Fixed(size) => Some((input, axis, *size)),
        Dim::Symbol(_) => None,
    }
}

/// The first input whose declared batch the caller also gives, and that batch.
fn kept<'a>(inputs: &'a [InputInfo], dims: &BTreeMap<String, usize>) -> Option<(&'a str, usize)> {
    dims.iter().find_map(|(name, &size)| match fixed(inputs, name)? {
        (input, 0, found) if found == size => Some((input.name.as_str(), size)),
        _ => None,
    })
}

/// The batch that replaces the model's own: that of a named dimension, or the requested one if
/// there is no open batch to take it and the first input has another. Without this the caller would
/// silently get another batch.
fn new_batch(
    inputs: &[Input],
    named: Option<usize>,
    asked: Option<usize>,
) -> Result<Option<NewBatch>, ImportError> {
    let Some(first) = inputs.first() else { return Ok(None) };
    let is_open = inputs.iter().any(|input| input.is_batch);
    let asked = asked.filter(|n| !is_open && first.shape.first() != Some(n));
    let Some(to) = named.or(asked) else { return Ok(None) };
    let mut batches = inputs.iter().filter_map(|i| i.shape.first().copied());
    let reason = match batches.next() {
        None => "it has no first axis".into(),
        Some(from) => match batches.find(|&n| n != from) {
            None => return Ok(Some(NewBatch { from, to })),
            Some(other) => format!("the inputs' first extents are {from} and {other}"),
        },
    };
    Err(fixed_batch(inputs, to, reason))
}
