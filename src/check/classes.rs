//! Whether two sets of class scores name the same classes.

use serde::Serialize;

/// A matrix with at least this many columns counts as class scores.
const FEWEST: usize = 5;

/// How often the classes with the highest scores are the same. A row is one image. Of equal scores
/// the first one counts as higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Classes {
    /// How many rows there are.
    pub rows: usize,
    /// Rows whose highest score is for the same class.
    pub top1: usize,
    /// Rows whose five highest scores are for the same classes, in any order.
    pub top5: usize,
}

impl Classes {
    /// Compares values that look like scores: matrices with at least five columns.
    pub fn of(shape: &[usize], found: &[f32], expected: &[f64]) -> Option<Self> {
        let &[rows, columns] = shape else { return None };
        if columns < FEWEST {
            return None;
        }
        let found: Vec<f64> = found.iter().map(|&x| f64::from(x)).collect();
        let mut classes = Classes { rows, top1: 0, top5: 0 };
        for (found, expected) in found.chunks(columns).zip(expected.chunks(columns)) {
            let (found, expected) = (ranked(found), ranked(expected));
            let sorted = |ranks: &[usize]| {
                let mut first: Vec<usize> = ranks[..FEWEST].to_vec();
                first.sort_unstable();
                first
            };
            classes.top1 += usize::from(found[0] == expected[0]);
            classes.top5 += usize::from(sorted(&found) == sorted(&expected));
        }
        Some(classes)
    }
}

/// The columns, the one with the highest score first.
fn ranked(scores: &[f64]) -> Vec<usize> {
    let mut columns: Vec<usize> = (0..scores.len()).collect();
    columns.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_class_and_the_five_best_are_compared_row_by_row() {
        let expected = [[9.0, 8.0, 7.0, 6.0, 5.0, 4.0]; 3].concat();
        let found = [
            [9.0, 8.0, 7.0, 6.0, 5.0, 4.0],
            // The order of the best five changes, but not the set.
            [8.0, 9.0, 5.0, 6.0, 7.0, 4.0],
            // The fifth falls behind the sixth.
            [9.0, 8.0, 7.0, 6.0, 3.0, 4.0],
        ]
        .concat();
        let classes = Classes::of(&[3, 6], &found, &expected);
        assert_eq!(classes, Some(Classes { rows: 3, top1: 2, top5: 2 }));
    }

    #[test]
    fn of_equal_scores_the_first_counts_as_greater() {
        let classes = Classes::of(&[1, 5], &[1.0; 5], &[1.0, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!(classes, Some(Classes { rows: 1, top1: 1, top5: 1 }));
    }

    #[test]
    fn only_a_matrix_of_five_columns_looks_like_scores() {
        let (found, expected) = ([0.0; 20], [0.0; 20]);
        assert_eq!(Classes::of(&[5, 4], &found, &expected), None);
        assert_eq!(Classes::of(&[1, 20, 1, 1], &found, &expected), None);
        assert!(Classes::of(&[2, 10], &found, &expected).is_some());
    }
}
