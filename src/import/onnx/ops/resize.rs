//! `Resize` and `Upsample`.

use resnetc_ir::op::Interpolate;
use resnetc_ir::{NodeId, Op, Tensor};

use super::cast::toward_zero;
use super::resample::{Axis, Coordinates, Method, Nearest, Picks, Smoothing, nearest};
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axes_of, axis_of, bad};
use crate::import::onnx::literal::{Data, elements};
use crate::import::onnx::movement::Movement;
use crate::import::onnx::proto::DataType;

/// `Resize`, and its predecessor `Upsample`: axis by axis, those that shrink first.
pub(super) fn resize(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = call.required(0)?;
    let (shape, ty) = (builder.shape(x), builder.element_type(x));
    if shape.contains(&0) {
        return Err(format!("its input {shape:?} is empty").into());
    }
    let axes = axes(call, &shape)?;
    let mut order: Vec<usize> = (0..shape.len()).filter(|&axis| !axes[axis].is_same()).collect();
    order.sort_by(|&a, &b| {
        axes[a].scale.total_cmp(&axes[b].scale).then_with(|| {
            // An outer axis has longer contiguous runs inside it, so it is resized while the value
            // is larger.
            if axes[a].scale < 1.0 { a.cmp(&b) } else { b.cmp(&a) }
        })
    });
    let mut value = x.clone();
    // Whether integers have become sums of fractions of them.
    let mut is_fraction = false;
    for axis in order {
        let picks = method(call, axes[axis].scale)?.picks(&axes[axis])?;
        if !ty.is_float() && !matches!(picks, Picks::Single(_)) {
            check_sums(call, ty)?;
            is_fraction = true;
        }
        value = pick(builder, call, &value, axis, picks)?;
    }
    value = match call.string("coordinate_transformation_mode")? {
        Some("tf_crop_and_resize") => extrapolated(builder, call, value, &axes)?,
        _ => value,
    };
    if is_fraction {
        let sums = builder.node(call.name(), &value)?;
        value = Value::Node(toward_zero(builder, call, sums)?);
    }
    if let Value::Node(node) = &value {
        builder.declare(*node, ty);
    }
    Ok(vec![value])
}

/// The integers that can be interpolated. The sums are floats whose fractions are dropped, as in
/// ONNX Runtime.
const SUMMED: [DataType; 5] =
    [DataType::Uint8, DataType::Int8, DataType::Uint16, DataType::Int16, DataType::Int32];

/// Checks that sums of elements of an integer type are supported.
fn check_sums(call: &Call<'_>, ty: DataType) -> Result<()> {
    let is_linear = matches!(call.string("mode")?, Some("linear" | "bilinear"));
    match is_linear && !call.flag("antialias", false)? && SUMMED.contains(&ty) {
        true => Ok(()),
        false => bad(
            "mode",
            format!(
                "computes sums, but its input is {ty:?}; integers of up to 32 bits can only be resized by nearest and linear modes without antialias"
            ),
        ),
    }
}

/// Resizes one axis from its sources.
fn pick(
    builder: &mut Builder,
    call: &Call<'_>,
    value: &Value,
    axis: usize,
    picks: Picks,
) -> Result<Value> {
    match picks {
        Picks::Single(positions) => {
            builder.claim(positions.len())?;
            let shape = builder.shape(value);
            builder.apply(call, value, Movement::picks(&shape, axis, positions))
        }
        Picks::Sums { taps, indices, weights } => {
            builder.claim(indices.len())?;
            let x = builder.node(call.name(), value)?;
            let (indices, weights) = (indices.into(), weights.into());
            let op = Op::Interpolate(Interpolate { axis, taps, indices, weights });
            Ok(Value::Node(builder.add(call, op, &[x])?))
        }
    }
}

