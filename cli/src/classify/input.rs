//! The input of a network: the size, order of axes and numbers of its pictures.

use clap::ValueEnum;
use resnetc::DType;
use resnetc::ir::Graph;
use serde::Serialize;

use crate::failure::Failure;
use crate::units::{self, shape};

/// The order of a picture's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    /// Channel by channel, as in PyTorch
    Nchw,
    /// Pixel by pixel, as in TensorFlow and Keras
    Nhwc,
}

impl Layout {
    /// The axes of channels, height and width.
    pub(super) fn axes(self) -> [usize; 3] {
        match self {
            Layout::Nchw => [1, 2, 3],
            Layout::Nhwc => [3, 1, 2],
        }
    }
}

/// The one input of a classifier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Input {
    pub(crate) batch: usize,
    pub(super) channels: usize,
    /// Height and width.
    pub(super) size: [usize; 2],
    pub(super) layout: Layout,
    pub(super) dtype: DType,
}

/// `[N, C, H, W]` of floats.
impl From<[usize; 4]> for Input {
    fn from([batch, channels, height, width]: [usize; 4]) -> Self {
        let (layout, dtype) = (Layout::Nchw, DType::F32);
        Input { batch, channels, size: [height, width], layout, dtype }
    }
}

/// The number of channels.
pub(super) const CHANNELS: [usize; 2] = [1, 3];

impl Input {
    /// The input of a graph. Without a `layout`, the axis of extent 1 or 3 is that of the channels;
    /// the one after the batch is tried first.
    pub(crate) fn of(graph: &Graph, layout: Option<Layout>) -> Result<Self, Failure> {
        let [input] = *graph.inputs() else {
            let names: Vec<String> = graph
                .inputs()
                .iter()
                .map(|&i| format!("\"{}\"", units::name(&graph.node(i).name)))
                .collect();
            return Err(Failure::new(format!(
                "the model has {} inputs, {}; a classifier has one",
                names.len(),
                names.join(", ")
            ))
            .help("prepare the values yourself and use `resnetc run`"));
        };
        let extents = &graph.node(input).ty.shape[..];
        let nchw = |c: usize| layout != Some(Layout::Nhwc) && CHANNELS.contains(&c);
        let nhwc = |c: usize| layout != Some(Layout::Nchw) && CHANNELS.contains(&c);
        let plain = match *extents {
            [n, c, h, w] if nchw(c) => Input::from([n, c, h, w]),
            [n, h, w, c] if nhwc(c) => Input { layout: Layout::Nhwc, ..Input::from([n, c, h, w]) },
            ref other => {
                let order = match layout {
                    None => "[N, 1 or 3, height, width] or [N, height, width, 1 or 3]",
                    Some(Layout::Nchw) => "[N, 1 or 3, height, width]",
                    Some(Layout::Nhwc) => "[N, height, width, 1 or 3]",
                };
                let message = format!("the model takes {}; pictures are {order}", shape(other));
                let help = match layout {
                    Some(_) => "leave out --layout: the extents then determine the order",
                    None => "prepare the values yourself and use `resnetc run`",
                };
                return Err(Failure::new(message).help(help));
            }
        };
        Ok(Input { dtype: graph.input_dtype(input), ..plain })
    }

    /// The shape as the network has it.
    pub(super) fn shape(&self) -> [usize; 4] {
        let Input { batch, channels, size: [height, width], .. } = *self;
        match self.layout {
            Layout::Nchw => [batch, channels, height, width],
            Layout::Nhwc => [batch, height, width, channels],
        }
    }

    /// How many numbers one picture has.
    pub(crate) fn picture(&self) -> usize {
        self.shape()[1..].iter().product()
    }
}
