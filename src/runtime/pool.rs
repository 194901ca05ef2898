//! The threads that run a region's chunks.
//!
//! A job is a function called once for every chunk number. Every thread has a share of the numbers,
//! always the same one of as many chunks: what a thread wrote for one job it finds in its own cache
//! for the next. Who is done with its own share draws from the others'. The caller works too, and
//! returns when the last chunk is done. Nothing is allocated for a job.
//!
//! A worker joins a job only while it is open, and the caller waits only for workers that joined:
//! one that wakes late, or is not scheduled at all, delays nobody.
//!
//! A child that a process forks has none of its threads. There, a pool starts workers of its own at
//! its first use.

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::fpenv::FlushDenormals;

/// What is done for a chunk: `(worker, chunk)`; workers count from 0, which is the caller.
pub type Job<'a> = dyn Fn(usize, u64) + Sync + 'a;

/// How long a worker spins for the next job before it sleeps. Where there are more threads than
/// CPUs it does not: it would keep one from work.
const SPIN: Duration = Duration::from_micros(50);
/// The same inside a session, where the next job is sure to come.
const SPIN_IN_SESSION: Duration = Duration::from_millis(1);
/// How often it looks, between looks at the clock.
const LOOKS: u32 = 64;

/// As many threads as this process may use at a time: affinity and, on Linux, control groups
/// considered.
pub fn default_threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The most threads that a pool can have on a machine of few CPUs.
const MOST_THREADS: usize = 256;

/// The most threads that a pool can have: 256, or as many as this process may use at a time, if
/// that is more. Threads beyond the CPUs only take each other's time.
pub fn most_threads() -> usize {
    MOST_THREADS.max(default_threads()).min(ACTIVE as usize)
}

/// Threads that wait for work.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// The process that the workers are threads of.
    process: u32,
    /// What serves a child of that process.
    heir: OnceLock<Box<Pool>>,
}

impl Pool {
    /// A pool for `threads` threads, 1 to [`most_threads`], the caller among them: one worker less
    /// is started.
    ///
    /// Workers run in the mode of [`FlushDenormals`]; the caller's mode is the caller's business.
    ///
    /// # Errors
    /// If the system refuses to start so many threads; none is left then.
    pub fn new(threads: usize) -> io::Result<Self> {
        match Pool::start(threads) {
            (pool, None) => Ok(pool),
            (_, Some(refused)) => Err(refused),
        }
    }

    /// A pool of as many of the threads as the system starts, and why it started no more.
    fn start(threads: usize) -> (Self, Option<io::Error>) {
        let threads = threads.clamp(1, most_threads());
        let shared = Arc::new(Shared::new(threads));
        let (mut workers, mut refused) = (Vec::with_capacity(threads - 1), None);
        for worker in 1..threads {
            let shared = shared.clone();
            let named = thread::Builder::new().name(format!("resnetc-{worker}"));
            match named.spawn(move || shared.work(worker)) {
                Ok(handle) => workers.push(handle),
                Err(e) => {
                    refused = Some(e);
                    break;
                }
            }
        }
        (Pool { shared, workers, process: process::id(), heir: OnceLock::new() }, refused)
    }

    /// How many threads work on a job at most.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `job` for every chunk below `chunks`, and returns when all calls have. If another
    /// thread is using the pool, or a job of the pool is what calls this, the caller does all of
    /// it.
    ///
    /// # Panics
    /// If a call of `job` panics; chunks that have not begun then are left out.
    pub fn run(&self, chunks: u64, job: &Job<'_>) {
        self.session().run(chunks, job);
    }

    /// Reserves the workers for several jobs in a row and keeps them awake in between.
    pub fn session(&self) -> Session<'_> {
        let own = self.own();
        let free = !own.workers.is_empty() && !own.shared.busy.swap(true, Ordering::Acquire);
        if free {
            own.shared.hot.store(true, Ordering::Relaxed);
        }
        Session {
            shared: free.then_some(&*own.shared),
            threads: if free { own.threads() } else { 1 },
        }
    }

    /// The pool whose workers are threads of this process: this one, or its heir, of no more
    /// threads.
    fn own(&self) -> &Pool {
        match self.is_own() {
            true => self,
            // Where threads are refused, a run takes longer, and is right.
            false => self.heir.get_or_init(|| Box::new(Pool::start(self.threads()).0)).own(),
        }
    }

    fn is_own(&self) -> bool {
        self.process == process::id()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let workers = std::mem::take(&mut self.workers);
        if !self.is_own() {
            // They are threads of another process: there is nobody to wake and nothing to wait for.
            // Their handles may be those of threads of this process by now, so nothing is done with
            // them.
            std::mem::forget(workers);
            return;
        }
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake();
        for worker in workers {
            // A worker catches what its jobs do, so there is no panic to hand on.
            let _ = worker.join();
        }
    }
}

