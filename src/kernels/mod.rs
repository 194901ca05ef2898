//! From one step of the plan to vector programs and the loops that call them.
//!
//! | module | holds |
//! |---|---|
//! | [`geometry`] | where the elements of a value are stored |
//! | [`sink`] | what lowering produces |
//! | [`conv`] | convolution and matrix product |
//! | [`conv_source`] | the gradient of a convolution with strides with respect to its source |
//! | [`conv_weights`] | the gradient of a convolution with respect to its weights |
//! | [`problem`] | a convolution as one printable line |
//! | [`algorithm`] | the algorithms for convolutions, and the choice of one for each site |
//! | [`site`], [`conv_plan`] | the input of algorithms for a convolution, and the interface of their plans |
//! | [`quantized`] | how a convolution of quantized values is computed |
//! | [`precision`], `spread` | how many bits numbers have; which weights can share a scale |
//! | [`summation`] | whether long sums are added up in parts |
//! | [`rates`] | what the parts of convolutions cost on a CPU |
//! | [`published`] | facts about a result that its step stores for its readers |
//! | [`winograd`] | 3x3 convolution of stride 1 with fewer multiplications |
//! | [`fixed`] | convolution with tile registers, in fixed point |
//! | [`residual`] | which part of a residual is added, to which lanes |
//! | [`epilogue`] | how sums end: what is added, activation, what is published |
//! | [`tiling`] | register tiles over pixels |
//! | [`channels`] | sums, means and variances of channels |
//! | [`pool_source`] | the gradient of a maximum pool |
//! | [`pool`], [`reduce`], [`softmax`], [`matmul`], [`top`] | their operators |
//! | [`loops`], [`view`] | nested loops over strided operands |
//! | [`nest`], [`function`] | one function in such loops: element-wise operators and data movement |
//! | [`pointwise`], [`expression`] | expressions in such loops |
//! | [`element`] | how elements of operands become f32 in registers, and back |
//! | [`conversions`] | between bytes and the numbers that they stand for |
//! | [`encoding`] | scales and zero points that a run computes |
//! | [`measure`] | the scale and the zero point for the range of a value |
//! | [`elementary`], [`power`], [`steps`] | exponential, logarithm and related functions; powers; step functions |
//! | [`pick`] | elements along an axis by position, and weighted sums of them |
//! | [`data`] | the operators that are loop nests |
//! | `copy` | copies rows of pixels |

use std::ops::Range;
use std::sync::Arc;

use resnetc_ir::op::{Conv, Op, QuantizedConv, Residual, SourceGradient};
use resnetc_ir::ty::Layout;
use resnetc_ir::{DType, Expression, Tensor, TensorType};

use crate::codegen::region::{Piece, Region};

pub mod algorithm;
pub mod channels;
pub mod conv;
pub mod conv_plan;
pub mod conv_source;
pub mod conv_weights;
pub mod conversions;
mod copy;
pub mod data;
pub mod element;
pub mod elementary;
pub mod encoding;
pub mod epilogue;
mod error;
pub mod expression;
pub mod fixed;
pub mod function;
pub mod geometry;
pub mod loops;
pub mod matmul;
pub mod measure;
pub mod nest;
pub mod pick;
pub mod pointwise;
pub mod pool;
pub mod pool_source;
pub mod power;
pub mod precision;
pub mod problem;
pub mod published;
pub mod quantized;
pub mod rates;
pub mod reduce;
pub mod residual;
pub mod sink;
pub mod site;
pub mod softmax;
mod spread;
pub mod steps;
pub mod summation;
pub mod tiling;
pub mod top;
pub mod tuned;
pub mod view;
pub mod winograd;

pub use algorithm::Algorithm;
use conv::filters::Filters;
use conv::pack::Weights;
use conv_plan::{ConvPlan, ConvStep};
use conversions::Conversions;
pub use error::{KernelError, NotCompiled};
use function::Function;
use geometry::{Geometry, Place};
use pick::Picks;
use published::Published;
use residual::Added;
use sink::{Sink, WEIGHTS};
use site::convolution;

/// An operand of a step.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A value that an earlier step wrote, or an input.
    Value(Place),
    /// A constant.
    Constant(Arc<Tensor>),
}

