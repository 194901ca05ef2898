//! Strided walks over a tensor: one offset for each position of a shape.

/// Row-major strides of a shape, in elements.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Strides that read a tensor of `shape` as if it were broadcast to `result`: 0 along each
/// stretched axis.
pub(super) fn broadcast_strides(shape: &[usize], result: &[usize]) -> Vec<usize> {
    let mut stretched = vec![0; result.len() - shape.len()];
    let own = strides(shape);
    stretched.extend(shape.iter().zip(own).map(|(&d, stride)| if d == 1 { 0 } else { stride }));
    stretched
}

/// The offset of every position of a shape, in row-major order of the positions.
pub(super) struct Walk<'a> {
    shape: &'a [usize],
    strides: Vec<usize>,
    position: Vec<usize>,
    offset: usize,
    left: usize,
}

impl<'a> Walk<'a> {
    /// Walks over `shape`, position `[i, j, ..]` having offset
    /// `i * strides[0] + j * strides[1] + ..`.
    pub(super) fn new(shape: &'a [usize], strides: Vec<usize>) -> Self {
        let position = vec![0; shape.len()];
        Walk { shape, strides, position, offset: 0, left: shape.iter().product() }
    }
}

impl Iterator for Walk<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let current = self.offset;
        for axis in (0..self.shape.len()).rev() {
            self.position[axis] += 1;
            self.offset += self.strides[axis];
            if self.position[axis] < self.shape[axis] {
                break;
            }
            self.offset -= self.strides[axis] * self.shape[axis];
            self.position[axis] = 0;
        }
        Some(current)
    }
}

/// A shape seen from one axis: the number of positions before it, its own extent, and the number of
/// elements in one step along it.
pub(super) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    let outer = shape[..axis].iter().product();
    let inner = shape[axis + 1..].iter().product();
    (outer, shape[axis], inner)
}
