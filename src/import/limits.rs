//! Limits on what a file may request. A small file must not be able to fill the memory or keep the
//! machine busy.
//!
//! | limit | value | what it bounds |
//! |---|---|---|
//! | [`FILE_BYTES`] | 16 GiB | a file of weights or of values |
//! | [`ONNX_BYTES`] | 2 GiB | an ONNX file, without the files beside it |
//! | [`RECORDS`] | 2^20 | nodes, attributes, names and other records of an ONNX file: its size in memory |
//! | [`NODES`] | 2^16 | nodes of a model, with its functions inlined, and of the resulting graph |
//! | [`FUNCTION_DEPTH`] | 16 | nesting of functions in functions |
//! | [`FUNCTION_STEPS`] | 2^18 | nodes and names that functions expand to |
//! | [`FUNCTION_BYTES`] | 64 MiB | copies of function bodies, as encoded in the file |
//! | [`CONSTANT_BYTES`] | 4 GiB | stored constants in memory, of models that refer to bytes of files more than once |
//! | free memory | three quarters, or 4 GiB if that is more | stored constants in memory, from the file and from those beside it |
//! | [`FILLED_ELEMENTS`] | 2^28 | elements of constants that hold a single value, as in models whose weights were removed |
//! | [`ARITHMETIC_ELEMENTS`] | 2^24 | elements that constant arithmetic reads and writes, plus [`ARITHMETIC_PER_STORED`] for each stored element |
//! | [`LIST_ENTRIES`] | 2^12 | operands of a node, and entries of an integer-list argument, such as the parts of a split |
//! | [`WINDOW_EXTENT`] | 2^20 | an extent, stride, dilation or border of a window |
//! | [`VALUE_ELEMENTS`] | 2^31 | elements of an input or a result, 8 GiB |
//! | [`MAX_RANK`](resnetc_ir::infer::MAX_RANK) | 8 | dimensions of a value |
//!
//! Sparse tensors, sequences and the operators with subgraphs (`If`, `Loop`, `Scan`) are refused,
//! so nothing nests any deeper. Safetensors headers have the limit of their format, 100 MB. Specs
//! have their own limits, each named in its key's error ([`spec`](crate::spec)): 1 MiB of text,
//! 4096 blocks, 2^28 weights or as many as the free memory holds.
//!
//! Except for those on memory, the limits are fixed: each is far above what published residual
//! networks need. A file that exceeds a limit is refused with the name and value of the limit.

use crate::advice::{Advice, OptionName};

/// Bytes of a file of weights or of values.
pub const FILE_BYTES: u64 = 16 << 30;

/// Bytes of an ONNX file. No exporter writes more: protobuf messages are limited to this size, and
/// larger constants are stored in files beside it.
pub const ONNX_BYTES: u64 = 2 << 30;

/// Nodes, attributes, tensors, names and other records of an ONNX file. The smallest takes 2 bytes
/// of the file and some 300 bytes of memory.
pub const RECORDS: usize = 1 << 20;

/// Nodes of a model, with its functions inlined; and nodes of the graph. The largest published
/// residual network has a few thousand.
pub const NODES: usize = 1 << 16;

/// Nesting depth of functions that use functions.
pub const FUNCTION_DEPTH: usize = 16;

/// Nodes and names that functions expand to. A small file can expand exponentially.
pub const FUNCTION_STEPS: usize = 1 << 18;

/// Bytes of nodes copied when functions are inlined. A small file can pass a long attribute or name
/// to many nodes.
pub const FUNCTION_BYTES: usize = 1 << 26;

/// Elements of a value that is not a constant: a larger size must be a mistake.
pub const VALUE_ELEMENTS: usize = 1 << 31;

/// Bytes that stored constants take in memory: 4 an element, and 8 if it is an integer. A small
/// file can refer to one large file beside it, or to a hole in one, many times. Constants that take
/// more must refer to each byte of their files at most once, and the machine must have the memory.
pub const CONSTANT_BYTES: usize = 4 << 30;

/// Elements of constants that hold a single value: enough for the weights of a VGG-19.
pub const FILLED_ELEMENTS: usize = 1 << 28;

/// Elements that constant arithmetic may read and write, beyond those for stored elements: plenty
/// for shapes, and few enough that a small file cannot keep a machine busy.
pub const ARITHMETIC_ELEMENTS: usize = 1 << 24;

/// Weights are cast, transposed and reshaped, each a few times.
pub const ARITHMETIC_PER_STORED: usize = 8;

/// Operands of a node, and entries of an integer-list argument. Shapes are far shorter.
pub const LIST_ENTRIES: usize = 1 << 12;

/// Extents, strides, dilations and borders of windows.
pub const WINDOW_EXTENT: i64 = 1 << 20;

/// What to do about a value with more than [`VALUE_ELEMENTS`].
pub(crate) const SMALLER_INPUTS: Advice = Advice::new(
    "give the inputs smaller sizes with {} or {}, or export the model with smaller ones",
    &[OptionName::Dims, OptionName::Batch],
);
