//! A forked child can use the models that it inherits. This is a separate program without the test
//! harness, since a child has only the thread that forked it.

#[cfg(not(unix))]
fn main() {
    resnetc_testing::host::not_run("models in forked children", "this system has no fork");
}

#[cfg(unix)]
fn main() {
    unix::a_child_runs_and_drops_what_it_inherits();
    unix::a_child_of_a_child_does_too();
    unix::a_child_that_was_forked_in_the_middle_of_runs_does_too();
    unix::where_threads_are_refused_compiling_fails_and_inherited_models_run();
    println!("models survive being inherited: ok");
}

#[cfg(unix)]
mod unix {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};

    use resnetc::{Compiler, Context, Error, Model, Network, Options};
    use resnetc_testing::host::not_run;

    const THREADS: usize = 3;

    fn network(threads: usize) -> Network {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let file = file.join("tests/fixtures/resnet_basic_b/model.onnx");
        let compiler = Compiler::new(Options::default().threads(threads));
        compiler.load(file).expect("fixture")
    }

    fn model() -> Model {
        network(THREADS).compile().expect("compiles")
    }

    /// The bits of all outputs for the same input.
    fn run(model: &Model, context: &mut Context) -> Vec<u32> {
        let input = context.input_mut::<f32>(0).expect("one");
        input.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 17) as f32 / 8.0 - 1.0);
        context.poison();
        model.run(context).expect("its own context");
        context.output::<f32>(0).expect("one").iter().map(|x| x.to_bits()).collect()
    }

    /// Runs `child` in a forked process, and checks that it ends. A child that hangs is ended by
    /// its alarm.
    fn fork(what: &str, child: impl FnOnce()) {
        const PATIENCE: u32 = 300;
        // SAFETY: the child uses what it has inherited, which is what this test checks, and ends
        // without returning.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: it only sets a timer.
                unsafe { libc::alarm(PATIENCE) };
                let done = catch_unwind(AssertUnwindSafe(child)).is_ok();
                // SAFETY: it ends this process without running the parent's destructors.
                unsafe { libc::_exit(if done { 0 } else { 1 }) }
            }
            id => {
                assert!(id > 0, "{what}: no child");
                let mut status = 0;
                // SAFETY: it waits for the child and writes its status.
                assert_eq!(unsafe { libc::waitpid(id, &raw mut status, 0) }, id, "{what}");
                let ended = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
                assert!(ended, "{what}: the child ended with status {status:#x}");
            }
        }
    }

    /// Threads of this process, if the system reports them.
    fn threads() -> Option<usize> {
        Some(std::fs::read_dir("/proc/self/task").ok()?.count())
    }

    fn use_and_drop(model: Model, mut context: Context, expected: &[u32]) {
        assert!(threads().is_none_or(|threads| threads == 1), "a child has one thread");
        assert_eq!(model.threads(), THREADS);
        assert_eq!(run(&model, &mut context), expected, "the inherited context");
        // The first run has started workers again.
        assert!(threads().is_none_or(|threads| threads == THREADS), "{:?}", threads());
        let mut own = model.context().expect("memory");
        assert_eq!(run(&model, &mut own), expected, "a new context");
        drop((own, model, context));
        // Workers end with the last user. The system may still list one that has ended; the alarm
        // ends a longer wait.
        while threads().is_some_and(|threads| threads > 1) {
            std::thread::yield_now();
        }
    }

    pub(super) fn a_child_runs_and_drops_what_it_inherits() {
        let model = model();
        let mut context = model.context().expect("memory");
        // A pool that was never used, whose workers may still be on their way; one that sleeps; one
        // just used.
        fork("dropped as it is", {
            let (model, context) = (model.clone(), model.context().expect("memory"));
            move || drop((model, context))
        });
        let expected = run(&model, &mut context);
        for pause in [0, 20] {
            std::thread::sleep(std::time::Duration::from_millis(pause));
            // The child drops its own copies. Only the child drops the last reference.
            let (theirs, inherited) = (model.clone(), model.context().expect("memory"));
            fork("used", || child_owns(theirs, inherited, &model, &expected));
        }
        assert_eq!(run(&model, &mut context), expected, "the parent goes on");
        let (last, rest) = (model.context().expect("memory"), context);
        drop(rest);
        // Nothing else refers to the model now, so the child drops the pool itself.
        let parts = std::cell::Cell::new(Some((model, last)));
        fork("the last user", || {
            let (model, context) = parts.take().expect("put there");
            use_and_drop(model, context, &expected);
        });
        let (model, mut context) = parts.take().expect("the parent's copy is whole");
        assert_eq!(run(&model, &mut context), expected);
    }

    /// A clone of the parent's model and a context, used while references to the parent's model
    /// remain.
    fn child_owns(model: Model, mut context: Context, other: &Model, expected: &[u32]) {
        assert_eq!(run(&model, &mut context), expected);
        drop((model, context));
        let mut own = other.context().expect("memory");
        assert_eq!(run(other, &mut own), expected);
    }

    pub(super) fn a_child_of_a_child_does_too() {
        let model = model();
        let mut context = model.context().expect("memory");
        let expected = run(&model, &mut context);
        let parts = std::cell::Cell::new(Some((model, context)));
        fork("child", || {
            let (model, mut context) = parts.take().expect("put there");
            assert_eq!(run(&model, &mut context), expected);
            let parts = std::cell::Cell::new(Some((model, context)));
            fork("grandchild", || {
                let (model, context) = parts.take().expect("put there");
                use_and_drop(model, context, &expected);
            });
            let (model, mut context) = parts.take().expect("the child's copy is whole");
            assert_eq!(run(&model, &mut context), expected);
        });
    }

    /// Allows this process only the calling thread; returns whether the system enforces that.
    fn refuse_threads() -> bool {
        /// The user ID of nobody, who has no privileges.
        const USER: u32 = 65534;
        let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
        // SAFETY: it reads the limit. The user of a whole process is changed in a process of one
        // thread.
        unsafe {
            assert_eq!(libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit), 0);
            // The limit does not apply to root.
            if libc::geteuid() == 0 && libc::setuid(USER) != 0 {
                return false;
            }
        }
        std::thread::Builder::new().spawn(|| ()).is_err()
    }

    pub(super) fn where_threads_are_refused_compiling_fails_and_inherited_models_run() {
        let (inherited, [one, many]) = (model(), [1, THREADS].map(network));
        let expected = run(&inherited, &mut inherited.context().expect("memory"));
        fork("no threads", || {
            if !refuse_threads() {
                return not_run(
                    "the refusal of threads",
                    "this system enforces no limit on threads",
                );
            }
            match many.compile() {
                Err(e @ Error::Thread { threads: THREADS, .. }) => {
                    assert!(e.to_string().starts_with("the system refused to start 3 threads: "));
                }
                other => panic!("{other:?}"),
            }
            assert!(threads().is_none_or(|threads| threads == 1), "none is left");
            let one = one.compile().expect("that many there are");
            for model in [&one, &inherited] {
                assert_eq!(run(model, &mut model.context().expect("memory")), expected);
            }
        });
    }

    /// In any state of the pool: inside a job, with workers in it, with its locks taken.
    pub(super) fn a_child_that_was_forked_in_the_middle_of_runs_does_too() {
        let model = model();
        let expected = run(&model, &mut model.context().expect("memory"));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut busy = model.context().expect("memory");
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(run(&model, &mut busy), expected);
                }
            });
            for _ in 0..40 {
                let (theirs, context) = (model.clone(), model.context().expect("memory"));
                fork("in the middle of a run", || child_owns(theirs, context, &model, &expected));
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
