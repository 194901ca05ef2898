//! Constant data: weights, biases and folded scalars.

/// An owned, row-major f32 tensor.
///
/// A [`Graph`](crate::Graph) keeps its constants behind `Arc`, so nodes and graphs share one copy until a pass
/// makes a new tensor from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// A tensor of `shape` holding `data` in row-major order; `None` if their sizes differ.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Option<Self> {
        let shape = shape.into();
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        (elements == data.len()).then_some(Tensor { shape, data })
    }

    /// A rank-0 tensor.
    pub fn scalar(value: f32) -> Self {
        Tensor { shape: Vec::new(), data: vec![value] }
    }

    /// A rank-1 tensor.
    pub fn vector(data: Vec<f32>) -> Self {
        Tensor { shape: vec![data.len()], data }
    }

    /// Dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Elements in row-major order.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The elements, taken out.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The same elements under another shape; `None` if the sizes differ.
    pub fn reshaped(self, shape: impl Into<Vec<usize>>) -> Option<Self> {
        Tensor::new(shape, self.data)
    }
}
