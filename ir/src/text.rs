//! A text form of graphs, one node per line, that reads back as the graph that it was printed from.
//!
//! ```text
//! # a comment
//! %0 = input : f32[1, 4, 8, 8] "image"
//! %1 = constant fill=0.5 : f32[8, 4, 3, 3] "conv1.weight"
//! %2 = constant [1, 2, 3, 4, 5, 6, 7, -0.5] : f32[8] "conv1.bias"
//! %3 = conv(%0, %1, %2) kernel=[3, 3] strides=[2, 2] pads=[1, 1, 1, 1] relu : f32[1, 8, 4, 4] "conv1"
//! %4 = global_average_pool(%3) : f32[1, 8, 1, 1] nchw16c "pool"
//! output "features" = %4
//! ```
//!
//! **Lines.** `%id = operator(operands) attributes : type "name"`. Ids are any numbers, each
//! defined before it is used; reading renumbers them in the order of the lines, and [`print()`]
//! numbers the lines from 0. The type may be left out where operands determine it (it is then
//! planar); if it is given, it must agree. It begins with the element type: `f32`, `f16`, `bf16`,
//! `f64`, `i8`, `u8`, `i16`, `u16`, `i32`, `u32` or `bool`. The layout mark `nchw16c` follows the
//! shape. A name may be left out if it is empty. In it, `\"`, `\\` and `\u{hex}` stand for a
//! quotation mark, a backslash and any character.
//!
//! **Attributes** are `key=value`, `key=[list]` or a bare flag, in any order. Those in parentheses
//! may be left out and then have the value given here.
//!
//! | operator | attributes |
//! |---|---|
//! | `input`, and a line `output` at its end | (`as=uint8`): the declared element type, if it differs from the actual one; before it in an output, (`next_of(%1)`): the input that has this value in the next run |
//! | `conv` | `kernel`, (`strides=[1, 1]`), (`dilations=[1, 1]`), (`pads=[0, 0, 0, 0]`: top, left, bottom, right), (`groups=1`), flag `residual`: the last operand is a residual, with (`residual_strides=[1, 1]`), (`residual_channel=0`), or `projection_kernel`, (`projection_strides`) and so on: the last two operands are a value and the weights that it is projected with; a further operand is the bias; an activation |
//! | `gemm` | (`alpha=1`), (`beta=1`), flags `transpose_a`, `transpose_b`; a third operand is `c`; an activation |
//! | activations | flag `relu`, or `clip=[lo, hi]` |
//! | `quantized_conv` | the window and groups of `conv`; (`src_zero=0`), or flag `measured`: scale and zero point are the operand after the factors; flag `floats` or `float_sum` and an activation, or `to=u8`, (`zero=0`), `limits=[lo, hi]`, and for a residual `residual_factors`, (`residual_zero=0`), `sum_to`, (`sum_zero=0`), `sum_limits` |
//! | `on_bytes` | `op`, its attributes, `scales=[0.5, none]`, (`zeros`: all 0), (`result_scale`, `result_to`, `result_zero=0`, `result_limits`) |
//! | `lookup` | (`zero=0`) |
//! | `batch_norm` | (`epsilon=1e-5`) |
//! | `clip` | `lo`, `hi` |
//! | `pointwise`, `channel_sums` | `steps=[mul/x0/x1, add/s0/0.5]`, in which `x1` is an operand and `s0` the result of a step, (none); `results=[s1]` |
//! | `max_pool` | the window as in `conv`, flag `ceil_mode` |
//! | `average_pool` | as `max_pool`, flag `count_include_pad` |
//! | `reduce_mean` | `axes`, flag `keep_dims` |
//! | `top_values`, `top_indices` | `axis`, `k`, flag `smallest` |
//! | `softmax`, `concat` | `axis` |
//! | `reshape` | `shape` |
//! | `pad` | `before`, `after`, (`value=0`) or flag `reflect` |
//! | `slice` | `start`, `len`, (`step`: all 1) |
//! | `transpose` | `perm` |
//! | `convert` | `to=u8`, or another element type |
//! | `reorder` | `to=nchw16c` or `to=planar` |
//! | `relu`, `sigmoid`, `add`, `sub`, `mul`, `div`, `global_average_pool`, `moments`, `matmul`, `measure`, `quantize_measured`, `identity` | none |
//!
//! **Constants** have one of these forms; printing uses the first that is exact and short.
//!
//! | form | elements, in row-major order |
//! |---|---|
//! | `constant [1, -0.5, inf]` | as listed; a type that is left out is `f32[n]` |
//! | `constant fill=0.5` | all equal |
//! | `constant iota` | 0, 1, 2, ... |
//! | `constant seed=7` | arbitrary multiples of 1/8 from -1 to 1, the same for the same seed, or for integers 8 times that; never printed |
//! | `constant fnv=0123456789abcdef` | not in the text: [`parse_with`] looks them up by this hash |

mod attributes;
mod constant;
mod expression;
mod parse;
mod print;
mod scan;

/// How a residual is added.
const RESIDUAL_STRIDES: &str = "residual_strides";
const RESIDUAL_CHANNEL: &str = "residual_channel";

/// What precedes the input that has the value of an output in the next run.
const NEXT_OF: &str = "next_of";

/// The key of the declared element type of an input or output.
const DECLARED: &str = "as";

/// The prefix of the keys of a projection's window.
const PROJECTION: &str = "projection_";

/// The prefix of the keys that say how a sum becomes bytes.
const SUM: &str = "sum_";
/// The flag of a quantized convolution whose result is f32.
const FLOATS: &str = "floats";
/// The flag of one to whose f32 result a residual is added.
const FLOAT_SUM: &str = "float_sum";
/// The flag of one whose source's scale and zero point are an operand.
const MEASURED: &str = "measured";

/// The key of the operator that computes on bytes.
const FUNCTION: &str = "op";
/// The keys of how its operands are dequantized, and the scale of one that is f32.
const SCALES: &str = "scales";
const ZEROS: &str = "zeros";
const NONE: &str = "none";
/// The prefix of the keys that say how its result becomes bytes.
const RESULT: &str = "result_";

pub use constant::{constants, hash};
pub use parse::{ParseError, parse, parse_with};
pub use print::{attributes, print};
pub use scan::quote;
