//! A sketch to a graph, whatever its parameters become.

use resnetc_ir::infer::check_shape;
use resnetc_ir::op::{Pads, Pool, SliceAxis, Window};
use resnetc_ir::{Graph, NodeId, Op};

use super::sketch::{Kind, Parameter, Seen, Shaped, Sketch};
use super::{SpecError, SpecErrorKind};

/// Eight gigabytes of f32: a larger size must be a mistake.
const MAX_ELEMENTS: usize = 1 << 31;

/// What differs between networks that are run and networks that are trained.
pub(super) trait Assembly {
    /// The value of a parameter in the form in which operators see it.
    fn parameter(
        &mut self,
        graph: &mut Graph,
        parameter: Parameter,
        seen: Seen,
    ) -> Result<NodeId, SpecError>;

    /// A batch normalization of `x, scale, shift, mean, variance`.
    fn batch_norm(
        &mut self,
        graph: &mut Graph,
        name: &str,
        epsilon: f64,
        operands: &[NodeId],
    ) -> Result<NodeId, SpecError> {
        add(graph, name, Op::BatchNorm { epsilon }, operands)
    }
}

/// A network before it has outputs. Its input is "input".
pub(super) struct Assembled {
    pub(super) graph: Graph,
    /// The last value.
    pub(super) output: Option<NodeId>,
    /// The results of the blocks.
    pub(super) blocks: Vec<(String, NodeId)>,
}

/// Builds a sketch for input images of a shape `[N, C, H, W]`.
pub(super) fn assemble(
    sketch: Sketch,
    shape: &[usize],
    assembly: &mut dyn Assembly,
) -> Result<Assembled, SpecError> {
    check_input(shape)?;
    let mut graph = Graph::new();
    let mut ids: Vec<NodeId> = Vec::with_capacity(sketch.nodes.len());
    for node in sketch.nodes {
        let operands: Vec<NodeId> = node.operands.iter().map(|&i| ids[i]).collect();
        let id = match node.kind {
            Kind::Input => graph.input(node.name, shape.to_vec()),
            Kind::Parameter(parameter, seen) => assembly.parameter(&mut graph, parameter, seen)?,
            Kind::Fixed(tensor) => graph.constant(node.name, tensor),
            Kind::Op(Op::BatchNorm { epsilon }) => {
                assembly.batch_norm(&mut graph, &node.name, epsilon, &operands)?
            }
            Kind::Op(op) => add(&mut graph, &node.name, op, &operands)?,
            Kind::Shaped(shaped) => match shaped.op(&graph.node(operands[0]).ty.shape)? {
                Some(op) => add(&mut graph, &node.name, op, &operands)?,
                None => operands[0],
            },
        };
        ids.push(id);
    }
    let blocks = sketch.blocks.into_iter().map(|(name, node)| (name, ids[node])).collect();
    Ok(Assembled { graph, output: ids.last().copied(), blocks })
}

fn check_input(shape: &[usize]) -> Result<(), SpecError> {
    let count = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
    match count {
        Some(0) => Err(SpecErrorKind::NoImages.into()),
        Some(..=MAX_ELEMENTS) => {
            check_shape(shape).map_err(|e| SpecError::invalid("input", e.to_string()))
        }
        _ => Err(too_large("input", shape)),
    }
}

/// Adds an operator whose result is within the limits.
pub(super) fn add(
    graph: &mut Graph,
    name: &str,
    op: Op,
    operands: &[NodeId],
) -> Result<NodeId, SpecError> {
    let node = graph.add(name, op, operands)?;
    let shape = &graph.node(node).ty.shape;
    match shape.iter().product::<usize>() <= MAX_ELEMENTS {
        true => Ok(node),
        false => Err(too_large(name, shape)),
    }
}

fn too_large(name: &str, shape: &[usize]) -> SpecError {
    let (name, shape) = (name.to_owned(), shape.to_vec());
    SpecErrorKind::TooLarge { name, shape, limit: MAX_ELEMENTS }.into()
}

impl Shaped {
    /// The operator for an operand of this shape; `None` if it would change nothing.
    fn op(self, shape: &[usize]) -> Result<Option<Op>, SpecError> {
        let &[n, c, h, w] = shape else {
            let (n, rest) = (shape.iter().take(1).product(), shape.iter().skip(1).product());
            let ungroup = matches!(self, Shaped::Ungroup);
            let shape = if ungroup { vec![n, rest, 1, 1] } else { vec![n, rest] };
            return Ok(Some(Op::Reshape { shape }));
        };
        Ok(match self {
            Shaped::Group(groups) => Some(Op::Reshape { shape: vec![n, groups, c / groups] }),
            Shaped::Ungroup => None,
            Shaped::Flatten => Some(Op::Reshape { shape: vec![n, c * h * w] }),
            Shaped::SwapChannelsAndRows => Some(Op::Reshape { shape: vec![n, h, c, w] }),
            Shaped::Subsample(stride) => {
                let all = |len| SliceAxis { start: 0, step: 1, len };
                let some = |extent: usize| SliceAxis {
                    start: 0,
                    step: stride as isize,
                    len: extent.div_ceil(stride),
                };
                Some(Op::Slice(vec![all(n), all(c), some(h), some(w)]))
            }
            Shaped::AverageTwo { stride } => {
                let over = usize::from(stride == 1);
                let pads = Pads { bottom: over, right: over, ..Pads::default() };
                let window = Window { pads, ..Window::square(2, stride, 0) };
                let ceil_mode = stride == 2 && (!h.is_multiple_of(2) || !w.is_multiple_of(2));
                let pool = Pool { window, ceil_mode };
                Some(Op::AveragePool { pool, count_include_pad: stride == 1 })
            }
            Shaped::AverageTo(size) if [h, w] == [size; 2] => None,
            Shaped::AverageTo(size) if h.is_multiple_of(size) && w.is_multiple_of(size) => {
                let kernel = [h / size, w / size];
                let window = Window { kernel, strides: kernel, ..Window::square(1, 1, 0) };
                let pool = Pool { window, ceil_mode: false };
                Some(Op::AveragePool { pool, count_include_pad: false })
            }
            Shaped::AverageTo(size) => {
                let reason = format!(
                    "is {size}, but the last stage's images are {h}x{w}; it must divide both"
                );
                return Err(SpecError::invalid("head.pool", reason));
            }
        })
    }
}