/// Writes a number where a position is outside the operand.
fn extrapolated(
    builder: &mut Builder,
    call: &Call<'_>,
    value: Value,
    axes: &[Axis],
) -> Result<Value> {
    let number = call.float("extrapolation_value")?.unwrap_or(0.0);
    let mut node: Option<NodeId> = None;
    for (axis, found) in axes.iter().enumerate() {
        let inside: Vec<f32> =
            (0..found.to).map(|i| if found.is_inside(i) { 1.0 } else { 0.0 }).collect();
        if inside.iter().all(|&x| x == 1.0) {
            continue;
        }
        let mut shape = vec![1; axes.len()];
        shape[axis] = found.to;
        builder.claim(inside.len())?;
        let tensor = Tensor::new(shape, inside).ok_or("a mask of another length")?;
        let mask = builder.graph.constant(format!("{}.inside.{axis}", call.name()), tensor);
        let x = match node {
            Some(x) => x,
            None => builder.node(call.name(), &value)?,
        };
        let number = builder.scalar(call, number);
        node = Some(builder.add(call, Op::Where, &[mask, x, number])?);
    }
    Ok(node.map_or(value, Value::Node))
}

/// How elements are computed, for an axis with this scale.
fn method(call: &Call<'_>, scale: f32) -> Result<Method> {
    let smoothing = Smoothing {
        antialias: call.flag("antialias", false)?,
        exclude_outside: call.flag("exclude_outside", false)?,
    };
    match call.string("mode")?.unwrap_or("nearest") {
        "nearest" if is_old(call) => {
            // Not in the standard: what ONNX Runtime does.
            Ok(Method::Nearest(if scale < 1.0 { Nearest::Ceil } else { Nearest::Floor }))
        }
        "nearest" => Ok(Method::Nearest(nearest(call)?)),
        "linear" | "bilinear" => {
            // Of two neighbours, leaving one out equals taking the outermost element twice.
            let exclude_outside = smoothing.exclude_outside && smoothing.antialias;
            Ok(Method::Linear(Smoothing { exclude_outside, ..smoothing }))
        }
        "cubic" => {
            let slope = call.finite_or("cubic_coeff_a", -0.75)?;
            Ok(Method::Cubic(f64::from(slope), smoothing))
        }
        other => bad("mode", format!("\"{other}\" is not nearest, linear or cubic")),
    }
}

/// Whether the operator is of a version that has scales only.
fn is_old(call: &Call<'_>) -> bool {
    call.op() == "Upsample" || call.opset < 11
}

/// Every axis of the operand.
fn axes(call: &Call<'_>, shape: &[usize]) -> Result<Vec<Axis>> {
    let named = match call.ints("axes")? {
        Some(axes) if !is_old(call) => {
            axes_of(axes, shape.len())?;
            axes.iter().map(|&axis| axis_of(axis, shape.len())).collect::<Result<Vec<_>>>()?
        }
        _ => (0..shape.len()).collect(),
    };
    let extents: Vec<usize> = named.iter().map(|&axis| shape[axis]).collect();
    let sizes = sizes(call, &extents)?;
    let rois = rois(call, named.len())?;
    let whole = |&from: &usize| {
        let coordinates = match rois {
            Some(_) => Coordinates::CropAndResize(0.0, 1.0),
            None => Coordinates::Asymmetric,
        };
        Axis { from, to: from, scale: 1.0, coordinates }
    };
    let mut axes: Vec<Axis> = shape.iter().map(whole).collect();
    for (i, (&axis, (scale, to))) in named.iter().zip(sizes).enumerate() {
        if to == 0 {
            return Err(format!("no elements are left of axis {axis} of {shape:?}").into());
        }
        let coordinates = match &rois {
            Some(rois) => Coordinates::CropAndResize(rois[i], rois[i + named.len()]),
            None => coordinates(call)?,
        };
        axes[axis] = Axis { from: shape[axis], to, scale, coordinates };
    }
    elements(&axes.iter().map(|axis| axis.to).collect::<Vec<_>>())?;
    Ok(axes)
}

