//! The thread pool under stress. This is a separate program: beside other tests, whose threads
//! occupy the cores, most of its races would not occur.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use resnetc::runtime::fpenv::{Denormals, RunMode};
use resnetc::runtime::pool::{Pool, default_threads, most_threads};
use resnetc::{Compiler, Options};

fn pool(threads: usize) -> Pool {
    Pool::new(threads).expect("the system starts a few threads")
}

/// Runs a job and checks that every chunk was done once, by a permitted worker.
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
        let pool = pool(threads);
        assert_eq!(pool.threads(), threads);
        for round in 0..3000u64 {
            check(|job| pool.run(round % 37, job), round % 37, threads);
        }
    }
}

#[test]
fn a_session_runs_many_short_jobs() {
    for threads in 1..=4 {
        let pool = pool(threads);
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
    let pool = pool(3);
    for pause in [0, 1, 5, 20] {
        thread::sleep(Duration::from_millis(pause));
        check(|job| pool.run(64, job), 64, 3);
    }
    // With long chunks, the workers get some of them.
    let others = AtomicU64::new(0);
    pool.run(16, &|worker, _| {
        thread::sleep(Duration::from_millis(2));
        others.fetch_add((worker > 0).into(), Ordering::Relaxed);
    });
    assert!(others.load(Ordering::Relaxed) > 0);
}

#[test]
fn two_threads_share_a_pool() {
    let pool = pool(3);
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
    let pool = pool(4);
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
        let pool = pool(threads);
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
    let pool = pool(3);
    let begun = AtomicU64::new(0);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        pool.run(50_000, &|_, chunk| {
            begun.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_micros(20));
            // Panics without a message on the console.
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
        let pool = pool(1 + round % 4);
        if round % 2 == 0 {
            check(|job| pool.run(9, job), 9, pool.threads());
        }
        drop(pool);
    }
}

#[test]
fn a_pool_has_one_thread_at_least_and_no_more_than_make_sense() {
    assert_eq!(pool(0).threads(), 1);
    assert!(most_threads() >= default_threads());
    let many = pool(usize::MAX);
    assert_eq!(many.threads(), most_threads());
    // Usually more threads than CPUs: each sleeps until there is work.
    for round in 0..20u64 {
        check(|job| many.run(round * 100, job), round * 100, many.threads());
    }
}

#[test]
fn so_many_threads_as_make_no_sense_are_refused() {
    let network = |threads| {
        let options = Options::default().threads(threads);
        Compiler::new(options).load("cifar_resnet20").expect("built in")
    };
    for threads in [0, most_threads() + 1, 20_000, usize::MAX] {
        let error = network(threads).compile().expect_err("too few or too many").to_string();
        let says = [threads, most_threads()].map(|n| n.to_string());
        assert!(
            error.contains("Options::threads") && says.iter().all(|n| error.contains(n)),
            "{error}"
        );
    }
}

/// Workers compute in the mode of the thread that runs the job, whatever it was before.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn workers_have_the_callers_mode() {
    let pool = pool(3);
    let together = std::sync::Barrier::new(3);
    let products: Vec<AtomicU32> = (0..3).map(|_| AtomicU32::new(u32::MAX)).collect();
    for turn in 0..20 {
        let denormals = if turn % 2 == 0 { Denormals::Zero } else { Denormals::Kept };
        let guard = RunMode::new(denormals);
        // One chunk for each thread, since none ends before all have begun.
        pool.run(3, &|worker, _| {
            together.wait();
            let product = std::hint::black_box(1e-20f32) * std::hint::black_box(1e-20f32);
            products[worker].store(product.to_bits(), Ordering::Relaxed);
        });
        drop(guard);
        let bits: Vec<u32> = products.iter().map(|p| p.swap(u32::MAX, Ordering::Relaxed)).collect();
        let expected = match denormals {
            Denormals::Zero => 0,
            Denormals::Kept => (1e-20f32 * 1e-20).to_bits(),
        };
        assert_eq!(bits, [expected; 3]);
    }
}

/// As many threads as the process may use, not as many as the machine has.
#[cfg(target_os = "linux")]
#[test]
fn affinity_bounds_the_threads() {
    fn cpus() -> Vec<usize> {
        // SAFETY: a set is plain bits, and the call writes no more than its size.
        let set = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &raw mut set), 0);
            set
        };
        // SAFETY: the numbers are below the size of a set.
        (0..libc::CPU_SETSIZE as usize).filter(|&c| unsafe { libc::CPU_ISSET(c, &set) }).collect()
    }
    fn keep_to(cpus: &[usize]) {
        // SAFETY: a set is plain bits; the numbers are some of those that the system gave.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            cpus.iter().for_each(|&cpu| libc::CPU_SET(cpu, &mut set));
            assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &raw const set), 0);
        }
    }
    // Affinity is set per thread.
    thread::spawn(|| {
        let all = cpus();
        let before = default_threads();
        assert!((1..=all.len()).contains(&before), "{before} of {all:?}");
        for count in 1..=all.len().min(4) {
            keep_to(&all[..count]);
            // A control group may allow fewer.
            assert_eq!(default_threads(), count.min(before));
        }
    })
    .join()
    .unwrap();
}
