//! Deferred tensors behave like tensors that hold their elements.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use resnetc_ir::Tensor;
use resnetc_ir::tensor::Elements;

/// Elements that count how many of them were read.
struct Counted(Vec<f32>, Arc<AtomicUsize>);

impl Elements for Counted {
    fn read(&self, start: usize, out: &mut [f32]) {
        self.1.fetch_add(out.len(), Ordering::Relaxed);
        out.copy_from_slice(&self.0[start..start + out.len()]);
    }
}

fn deferred(shape: &[usize], data: Vec<f32>) -> (Tensor, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let elements = Arc::new(Counted(data, Arc::clone(&count)));
    (Tensor::deferred(shape, elements).expect("a shape"), count)
}

#[test]
fn slices_are_read_once_and_parts_are_not_kept() {
    let data: Vec<f32> = (0..12).map(|x| x as f32).collect();
    let (tensor, count) = deferred(&[3, 4], data.clone());
    let mut row = [0.0; 4];
    tensor.read(8, &mut row);
    assert_eq!(row, [8.0, 9.0, 10.0, 11.0]);
    assert_eq!(count.load(Ordering::Relaxed), 4);
    for _ in 0..3 {
        assert_eq!(tensor.data(), data);
        tensor.read(8, &mut row);
    }
    assert_eq!(count.load(Ordering::Relaxed), 4 + 12);
}

#[test]
#[should_panic(expected = "elements 11..13 of 12")]
fn nothing_is_read_past_the_end() {
    deferred(&[12], vec![0.0; 20]).0.read(11, &mut [0.0; 2]);
}

#[test]
fn a_shape_that_cannot_be_counted_is_refused() {
    let elements = Arc::new(Counted(Vec::new(), Arc::default()));
    assert!(Tensor::deferred([usize::MAX, 2], elements).is_none());
}

proptest! {
    #[test]
    fn deferred_and_own_elements_are_the_same(
        rows in 1usize..200,
        columns in 1usize..100,
        wrong in proptest::option::of((any::<prop::sample::Index>(), prop::sample::select(vec![f32::NAN, f32::INFINITY]))),
    ) {
        let mut data: Vec<f32> = (0..rows * columns).map(|x| x as f32).collect();
        if let Some((place, value)) = wrong {
            data[place.index(rows * columns)] = value;
        }
        let own = Tensor::new([rows, columns], data.clone()).expect("it fits");
        let (tensor, _) = deferred(&[rows, columns], data);
        prop_assert_eq!(tensor.elements(), rows * columns);
        prop_assert_eq!(own.is_finite(), wrong.is_none());
        prop_assert_eq!(tensor.is_finite(), wrong.is_none());
        if wrong.is_none() {
            prop_assert_eq!(&tensor, &own);
            let turned = tensor.clone().reshaped([columns, rows]).expect("as many");
            prop_assert_eq!(turned.data(), own.data());
            prop_assert_eq!(tensor.into_data(), own.into_data());
        }
    }
}