fn coordinates(call: &Call<'_>) -> Result<Coordinates> {
    if is_old(call) {
        return Ok(Coordinates::Asymmetric);
    }
    const NAME: &str = "coordinate_transformation_mode";
    Ok(match call.string(NAME)?.unwrap_or("half_pixel") {
        "half_pixel" => Coordinates::HalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        "tf_half_pixel_for_nn" => Coordinates::TfHalfPixelForNearest,
        other => return bad(NAME, format!("\"{other}\" is not supported")),
    })
}

/// The starts and ends of the parts of all axes, if only parts are resized.
fn rois(call: &Call<'_>, axes: usize) -> Result<Option<Vec<f32>>> {
    if is_old(call) || call.string("coordinate_transformation_mode")? != Some("tf_crop_and_resize")
    {
        return Ok(None);
    }
    match floats(call, 1, "roi")? {
        Some(rois) if rois.len() == 2 * axes && rois.iter().all(|x| x.is_finite()) => {
            Ok(Some(rois))
        }
        _ => Err(format!("roi must be {} finite numbers", 2 * axes).into()),
    }
}

/// An operand that must be a constant list of floats; `None` if it is empty.
fn floats(call: &Call<'_>, i: usize, what: &str) -> Result<Option<Vec<f32>>> {
    match call.known(i, what)? {
        None => Ok(None),
        Some(literal) if literal.len() == 0 => Ok(None),
        Some(literal) => match &literal.data {
            Data::Float(tensor) => Ok(Some(tensor.data().to_vec())),
            Data::Int(_) | Data::Bytes(_) => Err(format!("{what} must be floats").into()),
        },
    }
}

/// The scale and the new extent of each axis that has one.
fn sizes(call: &Call<'_>, extents: &[usize]) -> Result<Vec<(f32, usize)>> {
    let scales = match (call.op(), call.opset) {
        ("Upsample", ..9) => call.floats("scales")?.map(<[f32]>::to_vec),
        _ if is_old(call) => floats(call, 1, "scales")?,
        _ => floats(call, 2, "scales")?,
    };
    let sizes = match is_old(call) {
        true => None,
        false => call.known_ints(3, "sizes")?.filter(|sizes| !sizes.is_empty()),
    };
    match (scales, sizes) {
        (Some(_), Some(_)) => Err("there are both scales and sizes; only one is allowed".into()),
        (None, None) => Err("there are neither scales nor sizes".into()),
        (Some(scales), None) => by_scales(&scales, extents),
        (None, Some(sizes)) => by_sizes(call, sizes, extents),
    }
}

fn by_scales(scales: &[f32], extents: &[usize]) -> Result<Vec<(f32, usize)>> {
    let good = |scale: &f32| scale.is_finite() && *scale > 0.0;
    if scales.len() != extents.len() || !scales.iter().all(good) {
        return Err(format!("scales must be {} positive numbers", extents.len()).into());
    }
    Ok(scales.iter().zip(extents).map(|(&s, &from)| (s, (s * from as f32) as usize)).collect())
}

fn by_sizes(call: &Call<'_>, sizes: &[i64], extents: &[usize]) -> Result<Vec<(f32, usize)>> {
    if sizes.len() != extents.len() || sizes.iter().any(|&size| size < 1) {
        return Err(format!("sizes must be {} positive integers", extents.len()).into());
    }
    let scales = || sizes.iter().zip(extents).map(|(&to, &from)| to as f32 / from as f32);
    const NAME: &str = "keep_aspect_ratio_policy";
    let one = match call.string(NAME)?.unwrap_or("stretch") {
        "stretch" => {
            return Ok(scales().zip(sizes).map(|(scale, &to)| (scale, to as usize)).collect());
        }
        "not_larger" => scales().fold(f32::INFINITY, f32::min),
        "not_smaller" => scales().fold(0.0, f32::max),
        other => return bad(NAME, format!("\"{other}\" is not supported")),
    };
    Ok(extents.iter().map(|&from| (one, (one * from as f32).round() as usize)).collect())
}
