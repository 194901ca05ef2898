//! A convolution as one line: `conv n1 c64 h56 w56 k64 r3 s3 st1x1 p1,1,1,1 +bias +residual +relu`.
//!
//! The line names kernels in dumps and profiles, reproduces a failing test, and specifies
//! benchmarks. Letters: batch `n`, input channels `c`, input height and width `h w`, output
//! channels `k`, kernel rows and columns `r s`, stride `st`, pads `p` (top, left, bottom, right),
//! dilation `d` (if not 1), groups `g` (if not 1), and the element types of source and weights
//! (`u8xi8`, if not f32).

use std::fmt;
use std::str::FromStr;

use resnetc_ir::graph::{Graph, GraphError};
use resnetc_ir::op::{Activation, Conv, Op, Pads, Residual, Window};
use resnetc_ir::{DType, NodeId, Tensor, TensorType};

/// A convolution and the shapes of its operands. A projection is not among them: it is a separate
/// problem. A residual has the result's shape: adding only a part of it does not change how the
/// rest is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvProblem {
    /// Images.
    pub batch: usize,
    /// Input channels, of all groups.
    pub inputs: usize,
    /// Height and width of the source.
    pub size: [usize; 2],
    /// Output channels, of all groups.
    pub outputs: usize,
    /// The element types of the source and of the weights.
    pub factors: [DType; 2],
    /// The operator.
    pub conv: Conv,
}

/// Why a line cannot be parsed as a problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{line}\": {reason}")]
pub struct ProblemError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ConvProblem {
    /// The element types of a convolution of f32.
    pub const FLOATS: [DType; 2] = [DType::F32; 2];

    /// The problem of a node, without its projection and with its whole residual; `None` if it is
    /// not a convolution.
    pub fn of(graph: &Graph, node: NodeId) -> Option<Self> {
        let found = graph.node(node);
        let Op::Conv(conv) = found.op else { return None };
        let conv = Conv { residual: conv.residual.map(|_| Residual::PLAIN), ..conv };
        let operand = |position| Some(&graph.node(graph.operand(node, position)?).ty);
        let [batch, inputs, h, w] = operand(0)?.nchw()?;
        let [_, outputs, _, _] = found.ty.nchw()?;
        let factors = [operand(0)?.dtype, operand(1)?.dtype];
        Some(ConvProblem { batch, inputs, size: [h, w], outputs, factors, conv })
    }

    /// Shape of the weights, `[K, C/groups, R, S]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        let [r, s] = self.conv.window.kernel;
        [self.outputs, self.inputs / self.conv.groups, r, s]
    }

    /// Height and width of the result.
    pub fn result_size(&self) -> [usize; 2] {
        let Window { kernel, strides, dilations, pads } = self.conv.window;
        let pads = [pads.top + pads.bottom, pads.left + pads.right];
        [0, 1].map(|axis| {
            let reach = dilations[axis] * (kernel[axis] - 1) + 1;
            (self.size[axis] + pads[axis]).saturating_sub(reach) / strides[axis] + 1
        })
    }

    /// A graph of this convolution alone, with inputs for source and residual, and the given
    /// constants.
    ///
    /// # Errors
    /// If the shapes do not match.
    pub fn graph(&self, weights: Tensor, bias: Option<Tensor>) -> Result<Graph, GraphError> {
        let mut graph = Graph::new();
        let shape = vec![self.batch, self.inputs, self.size[0], self.size[1]];
        let src = graph.input_of("src", TensorType::of(self.factors[0], shape));
        let mut operands = vec![src, graph.constant("weights", weights)];
        operands.extend(bias.map(|b| graph.constant("bias", b)));
        if self.conv.residual.is_some() {
            let plain = Conv { residual: None, ..self.conv };
            let ty =
                graph.add("shape", Op::Conv(plain), &operands).map(|n| graph.node(n).ty.clone())?;
            operands.push(graph.input_of("residual", ty));
        }
        let result = graph.add(self.to_string(), Op::Conv(self.conv), &operands)?;
        graph.output("result", result);
        graph.remove_dead();
        Ok(graph)
    }
}

impl fmt::Display for ConvProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Window { kernel, strides, dilations, pads } = self.conv.window;
        write!(f, "conv n{} c{} h{} w{}", self.batch, self.inputs, self.size[0], self.size[1])?;
        write!(
            f,
            " k{} r{} s{} st{}x{}",
            self.outputs, kernel[0], kernel[1], strides[0], strides[1]
        )?;
        write!(f, " p{},{},{},{}", pads.top, pads.left, pads.bottom, pads.right)?;
        if dilations != [1, 1] {
            write!(f, " d{}x{}", dilations[0], dilations[1])?;
        }
        if self.conv.groups != 1 {
            write!(f, " g{}", self.conv.groups)?;
        }
        if self.factors != ConvProblem::FLOATS {
            write!(f, " {}x{}", self.factors[0].short(), self.factors[1].short())?;
        }
        if self.conv.bias {
            write!(f, " +bias")?;
        }
        if self.conv.residual.is_some() {
            write!(f, " +residual")?;
        }
        match self.conv.activation {
            Activation::None => Ok(()),
            Activation::Relu => write!(f, " +relu"),
            Activation::Clip { lo, hi } => write!(f, " +clip({lo},{hi})"),
        }
    }
}

