//! The threads that run a region's chunks.
//!
//! A job is a function called once for every chunk number. Every thread has a share of the numbers,
//! always the same one for the same number of chunks, so a thread finds what it wrote for one job
//! in its own cache for the next. A thread that finishes its own share draws from the others'. The
//! caller works too, and returns when the last chunk is done. Running a job allocates nothing.
//!
//! A worker joins a job only while it is open, and the caller waits only for workers that joined: a
//! worker that wakes late, or is not scheduled at all, delays nobody.
//!
//! A forked child process has none of its parent's threads. There, a pool starts new workers at its
//! first use.

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

use super::fpenv::ThreadMode;

/// What is done for a chunk: `(worker, chunk)`; workers are numbered from 0, the caller.
pub type Job<'a> = dyn Fn(usize, u64) + Sync + 'a;

/// How long a worker spins waiting for the next job before it sleeps. If there are more threads
/// than CPUs it does not spin, because it would keep another thread from working.
const SPIN: Duration = Duration::from_micros(50);
/// How long it spins inside a session, where the next job is sure to come.
const SPIN_IN_SESSION: Duration = Duration::from_millis(1);
/// How many times it checks for a job between two readings of the clock.
const LOOKS: u32 = 64;

/// How many threads this process may use at a time, taking affinity and, on Linux, control groups
/// into account.
pub fn default_threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The maximum number of threads of a pool on a machine with few CPUs.
const MOST_THREADS: usize = 256;

/// The maximum number of threads of a pool: 256, or as many as this process may use at a time, if
/// that is more. Threads beyond the CPUs only take each other's time.
pub fn most_threads() -> usize {
    MOST_THREADS.max(default_threads()).min(ACTIVE as usize)
}

/// A pool of threads that wait for work.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// The process that the workers belong to.
    process: u32,
    /// The pool that serves a forked child of that process.
    heir: OnceLock<Box<Pool>>,
}

impl Pool {
    /// A pool of `threads` threads, 1 to [`most_threads`], including the caller: `threads - 1`
    /// workers are started.
    ///
    /// Workers compute in the floating-point mode of the thread that runs a job.
    ///
    /// # Errors
    /// If the system refuses to start that many threads; those already started are stopped.
    pub fn new(threads: usize) -> io::Result<Self> {
        match Pool::start(threads) {
            (pool, None) => Ok(pool),
            (_, Some(refused)) => Err(refused),
        }
    }

    /// A pool of as many of the threads as the system starts.
    pub(super) fn some(threads: usize) -> Self {
        Pool::start(threads).0
    }

    /// A pool of as many of the threads as the system starts, and the error if it did not start
    /// all.
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
    /// thread is using the pool, or a job of the pool calls this, the caller does everything.
    ///
    /// # Panics
    /// If a call of `job` panics; chunks that have not begun then are left out.
    pub fn run(&self, chunks: u64, job: &Job<'_>) {
        self.session().run(chunks, job);
    }

    /// Reserves the workers for several consecutive jobs and keeps them awake in between. If they
    /// are in use, the caller does everything.
    pub fn session(&self) -> Session<'_> {
        self.try_session().unwrap_or(Session { shared: None, threads: 1 })
    }

    /// As [`Pool::session`], if there are workers and they are not in use.
    pub fn try_session(&self) -> Option<Session<'_>> {
        let own = self.own();
        let shared = &*own.shared;
        // Look first: runs that wait for the workers do not take the line from those that work.
        let is_taken =
            |busy: &AtomicBool| busy.load(Ordering::Relaxed) || busy.swap(true, Ordering::Acquire);
        if own.workers.is_empty() || is_taken(&shared.busy) {
            return None;
        }
        shared.hot.store(true, Ordering::Relaxed);
        Some(Session { shared: Some(shared), threads: own.threads() })
    }

    /// The pool whose workers are threads of this process: this one, or its heir, which has at most
    /// as many threads.
    fn own(&self) -> &Pool {
        match self.is_own() {
            true => self,
            // If threads are refused, a run takes longer but is correct.
            false => self.heir.get_or_init(|| Box::new(Pool::some(self.threads()))).own(),
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
            // The workers are threads of another process: there is nothing to wake or to wait for.
            // Their handles may by now refer to threads of this process, so they are left alone.
            std::mem::forget(workers);
            return;
        }
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake();
        for worker in workers {
            // A worker catches the panics of its jobs, so there is none to propagate.
            let _ = worker.join();
        }
    }
}