/// One operator with its operands placed.
#[derive(Clone, Debug)]
pub struct PlacedStep<'a> {
    /// The node's name, for messages.
    pub name: &'a str,
    /// The operator.
    pub op: &'a Op,
    /// Its operands.
    pub operands: Vec<Operand>,
    /// Its result.
    pub dst: Place,
    /// Whether to write the border of the result; not if the result reuses a place whose border
    /// already is zero.
    pub fill_halo: bool,
    /// The scale and the zero point that stands for zero in that border, where a run computes them.
    pub border: Option<Operand>,
    /// How it is computed, if it is a convolution.
    pub plan: Option<&'a dyn ConvPlan>,
    /// Offset in the arena of the scratch memory, if the plan or the operator needs any.
    pub scratch: Option<i64>,
    /// What it publishes beside its result.
    pub publishes: Vec<Published>,
    /// What is published about each operand.
    pub known: Vec<Vec<Published>>,
}

/// Scratch memory that an operator of operands of these types needs beside the plan of a
/// convolution, in bytes.
pub fn scratch_bytes(op: &Op, operands: &[&TensorType]) -> usize {
    let image = |position: usize| operands.get(position)?.nchw();
    match op {
        Op::Measure => operands.first().map_or(0, |ty| measure::scratch_bytes(&ty.shape)),
        Op::Moments => image(0).map_or(0, |image| channels::scratch_bytes(image, 2)),
        Op::ConvWeights(gradient) => {
            let form = || {
                let layout = operands.get(1)?.layout;
                conv_weights::Form::of(gradient, image(0)?, image(1)?, layout)
            };
            form().map_or(0, |form| form.scratch_bytes())
        }
        Op::ConvSource(SourceGradient { gradient, .. }) => match (gradient.phases(), image(1)) {
            (Some(phases), Some([inputs, outputs, ..])) => {
                conv_source::scratch_bytes(&phases, [outputs, inputs])
            }
            _ => 0,
        },
        Op::ChannelSums(sums) => {
            let images = operands.iter().filter_map(|ty| ty.nchw());
            let image = images.reduce(|a, b| std::array::from_fn(|i| a[i].max(b[i])));
            image.map_or(0, |image| channels::scratch_bytes(image, sums.results.len()))
        }
        _ => 0,
    }
}

/// Lowers one step to regions that run one after another.
///
/// # Errors
/// If the operator cannot be compiled in this form.
pub fn lower(step: &PlacedStep<'_>, sink: &mut Sink) -> Result<Vec<Region>, KernelError> {
    step.check_elements()?;
    let region = |pieces| Region { name: step.name.to_owned(), pieces };
    sink.begin(step.packed());
    let regions = step.pieces(sink)?;
    let mut regions: Vec<_> =
        sink.take_preparation().into_iter().chain(regions).map(region).collect();
    if let (true, false, Some(last)) =
        (step.fill_halo, step.dst.geometry.is_dense(), regions.last_mut())
    {
        let encoding = step.border.as_ref().map(|border| packed(border, sink));
        last.pieces.extend(data::halo(&step.dst, encoding.as_ref(), sink)?);
    }
    Ok(regions)
}

/// The place of an operand; a constant is packed unchanged.
fn packed(operand: &Operand, sink: &mut Sink) -> Place {
    match operand {
        Operand::Value(place) => place.clone(),
        Operand::Constant(tensor) => {
            let data = Arc::clone(tensor);
            let offset = match tensor.dtype() {
                DType::U8 | DType::I8 => {
                    sink.pack_bytes(tensor.elements(), move |out| data.read_bytes(0, out))
                }
                _ => sink.pack(tensor.elements(), move |out| data.read(0, out)),
            };
            Place { base: WEIGHTS, offset, geometry: Geometry::new(tensor.ty()) }
        }
    }
}

/// The residual at its place.
fn added<'a>(conv: &Conv, place: Option<&'a Place>) -> Option<Added<'a>> {
    Some(Added { place: place?, residual: conv.residual? })
}

