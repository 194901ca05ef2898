//! The thread pool under stress.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use resnetc::runtime::pool::{Pool, default_threads};

/// Runs a job and checks that every chunk was done once, by a worker that may.
fn check(run: impl FnOnce(&(dyn Fn(usize, u64) + Sync)), chunks: u64, threads: usize) {
    let done: Vec<AtomicU32> = (0..chunks).map(|_| AtomicU32::new(0)).collect();
    run(&|worker, chunk| {
        assert!(worker < threads);
        done[chunk as usize].fetch_add(1, Ordering::Relaxed);
    });
    assert!(
        done.iter().all(|n| n.load(Ordering::Relaxed) == 1),
        "{chunks} chunks, {threads} threads"
    );
}

#[test]
fn every_chunk_runs_once() {
    for threads in 1..=4 {
        let pool = Pool::new(threads);
        assert_eq!(pool.threads(), threads);
        for round in 0..3000u64 {
            check(|job| pool.run(round % 37, job), round % 37, threads);
        }
    }
}

#[test]
fn a_session_runs_many_short_jobs() {
    for threads in 1..=4 {
        let pool = Pool::new(threads);
        for _ in 0..20 {
            let mut session = pool.session();
            let threads = session.threads();
            for round in 0..200u64 {
                check(|job| session.run(round % 11, job), round % 11, threads);
            }
        }
    }
}

#[test]
fn sleeping_workers_wake() {
    let pool = Pool::new(3);
    for pause in [0, 1, 5, 20] {
        thread::sleep(Duration::from_millis(pause));
        check(|job| pool.run(64, job), 64, 3);
    }
    // With chunks that last, the workers get some of them.
    let others = AtomicU64::new(0);
    pool.run(16, &|worker, _| {
        thread::sleep(Duration::from_millis(2));
        others.fetch_add((worker > 0).into(), Ordering::Relaxed);
    });
    assert!(others.load(Ordering::Relaxed) > 0);
}

#[test]
fn two_threads_share_a_pool() {
    let pool = Pool::new(3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0..2000u64 {
                    check(|job| pool.run(round % 23, job), round % 23, 3);
                }
            });
        }
    });
}

#[test]
fn a_job_may_use_the_pool() {
    let pool = Pool::new(4);
    let sum = AtomicU64::new(0);
    for _ in 0..200 {
        pool.run(8, &|_, _| {
            pool.run(5, &|worker, chunk| {
                assert_eq!(worker, 0);
                sum.fetch_add(chunk, Ordering::Relaxed);
            })
        });
    }
    assert_eq!(sum.load(Ordering::Relaxed), 200 * 8 * (1 + 2 + 3 + 4));
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
    for threads in 1..=4 {
        let pool = Pool::new(threads);
        for round in 0..100u64 {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.run(40, &|_, chunk| {
                    if chunk == round % 40 {
                        std::panic::resume_unwind(Box::new(chunk));
                    }
                });
            }));
            assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&(round % 40)));
            check(|job| pool.run(40, job), 40, threads);
        }
    }
}

#[test]
fn a_panic_ends_the_job() {
    let pool = Pool::new(3);
    let begun = AtomicU64::new(0);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        pool.run(50_000, &|_, chunk| {
            begun.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_micros(20));
            // Without a message on the console.
            if chunk == 10 {
                std::panic::resume_unwind(Box::new(chunk));
            }
        });
    }));
    assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&10u64));
    assert!(begun.load(Ordering::Relaxed) < 1000);
}

#[test]
fn a_pool_ends_whether_it_was_used_or_not() {
    for round in 0..50 {
        let pool = Pool::new(1 + round % 4);
        if round % 2 == 0 {
            check(|job| pool.run(9, job), 9, pool.threads());
        }
        drop(pool);
    }
    assert!(default_threads() >= 1);
    assert_eq!(Pool::new(0).threads(), 1);
}
