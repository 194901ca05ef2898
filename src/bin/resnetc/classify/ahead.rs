//! Things that are made ahead on threads, and taken one after the other.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What makers and taker share.
struct Queue<T> {
    state: Mutex<State<T>>,
    /// A thing was taken, or no more is wanted.
    room: Condvar,
    /// A thing was made.
    made: Condvar,
    count: usize,
    /// So many things at most are made or being made and not taken.
    ahead: usize,
}

struct State<T> {
    /// The first that nobody has begun.
    next: usize,
    taken: usize,
    ready: BTreeMap<usize, thread::Result<T>>,
    stopped: bool,
}

/// Makes things `0..count` on threads, at most `ahead` of them before they are needed, and takes them in order on the
/// calling thread. One whose making panicked is taken as that panic. If taking fails nothing more is begun.
///
/// # Errors
/// The first of `take`.
pub(super) fn in_order<T: Send, E>(
    count: usize,
    threads: usize,
    ahead: usize,
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, thread::Result<T>) -> Result<(), E>,
) -> Result<(), E> {
    let queue = Queue::new(count, ahead.max(1));
    thread::scope(|scope| {
        // However this ends, the makers must.
        let _stop = Stop(&queue);
        let start = |_| thread::Builder::new().spawn_scoped(scope, || queue.work(&make)).ok();
        let makers = (0..threads.clamp(1, count.max(1))).map_while(start).count();
        (0..count).try_for_each(|i| match makers {
            // The system starts no thread, so nothing is made ahead.
            0 => take(i, catch_unwind(AssertUnwindSafe(|| make(i)))),
            _ => take(i, queue.take(i)),
        })
    })
}

impl<T> Queue<T> {
    fn new(count: usize, ahead: usize) -> Self {
        let state = State { next: 0, taken: 0, ready: BTreeMap::new(), stopped: false };
        let (room, made) = (Condvar::new(), Condvar::new());
        Queue { state: Mutex::new(state), room, made, count, ahead }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics under the lock, and a state is whole between any two lines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, make: &impl Fn(usize) -> T) {
        while let Some(i) = self.begin() {
            let thing = catch_unwind(AssertUnwindSafe(|| make(i)));
            self.lock().ready.insert(i, thing);
            self.made.notify_one();
        }
    }

    /// The next to make, once there is room; nothing if there is none or no more is wanted.
    fn begin(&self) -> Option<usize> {
        let full =
            |s: &mut State<T>| !s.stopped && s.next < self.count && s.next >= s.taken + self.ahead;
        let state = self.room.wait_while(self.lock(), full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.stopped || state.next >= self.count {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    fn take(&self, i: usize) -> thread::Result<T> {
        let mut state = self.lock();
        loop {
            if let Some(thing) = state.ready.remove(&i) {
                state.taken = i + 1;
                self.room.notify_all();
                return thing;
            }
            state = self.made.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Ends the makers when it is dropped.
struct Stop<'a, T>(&'a Queue<T>);

impl<T> Drop for Stop<'_, T> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[test]
    fn all_are_taken_in_order_and_few_wait() {
        let (begun, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let make = |i: usize| {
            let ahead = (begun.fetch_add(1, SeqCst) + 1).saturating_sub(taken.load(SeqCst));
            assert!(ahead <= 4, "{ahead} wait");
            i * i
        };
        let mut seen = Vec::new();
        let take = |i, thing: thread::Result<usize>| {
            seen.push((i, thing.unwrap()));
            taken.store(i + 1, SeqCst);
            Ok::<(), ()>(())
        };
        assert_eq!(in_order(100, 3, 3, make, take), Ok(()));
        assert_eq!(seen, (0..100).map(|i| (i, i * i)).collect::<Vec<_>>());
    }

    #[test]
    fn a_failure_ends_it_and_a_panic_does_not() {
        let begun = AtomicUsize::new(0);
        let make = |i: usize| {
            begun.fetch_add(1, SeqCst);
            // Unlike `panic!`, this says nothing on stderr.
            if i == 2 {
                std::panic::resume_unwind(Box::new("two"));
            }
        };
        let mut broken = Vec::new();
        let take = |i: usize, thing: thread::Result<()>| {
            broken.extend(thing.is_err().then_some(i));
            if i == 5 { Err("five") } else { Ok(()) }
        };
        assert_eq!(in_order(1000, 2, 4, make, take), Err("five"));
        assert_eq!(broken, [2]);
        assert!(begun.load(SeqCst) <= 10, "{begun:?}");
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(in_order(0, 2, 2, |i| i, |_, _| Err(())), Ok(()));
    }
}