impl PlacedStep<'_> {
    fn convolution(&self, sink: &mut Sink) -> Result<Vec<Vec<Piece>>, KernelError> {
        let conv = convolution(self.op).ok_or_else(|| self.unlowered())?;
        let conv = &conv;
        let plan = self.plan.ok_or_else(|| self.unsupported("its result is not in nchw16c"))?;
        if plan.scratch_bytes() > 0 && self.scratch.is_none() {
            return Err(self.unsupported("no scratch memory was reserved for it"));
        }
        let residual = conv.residual_operand().map(|i| self.blocked(i, sink)).transpose()?;
        let residual = added(conv, residual.as_ref());
        let weights = self.filters(conv.bias, sink)?;
        let src = self.place(0, sink)?;
        let projected = self.projected(conv, sink)?;
        let step = ConvStep {
            conv,
            weights,
            operands: conv::Operands { src: &src, residual, dst: &self.dst },
            projection: self.projection(conv, projected.as_ref())?,
            scratch: self.scratch.unwrap_or_default(),
            known: &self.known,
            publishes: &self.publishes,
        };
        plan.lower(step, sink)
    }

    /// The pieces of each region.
    fn pieces(&self, sink: &mut Sink) -> Result<Vec<Vec<Piece>>, KernelError> {
        let dst = &self.dst;
        let conversions = Conversions::of(self.op);
        let pieces = match self.op.computation() {
            Op::Conv(_) => return self.convolution(sink),
            Op::ConvSource(source) if source.gradient.turned().is_some() => {
                return self.convolution(sink);
            }
            Op::ConvSource(source) => {
                let phases = source.gradient.phases().ok_or_else(|| self.unlowered())?;
                let (dy, weights) = (self.blocked(0, sink)?, self.place(1, sink)?);
                let residual = source.residual_operand();
                let residual = residual.map(|i| self.blocked(i, sink)).transpose()?;
                let places = conv_source::Places {
                    dy: &dy,
                    weights: &weights,
                    residual: residual.as_ref(),
                    dst,
                };
                conv_source::lower(&source.gradient, &phases, places, sink)
            }
            Op::QuantizedConv(conv) => self.quantized(conv, sink),
            Op::Gemm(gemm) => {
                if gemm.transpose_a || !gemm.transpose_b || gemm.alpha != 1.0 || gemm.beta != 1.0 {
                    return Err(self.unsupported("it is not in normal form"));
                }
                let weights = self.weights(gemm.bias)?;
                let src = self.place(0, sink)?;
                conv::lower_gemm(
                    gemm,
                    weights,
                    conv::Operands { src: &src, residual: None, dst },
                    sink,
                )
            }
            Op::Pointwise(expression) => self.pointwise(expression, sink),
            Op::Unary(f) => self.elementwise(Function::Unary(*f), sink),
            Op::Binary(f) => self.elementwise(Function::Binary(*f), sink),
            Op::Where => self.elementwise(Function::Where, sink),
            Op::Quantize(_) | Op::Dequantize(_) => self.elementwise(Function::Copy, sink),
            Op::Convert { .. } => self.elementwise(self.conversion()?, sink),
            Op::QuantizeMeasured => {
                let (src, encoding) = (self.place(0, sink)?, self.place(1, sink)?);
                data::quantize_measured(&src, &encoding, dst, sink)
            }
            Op::Measure => {
                let regions = measure::lower(&self.place(0, sink)?, self.scratch()?, dst, sink)?;
                return Ok(regions.into());
            }
            Op::Moments => {
                let src = self.blocked(0, sink)?;
                let regions = channels::moments(&src, self.scratch()?, dst, sink)?;
                return Ok(regions.into());
            }
            Op::ChannelSums(sums) => {
                if !sums.is_compiled() {
                    return Err(self.unsupported("its expression is too complex"));
                }
                let sources = self.places(sink)?;
                let sources: Vec<&Place> = sources.iter().collect();
                let regions = channels::sums(sums, &sources, self.scratch()?, dst, sink)?;
                return Ok(regions.into());
            }
            Op::Lookup { .. } => {
                data::lookup(&self.place(0, sink)?, &self.place(1, sink)?, dst, sink)
            }
            Op::MaxPool(p) => {
                let pool = pool::Windows { kind: pool::Kind::Max, pool: p, conversions };
                pool.lower(&self.blocked(0, sink)?, dst, sink)
            }
            Op::AveragePool { pool: p, count_include_pad } => {
                let kind = pool::Kind::Average { count_include_pad: *count_include_pad };
                let pool = pool::Windows { kind, pool: p, conversions };
                pool.lower(&self.blocked(0, sink)?, dst, sink)
            }
            Op::GlobalAveragePool => {
                reduce::global_average(conversions, &self.blocked(0, sink)?, dst, sink)
            }
            Op::ReduceMean { axes, .. } => {
                let kind = (reduce::Kind::Mean, conversions);
                reduce::over(kind, axes, &self.place(0, sink)?, dst, sink)
            }
            Op::ReduceMax { axes, .. } => {
                let kind = (reduce::Kind::Max, conversions);
                reduce::over(kind, axes, &self.place(0, sink)?, dst, sink)
            }
            Op::TopK(top) => top::lower(top, &self.place(0, sink)?, dst, sink),
            Op::Softmax { axis } => softmax::lower(*axis, &self.place(0, sink)?, dst, sink),
            Op::Reshape { .. } => data::reshape(&self.place(0, sink)?, dst, sink),
            Op::Identity | Op::Reorder(_) => {
                data::copy(self.op.name(), &self.place(0, sink)?, dst, sink)
            }
            Op::Slice(axes) => data::slice(axes, &self.place(0, sink)?, dst, sink),
            Op::Gather { axis, indices } => {
                pick::lower("gather", &Picks::of(*axis, indices), &self.place(0, sink)?, dst, sink)
            }
            Op::Interpolate(op) => {
                pick::lower("interpolate", &Picks::sums(op), &self.place(0, sink)?, dst, sink)
            }
            Op::Transpose { perm } => data::transpose(perm, &self.place(0, sink)?, dst, sink),
            Op::Pad { before, after, mode } => {
                data::pad(before, after, *mode, &self.place(0, sink)?, dst, sink)
            }
            Op::Concat { axis } => {
                let places = self.places(sink)?;
                data::concat(*axis, &places.iter().collect::<Vec<_>>(), dst, sink)
            }
            Op::MatMul => matmul::lower(&self.place(0, sink)?, &self.place(1, sink)?, dst, sink),
            Op::ConvWeights(gradient) => {
                let (dy, src) = (self.blocked(0, sink)?, self.place(1, sink)?);
                let shapes = [&dy, &src].map(|place| place.geometry.nchw());
                let layout = src.geometry.ty.layout;
                let form = conv_weights::Form::of(gradient, shapes[0], shapes[1], layout)
                    .ok_or_else(|| self.unsupported("it was not lowered to whole groups"))?;
                return form.lower([&dy, &src], self.scratch()?, dst, sink);
            }
            Op::MaxPoolSource(pool) => {
                let places = [self.blocked(0, sink)?, self.blocked(1, sink)?];
                pool_source::lower(pool, [&places[0], &places[1]], dst, sink)
            }
            Op::CrossEntropy => Err(self.unsupported("it was not lowered to arithmetic")),
            Op::BatchNorm { .. } => Err(self
                .unsupported("it was not lowered to arithmetic: its parameters are not constants")),
            Op::Input | Op::Constant(_) | Op::OnBytes(_) => return Ok(Vec::new()),
        };
        Ok(vec![pieces?])
    }

    /// The function that converts to the type of the result.
    fn conversion(&self) -> Result<Function, KernelError> {
        let from = match self.operand(0)? {
            Operand::Value(place) => place.geometry.ty.dtype,
            Operand::Constant(tensor) => tensor.dtype(),
        };
        match (from, self.dst.geometry.ty.dtype) {
            (DType::F32, DType::U8) => Ok(Function::Byte),
            (DType::U8 | DType::I8, DType::F32) => Ok(Function::Copy),
            _ => Err(self.unsupported("only f32 is converted to u8, and bytes to f32")),
        }
    }

    /// The part of the scratch memory that is for packed weights, as offsets in the arena.
    fn packed(&self) -> Range<i64> {
        let start = |plan: &dyn ConvPlan| {
            self.scratch.unwrap_or_default() + sink::aligned(plan.scratch_bytes() as i64)
        };
        let range = |plan: &dyn ConvPlan| start(plan)..start(plan) + plan.packed_bytes() as i64;
        match (self.plan, self.op, self.scratch) {
            (Some(plan), ..) => range(plan),
            // All of it.
            (None, Op::ConvSource(_), Some(start)) => start..i64::MAX,
            _ => 0..0,
        }
    }

    /// The places of all operands.
    fn places(&self, sink: &mut Sink) -> Result<Vec<Place>, KernelError> {
        (0..self.operands.len()).map(|i| self.place(i, sink)).collect()
    }

    fn scratch(&self) -> Result<i64, KernelError> {
        self.scratch.ok_or_else(|| self.unsupported("no scratch memory was reserved for it"))
    }

    /// A function of single elements of all operands.
    fn elementwise(&self, function: Function, sink: &mut Sink) -> Result<Vec<Piece>, KernelError> {
        let places = self.places(sink)?;
        let function = (function, Conversions::of(self.op));
        let sources: Vec<&Place> = places.iter().collect();
        data::elementwise(self.op.computation().name(), function, &sources, &self.dst, sink)
    }

    fn pointwise(
        &self,
        expression: &Expression,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        if !expression.is_compiled() {
            return Err(self.unsupported("its expression is too complex"));
        }
        let places = self.places(sink)?;
        pointwise::lower(expression, &places.iter().collect::<Vec<_>>(), &self.dst, sink)
    }

    fn quantized(&self, conv: &QuantizedConv, sink: &mut Sink) -> Result<Vec<Piece>, KernelError> {
        let Some(dot) = conv::Dot::of(sink.machine.target) else {
            return Err(self.unsupported("this instruction set has no products of integers"));
        };
        let place = conv.residual_operand().map(|i| self.blocked(i, sink)).transpose()?;
        let residual = place.as_ref().map(|place| Added { place, residual: Residual::PLAIN });
        let encoding = conv.encoding_operand().map(|i| self.place(i, sink)).transpose()?;
        let factors = self.constant(3, "factor")?;
        let weights = self.weights(true)?;
        let src = self.place(0, sink)?;
        if src.geometry.ty.dtype != DType::U8 {
            return Err(self.unsupported("its source is signed"));
        }
        let is_plain = conv.groups == 1 && conv.window.dilations[1] == 1;
        if src.geometry.ty.layout == Layout::Planar && !is_plain {
            return Err(self.unsupported("its source is planar"));
        }
        let operands = conv::Operands { src: &src, residual, dst: &self.dst };
        let plan = quantized::Plan::of(conv, dot, &weights, &operands, &sink.machine);
        let constants = (weights, conv::ByteOperands { factors, encoding: encoding.as_ref() });
        match plan {
            quantized::Plan::Direct => conv::lower_quantized(conv, dot, constants, operands, sink),
            quantized::Plan::Winograd(plan) => {
                winograd::integer::lower(&plan, conv, constants, operands, sink)
            }
            quantized::Plan::Tiles(plan) => {
                fixed::bytes::lower(&plan, conv, constants, operands, sink)
            }
        }
    }

    /// The place of the value that is projected.
    fn projected(&self, conv: &Conv, sink: &mut Sink) -> Result<Option<Place>, KernelError> {
        conv.projected_operand().map(|i| self.blocked(i, sink)).transpose()
    }

    /// The projection of the value at this place.
    fn projection<'p>(
        &self,
        conv: &Conv,
        place: Option<&'p Place>,
    ) -> Result<Option<conv::Projection<'p>>, KernelError> {
        let (Some(src), Some(window), Some(operand)) =
            (place, conv.projection, conv.projected_operand())
        else {
            return Ok(None);
        };
        let weights = self.weights_at(operand + 1, None)?;
        Ok(Some(conv::Projection { src, weights: weights.into(), window }))
    }

    /// Whether values of bytes may be operands and results: where elements are only moved,
    /// compared, or converted.
    fn takes_bytes(&self) -> bool {
        matches!(
            self.op,
            Op::Convert { .. }
                | Op::Quantize(_)
                | Op::QuantizeMeasured
                | Op::Dequantize(_)
                | Op::OnBytes(_)
                | Op::MaxPool(_)
                | Op::Reorder(_)
                | Op::Identity
                | Op::Reshape { .. }
                | Op::Slice(_)
                | Op::Transpose { .. }
                | Op::Concat { .. }
        )
    }

    /// Checks that all elements are of a type that the kernel computes with.
    fn check_elements(&self) -> Result<(), KernelError> {
        if matches!(self.op, Op::QuantizedConv(_) | Op::Lookup { .. }) {
            return Ok(());
        }
        let takes_bytes = self.takes_bytes();
        let fits =
            |dtype| dtype == DType::F32 || takes_bytes && matches!(dtype, DType::U8 | DType::I8);
        let refuse = |what: String, dtype: DType| {
            let dtype = dtype.short();
            Err(self.unsupported(&format!("{what} is {dtype}, but kernels compute with f32 only")))
        };
        for (i, operand) in self.operands.iter().enumerate() {
            let (dtype, fits) = match operand {
                Operand::Value(place) => {
                    let dtype = place.geometry.ty.dtype;
                    (dtype, fits(dtype))
                }
                Operand::Constant(tensor) => (tensor.dtype(), tensor.dtype() == DType::F32),
            };
            if !fits {
                return refuse(format!("operand {i}"), dtype);
            }
        }
        match self.dst.geometry.ty.dtype {
            dtype if fits(dtype) => Ok(()),
            dtype => refuse("its result".to_owned(), dtype),
        }
    }

    fn unlowered(&self) -> KernelError {
        self.unsupported("it was not lowered")
    }

    fn unsupported(&self, reason: &str) -> KernelError {
        KernelError::Unsupported {
            op: self.op.name(),
            node: self.name.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn operand(&self, position: usize) -> Result<&Operand, KernelError> {
        self.operands.get(position).ok_or_else(|| self.unsupported("an operand is missing"))
    }

    /// The place of an operand; a constant is packed unchanged.
    fn place(&self, position: usize, sink: &mut Sink) -> Result<Place, KernelError> {
        Ok(packed(self.operand(position)?, sink))
    }

    fn blocked(&self, position: usize, sink: &mut Sink) -> Result<Place, KernelError> {
        let place = self.place(position, sink)?;
        match place.geometry.ty.layout {
            Layout::Blocked => Ok(place),
            Layout::Planar => Err(self.unsupported("its operand is not in nchw16c")),
        }
    }

    fn constant(&self, position: usize, what: &str) -> Result<Arc<Tensor>, KernelError> {
        match self.operand(position)? {
            Operand::Constant(tensor) => Ok(Arc::clone(tensor)),
            Operand::Value(_) => {
                Err(self.unsupported(&format!("its {what} is computed at run time")))
            }
        }
    }

    /// The weights of a convolution, constants or values, and its bias.
    fn filters(&self, bias: bool, sink: &mut Sink) -> Result<Filters, KernelError> {
        let is_turned = matches!(self.op, Op::ConvSource(_));
        if !is_turned && matches!(self.operand(1)?, Operand::Constant(_)) {
            return Ok(self.weights(bias)?.into());
        }
        let weights = self.place(1, sink)?;
        if weights.geometry.ty.layout == Layout::Blocked {
            return Err(self.unsupported("its weights are in nchw16c"));
        }
        let bias = bias.then(|| self.place(2, sink)).transpose()?;
        Ok(match is_turned {
            true => {
                let [.., r, s] = weights.geometry.nchw();
                Filters::turned(&weights, [r - 1, s - 1], [1, 1])
            }
            false => Filters::computed(&weights, bias),
        })
    }

    /// The constant operands 1 and, if there is a bias, 2.
    fn weights(&self, bias: bool) -> Result<Weights, KernelError> {
        self.weights_at(1, bias.then_some(2))
    }

    fn weights_at(&self, position: usize, bias: Option<usize>) -> Result<Weights, KernelError> {
        let weights = self.constant(position, "weight operand")?;
        let bias = bias.map(|position| self.constant(position, "bias")).transpose()?;
        let shape = "its weights are neither a kernel nor a matrix";
        Weights::of(weights, bias).ok_or_else(|| self.unsupported(shape))
    }
}
