//! Weight standardization: weights of mean 0 and variance 1 for each output channel.

use std::sync::{Arc, OnceLock};

use resnetc_ir::Tensor;
use resnetc_ir::tensor::Elements;

/// The tensor with each of its rows, along the first axis, shifted and scaled to mean 0 and
/// variance 1, except that `epsilon` is added to the variance. Computed in f64 when the weights are
/// read, and rounded once.
pub(super) fn standardized(tensor: Arc<Tensor>, epsilon: f64) -> Arc<Tensor> {
    let shape = tensor.shape().to_vec();
    let row = shape.iter().skip(1).product::<usize>().max(1);
    let rows =
        StandardizedRows { tensor: Arc::clone(&tensor), row, epsilon, moments: OnceLock::new() };
    // The number of elements is unchanged, so the fallback is never taken.
    Tensor::deferred(shape, Arc::new(rows)).map_or(tensor, Arc::new)
}

struct StandardizedRows {
    tensor: Arc<Tensor>,
    /// Number of elements of a row.
    row: usize,
    epsilon: f64,
    /// The moments of each row, computed when it is first read.
    moments: OnceLock<Vec<Moments>>,
}

/// The mean of a row, and one over its standard deviation.
#[derive(Clone, Copy)]
struct Moments {
    mean: f64,
    scale: f64,
}

impl Moments {
    fn of(numbers: &[f32], epsilon: f64) -> Self {
        let count = numbers.len() as f64;
        let mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let variance = numbers.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
        Moments { mean, scale: 1.0 / (variance + epsilon).sqrt() }
    }

    fn apply(self, x: f32) -> f32 {
        ((f64::from(x) - self.mean) * self.scale) as f32
    }
}

impl StandardizedRows {
    fn moments(&self) -> &[Moments] {
        self.moments.get_or_init(|| {
            let mut row = vec![0.0; self.row];
            let starts = (0..self.tensor.elements()).step_by(self.row);
            let moments = starts.map(|start| {
                self.tensor.read(start, &mut row);
                Moments::of(&row, self.epsilon)
            });
            moments.collect()
        })
    }
}

impl Elements for StandardizedRows {
    fn read(&self, start: usize, out: &mut [f32]) {
        self.tensor.read(start, out);
        let (first, mut left) = (start / self.row, self.row - start % self.row);
        let mut rest = out;
        for moments in &self.moments()[first..] {
            let (part, after) = rest.split_at_mut(left.min(rest.len()));
            part.iter_mut().for_each(|w| *w = moments.apply(*w));
            (rest, left) = (after, self.row);
            if rest.is_empty() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The mean is 0, and the variance is what remains after division by the variance plus
        /// `epsilon`.
        #[test]
        fn rows_have_mean_0_and_variance_1(
            rows in prop::collection::vec(prop::collection::vec(-3f32..5.0, 6), 1..5),
            epsilon in prop::sample::select(vec![0.0, 1e-8, 0.5]),
        ) {
            let tensor = Tensor::new([rows.len(), 3, 2, 1], rows.concat()).expect("it fits");
            let result = standardized(Arc::new(tensor), epsilon);
            prop_assert_eq!(result.shape(), [rows.len(), 3, 2, 1]);
            for (before, after) in rows.iter().zip(result.data().chunks(6)) {
                let moments = |row: &[f32]| {
                    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / 6.0;
                    (mean, row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / 6.0)
                };
                let ((_, was), (mean, is)) = (moments(before), moments(after));
                // Six numbers, none larger than the square root of six times the variance, rounded
                // to f32.
                prop_assert!(mean.abs() < 1e-6 && (is - was / (was + epsilon)).abs() < 1e-5, "{mean} {is} {was}");
            }
        }

        #[test]
        fn any_part_of_standardized_rows_is_that_of_the_whole(
            values in prop::collection::vec(-2f32..2.0, 12),
            (shape, ends) in (prop::sample::select(vec![[12, 1], [4, 3], [1, 12]]), any::<[prop::sample::Index; 2]>()),
        ) {
            let tensor = Arc::new(Tensor::new(shape, values).expect("it fits"));
            let [a, b] = ends.map(|end| end.index(13));
            let range = a.min(b)..a.max(b);
            let mut part = vec![f32::NAN; range.len()];
            standardized(Arc::clone(&tensor), 1e-8).read(range.start, &mut part);
            let whole = standardized(tensor, 1e-8);
            prop_assert_eq!(&part[..], &whole.data()[range]);
        }
    }
}
