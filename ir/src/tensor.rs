//! Constant data: weights, biases and folded scalars.

use std::fmt;
use std::sync::{Arc, OnceLock};

/// Elements that lie outside of the graph, or are computed from others when somebody reads them.
///
/// They are the same at every reading.
pub trait Elements: Send + Sync {
    /// Writes the elements from `start` on, counted in row-major order, into `out`.
    ///
    /// # Panics
    /// May panic if there are not so many.
    fn read(&self, start: usize, out: &mut [f32]);
}

/// A row-major f32 tensor.
///
/// A [`Graph`](crate::Graph) keeps its constants behind `Arc`, so nodes and graphs share one copy until a pass
/// makes a new tensor from it. Large tensors may be *deferred*: their elements are read from elsewhere, piece by
/// piece with [`Tensor::read`], so that a network's weights need not be in memory twice.
#[derive(Clone)]
pub struct Tensor {
    shape: Vec<usize>,
    storage: Storage,
}

#[derive(Clone)]
enum Storage {
    Owned(Vec<f32>),
    Deferred {
        elements: Arc<dyn Elements>,
        /// All of them, once somebody asked for a slice.
        data: OnceLock<Vec<f32>>,
    },
}

/// Elements that are read at a time where all are looked at: few enough for the innermost cache.
const PIECE: usize = 4096;

impl Tensor {
    /// A tensor of `shape` holding `data` in row-major order; `None` if their sizes differ.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Option<Self> {
        let shape = shape.into();
        (product(&shape)? == data.len()).then_some(Tensor { shape, storage: Storage::Owned(data) })
    }

    /// A tensor of `shape` whose elements are read when they are needed; `None` if there cannot be so many. There must
    /// be as many `elements` as the shape has.
    pub fn deferred(shape: impl Into<Vec<usize>>, elements: Arc<dyn Elements>) -> Option<Self> {
        let shape = shape.into();
        product(&shape)?;
        Some(Tensor { shape, storage: Storage::Deferred { elements, data: OnceLock::new() } })
    }

    /// A rank-0 tensor.
    pub fn scalar(value: f32) -> Self {
        Tensor { shape: Vec::new(), storage: Storage::Owned(vec![value]) }
    }

    /// A rank-1 tensor.
    pub fn vector(data: Vec<f32>) -> Self {
        Tensor { shape: vec![data.len()], storage: Storage::Owned(data) }
    }

    /// Dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements there are.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Elements in row-major order. Those of a deferred tensor are read at the first call, and kept: use
    /// [`Tensor::read`] where a part or a single reading will do.
    pub fn data(&self) -> &[f32] {
        match &self.storage {
            Storage::Owned(data) => data,
            Storage::Deferred { elements, data } => {
                data.get_or_init(|| read_all(&**elements, self.elements()))
            }
        }
    }

    /// Writes the elements from `start` on, counted in row-major order, into `out`.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn read(&self, start: usize, out: &mut [f32]) {
        let range = start..start + out.len();
        assert!(range.end <= self.elements(), "elements {range:?} of {}", self.elements());
        match &self.storage {
            Storage::Owned(data) => out.copy_from_slice(&data[range]),
            Storage::Deferred { elements, data } => match data.get() {
                Some(data) => out.copy_from_slice(&data[range]),
                None => elements.read(start, out),
            },
        }
    }

    /// Whether no element is infinite or NaN.
    pub fn is_finite(&self) -> bool {
        self.all(f32::is_finite)
    }

    /// Whether all elements pass a test; they are read piece by piece and not kept.
    pub fn all(&self, test: impl Fn(f32) -> bool) -> bool {
        let mut buffer = [0.0; PIECE];
        (0..self.elements()).step_by(PIECE).all(|start| {
            let piece = &mut buffer[..PIECE.min(self.elements() - start)];
            self.read(start, piece);
            // No early exit: so the loop runs on whole vectors, and weights are finite as a rule.
            piece.iter().fold(true, |passed, &x| passed & test(x))
        })
    }

    /// The elements, taken out.
    pub fn into_data(self) -> Vec<f32> {
        let count = self.elements();
        match self.storage {
            Storage::Owned(data) => data,
            Storage::Deferred { elements, data } => {
                data.into_inner().unwrap_or_else(|| read_all(&*elements, count))
            }
        }
    }

    /// The same elements under another shape; `None` if the sizes differ.
    pub fn reshaped(self, shape: impl Into<Vec<usize>>) -> Option<Self> {
        let shape = shape.into();
        let fits = product(&shape)? == self.elements();
        fits.then_some(Tensor { shape, storage: self.storage })
    }
}

/// The number of elements of a shape, if it can be counted.
fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

fn read_all(elements: &dyn Elements, count: usize) -> Vec<f32> {
    let mut data = vec![0.0; count];
    elements.read(0, &mut data);
    data
}

impl PartialEq for Tensor {
    /// Equal shapes and equal elements, wherever they are.
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.data() == other.data()
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Tensor");
        text.field("shape", &self.shape);
        match &self.storage {
            Storage::Owned(data) => text.field("data", data),
            Storage::Deferred { .. } => text.field("data", &"deferred"),
        };
        text.finish()
    }
}
