//! Elements as numbers and as bytes, and the conversion of numbers between types.

use std::fmt::Debug;

use crate::dtype::DType;

/// A Rust number type that can be an element of a tensor in memory.
///
/// Its implementors are plain numbers, for which every bit pattern is a value. The trait cannot be
/// implemented elsewhere, and code that views memory as elements relies on that.
pub trait Element:
    sealed::Sealed + Copy + Debug + Default + PartialEq + Send + Sync + 'static
{
    /// Its element type.
    const DTYPE: DType;

    /// The number, exactly.
    fn number(self) -> f64;

    /// The element that [`DType::convert`] makes of a number of the type `from`.
    fn converted(x: f64, from: DType) -> Self;

    /// Appends the element's bytes, least significant first.
    fn put(self, out: &mut Vec<u8>);
}

mod sealed {
    /// Keeps [`Element`](super::Element) closed.
    pub trait Sealed {}
}

macro_rules! elements {
    ($($number:ident $dtype:ident),*) => {$(
        impl sealed::Sealed for $number {}

        impl Element for $number {
            const DTYPE: DType = DType::$dtype;

            fn number(self) -> f64 {
                self.into()
            }

            fn converted(x: f64, from: DType) -> Self {
                DType::$dtype.convert(x, from) as $number
            }

            fn put(self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
        }
    )*};
}

elements!(f32 F32, f64 F64, i8 I8, u8 U8, i16 I16, u16 U16, i32 I32, u32 U32);

impl DType {
    /// The element of this type that [`Op::Convert`](crate::Op::Convert) makes of an element of
    /// type `from`, both as numbers.
    ///
    /// - To a float: the nearest one, ties to even; infinity beyond the largest finite float.
    /// - From a float to an integer: the fraction is truncated. A number beyond the type's limits
    ///   becomes the nearer limit, and NaN becomes 0 (ONNX specifies neither).
    /// - From an integer to one of fewer bits: the lower bits, as in ONNX and NumPy.
    /// - To a boolean: 0 becomes 0, everything else 1, NaN as well.
    ///
    /// Numbers of 64-bit integers are only as exact as an f64; no value of a graph has them.
    pub fn convert(self, x: f64, from: DType) -> f64 {
        match self {
            DType::F64 => x,
            DType::F32 => f64::from(x as f32),
            DType::F16 => nearest(x, 11, -14, 65504.0),
            DType::BF16 => nearest(x, 8, -126, f64::from(f32::from_bits(0x7f7f_0000))),
            DType::Bool => f64::from(u8::from(x != 0.0)),
            _ if from.is_float() => self.saturated(x),
            _ => self.wrapped(x as i64),
        }
    }

    /// The integer of this type with the same lower bits; the number itself for floating-point
    /// types.
    pub(crate) fn wrapped(self, x: i64) -> f64 {
        match self {
            DType::I8 => (x as i8).into(),
            DType::U8 => (x as u8).into(),
            DType::I16 => (x as i16).into(),
            DType::U16 => (x as u16).into(),
            DType::I32 => (x as i32).into(),
            DType::U32 => (x as u32).into(),
            DType::U64 => x as u64 as f64,
            DType::Bool => (x & 1) as f64,
            DType::I64 | DType::F32 | DType::F16 | DType::BF16 | DType::F64 => x as f64,
        }
    }

    /// The integer of this type next to a float, towards 0.
    fn saturated(self, x: f64) -> f64 {
        match self.limits() {
            Some(_) if x.is_nan() => 0.0,
            Some((lo, hi)) => x.trunc().clamp(lo as f64, hi as f64) + 0.0,
            None => x,
        }
    }

    /// The number that bytes stand for, least significant first; `None` unless there are exactly as
    /// many as an element has. Beyond 2^53 a 64-bit integer is rounded.
    pub fn decode(self, bytes: &[u8]) -> Option<f64> {
        fn of<const N: usize>(bytes: &[u8], number: fn([u8; N]) -> f64) -> Option<f64> {
            bytes.try_into().ok().map(number)
        }
        match self {
            DType::F32 => of(bytes, |b| f32::from_le_bytes(b).into()),
            DType::F16 => of(bytes, |b| half(u16::from_le_bytes(b))),
            DType::BF16 => {
                of(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16).into())
            }
            DType::F64 => of(bytes, f64::from_le_bytes),
            DType::I8 => of(bytes, |b| i8::from_le_bytes(b).into()),
            DType::U8 => of(bytes, |b| u8::from_le_bytes(b).into()),
            DType::I16 => of(bytes, |b| i16::from_le_bytes(b).into()),
            DType::U16 => of(bytes, |b| u16::from_le_bytes(b).into()),
            DType::I32 => of(bytes, |b| i32::from_le_bytes(b).into()),
            DType::U32 => of(bytes, |b| u32::from_le_bytes(b).into()),
            DType::I64 => of(bytes, |b| i64::from_le_bytes(b) as f64),
            DType::U64 => of(bytes, |b| u64::from_le_bytes(b) as f64),
            DType::Bool => of(bytes, |[b]| f64::from(u8::from(b != 0))),
        }
    }

    /// Appends the bytes of a number's element, least significant first: the nearest float, or the
    /// integer that [`DType::convert`] makes of a float.
    pub fn encode(self, x: f64, out: &mut Vec<u8>) {
        let x = self.convert(x, DType::F64);
        match self {
            DType::F32 => (x as f32).put(out),
            DType::F16 => half_bits(x).put(out),
            DType::BF16 => (((x as f32).to_bits() >> 16) as u16).put(out),
            DType::F64 => x.put(out),
            DType::I8 => (x as i8).put(out),
            DType::U8 | DType::Bool => (x as u8).put(out),
            DType::I16 => (x as i16).put(out),
            DType::U16 => (x as u16).put(out),
            DType::I32 => (x as i32).put(out),
            DType::U32 => (x as u32).put(out),
            DType::I64 => out.extend((x as i64).to_le_bytes()),
            DType::U64 => out.extend((x as u64).to_le_bytes()),
        }
    }
}

