//! What a network takes: pictures of which size, in which order of axes, and of which numbers.

use std::collections::BTreeMap;

use clap::ValueEnum;
use resnetc::DType;
use resnetc::import::UnboundDim;
use resnetc::ir::Graph;
use serde::Serialize;

use crate::failure::Failure;
use crate::units::shape;

/// The order of a picture's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Layout {
    /// Channel by channel, as in PyTorch
    Nchw,
    /// Pixel by pixel, as in TensorFlow and Keras
    Nhwc,
}

/// The one input of a classifier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Input {
    pub(super) batch: usize,
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

/// Channels that pictures have.
const CHANNELS: [usize; 2] = [1, 3];

impl Input {
    /// The input of a graph. Without a `layout`, where the channels are is seen by their number; behind the batch comes
    /// first.
    pub(super) fn of(graph: &Graph, layout: Option<Layout>) -> Result<Self, Failure> {
        let [input] = *graph.inputs() else {
            let names: Vec<String> =
                graph.inputs().iter().map(|&i| format!("\"{}\"", graph.node(i).name)).collect();
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
                return Err(
                    Failure::new(message).help("prepare the values yourself and use `resnetc run`")
                );
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

    /// Numbers of one picture.
    pub(super) fn picture(&self) -> usize {
        self.shape()[1..].iter().product()
    }
}

/// What is taken where a model leaves its input open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    pub(super) channels: usize,
    /// Height and width.
    pub(super) size: [usize; 2],
}

/// Sizes for the axes that a model leaves open, by their names; nothing if there is more open than a picture has.
pub(super) fn sizes(
    unbound: &[UnboundDim],
    layout: Option<Layout>,
    usual: Usual,
) -> Option<BTreeMap<String, usize>> {
    let is_open = |axis: usize| unbound.iter().any(|dim| dim.axis == axis);
    // Channels are the last to be left open.
    let layout = layout.unwrap_or(match is_open(1) && is_open(2) && !is_open(3) {
        true => Layout::Nhwc,
        false => Layout::Nchw,
    });
    let Usual { channels, size: [height, width] } = usual;
    let extents = match layout {
        Layout::Nchw => [channels, height, width],
        Layout::Nhwc => [height, width, channels],
    };
    let mut sizes = BTreeMap::new();
    for UnboundDim { input, axis, name } in unbound {
        let extent = *extents.get(axis.checked_sub(1)?)?;
        let is_other = |known: usize| known != extent;
        if *input != unbound[0].input || sizes.insert(name.clone(), extent).is_some_and(is_other) {
            return None;
        }
    }
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Usual = Usual { channels: 3, size: [224, 192] };

    fn open(axes: &[(usize, &str)]) -> Vec<UnboundDim> {
        let dim = |&(axis, name): &(usize, &str)| UnboundDim {
            input: "x".into(),
            axis,
            name: name.into(),
        };
        axes.iter().map(dim).collect()
    }

    fn found(axes: &[(usize, &str)], layout: Option<Layout>) -> Option<Vec<(String, usize)>> {
        sizes(&open(axes), layout, USUAL).map(|sizes| sizes.into_iter().collect())
    }

    #[test]
    fn open_axes_get_the_sizes_of_their_layout() {
        let wanted = |list: &[(&str, usize)]| {
            Some(list.iter().map(|&(n, e)| (n.to_owned(), e)).collect::<Vec<_>>())
        };
        assert_eq!(found(&[(2, "h"), (3, "w")], None), wanted(&[("h", 224), ("w", 192)]));
        assert_eq!(found(&[(1, "h"), (2, "w")], None), wanted(&[("h", 224), ("w", 192)]));
        let all = [(1, "a"), (2, "b"), (3, "c")];
        assert_eq!(found(&all, None), wanted(&[("a", 3), ("b", 224), ("c", 192)]));
        assert_eq!(found(&all, Some(Layout::Nhwc)), wanted(&[("a", 224), ("b", 192), ("c", 3)]));
        assert_eq!(found(&[(2, "s"), (3, "s")], None), None, "one name, two sizes");
        assert_eq!(found(&[(4, "d")], None), None);
    }
}
