//! Moves channels to pixels and back.

use super::constants::to_shape;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};
use crate::import::onnx::movement::Movement;

/// How the elements of a value are regrouped: split into more axes, permuted, and merged again.
struct Regrouping {
    split: Vec<usize>,
    perm: [usize; 6],
    joined: Vec<usize>,
}

impl Regrouping {
    fn apply(self, builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
        let split = builder.apply(call, call.required(0)?, Movement::Reshape(self.split))?;
        let moved = builder.apply(call, &split, Movement::Transpose(self.perm.to_vec()))?;
        Ok(vec![builder.apply(call, &moved, Movement::Reshape(self.joined))?])
    }
}

/// `DepthToSpace`: groups of channels become blocks of pixels.
pub(super) fn depth_to_space(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let ([n, c, h, w], block) = (image(builder, call)?, block(call)?);
    let Some(channels) = block.checked_mul(block).filter(|b| c % b == 0).map(|b| c / b) else {
        return bad("blocksize", format!("squared, {block} does not divide {c} channels"));
    };
    let (split, perm) = match is_channels_first(call)? {
        false => (vec![n, block, block, channels, h, w], [0, 3, 4, 1, 5, 2]),
        true => (vec![n, channels, block, block, h, w], [0, 1, 4, 2, 5, 3]),
    };
    let joined = vec![n, channels, h * block, w * block];
    Regrouping { split, perm, joined }.apply(builder, call)
}

/// `SpaceToDepth`: blocks of pixels become groups of channels.
pub(super) fn space_to_depth(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let ([n, c, h, w], block) = (image(builder, call)?, block(call)?);
    if h % block != 0 || w % block != 0 {
        return bad("blocksize", format!("{block} does not divide {h} rows and {w} columns"));
    }
    let perm = match is_channels_first(call)? {
        false => [0, 3, 5, 1, 2, 4],
        true => [0, 1, 3, 5, 2, 4],
    };
    let split = vec![n, c, h / block, block, w / block, block];
    let joined = vec![n, c * block * block, h / block, w / block];
    Regrouping { split, perm, joined }.apply(builder, call)
}

fn image(builder: &Builder, call: &Call<'_>) -> Result<[usize; 4]> {
    let shape = builder.shape(call.required(0)?);
    let found = format!("its input {shape:?} is not an image [N, C, H, W]");
    shape.try_into().map_err(|_| found.into())
}

/// The edge of a block, in pixels.
fn block(call: &Call<'_>) -> Result<usize> {
    match call.int("blocksize")? {
        Some(block @ 1..) => Ok(to_shape(&[block])?[0]),
        Some(block) => bad("blocksize", format!("is {block}; it must be at least 1")),
        None => bad("blocksize", "is missing"),
    }
}

/// Whether the position in a block is the faster index of a channel (`CRD`), or the slower one
/// (`DCR`).
fn is_channels_first(call: &Call<'_>) -> Result<bool> {
    match call.string("mode")?.unwrap_or("DCR") {
        "DCR" => Ok(false),
        "CRD" => Ok(true),
        other => bad("mode", format!("\"{other}\" is not DCR or CRD")),
    }
}