/// The exponent of a number that is not 0: the power of two that is at most its magnitude.
fn exponent(x: f64) -> i32 {
    (x.to_bits() >> 52 & 0x7ff) as i32 - 1023
}

/// A power of two whose exponent is in the range of f64.
fn power(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The nearest number of this many binary digits, whose exponent is at least `least`.
fn nearest(x: f64, digits: i32, least: i32, greatest: f64) -> f64 {
    if !x.is_finite() || x == 0.0 {
        return x;
    }
    // Both steps by a power of two are exact.
    let unit = power(exponent(x).max(least) - (digits - 1));
    let near = (x / unit).round_ties_even() * unit;
    if near.abs() > greatest { f64::INFINITY.copysign(x) } else { near.copysign(x) }
}

/// The number that a binary16 stands for.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * power(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1024.0 + fraction) * power(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The binary16 of a number that binary16 represents exactly.
fn half_bits(x: f64) -> u16 {
    let sign = u16::from(x.is_sign_negative()) << 15;
    let magnitude = x.abs();
    sign | if x.is_nan() {
        0x7e00
    } else if magnitude.is_infinite() {
        0x7c00
    } else if magnitude < power(-14) {
        (magnitude / power(-24)) as u16
    } else {
        let exponent = exponent(magnitude);
        let fraction = magnitude / power(exponent - 10) - 1024.0;
        (((exponent + 15) as u16) << 10) + fraction as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every binary16 and every bfloat16 as a number.
    fn numbers(ty: DType) -> impl Iterator<Item = (u16, f64)> {
        (0..=u16::MAX).map(move |bits| (bits, ty.decode(&bits.to_le_bytes()).expect("two bytes")))
    }

    #[test]
    fn halves_are_read_and_written_back() {
        for ty in [DType::F16, DType::BF16] {
            for (bits, x) in numbers(ty) {
                let mut bytes = Vec::new();
                ty.encode(x, &mut bytes);
                let found = ty.decode(&bytes).expect("two bytes");
                assert!(
                    x.is_nan() && found.is_nan() || bytes == bits.to_le_bytes(),
                    "{ty} {bits:x}"
                );
            }
        }
        assert_eq!(
            [0x3c00, 0xc000, 0x0001, 0x7bff].map(half),
            [1.0, -2.0, 2f64.powi(-24), 65504.0]
        );
    }

    #[test]
    fn between_two_halves_the_nearer_one_is_taken_and_of_a_tie_the_even_one() {
        for ty in [DType::F16, DType::BF16] {
            let finite: Vec<(u16, f64)> =
                numbers(ty).filter(|(bits, x)| bits >> 15 == 0 && x.is_finite()).collect();
            for pair in finite.windows(2) {
                let [(bits, lo), (_, hi)] = [pair[0], pair[1]];
                let middle = lo + (hi - lo) / 2.0;
                let even = if bits % 2 == 0 { lo } else { hi };
                let near = |x| ty.convert(x, DType::F64);
                assert_eq!(near(middle), even, "{ty} {bits:x}");
                assert_eq!([near(middle.next_down()), near(middle.next_up())], [lo, hi]);
                assert_eq!(near(-middle), -even);
            }
        }
        assert_eq!(DType::F16.convert(65520.0, DType::F64), f64::INFINITY);
        assert_eq!(DType::F16.convert(65519.9, DType::F64), 65504.0);
    }

    /// The results of Rust's own conversions.
    fn cast(x: f64, from: DType, to: DType) -> f64 {
        match (to, from.is_float()) {
            (DType::F32, _) => (x as f32).into(),
            (DType::I8, true) => (x as i8).into(),
            (DType::U8, true) => (x as u8).into(),
            (DType::I32, true) => (x as i32).into(),
            (DType::U16, true) => (x as u16).into(),
            (DType::I8, false) => (x as i64 as i8).into(),
            (DType::U8, false) => (x as i64 as u8).into(),
            (DType::I32, false) => (x as i64 as i32).into(),
            (DType::U16, false) => (x as i64 as u16).into(),
            _ => unreachable!("no case of this test"),
        }
    }

    proptest! {
        #[test]
        fn conversions_are_those_of_rust(
            x in prop_oneof![any::<f32>().prop_map(f64::from), -400.0..400.0f64, -1e10..1e10],
            integer in any::<i32>(),
        ) {
            for to in [DType::F32, DType::I8, DType::U8, DType::I32, DType::U16] {
                let found = to.convert(x, DType::F32);
                let expected = cast(x, DType::F32, to);
                prop_assert!(found == expected || found.is_nan() && expected.is_nan(), "{} {}", to, x);
                prop_assert!(to.contains(found));
                let integer = f64::from(integer);
                prop_assert_eq!(to.convert(integer, DType::I32), cast(integer, DType::I32, to));
            }
        }
    }
}
