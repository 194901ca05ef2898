//! Threads that make batches ahead.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::pipeline::{Pipeline, Plan};
use crate::failure::Failure;

/// The numbers of the sample at a position.
fn numbers(position: usize, values: usize) -> Vec<f32> {
    (0..values).map(|i| (position * 31 + i) as f32).collect()
}

fn pipeline(
    plan: &Plan,
    threads: usize,
    check: impl Fn(usize) -> Result<(), Failure> + Send + Sync + 'static,
) -> Pipeline {
    let make = move |position: usize, to: &mut [f32]| {
        to.copy_from_slice(&numbers(position, to.len()));
        check(position)
    };
    Pipeline::new(plan.clone(), threads, Box::new(make)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Every batch comes in order and whole, or with the error of the first of its samples that
    /// has one, on any number of threads, and whether memory is given back or not.
    #[test]
    fn batches_come_in_order(
        first in 0usize..50,
        samples in 0usize..60,
        batch in 1usize..20,
        values in prop::sample::select(vec![1usize, 100, 3000, 17_000]),
        threads in 0usize..5,
        bad in prop::collection::btree_set(0usize..110, 0..4),
        gives_back: bool,
    ) {
        let plan = Plan { positions: first..first + samples, batch, values };
        let wrong = bad.clone();
        let mut pipeline = pipeline(&plan, threads, move |i| match wrong.contains(&i) {
            true => Err(Failure::new(format!("sample {i}"))),
            false => Ok(()),
        });
        let mut start = first;
        while start < first + samples {
            let end = (first + samples).min(start + batch);
            prop_assert_eq!(pipeline.len(), (first + samples - start).div_ceil(batch));
            match (pipeline.take().unwrap(), bad.range(start..end).next()) {
                (Err(e), Some(i)) => prop_assert_eq!(e.message(), format!("sample {i}")),
                (Ok(taken), None) => {
                    let expected: Vec<f32> = (start..end).flat_map(|i| numbers(i, values)).collect();
                    prop_assert!(taken == expected);
                    if gives_back {
                        pipeline.give_back(taken);
                    }
                }
                (taken, bad) => prop_assert!(false, "{:?} {bad:?}", taken.map(|t| t.len())),
            }
            start = end;
        }
        prop_assert!(pipeline.take().is_none());
        prop_assert!(pipeline.take().is_none());
    }
}

/// The error of a batch does not depend on which thread is faster.
#[test]
fn the_first_sample_that_fails_is_the_error() {
    let failed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&failed);
    let plan = Plan { positions: 0..2, batch: 2, values: 20_000 };
    let mut pipeline = pipeline(&plan, 2, move |i| {
        if i == 0 {
            settles_at(&count, 1);
        }
        count.fetch_add(1, SeqCst);
        Err(Failure::new(format!("sample {i}")))
    });
    assert_eq!(pipeline.take().unwrap().unwrap_err().message(), "sample 0");
    assert_eq!(failed.load(SeqCst), 2);
}

/// Waits until a count has stopped at a number.
fn settles_at(count: &AtomicUsize, number: usize) {
    let start = Instant::now();
    while count.load(SeqCst) < number {
        assert!(start.elapsed() < Duration::from_secs(60), "{count:?} of {number}");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(count.load(SeqCst), number);
}

#[test]
fn two_batches_are_made_ahead_and_no_more() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let plan = Plan { positions: 0..100, batch: 5, values: 20_000 };
    let mut pipeline = pipeline(&plan, 3, move |_| {
        count.fetch_add(1, SeqCst);
        Ok(())
    });
    for taken in 0..4 {
        settles_at(&made, (taken + 2) * 5);
        pipeline.take().unwrap().unwrap();
    }
}

/// Dropping ends all threads after the parts that they are at, long before they have made the
/// thousands of samples that there was room for. On a busy machine, some more are made before
/// dropping begins.
#[test]
fn dropping_early_stops_the_threads() {
    let (made, part) = (Arc::new(AtomicUsize::new(0)), Duration::from_millis(20));
    let count = Arc::clone(&made);
    let plan = Plan { positions: 0..10_000, batch: 1000, values: 20_000 };
    let pipeline = pipeline(&plan, 3, move |_| {
        count.fetch_add(1, SeqCst);
        std::thread::sleep(part);
        Ok(())
    });
    while made.load(SeqCst) < 6 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (before, start) = (made.load(SeqCst), Instant::now());
    drop(pipeline);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let after = made.load(SeqCst);
    assert!(after < before + 300, "{before} {after}");
    // No thread has the closure any more.
    assert_eq!(Arc::strong_count(&made), 1);
}

/// A bug in a thread is not lost, and ends neither the threads nor the batches after it.
#[test]
fn a_panic_goes_on_in_the_taker() {
    for threads in [0, 1, 3] {
        let plan = Plan { positions: 0..40, batch: 10, values: 3000 };
        let mut pipeline = pipeline(&plan, threads, |i| match i {
            // Unlike `panic!`, this says nothing on stderr.
            17 => std::panic::resume_unwind(Box::new("seventeen")),
            _ => Ok(()),
        });
        assert!(pipeline.take().unwrap().is_ok());
        let panic = catch_unwind(AssertUnwindSafe(|| pipeline.take())).err().unwrap();
        assert_eq!(panic.downcast_ref(), Some(&"seventeen"));
        assert!(pipeline.take().unwrap().is_ok() && pipeline.take().unwrap().is_ok());
        assert!(pipeline.take().is_none());
    }
}
