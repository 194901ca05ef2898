//! Layouts that ONNX Runtime uses at its highest optimization level: channels last for quantized
//! images, and channels in blocks for others.

use resnetc_ir::{NodeId, Op};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};
use crate::import::onnx::ops::pool;

/// Where the channels of a call's images are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channels {
    First,
    Last,
}

impl Channels {
    /// What the attribute `channels_last` says.
    pub(super) fn of(call: &Call<'_>) -> Result<Self> {
        Ok(if call.flag("channels_last", false)? { Channels::Last } else { Channels::First })
    }

    /// A value with its channels moved to directly after the batch.
    pub(super) fn put_first(
        self,
        builder: &mut Builder,
        call: &Call<'_>,
        x: NodeId,
    ) -> Result<NodeId> {
        let last = builder.shape_of(x).len().saturating_sub(1);
        self.permute(builder, call, x, |rank| [0, last].into_iter().chain(1..rank - 1).collect())
    }

    /// A value whose channels are directly after the batch, with them moved back to where they
    /// belong.
    pub(super) fn put_back(
        self,
        builder: &mut Builder,
        call: &Call<'_>,
        x: NodeId,
    ) -> Result<NodeId> {
        self.permute(builder, call, x, |rank| [0].into_iter().chain(2..rank).chain([1]).collect())
    }

    fn permute(
        self,
        builder: &mut Builder,
        call: &Call<'_>,
        x: NodeId,
        order: impl FnOnce(usize) -> Vec<usize>,
    ) -> Result<NodeId> {
        let rank = builder.shape_of(x).len();
        match self {
            Channels::First => Ok(x),
            Channels::Last if rank < 3 => {
                Err(format!("a value of rank {rank} is not an image").into())
            }
            Channels::Last => builder.add(call, Op::Transpose { perm: order(rank) }, &[x]),
        }
    }
}

/// `NhwcMaxPool`: of integers.
pub(super) fn max_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let x = Channels::Last.put_first(builder, call, x)?;
    let y = pool::max(builder, call, x)?;
    Ok(vec![Value::Node(Channels::Last.put_back(builder, call, y)?)])
}

/// `ReorderInput`: to blocks of channels. In the graph, values are not blocked until the passes
/// make them so.
pub(super) fn reorder_input(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let y = Channels::of(call)?.put_first(builder, call, x)?;
    builder.finish(call, Op::Identity, &[y])
}

/// `ReorderOutput`: from blocks of channels. The last block may be padded; `channels` is the true
/// number of channels.
pub(super) fn reorder_output(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let shape = builder.shape_of(x);
    let channels = call.int_or("channels", 0)?;
    if shape.get(1).and_then(|&n| i64::try_from(n).ok()) != Some(channels) {
        return bad("channels", format!("is {channels}, but the value is {shape:?}"));
    }
    let y = Channels::of(call)?.put_back(builder, call, x)?;
    builder.finish(call, Op::Identity, &[y])
}