impl FromStr for ConvProblem {
    type Err = ProblemError;

    fn from_str(line: &str) -> Result<Self, ProblemError> {
        let fail = |reason: String| ProblemError { line: line.to_owned(), reason };
        let mut words = line.split_whitespace();
        if words.next() != Some("conv") {
            return Err(fail("it does not begin with \"conv\"".to_owned()));
        }
        let window =
            Window { kernel: [0; 2], strides: [1; 2], dilations: [1; 2], pads: Pads::default() };
        let mut problem = ConvProblem {
            batch: 0,
            inputs: 0,
            size: [0; 2],
            outputs: 0,
            factors: ConvProblem::FLOATS,
            conv: Conv::new(window, 1),
        };
        for word in words {
            problem.set(word).ok_or_else(|| fail(format!("\"{word}\" is not understood")))?;
        }
        let needed = [problem.batch, problem.inputs, problem.outputs];
        let extents = [problem.size, problem.conv.window.kernel].concat();
        match needed.iter().chain(&extents).all(|&n| n > 0) && problem.conv.groups > 0 {
            true => Ok(problem),
            false => {
                Err(fail("n, c, h, w, k, r, s must all be given, and be at least 1".to_owned()))
            }
        }
    }
}

impl ConvProblem {
    fn set(&mut self, word: &str) -> Option<()> {
        let window = &mut self.conv.window;
        match word {
            "+bias" => self.conv.bias = true,
            "+residual" => self.conv.residual = Some(Residual::PLAIN),
            "+relu" => self.conv.activation = Activation::Relu,
            _ if word.starts_with("+clip(") => {
                let (lo, hi) = word.strip_prefix("+clip(")?.strip_suffix(')')?.split_once(',')?;
                self.conv.activation =
                    Activation::Clip { lo: lo.parse().ok()?, hi: hi.parse().ok()? };
            }
            _ if factors(word).is_some() => self.factors = factors(word)?,
            _ => {
                let digits = word.find(|c: char| c.is_ascii_digit())?;
                let (key, value) = word.split_at(digits);
                let one = || value.parse::<usize>().ok();
                let pair = || {
                    value
                        .split_once('x')
                        .and_then(|(a, b)| Some([a.parse().ok()?, b.parse().ok()?]))
                };
                match key {
                    "n" => self.batch = one()?,
                    "c" => self.inputs = one()?,
                    "h" => self.size[0] = one()?,
                    "w" => self.size[1] = one()?,
                    "k" => self.outputs = one()?,
                    "r" => window.kernel[0] = one()?,
                    "s" => window.kernel[1] = one()?,
                    "g" => self.conv.groups = one()?,
                    "st" => window.strides = pair()?,
                    "d" => window.dilations = pair()?,
                    "p" => {
                        let list: Vec<usize> =
                            value.split(',').map(|p| p.parse().ok()).collect::<Option<_>>()?;
                        let [top, left, bottom, right] = list[..] else { return None };
                        window.pads = Pads { top, left, bottom, right };
                    }
                    _ => return None,
                }
            }
        }
        Some(())
    }
}

/// Parses element types like `u8xi8`.
fn factors(word: &str) -> Option<[DType; 2]> {
    let (source, weights) = word.split_once('x')?;
    Some([DType::by_short(source)?, DType::by_short(weights)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_round_trip(n in prop::array::uniform12(1usize..99), flags: [bool; 2], activation in 0usize..3, types in prop::array::uniform2(prop::sample::select(&DType::ALL[..]))) {
            let pads = Pads { top: n[0], left: n[1], bottom: n[2], right: n[3] };
            let window = Window { kernel: [n[4], n[5]], strides: [n[6], n[7]], dilations: [n[0], n[8]], pads };
            let activation = [Activation::None, Activation::Relu, Activation::Clip { lo: -0.5, hi: 6.0 }][activation];
            let conv = Conv { bias: flags[0], residual: flags[1].then_some(Residual::PLAIN), activation, ..Conv::new(window, n[9]) };
            let problem = ConvProblem { batch: n[10], inputs: n[11], size: [n[3], n[2]], outputs: n[1], factors: types, conv };
            prop_assert_eq!(problem.to_string().parse::<ConvProblem>(), Ok(problem));
        }

        #[test]
        fn no_line_panics(line in "(conv )?([a-z+]{0,3}[0-9x,()]{0,30} ?){0,6}") {
            let _ = line.parse::<ConvProblem>();
        }
    }
}
