//! Values that must be equal except for the order of a sum.

use proptest::prelude::*;
use resnetc_ir::Graph;
use resnetc_ir::eval::{EvalError, Value};
use resnetc_ir::text::print;

use resnetc_testing::close::{greatest, is_close};

/// Whether two graphs give the same values, up to a different order of sums in f64.
pub(crate) fn assert_equal(
    before: &Result<Vec<Value>, EvalError>,
    after: &Result<Vec<Value>, EvalError>,
    graph: &Graph,
) -> Result<(), TestCaseError> {
    let (Ok(before), Ok(after)) = (before, after) else {
        return Err(TestCaseError::fail(format!("{before:?}, {after:?}\n{}", print(graph))));
    };
    prop_assert_eq!(before.len(), after.len());
    for (x, y) in before.iter().zip(after) {
        prop_assert_eq!(&x.shape, &y.shape);
        let limit = greatest(&x.data).max(1.0) * 1e-12;
        for (x, y) in x.data.iter().zip(&y.data) {
            prop_assert!(is_close(*y, *x, limit), "{x} became {y}\n{}", print(graph));
        }
    }
    Ok(())
}
