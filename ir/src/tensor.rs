//! Constant data: weights, biases and folded scalars.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::dtype::DType;
use crate::element::Element;
use crate::memory::{NoMemory, collected, filled, reserved};
use crate::ty::TensorType;

/// Elements of f32 that are stored outside of the graph, or are computed from others when they are
/// read.
///
/// Every read returns the same elements.
pub trait Elements: Send + Sync {
    /// Writes the elements from `start` on, counted in row-major order, into `out`.
    ///
    /// # Panics
    /// May panic if there are not that many.
    fn read(&self, start: usize, out: &mut [f32]);
}

/// As [`Elements`], of a type other than f32.
pub trait RawElements: Send + Sync {
    /// Writes the elements from `start` on, counted in row-major order, into `out`: whole elements,
    /// each with its least significant byte first.
    ///
    /// # Panics
    /// May panic if there are not that many.
    fn read(&self, start: usize, out: &mut [u8]);
}

/// A row-major tensor.
///
/// Weights are f32, for which there are separate functions ([`Tensor::data`], [`Tensor::read`] and
/// others). Elements of every other type are held as their bytes.
///
/// A [`Graph`](crate::Graph) keeps its constants behind `Arc`, so nodes and graphs share one copy
/// until a pass makes a new tensor from it. Large tensors may be *deferred*: their elements are
/// read from elsewhere, piece by piece with [`Tensor::read`], so that a network's weights need not
/// be in memory twice.
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    storage: Storage,
}

#[derive(Clone)]
enum Storage {
    /// f32. Clones share the elements.
    Owned(Arc<Vec<f32>>),
    /// f32.
    Deferred {
        elements: Arc<dyn Elements>,
        /// All elements, once a slice has been requested.
        data: OnceLock<Arc<Vec<f32>>>,
    },
    /// Any other type, each element with its least significant byte first.
    OwnedBytes(Arc<Vec<u8>>),
    /// Any other type.
    DeferredBytes(Arc<dyn RawElements>),
}

/// The number of elements that are read at a time to visit all of them: few enough for the L1
/// cache.
const PIECE: usize = 4096;