/// Exclusive use of a [`Pool`]'s workers, or, if they were already in use, of the calling thread
/// alone.
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

/// Bits of the gate: the number of workers in the job; whether more may join; the remaining bits
/// are the number of the job.
const ACTIVE: u64 = (1 << 16) - 1;
const OPEN: u64 = 1 << 16;
const NUMBER: u32 = 17;

/// Alone on its cache lines, so that threads that hammer it do not slow down threads that read
/// neighbouring data.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

#[derive(Default)]
struct Shared {
    /// Which job is open, and how many workers are in it; see [`ACTIVE`].
    gate: Apart<AtomicU64>,
    /// How many chunks of each thread's share were drawn.
    drawn: Box<[Apart<AtomicU64>]>,
    /// The job, while the gate is open.
    task: UnsafeCell<Option<Task>>,
    /// Whether a session holds the workers.
    busy: AtomicBool,
    /// Whether workers should spin longer.
    hot: AtomicBool,
    /// Whether workers may spin at all: there is a CPU for each thread.
    spins: bool,
    stop: AtomicBool,
    /// How many workers sleep or are about to.
    asleep: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A job with its lifetime erased: it ends when `Shared::run` returns.
#[derive(Clone, Copy)]
struct Task {
    chunks: u64,
    /// The caller's.
    mode: ThreadMode,
    job: *const Job<'static>,
}

// SAFETY: `task` is written only by the holder of `busy` while the gate is closed and no worker is
// inside, and read only by workers inside; see `run` and `join`. What it points to is `Sync`.
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
        // workers inside the gate. This function returns only once the gate is closed and they have
        // left, so all uses are within the lifetime.
        let job = unsafe { std::mem::transmute::<*const Job<'_>, *const Job<'static>>(job) };
        let task = Task { chunks, mode: ThreadMode::of_this_thread(), job };
        // SAFETY: the gate is closed and no worker is inside, as the last `run` left it. We are the
        // only holder of `busy`, so nothing else writes.
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
        // Check first, so that an exhausted share is no longer written to.
        if drawn.load(Ordering::Relaxed) >= share.end - share.start {
            return None;
        }
        let chunk = share.start + drawn.fetch_add(1, Ordering::Relaxed);
        (chunk < share.end).then_some(chunk)
    }

    /// Draws chunks until there are no more. A panic ends the job and is kept for the caller.
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
            // A worker inside may have lost its core; yield ours to it.
            if looks < 1 << 11 { spin_loop() } else { thread::yield_now() }
        }
    }

    /// A worker's main loop.
    fn work(&self, worker: usize) {
        let mut seen = 0;
        while let Some(gate) = self.next_job(seen) {
            seen = gate >> NUMBER;
            if let Some(task) = self.join(gate) {
                task.mode.adopt();
                self.share(worker, task);
                self.gate.0.fetch_sub(1, Ordering::Release);
            }
        }
    }

    /// Enters the gate and works, if the gate is still open for the same job.
    fn join(&self, mut gate: u64) -> Option<Task> {
        let number = gate >> NUMBER;
        while gate & OPEN != 0 && gate >> NUMBER == number {
            match self.gate.0.compare_exchange_weak(
                gate,
                gate + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                // SAFETY: we are inside, so nothing writes; the exchange acquired what `run`
                // released after writing.
                Ok(_) => return unsafe { *self.task.get() },
                Err(now) => gate = now,
            }
        }
        None
    }

    /// The gate, once it is open for a job other than `seen`; `None` once the pool is dropped.
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

    /// Something to react to: a job, or the end of the pool.
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
    /// The waking side takes the lock in between, so we have either not checked yet, or are already
    /// waiting.
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
