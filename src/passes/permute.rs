//! Permutations of axes. `perm` is read as in [`Op::Transpose`](resnetc_ir::Op): axis `i` of the
//! result is axis `perm[i]` of the operand.

use resnetc_ir::memory::{NoMemory, reserved};
use resnetc_ir::{DType, Tensor};

/// The permutation that undoes `perm`.
pub(super) fn inverse(perm: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; perm.len()];
    for (i, &axis) in perm.iter().enumerate() {
        inverse[axis] = i;
    }
    inverse
}

/// The permutation equivalent to `first` followed by `second`.
pub(super) fn compose(first: &[usize], second: &[usize]) -> Vec<usize> {
    second.iter().map(|&axis| first[axis]).collect()
}

/// Whether `perm` moves nothing.
pub(super) fn is_identity(perm: &[usize]) -> bool {
    perm.iter().copied().eq(0..perm.len())
}

/// Whether transposing a value of `shape` keeps the order of its elements: axes of more than one
/// element stay in order.
pub(super) fn keeps_order(shape: &[usize], perm: &[usize]) -> bool {
    let long: Vec<usize> = perm.iter().copied().filter(|&axis| shape[axis] > 1).collect();
    long.is_sorted()
}

/// The shape of a transposed value.
pub(super) fn permuted_shape(shape: &[usize], perm: &[usize]) -> Vec<usize> {
    perm.iter().map(|&axis| shape[axis]).collect()
}

/// A constant transposed. `perm` must be a permutation of its axes.
///
/// # Errors
/// If the system does not have enough memory.
pub(super) fn permuted(tensor: &Tensor, perm: &[usize]) -> Result<Option<Tensor>, NoMemory> {
    let shape = permuted_shape(tensor.shape(), perm);
    if keeps_order(tensor.shape(), perm) {
        return Ok(tensor.clone().reshaped(shape));
    }
    let strides = permuted_shape(&strides(tensor.shape()), perm);
    if tensor.dtype() == DType::F32 {
        let data = walked(&strides, &shape, tensor.try_data()?)?;
        return Ok(Tensor::new(shape, data));
    }
    let data = walked(&strides, &shape, &tensor.try_numbers()?)?;
    Tensor::try_from_numbers(tensor.dtype(), shape, &data)
}

/// The elements at all positions of a shape, with these strides along the axes.
fn walked<T: Copy>(strides: &[usize], shape: &[usize], source: &[T]) -> Result<Vec<T>, NoMemory> {
    let mut data = reserved(source.len())?;
    let mut index = vec![0; shape.len()];
    let mut offset = 0;
    while data.len() < source.len() {
        data.push(source[offset]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            offset += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            offset -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    Ok(data)
}

/// The distance between neighbours along each axis, row-major.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permuting_and_inverting_gives_the_constant_back() {
        let data: Vec<f32> = (0..24).map(|x| x as f32).collect();
        let tensor = Tensor::new([2, 3, 4], data).unwrap();
        let perm = [2, 0, 1];
        let moved = permuted(&tensor, &perm).unwrap().unwrap();
        assert_eq!(moved.shape(), [4, 2, 3]);
        assert_eq!(moved.data()[..4], [0.0, 4.0, 8.0, 12.0]);
        assert_eq!(permuted(&moved, &inverse(&perm)).unwrap(), Some(tensor));
        assert!(is_identity(&compose(&perm, &inverse(&perm))));
    }

    #[test]
    fn only_axes_of_one_element_move_for_free() {
        assert!(keeps_order(&[2, 1, 1, 8], &[0, 3, 1, 2]));
        assert!(!keeps_order(&[2, 1, 2, 8], &[0, 3, 1, 2]));
    }
}