impl Tensor {
    /// A tensor of `shape` holding `data` in row-major order; `None` if the sizes differ.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Option<Self> {
        let shape = shape.into();
        (product(&shape)? == data.len())
            .then_some(Tensor::of_f32(shape, Storage::Owned(Arc::new(data))))
    }

    /// As [`Tensor::new`], of elements of any Rust number type.
    pub fn of<T: Element>(shape: impl Into<Vec<usize>>, data: &[T]) -> Option<Self> {
        let mut bytes = Vec::with_capacity(size_of_val(data));
        data.iter().for_each(|x| x.put(&mut bytes));
        Tensor::from_bytes(T::DTYPE, shape, bytes)
    }

    /// A tensor of `shape` holding elements in row-major order, each with its least significant
    /// byte first; `None` if the number of bytes does not match.
    pub fn from_bytes(dtype: DType, shape: impl Into<Vec<usize>>, bytes: Vec<u8>) -> Option<Self> {
        let shape = shape.into();
        if product(&shape)?.checked_mul(dtype.bytes())? != bytes.len() {
            return None;
        }
        let storage = match dtype {
            DType::F32 => {
                let elements = bytes.as_chunks().0.iter();
                Storage::Owned(Arc::new(elements.map(|x| f32::from_le_bytes(*x)).collect()))
            }
            _ => Storage::OwnedBytes(Arc::new(bytes)),
        };
        Some(Tensor { dtype, shape, storage })
    }

    /// As [`Tensor::new`], with the elements of a type that are nearest to these numbers.
    pub fn from_numbers(
        dtype: DType,
        shape: impl Into<Vec<usize>>,
        numbers: &[f64],
    ) -> Option<Self> {
        Tensor::try_from_numbers(dtype, shape, numbers).ok().flatten()
    }

    /// As [`Tensor::from_numbers`], for tensors that may be large.
    ///
    /// # Errors
    /// If the system does not have enough memory.
    pub fn try_from_numbers(
        dtype: DType,
        shape: impl Into<Vec<usize>>,
        numbers: &[f64],
    ) -> Result<Option<Self>, NoMemory> {
        if dtype == DType::F32 {
            return Ok(Tensor::new(shape, collected(numbers.iter().map(|&x| x as f32))?));
        }
        let mut bytes = reserved(numbers.len() * dtype.bytes())?;
        numbers.iter().for_each(|&x| dtype.encode(x, &mut bytes));
        Ok(Tensor::from_bytes(dtype, shape, bytes))
    }

    fn of_f32(shape: Vec<usize>, storage: Storage) -> Self {
        Tensor { dtype: DType::F32, shape, storage }
    }

    /// A tensor of `shape` whose elements are read when they are needed; `None` if their number
    /// overflows. `elements` must have as many as the shape.
    pub fn deferred(shape: impl Into<Vec<usize>>, elements: Arc<dyn Elements>) -> Option<Self> {
        let shape = shape.into();
        product(&shape)?;
        Some(Tensor::of_f32(shape, Storage::Deferred { elements, data: OnceLock::new() }))
    }

    /// As [`Tensor::deferred`], of another type; also `None` if it is f32.
    pub fn deferred_bytes(
        dtype: DType,
        shape: impl Into<Vec<usize>>,
        elements: Arc<dyn RawElements>,
    ) -> Option<Self> {
        let shape = shape.into();
        product(&shape)?.checked_mul(dtype.bytes())?;
        let storage = Storage::DeferredBytes(elements);
        (dtype != DType::F32).then_some(Tensor { dtype, shape, storage })
    }

    /// A rank-0 tensor of f32.
    pub fn scalar(value: f32) -> Self {
        Tensor::of_f32(Vec::new(), Storage::Owned(Arc::new(vec![value])))
    }

    /// A rank-1 tensor of f32.
    pub fn vector(data: Vec<f32>) -> Self {
        Tensor::of_f32(vec![data.len()], Storage::Owned(Arc::new(data)))
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Its type as a value.
    pub fn ty(&self) -> TensorType {
        TensorType::of(self.dtype, &self.shape[..])
    }

    /// Dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Elements in row-major order. Those of a deferred tensor are read at the first call and kept:
    /// use [`Tensor::read`] where a part or a single read is enough.
    ///
    /// # Panics
    /// If the elements are not f32.
    pub fn data(&self) -> &[f32] {
        match &self.storage {
            Storage::Owned(data) => data,
            Storage::Deferred { elements, data } => {
                data.get_or_init(|| Arc::new(read_all(&**elements, vec![0.0; self.elements()])))
            }
            Storage::OwnedBytes(_) | Storage::DeferredBytes(_) => self.is_no_f32(),
        }
    }

    /// As [`Tensor::data`], for tensors that may be large.
    ///
    /// # Errors
    /// If the system does not have the memory for deferred elements.
    ///
    /// # Panics
    /// If the elements are not f32.
    pub fn try_data(&self) -> Result<&[f32], NoMemory> {
        if let Storage::Deferred { elements, data } = &self.storage
            && data.get().is_none()
        {
            let all = read_all(&**elements, filled(self.elements(), 0.0)?);
            // If another thread was faster, its elements are the same.
            let _ = data.set(Arc::new(all));
        }
        Ok(self.data())
    }

    fn is_no_f32(&self) -> ! {
        panic!("elements of {} are not f32", self.dtype)
    }

    /// Writes the elements of any type from `start` on, counted in row-major order, into `out`:
    /// whole elements, each with its least significant byte first.
    ///
    /// # Panics
    /// If there are not that many elements, or `out` does not hold whole elements.
    pub fn read_bytes(&self, start: usize, out: &mut [u8]) {
        let size = self.dtype.bytes();
        let range = start..start + out.len() / size;
        assert!(out.len().is_multiple_of(size), "{} bytes of {}", out.len(), self.dtype);
        assert!(range.end <= self.elements(), "elements {range:?} of {}", self.elements());
        match &self.storage {
            Storage::Owned(_) | Storage::Deferred { .. } => {
                let mut buffer = [0.0; PIECE];
                for (i, places) in out.as_chunks_mut().0.chunks_mut(PIECE).enumerate() {
                    let piece = &mut buffer[..places.len()];
                    self.read(start + i * PIECE, piece);
                    places.iter_mut().zip(piece).for_each(|(place, x)| *place = x.to_le_bytes());
                }
            }
            Storage::OwnedBytes(bytes) => {
                out.copy_from_slice(&bytes[range.start * size..range.end * size]);
            }
            Storage::DeferredBytes(elements) => elements.read(start, out),
        }
    }

    /// The elements of any type as numbers, in row-major order. They are exact, except for 64-bit
    /// integers.
    pub fn numbers(&self) -> Vec<f64> {
        let mut numbers = Vec::with_capacity(self.elements());
        self.each(|number| numbers.push(number));
        numbers
    }

    /// As [`Tensor::numbers`], for tensors that may be large.
    ///
    /// # Errors
    /// If the system does not have enough memory.
    pub fn try_numbers(&self) -> Result<Vec<f64>, NoMemory> {
        let mut numbers = reserved(self.elements())?;
        self.each(|number| numbers.push(number));
        Ok(numbers)
    }

    /// Visits the elements of any type as numbers, in row-major order. They are read piece by piece
    /// and not kept.
    pub fn each(&self, mut visit: impl FnMut(f64)) {
        self.each_piece(|bytes| {
            let elements = bytes.chunks_exact(self.dtype.bytes());
            elements.filter_map(|x| self.dtype.decode(x)).for_each(&mut visit);
        });
    }

    /// Visits the bytes of the elements of any type, in row-major order and least significant byte
    /// first, a few elements at a time.
    pub fn each_piece(&self, mut visit: impl FnMut(&[u8])) {
        let mut buffer = [0; 8 * PIECE];
        for start in (0..self.elements()).step_by(PIECE) {
            let count = PIECE.min(self.elements() - start);
            let piece = &mut buffer[..count * self.dtype.bytes()];
            self.read_bytes(start, piece);
            visit(piece);
        }
    }

    /// Writes the elements from `start` on, counted in row-major order, into `out`.
    ///
    /// # Panics
    /// If there are not that many elements, or they are not f32.
    pub fn read(&self, start: usize, out: &mut [f32]) {
        let range = start..start + out.len();
        assert!(range.end <= self.elements(), "elements {range:?} of {}", self.elements());
        match &self.storage {
            Storage::Owned(data) => out.copy_from_slice(&data[range]),
            Storage::Deferred { elements, data } => match data.get() {
                Some(data) => out.copy_from_slice(&data[range]),
                None => elements.read(start, out),
            },
            Storage::OwnedBytes(_) | Storage::DeferredBytes(_) => self.is_no_f32(),
        }
    }

    /// Whether no element is infinite or NaN.
    pub fn is_finite(&self) -> bool {
        match self.dtype {
            DType::F32 => self.all(f32::is_finite),
            dtype if dtype.is_float() => {
                let mut all = true;
                self.each(|x| all &= x.is_finite());
                all
            }
            _ => true,
        }
    }

    /// Whether all elements pass a test. They are read piece by piece and not kept.
    ///
    /// # Panics
    /// If the elements are not f32.
    pub fn all(&self, test: impl Fn(f32) -> bool) -> bool {
        let mut buffer = [0.0; PIECE];
        (0..self.elements()).step_by(PIECE).all(|start| {
            let piece = &mut buffer[..PIECE.min(self.elements() - start)];
            self.read(start, piece);
            // No early exit, so that the loop is vectorized; weights are usually finite.
            piece.iter().fold(true, |passed, &x| passed & test(x))
        })
    }

    /// The elements, moved out of the tensor.
    ///
    /// # Panics
    /// If the elements are not f32.
    pub fn into_data(self) -> Vec<f32> {
        let count = self.elements();
        if self.dtype != DType::F32 {
            self.is_no_f32();
        }
        match self.storage {
            Storage::Owned(data) => Arc::unwrap_or_clone(data),
            Storage::Deferred { elements, data } => match data.into_inner() {
                Some(data) => Arc::unwrap_or_clone(data),
                None => read_all(&*elements, vec![0.0; count]),
            },
            Storage::OwnedBytes(_) | Storage::DeferredBytes(_) => Vec::new(),
        }
    }

    /// The same elements under another shape; `None` if the sizes differ.
    pub fn reshaped(self, shape: impl Into<Vec<usize>>) -> Option<Self> {
        let shape = shape.into();
        let fits = product(&shape)? == self.elements();
        fits.then_some(Tensor { shape, ..self })
    }
}

