//! Values whose elements passes have moved.
//!
//! A function of single elements, such as rounding, gives the same elements wherever a pass moves
//! it: before a transpose or behind it, on images or on rows. So what is known of its elements after
//! the passes is known of those before them, in another order.

use std::borrow::Cow;
use std::sync::Arc;

use resnetc_ir::Op;
use resnetc_ir::eval::{EvalError, Value, eval_node};
use resnetc_ir::memory::copied;

/// Values of more axes than this are only compared as they are; there would be too many orders.
const MOST_AXES: usize = 5;

/// The elements of one of `values` in the order of `own`: of all values and all orders of their
/// axes, those of which the fewest elements differ. All have equally many.
pub(super) fn nearest<'a>(
    values: &'a [Arc<Value>],
    own: &Value,
) -> Result<Option<Cow<'a, [f64]>>, EvalError> {
    let mut best: Option<Near<'a>> = None;
    for value in values {
        let near = in_order_of(value, own)?;
        if best.as_ref().is_none_or(|best| near.differing < best.differing) {
            best = Some(near);
        }
    }
    Ok(best.map(|near| near.elements))
}

/// Elements, and how many of them differ from those of another value.
struct Near<'a> {
    elements: Cow<'a, [f64]>,
    differing: usize,
}

fn in_order_of<'a>(found: &'a Value, own: &Value) -> Result<Near<'a>, EvalError> {
    let mut best =
        Near { differing: differing(&found.data, own), elements: Cow::Borrowed(&found.data) };
    let (from, to) = (wide_axes(found), wide_axes(own));
    if from.len().max(to.len()) > MOST_AXES {
        return Ok(best);
    }
    // The value with more axes has the axes that were moved; the other one may have joined some.
    let outward = from.len() >= to.len();
    let axes = if outward { &from } else { &to };
    for order in orders(axes.len()) {
        // Few elements are at a jump; in another order, many differ.
        if best.differing <= own.data.len() / 256 {
            break;
        }
        let ordered: Vec<usize> = order.iter().map(|&axis| axes[axis]).collect();
        // As they are, the elements have been compared above.
        if from.len() == to.len() && (ordered != to || order.is_sorted()) {
            continue;
        }
        let moved = match outward {
            true => transposed(&from, &found.data, order)?,
            false => {
                let mut back = vec![0; order.len()];
                order.iter().enumerate().for_each(|(i, &axis)| back[axis] = i);
                transposed(&ordered, &found.data, back)?
            }
        };
        let count = differing(&moved, own);
        if count < best.differing {
            best = Near { elements: Cow::Owned(moved), differing: count };
        }
    }
    Ok(best)
}

fn differing(found: &[f64], own: &Value) -> usize {
    let same = |(a, b): &(&f64, &f64)| a == b || a.is_nan() && b.is_nan();
    found.iter().zip(&own.data).filter(|pair| !same(pair)).count()
}

/// The extents other than 1.
fn wide_axes(value: &Value) -> Vec<usize> {
    value.shape.iter().copied().filter(|&extent| extent != 1).collect()
}

fn transposed(shape: &[usize], data: &[f64], perm: Vec<usize>) -> Result<Vec<f64>, EvalError> {
    let value = Value::new(shape, copied(data)?);
    Ok(eval_node(&Op::Transpose { perm }, &[&value])?.data)
}

/// All orders of this many axes.
fn orders(axes: usize) -> Vec<Vec<usize>> {
    (0..axes).fold(vec![vec![]], |orders, axis| {
        let insert = |order: &Vec<usize>, at: usize| {
            let mut order = order.clone();
            order.insert(at, axis);
            order
        };
        orders.iter().flat_map(|order| (0..=axis).map(|at| insert(order, at))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_put_in_order_however_their_axes_were_moved() {
        let own = Value::new([1, 2, 3, 4], (0..24).map(f64::from).collect());
        for order in orders(4) {
            let moved = eval_node(&Op::Transpose { perm: order.clone() }, &[&own]).expect("fits");
            assert_eq!(in_order_of(&moved, &own).expect("fits").elements, own.data, "{order:?}");
            // Either of them with joined axes.
            let flat = Value::new([24], own.data.clone());
            assert_eq!(in_order_of(&moved, &flat).expect("fits").elements, own.data, "{order:?}");
            let flat = Value::new([4, 6], moved.data.clone());
            assert_eq!(in_order_of(&flat, &own).expect("fits").elements, own.data, "{order:?}");
            // Single elements may differ: they are why this is asked for.
            let mut other = moved;
            other.data[5] += 1.0;
            assert_eq!(in_order_of(&other, &own).expect("fits").differing, 1, "{order:?}");
            // Of several values, it is the one with the most equal elements.
            let reversed = Value::new([24], own.data.iter().rev().copied().collect());
            let values = [reversed, other].map(Arc::new);
            let found = nearest(&values, &own).expect("fits").expect("one of them");
            let same = found.iter().zip(&own.data).filter(|(a, b)| a == b).count();
            assert_eq!(same, 23, "{order:?}");
        }
    }
}
