//! Threads that models share.
//!
//! A [`Pool`] serves one run at a time. Runs of several models, or of several contexts, share some
//! pools of the same size: as many as the CPUs have threads for. A run that finds all of them in use
//! begins on its caller's thread, and goes on with a pool's workers once it finds one free.

use std::collections::BTreeMap;
use std::io;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::pool::{Job, Pool, Session, default_threads, most_threads};
use crate::error::Error;

/// Threads that run models.
///
/// By default all models of a process with the same number of threads share theirs, so that many
/// models do not mean many threads. Models that are given a pool
/// ([`Options::pool`](crate::Options::pool)) share that one with each other only.
///
/// The workers sleep while nothing runs, and end with the last clone and the last model.
///
/// ```
/// use resnetc::{Options, ThreadPool};
///
/// # fn main() -> Result<(), resnetc::Error> {
/// let pool = ThreadPool::new(4)?;
/// let options = Options::default().pool(pool.clone()); // for one model after the other
/// assert_eq!(options.thread_count()?, 4);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ThreadPool(Arc<Pools>);

/// Pools of one size, of which all but the first start when they are needed.
#[derive(Debug)]
struct Pools {
    threads: usize,
    pools: Box<[OnceLock<Pool>]>,
}

/// The pools that the models of a process share, by process and number of threads: a forked child
/// has those of its parent, without their threads.
static COMMON: Mutex<Common> = Mutex::new(BTreeMap::new());

type Common = BTreeMap<(u32, usize), Weak<Pools>>;

/// How long [`COMMON`] is waited for. It is held for as long as threads take to start, unless this
/// process was forked meanwhile: then nobody will release it, and models have pools of their own.
const PATIENCE: Duration = Duration::from_millis(200);

fn common() -> Option<MutexGuard<'static, Common>> {
    let start = Instant::now();
    loop {
        match COMMON.try_lock() {
            Ok(common) => return Some(common),
            Err(TryLockError::Poisoned(common)) => return Some(common.into_inner()),
            Err(TryLockError::WouldBlock) if start.elapsed() > PATIENCE => return None,
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
}

impl ThreadPool {
    /// A pool of `threads` threads, including that of the caller of a run. Only one run at a time
    /// uses its workers.
    ///
    /// # Errors
    /// If these are 0 threads, more than 256 and than the CPUs have, or more than the system starts.
    pub fn new(threads: usize) -> Result<Self, Error> {
        let most = most_threads();
        if !(1..=most).contains(&threads) {
            return Err(Error::ThreadCount { threads, most });
        }
        Pools::start(threads, 1)
            .map(|pools| ThreadPool(Arc::new(pools)))
            .map_err(|e| Error::thread(threads, &e))
    }

    /// The pools that all models of this process with this number of threads share.
    ///
    /// # Errors
    /// If the system refuses to start that many threads.
    pub(crate) fn common(threads: usize) -> Result<Self, Error> {
        let mut common = common();
        let key = (process::id(), threads);
        if let Some(pools) = common.as_ref().and_then(|all| all.get(&key)?.upgrade()) {
            return Ok(ThreadPool(pools));
        }
        let most = (default_threads() / threads.max(1)).max(1);
        let pools = Pools::start(threads, most).map_err(|e| Error::thread(threads, &e))?;
        let pools = Arc::new(pools);
        if let Some(all) = &mut common {
            all.retain(|_, pools| pools.strong_count() > 0);
            all.insert(key, Arc::downgrade(&pools));
        }
        Ok(ThreadPool(pools))
    }

    /// How many threads work on a run at most, including its caller's.
    pub fn threads(&self) -> usize {
        self.0.threads
    }

    /// What a run uses from its first step to its last.
    pub(super) fn turn(&self) -> Turn<'_> {
        Turn { pools: &self.0, session: self.0.free() }
    }
}

impl Pools {
    fn start(threads: usize, most: usize) -> io::Result<Self> {
        let most = if threads > 1 { most } else { 1 };
        let first = Pool::new(threads)?;
        let pools = (0..most).map(|_| OnceLock::new()).collect::<Box<[OnceLock<Pool>]>>();
        // It is empty, so this cannot fail.
        let _ = pools[0].set(first);
        Ok(Pools { threads, pools })
    }

    /// The workers of a pool that is not in use, if there is one.
    fn free(&self) -> Option<Session<'_>> {
        if self.threads == 1 {
            return None;
        }
        self.pools.iter().find_map(|place| self.pool(place)?.try_session())
    }

    /// The pool in this place, started if it is missing. It is not waited for while another thread
    /// puts one there, which may be a thread of the process that this one was forked from.
    fn pool<'a>(&self, place: &'a OnceLock<Pool>) -> Option<&'a Pool> {
        if place.get().is_none() {
            // If threads are refused, a run takes longer but is correct.
            let _ = place.set(Pool::some(self.threads));
        }
        place.get()
    }
}

/// The threads of a run: those of a pool, or its caller's until a pool is free.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pools: &'a Pools,
    session: Option<Session<'a>>,
}

impl Turn<'_> {
    /// How many threads work on a job at most, if no pool becomes free meanwhile.
    pub(super) fn threads(&self) -> usize {
        self.session.as_ref().map_or(1, Session::threads)
    }

    /// Calls `job` for every chunk below `chunks`, and returns when all calls have. The caller is
    /// worker 0.
    ///
    /// # Panics
    /// If a call of `job` panics; chunks that have not begun then are left out.
    pub(super) fn run(&mut self, chunks: u64, job: &Job<'_>) {
        if self.session.is_none() && chunks > 1 {
            self.session = self.pools.free();
        }
        match &mut self.session {
            Some(session) => session.run(chunks, job),
            None => (0..chunks).for_each(|chunk| job(0, chunk)),
        }
    }
}
