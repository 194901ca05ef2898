//! Data movement: reorder, reshape, slice, transpose, pad, concat, and the zero border.

use resnetc_ir::op::{PadMode, SliceAxis};
use resnetc_ir::quantized::quantizer;

use crate::codegen::region::Piece;

use super::KernelError;
use super::conversions::{Conversions, To};
use super::element::Element;
use super::encoding;
use super::function::Function;
use super::geometry::{Geometry, Place, Zero};
use super::loops::{Level, Loops, OPERANDS};
use super::nest::Nest;
use super::sink::Sink;
use super::view::{Axis, View, nests};

fn lower_all(name: &str, nests: Vec<Nest>, sink: &mut Sink) -> Result<Vec<Piece>, KernelError> {
    let mut pieces = Vec::new();
    for nest in nests {
        pieces.extend(nest.lower(name, sink)?);
    }
    Ok(pieces)
}

/// Lowers an element-wise function; sources broadcast to the shape of the result.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn elementwise(
    name: &str,
    (function, conversions): (Function, Conversions),
    sources: &[&Place],
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let shape = &dst.geometry.ty.shape;
    let mut views = vec![View::whole(dst)];
    views.extend(sources.iter().map(|s| View::broadcast(s, shape.len())));
    let nests = nests(function, shape, &views).into_iter();
    lower_all(name, nests.map(|nest| Nest { conversions, ..nest }).collect(), sink)
}

/// Quantizes with a scale and a zero point that a run computes.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn quantize_measured(
    src: &Place,
    encoding: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let shape = &dst.geometry.ty.shape;
    let encoding = View { place: encoding, axes: vec![None; shape.len()] };
    let nests = nests(Function::Copy, shape, &[View::whole(dst), View::whole(src), encoding]);
    let conversions = Conversions { to: Some(To::Measured(1)), ..Conversions::default() };
    let nests = nests.into_iter().map(|nest| Nest { conversions, ..nest });
    lower_all("quantize_measured", nests.collect(), sink)
}

/// Replaces bytes by those at their positions in a table.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn lookup(
    src: &Place,
    table: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let shape = &dst.geometry.ty.shape;
    let table = View { place: table, axes: vec![None; shape.len()] };
    let views = [View::whole(dst), View::whole(src), table];
    lower_all("lookup", nests(Function::Lookup, shape, &views), sink)
}

/// Copies a value element by element, whatever the two layouts.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn copy(
    name: &str,
    src: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let views = [View::whole(dst), View::whole(src)];
    lower_all(name, nests(Function::Copy, &dst.geometry.ty.shape, &views), sink)
}

/// Copies the elements in row-major order into another shape. Either both shapes describe the same
/// image (`[N, C]` and `[N, C, 1, 1]`), or the result is planar without halo.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn reshape(src: &Place, dst: &Place, sink: &mut Sink) -> Result<Vec<Piece>, KernelError> {
    let shape = match (src.geometry.nchw(), dst.geometry.nchw()) {
        (a, b) if a == b => a.to_vec(),
        _ => src.geometry.ty.shape.clone(),
    };
    let alike = |place: &Place| {
        let ty = resnetc_ir::TensorType { shape: shape.clone(), ..place.geometry.ty };
        Place { geometry: Geometry { ty, ..place.geometry.clone() }, ..*place }
    };
    let src = if shape.len() == src.geometry.ty.shape.len() { src.clone() } else { alike(src) };
    copy("reshape", &src, &alike(dst), sink)
}

/// Copies a regular selection.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn slice(
    axes: &[SliceAxis],
    src: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let walk = |(axis, a): (usize, &SliceAxis)| {
        Some(Axis { axis, start: a.start as i64, step: a.step as i64 })
    };
    let view = View { place: src, axes: axes.iter().enumerate().map(walk).collect() };
    lower_all(
        "slice",
        nests(Function::Copy, &dst.geometry.ty.shape, &[View::whole(dst), view]),
        sink,
    )
}

/// Permutes axes.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn transpose(
    perm: &[usize],
    src: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let axes = perm.iter().map(|&axis| Some(Axis { axis, start: 0, step: 1 })).collect();
    let views = [View::whole(dst), View { place: src, axes }];
    lower_all("transpose", nests(Function::Copy, &dst.geometry.ty.shape, &views), sink)
}

/// Concatenates operands along an axis.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn concat(
    axis: usize,
    sources: &[&Place],
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for src in sources {
        let shape = &src.geometry.ty.shape;
        let mut part = View::whole(dst);
        part.axes[axis] = Some(Axis { axis, start, step: 1 });
        pieces.extend(lower_all(
            "concat",
            nests(Function::Copy, shape, &[part, View::whole(src)]),
            sink,
        )?);
        start += shape[axis] as i64;
    }
    Ok(pieces)
}

