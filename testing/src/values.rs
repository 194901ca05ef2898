//! Helpers for values of the interpreter.

use resnetc_ir::eval::Value;

/// A value of f64 elements.
pub fn value(shape: &[usize], data: &[f64]) -> Value {
    assert_eq!(shape.iter().product::<usize>(), data.len(), "{shape:?}");
    Value::new(shape.to_vec(), data.to_vec())
}

/// A value of 0, 1, 2, ... in row-major order.
pub fn iota(shape: &[usize]) -> Value {
    let elements: usize = shape.iter().product();
    Value::new(shape.to_vec(), (0..elements).map(|i| i as f64).collect())
}

/// Whether two values agree to `tolerance`, relative to elements beyond 1; NaN and infinities agree
/// with themselves only.
pub fn close(a: &Value, b: &Value, tolerance: f64) -> bool {
    let near = |(a, b): (&f64, &f64)| {
        let is_near = a.is_finite() && (a - b).abs() <= tolerance * a.abs().max(1.0);
        a == b || (a.is_nan() && b.is_nan()) || is_near
    };
    a.shape == b.shape && a.data.len() == b.data.len() && a.data.iter().zip(&b.data).all(near)
}