/// The number of elements of a shape; `None` if it overflows.
fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

/// All elements, in memory of their number.
fn read_all(elements: &dyn Elements, mut memory: Vec<f32>) -> Vec<f32> {
    elements.read(0, &mut memory);
    memory
}

impl PartialEq for Tensor {
    /// Equal types and equal elements, wherever they are stored.
    fn eq(&self, other: &Self) -> bool {
        let (size, mut start, mut equal) = (self.dtype.bytes(), 0, self.ty() == other.ty());
        if equal {
            let mut buffer = [0; 8 * PIECE];
            self.each_piece(|ours| {
                let theirs = &mut buffer[..ours.len()];
                other.read_bytes(start, theirs);
                start += ours.len() / size;
                let pairs = ours.chunks_exact(size).zip(theirs.chunks_exact(size));
                equal &= pairs.fold(true, |equal, (a, b)| {
                    equal & (self.dtype.decode(a) == self.dtype.decode(b))
                });
            });
        }
        equal
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Tensor");
        text.field("dtype", &self.dtype).field("shape", &self.shape);
        match &self.storage {
            Storage::Owned(data) => text.field("data", data),
            Storage::OwnedBytes(_) => text.field("data", &self.numbers()),
            Storage::Deferred { .. } | Storage::DeferredBytes(_) => text.field("data", &"deferred"),
        };
        text.finish()
    }
}