/// The use of a [`Pool`]'s workers, or, if they were in use already, of the calling thread alone.
#[derive(Debug)]
pub struct Session<'a> {
    shared: Option<&'a Shared>,
    threads: usize,
}

impl Session<'_> {
    /// How many threads work on a job at most; the worker numbers that jobs see are below.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `job` for every chunk below `chunks`, and returns when all calls have.
    ///
    /// # Panics
    /// If a call of `job` panics; chunks that have not begun then are left out.
    pub fn run(&mut self, chunks: u64, job: &Job<'_>) {
        match self.shared {
            Some(shared) if chunks > 1 => shared.run(chunks, job),
            _ => (0..chunks).for_each(|chunk| job(0, chunk)),
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared {
            shared.hot.store(false, Ordering::Relaxed);
            shared.busy.store(false, Ordering::Release);
        }
    }
}

/// Bits of the gate: workers in the job; whether more may join; the rest is the number of the job.
const ACTIVE: u64 = (1 << 16) - 1;
const OPEN: u64 = 1 << 16;
const NUMBER: u32 = 17;

/// Alone on its cache lines, so that threads which hammer it do not slow down those that read its
/// neighbours.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

#[derive(Default)]
struct Shared {
    /// Who may join what; see [`ACTIVE`].
    gate: Apart<AtomicU64>,
    /// How many chunks of each thread's share were drawn.
    drawn: Box<[Apart<AtomicU64>]>,
    /// What is to be done while the gate is open.
    task: UnsafeCell<Option<Task>>,
    /// Whether a session has the workers.
    busy: AtomicBool,
    /// Whether workers should spin longer.
    hot: AtomicBool,
    /// Whether they may spin at all: there is a CPU for each thread.
    spins: bool,
    stop: AtomicBool,
    /// How many workers sleep or are about to.
    asleep: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A job whose lifetime is not known to the type: it ends when `Shared::run` returns.
#[derive(Clone, Copy)]
struct Task {
    chunks: u64,
    job: *const Job<'static>,
}

// SAFETY: `task` is written only by the holder of `busy` while the gate is closed and nobody is
// inside, and read only by those who are inside; see `run` and `join`. What it points to is `Sync`.
// Everything else is `Send` and `Sync`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl Shared {
    fn new(threads: usize) -> Self {
        let drawn = (0..threads).map(|_| Apart::default()).collect();
        Shared { drawn, spins: threads <= default_threads(), ..Shared::default() }
    }

