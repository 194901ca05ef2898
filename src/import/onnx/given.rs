//! Whole shapes that a caller gives for inputs, and what to do where one does not fit.

use std::collections::BTreeMap;

use super::inputs::{Bindings, InputInfo};
use crate::import::dim::Dim;
use crate::import::error::{ImportError, ImportErrorKind};

/// Turns given shapes into inputs and named sizes: an input without a declared shape gets an
/// unnamed dimension for each axis. Sizes of other dimensions go by input and axis.
pub(super) fn as_dims(
    inputs: &[InputInfo],
    bindings: &Bindings,
) -> Result<(Vec<InputInfo>, BTreeMap<String, usize>), ImportError> {
    let (mut inputs, mut sizes) = (inputs.to_vec(), bindings.dims.clone());
    for (name, shape) in &bindings.shapes {
        let Some(input) = inputs.iter_mut().find(|input| input.name == *name) else {
            let known = inputs.into_iter().map(|input| input.name).collect();
            return Err(ImportErrorKind::UnknownInput { name: name.clone(), known }.into());
        };
        let open = |axis| Dim::Symbol(format!("{name}.{axis}"));
        let dims = input.dims.get_or_insert_with(|| (0..shape.len()).map(open).collect());
        check(name, dims, shape)?;
        for (axis, (dim, &size)) in dims.iter().zip(shape).enumerate() {
            let key = match dim {
                Dim::Symbol(symbol) => symbol.clone(),
                Dim::Fixed(found) if axis > 0 && *found == size => continue,
                Dim::Fixed(_) => format!("{name}.{axis}"),
            };
            if let Some(other) = sizes.insert(key.clone(), size).filter(|&other| other != size) {
                let reason = format!(
                    "axis {axis} of the shape given for it is {size}, but dimension \"{key}\" is {other} elsewhere"
                );
                return Err(ImportError::conflict(format!("input \"{name}\""), reason));
            }
        }
    }
    Ok((inputs, sizes))
}

/// Checks a shape against the declared dimensions. The first may differ: it is the batch.
fn check(input: &str, dims: &[Dim], shape: &[usize]) -> Result<(), ImportErrorKind> {
    match fits(dims, shape) {
        true => Ok(()),
        false => Err(ImportErrorKind::GivenShape {
            input: input.to_owned(),
            declared: dims.to_vec(),
            given: shape.to_vec(),
            advice: advice(dims, shape),
        }),
    }
}

fn fits(dims: &[Dim], shape: &[usize]) -> bool {
    let one = |(axis, (dim, extent)): (usize, (&Dim, &usize))| match dim {
        Dim::Symbol(_) => true,
        Dim::Fixed(wanted) => axis == 0 || wanted == extent,
    };
    dims.len() == shape.len() && dims.iter().zip(shape).enumerate().all(one)
}

/// Axis orders that users often pass where another is expected: the permutation that fixes each,
/// and what the given axes seem to be.
const ORDERS: [(&[usize], &str); 6] = [
    (&[0, 1], "height and width"),
    (&[0, 1, 2], "one image without the batch axis"),
    (&[2, 0, 1], "height, width and channels of one image"),
    (&[0, 3, 1, 2], "height, width and channels of each image"),
    (&[1, 2, 0], "channels, height and width of one image"),
    (&[0, 2, 3, 1], "channels, height and width of each image"),
];

/// What the array seems to be, and how to turn it into what the input expects.
fn advice(dims: &[Dim], shape: &[usize]) -> Option<String> {
    let missing = dims.len().checked_sub(shape.len())?;
    ORDERS.iter().find_map(|&(order, what)| {
        if order.len() != shape.len() {
            return None;
        }
        let moved = order.iter().map(|&axis| shape[axis]);
        let shape: Vec<usize> = std::iter::repeat_n(1, missing).chain(moved).collect();
        let is_moved = !order.is_sorted();
        if !fits(dims, &shape) || !(is_moved || missing > 0) {
            return None;
        }
        let list: Vec<String> = order.iter().map(usize::to_string).collect();
        let mut code = "x".to_owned();
        if is_moved {
            code += &format!(".transpose({})", list.join(", "));
        }
        if missing > 0 {
            code += &format!("[{}]", vec!["None"; missing].join(", "));
        }
        Some(format!("it seems to be {what}; in NumPy, {code} has the shape {shape:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dims(list: &[usize]) -> Vec<Dim> {
        let dim = |&n: &usize| if n == 0 { Dim::Symbol("d".into()) } else { Dim::Fixed(n) };
        list.iter().map(dim).collect()
    }

    #[test]
    fn what_an_array_seems_to_be_is_said() {
        let nchw = dims(&[0, 3, 224, 200]);
        let nhwc = dims(&[1, 224, 200, 3]);
        let open = dims(&[0, 3, 0, 0]);
        let cases: [(&[Dim], &[usize], Option<&str>); 11] = [
            (
                &nchw,
                &[224, 200, 3],
                Some("x.transpose(2, 0, 1)[None] has the shape [1, 3, 224, 200]"),
            ),
            (
                &nchw,
                &[7, 224, 200, 3],
                Some("x.transpose(0, 3, 1, 2) has the shape [7, 3, 224, 200]"),
            ),
            (&nchw, &[3, 224, 200], Some("x[None] has the shape [1, 3, 224, 200]")),
            (&open, &[64, 48, 3], Some("x.transpose(2, 0, 1)[None] has the shape [1, 3, 64, 48]")),
            (&open, &[3, 64, 48], Some("x[None] has the shape [1, 3, 64, 48]")),
            (
                &nhwc,
                &[3, 224, 200],
                Some("x.transpose(1, 2, 0)[None] has the shape [1, 224, 200, 3]"),
            ),
            (
                &nhwc,
                &[2, 3, 224, 200],
                Some("x.transpose(0, 2, 3, 1) has the shape [2, 224, 200, 3]"),
            ),
            (&dims(&[0, 1, 28, 28]), &[28, 28], Some("x[None, None] has the shape [1, 1, 28, 28]")),
            (&nchw, &[1, 3, 32, 32], None),
            (&nchw, &[1, 1, 3, 224, 200], None),
            (&nchw, &[], None),
        ];
        for (dims, shape, wanted) in cases {
            let Err(ImportErrorKind::GivenShape { advice, .. }) = check("x", dims, shape) else {
                panic!("{shape:?} fits");
            };
            match (advice, wanted) {
                (Some(advice), Some(wanted)) => assert!(advice.ends_with(wanted), "{advice}"),
                (advice, wanted) => assert_eq!(advice.as_deref(), wanted, "{shape:?}"),
            }
        }
        // A different batch is not an error.
        assert!(check("x", &nhwc, &[5, 224, 200, 3]).is_ok());
    }
}
