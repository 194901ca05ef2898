//! Threads that models share. This is a separate program: other tests start and end threads.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use resnetc::runtime::pool::default_threads;
use resnetc::{Compiler, Error, Model, Options, ThreadPool};

fn options(threads: usize) -> Options {
    Options::default().threads(threads)
}

fn model(options: Options) -> Model {
    let network = Compiler::new(options).load("cifar_resnet20").expect("built in");
    network.compile().expect("it compiles")
}

/// The bits of the outputs for an input of one value.
fn run(model: &Model, value: f32) -> Vec<u32> {
    let mut context = model.context().expect("memory");
    context.input_mut::<f32>(0).expect("one").fill(value);
    model.run(&mut context).expect("its own context");
    context.output::<f32>(0).expect("one").iter().map(|x| x.to_bits()).collect()
}

/// Worker threads of this process, if the system lists them by name.
fn workers() -> Option<usize> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    Some(names.filter(|name| name.starts_with("resnetc-")).count())
}

/// Waits until this process has a number of workers: the system may still list some that have ended,
/// and a new one names itself.
fn settle(expected: usize) {
    const PATIENCE: Duration = Duration::from_secs(60);
    let start = Instant::now();
    while let Some(workers) = workers().filter(|&workers| workers != expected) {
        assert!(start.elapsed() < PATIENCE, "{workers} workers, expected {expected}");
        thread::yield_now();
    }
}

// One test, so that its parts run one after the other. Each ends with no worker.
#[test]
fn models_share_threads() {
    many_models_have_the_threads_of_one();
    runs_at_once_have_as_many_threads_as_the_cpus();
    a_pool_belongs_to_the_models_that_were_given_it();
    a_run_may_find_workers_late();
}

fn many_models_have_the_threads_of_one() {
    settle(0);
    let first = model(options(3));
    settle(2);
    let expected = run(&first, 0.25);
    let others: Vec<Model> = (0..12).map(|_| model(options(3))).collect();
    for other in &others {
        assert_eq!(run(other, 0.25), expected);
    }
    settle(2);
    drop(first);
    assert_eq!(run(&others[0], 0.25), expected, "threads end with the last model");
    drop(others);
    settle(0);
}

fn runs_at_once_have_as_many_threads_as_the_cpus() {
    const CALLERS: usize = 8;
    let models: Vec<Model> = (0..3).map(|_| model(options(2))).collect();
    let expected = run(&models[0], 0.5);
    let start = Barrier::new(CALLERS);
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (models, start, expected) = (&models, &start, &expected);
            scope.spawn(move || {
                start.wait();
                for round in 0..40 {
                    assert_eq!(run(&models[(caller + round) % 3], 0.5), *expected);
                }
            });
        }
    });
    let most = (default_threads() / 2).max(1);
    assert!(workers().is_none_or(|workers| (1..=most).contains(&workers)), "{:?}", workers());
    drop(models);
    settle(0);
}

fn a_pool_belongs_to_the_models_that_were_given_it() {
    let pool = ThreadPool::new(3).expect("the system starts a few threads");
    let given = |pool: &ThreadPool| Options::default().pool(pool.clone());
    let models = [model(given(&pool)), model(given(&pool))];
    assert!(models.iter().all(|model| model.threads() == 3));
    settle(2);
    let common = model(options(3));
    // It has threads of its own.
    settle(4);
    assert_eq!(run(&models[0], 0.75), run(&common, 0.75));
    assert_eq!(run(&models[1], 0.75), run(&common, 0.75));
    drop((pool, common));
    settle(2);
    drop(models);
    settle(0);
    for threads in [0, 1 << 20] {
        match ThreadPool::new(threads) {
            Err(Error::ThreadCount { threads: given, .. }) => assert_eq!(given, threads),
            other => panic!("{other:?}"),
        }
    }
    let pool = ThreadPool::new(1).expect("the caller's");
    let both = Compiler::new(given(&pool).threads(1)).load("cifar_resnet20");
    let told = both.and_then(|network| network.compile()).expect_err("two numbers").to_string();
    assert!(
        told.contains("Options::threads has no effect: a run has the threads of the pool"),
        "{told}"
    );
}

fn a_run_may_find_workers_late() {
    let pool = ThreadPool::new(2).expect("the system starts a few threads");
    let model = model(Options::default().pool(pool));
    let expected = run(&model, 1.0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..60).for_each(|_| assert_eq!(run(&model, 1.0), expected)));
        }
    });
    drop(model);
    settle(0);
}
