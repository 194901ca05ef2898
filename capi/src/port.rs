//! Inputs and outputs of a model, as C reads them.

use std::ffi::{CString, c_char};

use resnetc::{DType, Port};

use crate::error::c_string;

/// The type of an element. The numbers are those of ONNX, and stable.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// A type that this version of the header does not know.
    Unknown = 0,
    /// `float`.
    F32 = 1,
    /// `uint8_t`.
    U8 = 2,
    /// `int8_t`.
    I8 = 3,
    /// `uint16_t`.
    U16 = 4,
    /// `int16_t`.
    I16 = 5,
    /// `int32_t`.
    I32 = 6,
    /// `int64_t`.
    I64 = 7,
    /// A byte that is 0 or 1.
    Bool = 9,
    /// IEEE 754 binary16.
    F16 = 10,
    /// `double`.
    F64 = 11,
    /// `uint32_t`.
    U32 = 12,
    /// `uint64_t`.
    U64 = 13,
    /// The upper half of a `float`.
    Bf16 = 16,
}

/// The types that have a number here.
const TYPES: [(ElementType, DType); 13] = [
    (ElementType::F32, DType::F32),
    (ElementType::U8, DType::U8),
    (ElementType::I8, DType::I8),
    (ElementType::U16, DType::U16),
    (ElementType::I16, DType::I16),
    (ElementType::I32, DType::I32),
    (ElementType::I64, DType::I64),
    (ElementType::Bool, DType::Bool),
    (ElementType::F16, DType::F16),
    (ElementType::F64, DType::F64),
    (ElementType::U32, DType::U32),
    (ElementType::U64, DType::U64),
    (ElementType::Bf16, DType::BF16),
];

impl From<DType> for ElementType {
    fn from(dtype: DType) -> Self {
        let known = TYPES.iter().find(|(_, other)| *other == dtype);
        known.map_or(ElementType::Unknown, |(element, _)| *element)
    }
}

/// The type with this number, which a caller gives.
pub(crate) fn dtype(number: i32) -> Option<DType> {
    TYPES.iter().find(|(element, _)| *element as i32 == number).map(|(_, dtype)| *dtype)
}

/// An input or an output of a model. The model owns it: it is valid until the last handle of the
/// model is freed. Later versions may add members at the end.
#[repr(C)]
#[derive(Debug)]
pub struct PortInfo {
    /// Its name in the model's description, in UTF-8.
    pub name: *const c_char,
    /// Its extents, outermost first; elements are in row-major order.
    pub dims: *const usize,
    /// How many extents there are.
    pub rank: usize,
    /// How many elements there are: the product of the extents.
    pub elements: usize,
    /// How many bytes of a context it takes, in elements of the type `held`.
    pub bytes: usize,
    /// The type of elements in a context's memory: `RESNETC_TYPE_F32` for every network that this
    /// version loads.
    pub held: ElementType,
    /// The type that the model's description declares. `resnetc_context_write`,
    /// `resnetc_context_read` and `resnetc_run_once` accept both types. If it is a type of integers
    /// or booleans and `held` is a float, an input accepts only their values.
    pub declared: ElementType,
}

/// The inputs or outputs of a model.
#[derive(Debug)]
pub(crate) struct Ports {
    infos: Vec<PortInfo>,
    /// What the pointers of `infos` point to; it does not move.
    _owned: Vec<(CString, Vec<usize>)>,
}

// SAFETY: the pointers lead to memory that `Ports` owns and that nothing writes to.
unsafe impl Send for Ports {}
// SAFETY: as above.
unsafe impl Sync for Ports {}

impl Ports {
    pub(crate) fn new(ports: &[Port]) -> Self {
        let owned: Vec<_> = ports.iter().map(|p| (c_string(&p.name), p.shape.clone())).collect();
        let info = |(port, (name, dims)): (&Port, &(CString, Vec<usize>))| {
            let elements = dims.iter().product();
            PortInfo {
                name: name.as_ptr(),
                dims: dims.as_ptr(),
                rank: dims.len(),
                elements,
                bytes: elements * port.element().bytes(),
                held: port.element().into(),
                declared: port.dtype.into(),
            }
        };
        Ports { infos: ports.iter().zip(&owned).map(info).collect(), _owned: owned }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&PortInfo> {
        self.infos.get(index)
    }

    pub(crate) fn len(&self) -> usize {
        self.infos.len()
    }
}
