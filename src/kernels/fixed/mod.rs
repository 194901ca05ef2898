//! Convolution with tile registers: fixed-point numbers of three signed bytes each, and six of the
//! nine products of these bytes.
//!
//! Computing a matrix product of floats from products of small integers is Ozaki's scheme (Ozaki,
//! Ogita, Oishi, Rump, "Error-free transformations of matrix multiplication by using fast routines
//! of matrix multiplication and its applications", Numerical Algorithms 59, 2012; on integer units:
//! Ootomo, Ozaki, Yokota, "DGEMM on integer matrix multiplication unit", 2024).
//!
//! | module | holds |
//! |---|---|
//! | `number`, `sizes` | fixed-point numbers; sizes and offsets that all programs share |
//! | `positions`, `form` | results and what they see, row after row; a convolution as tiles see it |
//! | `plan` | the plan of the algorithm: which of the forms a convolution has |
//! | `cost` | what it costs, and how a layer is cut into blocks |
//! | `abs_max` | the abs-max of an image |
//! | `frame`, `stripe`, `panel` | what all forms have in common: operands, chunks of rows, outputs computed together |
//! | `layer`, `seen` | the calls that a convolution consists of, and those that read its source |
//! | `digits`, `split`, `split_rows` | splitting values into digits |
//! | `narrow` | the same for planar images of few channels |
//! | `product` | the products, as a tile program |
//! | `finish` | bias, shortcut and activation |
//! | `pack` | weights as digits |
//! | `dark`, `magnitudes` | which outputs see only values that are small relative to others of their image |
//! | `guard`, `unpack` | the rows of such outputs, computed directly |
//! | `bytes` | convolution of quantized values, which are numbers of one digit |
//!
//! All values of an image share a scale, `2^-23` of the largest of them, and so do all weights of
//! an output. The error of a factor is less than two units, mostly half a unit; the three omitted
//! products of digits are below `2^-22` of the product of the largest factors. All sums are exact
//! until they are converted back to floats. An image's abs-max comes from the step that computed
//! the image, if that is a fixed-point convolution as well: each of its chunks publishes that of
//! its results. Otherwise a separate region computes it, whose chunks store what they find in the
//! step's scratch memory.
//!
//! A chunk is some rows of an image and some outputs. It stores the digits of all pixels that it
//! sees in the thread's private memory, row after row, so that a tap is just a distance: 16
//! consecutive positions from any start are a tile. What such a tile computes between the end of a
//! row and the beginning of the next is never read. If the window strides, rows and columns with
//! the same remainder form a separate image, a *phase*.

mod abs_max;
pub(super) mod bytes;
mod cost;
mod dark;
mod digits;
mod finish;
mod form;
mod frame;
mod guard;
mod layer;
mod magnitudes;
mod narrow;
mod number;
mod pack;
mod panel;
pub(super) mod plan;
mod positions;
mod product;
mod seen;
mod sizes;
mod split;
mod split_rows;
mod stripe;
mod unpack;

pub use form::WideForm;
pub use narrow::NarrowForm;
