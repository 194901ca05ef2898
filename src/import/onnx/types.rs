//! Maps element types of the format to those of callers.

use resnetc_ir::DType;

use super::proto::DataType;

/// Every type whose elements are numbers that an f32 can represent.
const TYPES: [(DataType, DType); 13] = [
    (DataType::Float, DType::F32),
    (DataType::Float16, DType::F16),
    (DataType::Bfloat16, DType::BF16),
    (DataType::Double, DType::F64),
    (DataType::Int8, DType::I8),
    (DataType::Uint8, DType::U8),
    (DataType::Int16, DType::I16),
    (DataType::Uint16, DType::U16),
    (DataType::Int32, DType::I32),
    (DataType::Uint32, DType::U32),
    (DataType::Int64, DType::I64),
    (DataType::Uint64, DType::U64),
    (DataType::Bool, DType::Bool),
];

impl DataType {
    /// The type as callers know it; `None` if its elements are not numbers, or have fewer than 8
    /// bits.
    pub fn dtype(self) -> Option<DType> {
        TYPES.iter().find(|(ty, _)| *ty == self).map(|(_, dtype)| *dtype)
    }

    /// Whether elements of this type have fractions.
    pub(super) fn is_float(self) -> bool {
        self.dtype().is_some_and(DType::is_float)
    }
}

impl From<DType> for DataType {
    fn from(dtype: DType) -> Self {
        let found = TYPES.iter().find(|(_, other)| *other == dtype);
        found.map_or(DataType::Undefined, |(ty, _)| *ty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_of_the_format() {
        for dtype in DType::ALL {
            assert_eq!(DataType::from(dtype).dtype(), Some(dtype));
        }
        assert_eq!(DataType::String.dtype(), None);
    }
}
