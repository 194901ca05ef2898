//! Batches that threads make ahead of the one who takes them.
//!
//! The samples of a batch are made in parts, so that all threads work even if few batches are
//! wanted ahead. A part is made apart from its batch and copied into it: this is a small share of
//! the work, and no two threads ever write to the same memory.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use resnetc::ir::memory::{NoMemory, filled};

use crate::failure::Failure;

/// At most this many batches are made or being made and not yet taken.
pub(super) const AHEAD: usize = 2;
/// A part has at most so many numbers, unless a sample has more.
const PART: usize = 1 << 14;

/// Which samples are made.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The first position, and the one after the last.
    pub(super) positions: Range<usize>,
    /// The samples of a batch; the last one may have fewer.
    pub(super) batch: usize,
    /// The numbers of a sample.
    pub(super) values: usize,
}

/// Writes the numbers of the sample at a position.
type Make = dyn Fn(usize, &mut [f32]) -> Result<(), Failure> + Send + Sync;

/// The batches of a plan, one after the other.
pub(super) struct Pipeline {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Where the caller makes parts if there are no threads.
    part: Vec<f32>,
}

/// What the threads and the taker share.
struct Shared {
    plan: Plan,
    /// The samples of a part.
    part: usize,
    make: Box<Make>,
    state: Mutex<State>,
    /// Signals that a batch was taken, or that no more are wanted.
    room: Condvar,
    /// Signals that a batch is complete.
    made: Condvar,
}

/// How far it is.
struct State {
    /// The position that is begun next.
    next: usize,
    /// How many batches were taken.
    taken: usize,
    /// Those that were begun since.
    making: VecDeque<Making>,
    /// The memory of batches that were given back.
    spare: Vec<Vec<f32>>,
    stopped: bool,
}

/// A batch that was begun.
struct Making {
    numbers: Arc<Mutex<Vec<f32>>>,
    /// The samples that are still missing.
    left: usize,
    /// The first sample that could not be made.
    broken: Option<(usize, Broken)>,
}

/// Why a sample could not be made.
enum Broken {
    Failed(Failure),
    /// The thread panicked: this is a bug, and goes on in the taker.
    Panicked(Box<dyn Any + Send>),
}

/// A part to be made.
struct Part {
    positions: Range<usize>,
    /// The number of its batch.
    batch: usize,
    numbers: Arc<Mutex<Vec<f32>>>,
}

impl Plan {
    /// The number of batches.
    fn batches(&self) -> usize {
        self.positions.len().div_ceil(self.batch)
    }

    /// The number of the batch that a position is in.
    fn batch_of(&self, position: usize) -> usize {
        (position - self.positions.start) / self.batch
    }

    /// The positions of a batch.
    fn positions_of(&self, batch: usize) -> Range<usize> {
        let start = self.positions.start + batch * self.batch;
        start..self.positions.end.min(start.saturating_add(self.batch))
    }
}

/// The lock's contents.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics under a lock, and the contents are consistent between any two lines.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pipeline {
    /// Begins at once. Without threads, or if the system starts none, each batch is made by the
    /// one who takes it.
    ///
    /// # Errors
    /// If there is not enough memory for a part on each thread.
    pub(super) fn new(plan: Plan, threads: usize, make: Box<Make>) -> Result<Self, Failure> {
        let part = (PART / plan.values.max(1)).clamp(1, plan.batch);
        let room = || filled(part * plan.values, 0.0).map_err(Failure::memory("a part of a batch"));
        let mut pipeline = Pipeline {
            shared: Shared::new(plan.clone(), part, make),
            threads: Vec::new(),
            part: room()?,
        };
        for _ in 0..threads.min(plan.positions.len().div_ceil(part)) {
            let (shared, mut part) = (Arc::clone(&pipeline.shared), room()?);
            let work = move || while shared.work(&mut part) {};
            let Ok(thread) = thread::Builder::new().name("data".to_owned()).spawn(work) else {
                break;
            };
            pipeline.threads.push(thread);
        }
        Ok(pipeline)
    }

    /// How many batches are left to take.
    pub(super) fn len(&self) -> usize {
        self.shared.plan.batches() - locked(&self.shared.state).taken
    }

    /// The next batch; `None` after the last one.
    ///
    /// # Errors
    /// That of the first of its samples that could not be made. The next batch can be taken after
    /// it.
    pub(super) fn take(&mut self) -> Option<Result<Vec<f32>, Failure>> {
        if self.len() == 0 {
            return None;
        }
        let mut state = locked(&self.shared.state);
        while state.making.front().is_none_or(|batch| batch.left > 0) {
            state = match self.threads.is_empty() {
                false => self.shared.made.wait(state).unwrap_or_else(PoisonError::into_inner),
                true => {
                    drop(state);
                    self.shared.work(&mut self.part);
                    locked(&self.shared.state)
                }
            };
        }
        let batch = state.making.pop_front()?;
        state.taken += 1;
        drop(state);
        self.shared.room.notify_all();
        let numbers = std::mem::take(&mut *locked(&batch.numbers));
        match batch.broken {
            None => Some(Ok(numbers)),
            Some((_, Broken::Panicked(payload))) => resume_unwind(payload),
            Some((_, Broken::Failed(failure))) => {
                self.give_back(numbers);
                Some(Err(failure))
            }
        }
    }

    /// Takes the memory of a batch back, for a later one.
    pub(super) fn give_back(&self, numbers: Vec<f32>) {
        let mut state = locked(&self.shared.state);
        // One more than are ahead: the one that was being used.
        if state.spare.len() <= AHEAD {
            state.spare.push(numbers);
        }
    }
}