/// One of the three parts of a padded axis: its start in the result, its length, and how its
/// indices map to the operand.
#[derive(Clone, Copy)]
struct Part {
    start: i64,
    extent: usize,
    src: i64,
    step: i64,
}

impl Part {
    /// The parts inside, before and after the operand.
    fn of(before: usize, inside: usize, after: usize) -> [Part; 3] {
        let (b, n) = (before as i64, inside as i64);
        [
            Part { start: b, extent: inside, src: 0, step: 1 },
            Part { start: 0, extent: before, src: b, step: -1 },
            Part { start: b + n, extent: after, src: n - 2, step: -1 },
        ]
    }
}

/// Copies the operand and writes its border.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn pad(
    before: &[usize],
    after: &[usize],
    mode: PadMode,
    src: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let shape = &src.geometry.ty.shape;
    let parts: Vec<[Part; 3]> =
        (0..shape.len()).map(|d| Part::of(before[d], shape[d], after[d])).collect();
    let mut pieces = Vec::new();
    for mut combination in 0..3usize.pow(shape.len() as u32) {
        let inside = combination == 0;
        let chosen: Vec<Part> = parts
            .iter()
            .map(|p| {
                let part = p[combination % 3];
                combination /= 3;
                part
            })
            .collect();
        if chosen.iter().any(|p| p.extent == 0) {
            continue;
        }
        let extents: Vec<usize> = chosen.iter().map(|p| p.extent).collect();
        let axes = |start: fn(&Part) -> i64, step: fn(&Part) -> i64| {
            chosen
                .iter()
                .enumerate()
                .map(|(axis, p)| Some(Axis { axis, start: start(p), step: step(p) }))
                .collect()
        };
        let to = View { place: dst, axes: axes(|p| p.start, |_| 1) };
        let from = View { place: src, axes: axes(|p| p.src, |p| p.step) };
        let list = match mode {
            PadMode::Constant(value) if !inside => nests(Function::Fill(value), &extents, &[to]),
            _ => nests(Function::Copy, &extents, &[to, from]),
        };
        pieces.extend(lower_all("pad", list, sink)?);
    }
    Ok(pieces)
}

/// Writes what stands for zeros around an image: where that is known at run time only, the zero
/// point in `encoding`.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn halo(
    dst: &Place,
    encoding: Option<&Place>,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let (s, halo) = (dst.geometry.strides(), dst.geometry.halo);
    let [n, c, h, w] = dst.geometry.nchw();
    let planes = (n * c.div_ceil(s.block)) as i64;
    let full_rows = |count: usize| vec![(count as i64, s.row), (s.row / s.lane, s.lane)];
    let columns = |count: usize| vec![(h as i64, s.row), (count as i64 * s.pixel / s.lane, s.lane)];
    let inside = halo.top as i64 * s.row;
    let areas = [
        (0, full_rows(halo.top)),
        (inside + h as i64 * s.row, full_rows(halo.bottom)),
        (inside, columns(halo.left)),
        (inside + (w + halo.left) as i64 * s.pixel, columns(halo.right)),
    ];
    let element = match Element::of(dst.geometry.ty.dtype) {
        Some(element @ (Element::U8 | Element::I8)) => element,
        _ => Element::F32,
    };
    // What is written, from which place, and how it becomes a byte.
    let fill = |zero: f32| (Function::Fill(zero), None, Conversions::default());
    let (function, source, conversions) = match (element, dst.geometry.zero, encoding) {
        (Element::F32, ..) => fill(0.0),
        (_, Zero::Byte(zero), _) => fill(f32::from(zero)),
        (_, Zero::Measured(_), Some(encoding)) => {
            let to = Some(To::Known(quantizer([1.0, 0.0])));
            let zero = (encoding.base, encoding.origin() + encoding::ZERO);
            (Function::Copy, Some(zero), Conversions { to, ..Conversions::default() })
        }
        (_, Zero::Measured(_), None) => return Err(unknown_zero()),
    };
    let mut elements = [Element::F32; OPERANDS];
    elements[0] = element;
    let level = |(extent, stride): (i64, i64)| {
        let mut strides = [0; OPERANDS];
        strides[0] = stride;
        Level { extent: extent as usize, strides }
    };
    let nest = |(offset, area): (i64, Vec<(i64, i64)>)| {
        let starts = std::iter::once((dst.base, dst.offset + offset)).chain(source).collect();
        let levels = std::iter::once((planes, s.plane)).chain(area).map(level).collect();
        Nest { elements, conversions, ..Nest::new(function, Loops { starts, levels }) }
    };
    lower_all("halo", areas.into_iter().map(nest).collect(), sink)
}

fn unknown_zero() -> KernelError {
    KernelError::Unsupported {
        op: "halo",
        node: String::new(),
        reason: "nothing holds the zero point around its result".to_owned(),
    }
}
