//! When each thread worked on each step of one run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One run. Times are relative to its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunTrace {
    /// The steps, in order.
    pub steps: Vec<StepTrace>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTrace {
    /// When the first thread could begin.
    pub start: Duration,
    /// When the last one was done.
    pub end: Duration,
    /// What each thread did, by number; the first is the caller.
    pub threads: Vec<ThreadTrace>,
}

/// A thread's part in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadTrace {
    /// Chunks that it computed.
    pub chunks: u64,
    /// When its first chunk began; zero, like everything below, if it had none.
    pub start: Duration,
    /// When its last chunk was done.
    pub end: Duration,
    /// Time inside chunks.
    pub busy: Duration,
}

impl StepTrace {
    /// The busiest thread's time divided by the mean of all; 1 if nothing was measured.
    pub fn imbalance(&self) -> f64 {
        let total: Duration = self.threads.iter().map(|t| t.busy).sum();
        let most = self.threads.iter().map(|t| t.busy).max().unwrap_or_default();
        match total.is_zero() {
            true => 1.0,
            false => most.as_secs_f64() * self.threads.len() as f64 / total.as_secs_f64(),
        }
    }
}

/// Records a run while it executes.
pub(super) struct Clocks {
    start: Instant,
    threads: Vec<Clock>,
    trace: RunTrace,
}

/// A thread's part in the current step, in nanoseconds; alone on its cache lines. Only that thread
/// writes it while a step runs, and the end of the step makes it visible to the caller.
#[derive(Default)]
#[repr(align(128))]
struct Clock {
    chunks: AtomicU64,
    start: AtomicU64,
    end: AtomicU64,
    busy: AtomicU64,
}

impl Clocks {
    pub(super) fn new(threads: usize) -> Self {
        let threads = (0..threads).map(|_| Clock::default()).collect();
        Clocks { start: Instant::now(), threads, trace: RunTrace::default() }
    }

    /// Runs a step.
    pub(super) fn step(&mut self, run: impl FnOnce(&Self)) {
        let start = self.start.elapsed();
        run(self);
        let end = self.start.elapsed();
        let threads = self.threads.iter_mut().map(Clock::take).collect();
        self.trace.steps.push(StepTrace { start, end, threads });
    }

    /// Runs a chunk on a thread.
    pub(super) fn chunk(&self, thread: usize, run: impl FnOnce()) {
        let start = self.now();
        run();
        let end = self.now();
        if let Some(clock) = self.threads.get(thread) {
            clock.add(start, end);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn finish(self) -> RunTrace {
        self.trace
    }
}

impl Clock {
    fn add(&self, start: u64, end: u64) {
        if self.chunks.fetch_add(1, Ordering::Relaxed) == 0 {
            self.start.store(start, Ordering::Relaxed);
        }
        self.end.store(end, Ordering::Relaxed);
        self.busy.fetch_add(end.saturating_sub(start), Ordering::Relaxed);
    }

    /// Returns what was measured, and clears it.
    fn take(&mut self) -> ThreadTrace {
        let take = |value: &mut AtomicU64| std::mem::take(value.get_mut());
        ThreadTrace {
            chunks: take(&mut self.chunks),
            start: Duration::from_nanos(take(&mut self.start)),
            end: Duration::from_nanos(take(&mut self.end)),
            busy: Duration::from_nanos(take(&mut self.busy)),
        }
    }
}