impl Drop for Pipeline {
    /// The threads end as soon as each has finished its part.
    fn drop(&mut self) {
        locked(&self.shared.state).stopped = true;
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // Its panics are caught and kept with the batch.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Nothing is made yet.
    fn new(plan: Plan, part: usize, make: Box<Make>) -> Arc<Self> {
        let state = State {
            next: plan.positions.start,
            taken: 0,
            making: VecDeque::new(),
            spare: Vec::new(),
            stopped: false,
        };
        let (room, made) = (Condvar::new(), Condvar::new());
        Arc::new(Shared { plan, part, make, state: Mutex::new(state), room, made })
    }

    /// Makes the next part, once there is room for its batch; false if there are no more, or no
    /// more are wanted. `room` is as long as the longest part.
    fn work(&self, room: &mut [f32]) -> bool {
        let Some(part) = self.begin() else { return false };
        let mut at = part.positions.start;
        let made = catch_unwind(AssertUnwindSafe(|| {
            for values in room.chunks_exact_mut(self.plan.values).take(part.positions.len()) {
                (self.make)(at, values)?;
                at += 1;
            }
            self.place(&part, room)
        }));
        self.finish(
            &part,
            match made {
                Ok(Ok(())) => None,
                Ok(Err(failure)) => Some((at, Broken::Failed(failure))),
                Err(payload) => Some((at, Broken::Panicked(payload))),
            },
        );
        true
    }

    /// The next part. The first one of a batch begins it.
    fn begin(&self) -> Option<Part> {
        let plan = &self.plan;
        let is_full = |s: &mut State| {
            let has_next = !s.stopped && s.next < plan.positions.end;
            has_next && plan.batch_of(s.next) >= s.taken.saturating_add(AHEAD)
        };
        let state = self.room.wait_while(locked(&self.state), is_full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.stopped || state.next >= plan.positions.end {
            return None;
        }
        let (next, batch) = (state.next, plan.batch_of(state.next));
        let all = plan.positions_of(batch);
        if next == all.start {
            let numbers = Arc::new(Mutex::new(state.spare.pop().unwrap_or_default()));
            state.making.push_back(Making { numbers, left: all.len(), broken: None });
        }
        let positions = next..all.end.min(next + self.part);
        state.next = positions.end;
        let numbers = Arc::clone(&state.making.back()?.numbers);
        Some(Part { positions, batch, numbers })
    }

    /// Copies a part into its batch. The first one that comes makes room for the whole batch.
    fn place(&self, part: &Part, made: &[f32]) -> Result<(), Failure> {
        let all = self.plan.positions_of(part.batch);
        let values = self.plan.values;
        let mut numbers = locked(&part.numbers);
        let (now, wanted) = (numbers.len(), all.len() * values);
        if now != wanted {
            let none = |_| NoMemory { bytes: wanted.saturating_mul(size_of::<f32>()) };
            let reserved = numbers.try_reserve_exact(wanted.saturating_sub(now)).map_err(none);
            reserved.map_err(Failure::memory("a batch"))?;
            numbers.resize(wanted, 0.0);
        }
        let start = (part.positions.start - all.start) * values;
        let to = &mut numbers[start..][..part.positions.len() * values];
        to.copy_from_slice(&made[..to.len()]);
        Ok(())
    }

    /// Notes that a part was made, or why not.
    fn finish(&self, part: &Part, broken: Option<(usize, Broken)>) {
        let mut state = locked(&self.state);
        let place = part.batch - state.taken;
        let Some(making) = state.making.get_mut(place) else { return };
        making.left -= part.positions.len();
        if let Some(broken) = broken
            && making.broken.as_ref().is_none_or(|(at, _)| broken.0 < *at)
        {
            making.broken = Some(broken);
        }
        if making.left == 0 {
            self.made.notify_one();
        }
    }
}