    /// The caller's side of a job. Only for the holder of `busy`.
    fn run(&self, chunks: u64, job: &Job<'_>) {
        let job: *const Job<'_> = job;
        // SAFETY: only the lifetime changes. The pointer is used by this thread, below, and by
        // workers inside the gate; this function returns only once the gate is closed and they are
        // out, so within the lifetime.
        let job = unsafe { std::mem::transmute::<*const Job<'_>, *const Job<'static>>(job) };
        let task = Task { chunks, job };
        // SAFETY: the gate is closed and nobody is inside: so the last `run` left it. We are the
        // only holder of `busy`, so nobody else writes.
        unsafe { *self.task.get() = Some(task) };
        self.drawn.iter().for_each(|drawn| drawn.0.store(0, Ordering::Relaxed));
        let number = (self.gate.0.load(Ordering::Relaxed) >> NUMBER).wrapping_add(1);
        self.gate.0.store(number << NUMBER | OPEN, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
        self.share(0, task);
        self.gate.0.fetch_and(!OPEN, Ordering::AcqRel);
        self.wait_until_left();
        if let Some(panic) = lock(&self.panic).take() {
            resume_unwind(panic);
        }
    }

    /// A thread's share of `chunks`. Shares differ by one chunk at most.
    fn chunks_of(&self, thread: usize, chunks: u64) -> Range<u64> {
        let shares = self.drawn.len() as u64;
        let first = |share: u64| share * (chunks / shares) + share.min(chunks % shares);
        first(thread as u64)..first(thread as u64 + 1)
    }

    /// The next chunk of a thread's share, if any is left.
    fn draw(&self, thread: usize, share: &Range<u64>) -> Option<u64> {
        let drawn = &self.drawn[thread].0;
        // A look first: a share that is used up is not written to any more.
        if drawn.load(Ordering::Relaxed) >= share.end - share.start {
            return None;
        }
        let chunk = share.start + drawn.fetch_add(1, Ordering::Relaxed);
        (chunk < share.end).then_some(chunk)
    }

    /// Draws chunks until there are no more. Panics of the job are kept for the caller, and end the
    /// job.
    fn share(&self, worker: usize, task: Task) {
        // SAFETY: we are inside `run`, or inside the gate, which `run` waits for: the job is alive.
        let job = unsafe { &*task.job };
        let all = AssertUnwindSafe(|| {
            let threads = self.drawn.len();
            for thread in (0..threads).map(|i| (worker + i) % threads) {
                let share = self.chunks_of(thread, task.chunks);
                while let Some(chunk) = self.draw(thread, &share) {
                    job(worker, chunk);
                }
            }
        });
        if let Err(panic) = catch_unwind(all) {
            self.drawn.iter().for_each(|d| _ = d.0.fetch_max(task.chunks, Ordering::Relaxed));
            lock(&self.panic).get_or_insert(panic);
        }
    }

    fn wait_until_left(&self) {
        let mut looks = 0u32;
        while self.gate.0.load(Ordering::Acquire) & ACTIVE != 0 {
            looks = looks.saturating_add(1);
            // A worker inside may have lost its core, to whom this one may be lent.
            if looks < 1 << 11 { spin_loop() } else { thread::yield_now() }
        }
    }

    /// A worker's life.
    fn work(&self, worker: usize) {
        let _mode = FlushDenormals::new();
        let mut seen = 0;
        while let Some(gate) = self.next_job(seen) {
            seen = gate >> NUMBER;
            if let Some(task) = self.join(gate) {
                self.share(worker, task);
                self.gate.0.fetch_sub(1, Ordering::Release);
            }
        }
    }

    /// Goes inside, if the gate still is open for the same job.
    fn join(&self, mut gate: u64) -> Option<Task> {
        let number = gate >> NUMBER;
        while gate & OPEN != 0 && gate >> NUMBER == number {
            match self.gate.0.compare_exchange_weak(
                gate,
                gate + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                // SAFETY: we are inside, so nobody writes; the exchange has read what `run`
                // released after it wrote.
                Ok(_) => return unsafe { *self.task.get() },
                Err(now) => gate = now,
            }
        }
        None
    }

    /// The gate, once it is open for another job than `seen`; nothing, once the pool is dropped.
    fn next_job(&self, seen: u64) -> Option<u64> {
        if !self.spins {
            return self.doze(seen);
        }
        let start = Instant::now();
        loop {
            for _ in 0..LOOKS {
                if let Some(found) = self.look(seen) {
                    return found;
                }
                spin_loop();
            }
            let patience = if self.hot.load(Ordering::Relaxed) { SPIN_IN_SESSION } else { SPIN };
            if start.elapsed() > patience {
                return self.doze(seen);
            }
        }
    }

    /// Something to react to: a job, or the end.
    fn look(&self, seen: u64) -> Option<Option<u64>> {
        let gate = self.gate.0.load(Ordering::SeqCst);
        if self.stop.load(Ordering::SeqCst) {
            return Some(None);
        }
        (gate & OPEN != 0 && gate >> NUMBER != seen).then_some(Some(gate))
    }

    /// Sleeps until there is something to react to.
    ///
    /// Either `run` sees us in `asleep`, or we see its gate: both sides write first and read after.
    /// And who wakes takes the lock in between, so we are either before our look, or waiting.
    fn doze(&self, seen: u64) -> Option<u64> {
        let mut guard = lock(&self.sleep);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        let found = loop {
            if let Some(found) = self.look(seen) {
                break found;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        };
        self.asleep.fetch_sub(1, Ordering::SeqCst);
        found
    }

    fn wake(&self) {
        drop(lock(&self.sleep));
        self.wake.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
