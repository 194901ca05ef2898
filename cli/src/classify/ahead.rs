//! Items that threads make ahead of time and the caller takes one after the other.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The sources, the state that makers and taker share, and the items that are ready.
struct Queue<I: Iterator, T> {
    /// Locked before the state. Its holder may wait for the next source.
    sources: Mutex<I>,
    state: Mutex<State<I::Item, T>>,
    /// Signals that an item was taken, or that no more are wanted.
    room: Condvar,
    /// Signals that an item was made, or that there are no more.
    made: Condvar,
    /// The maximum number of items that are made or being made and not yet taken.
    ahead: usize,
}

struct State<S, T> {
    /// The number of items that were begun.
    begun: usize,
    taken: usize,
    ready: BTreeMap<usize, (S, thread::Result<T>)>,
    /// There are no more sources.
    ended: bool,
    stopped: bool,
}

/// What the taker gets.
pub(crate) enum Taken<S, T> {
    /// An item, or the panic of making it, and its source.
    Made(S, thread::Result<T>),
    /// All items that were begun are taken, and the next source has not come for a while.
    Idle,
}

/// How long makers wait for a source before the taker gets [`Taken::Idle`].
const PATIENCE: Duration = Duration::from_millis(50);

/// Makes items from sources on threads, at most `ahead` of them before they are needed, and takes
/// them in order on the calling thread. If taking fails, nothing more is begun and this returns at
/// once; a thread that waits for a source, or is making an item, ends on its own later.
///
/// # Errors
/// The first error of `take`.
pub(crate) fn in_order<I, T, E>(
    sources: I,
    threads: usize,
    ahead: usize,
    make: impl Fn(&I::Item) -> T + Send + Sync + 'static,
    mut take: impl FnMut(Taken<I::Item, T>) -> Result<(), E>,
) -> Result<(), E>
where
    I: Iterator<Item: Send> + Send + 'static,
    T: Send + 'static,
{
    let most = sources.size_hint().1.unwrap_or(usize::MAX);
    let queue = Arc::new(Queue::new(sources, ahead.max(1)));
    let make = Arc::new(make);
    // However this function ends, the makers must end too.
    let _stop = Stop(&queue);
    let start = |_| {
        let (queue, make) = (Arc::clone(&queue), Arc::clone(&make));
        thread::Builder::new().spawn(move || queue.work(&*make)).ok()
    };
    if (0..threads.clamp(1, most.max(1))).map_while(start).count() == 0 {
        // The system starts no thread, so nothing is made ahead.
        return locked(&queue.sources).by_ref().try_for_each(|source| {
            let thing = catch_unwind(AssertUnwindSafe(|| make(&source)));
            take(Taken::Made(source, thing))
        });
    }
    while let Some(taken) = queue.take() {
        take(taken)?;
    }
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics under a lock, and the state is consistent between any two lines.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<I: Iterator, T> Queue<I, T> {
    fn new(sources: I, ahead: usize) -> Self {
        let ready = BTreeMap::new();
        let state = State { begun: 0, taken: 0, ready, ended: false, stopped: false };
        let (room, made) = (Condvar::new(), Condvar::new());
        Queue { sources: Mutex::new(sources), state: Mutex::new(state), room, made, ahead }
    }

    fn work(&self, make: &impl Fn(&I::Item) -> T) {
        while let Some((i, source)) = self.begin() {
            let thing = catch_unwind(AssertUnwindSafe(|| make(&source)));
            locked(&self.state).ready.insert(i, (source, thing));
            self.made.notify_one();
        }
    }

    /// The next source and its number, once there is room; `None` if there is none or no more are
    /// wanted.
    fn begin(&self) -> Option<(usize, I::Item)> {
        let mut sources = locked(&self.sources);
        let is_full =
            |s: &mut State<_, _>| !s.stopped && !s.ended && s.begun >= s.taken + self.ahead;
        let state = self.room.wait_while(locked(&self.state), is_full);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        if state.stopped || state.ended {
            return None;
        }
        drop(state);
        let source = sources.next();
        let mut state = locked(&self.state);
        match source {
            Some(source) => {
                state.begun += 1;
                Some((state.begun - 1, source))
            }
            None => {
                state.ended = true;
                self.made.notify_one();
                self.room.notify_all();
                None
            }
        }
    }

    /// The next item, or that there is none for now; `None` at the end.
    fn take(&self) -> Option<Taken<I::Item, T>> {
        let mut state = locked(&self.state);
        loop {
            let next = state.taken;
            if let Some((source, thing)) = state.ready.remove(&next) {
                state.taken += 1;
                self.room.notify_all();
                return Some(Taken::Made(source, thing));
            }
            let is_idle = state.begun == state.taken;
            if is_idle && state.ended {
                return None;
            }
            let (woken, waited) =
                self.made.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() && state.begun == state.taken && !state.ended {
                return Some(Taken::Idle);
            }
        }
    }
}

/// Ends the makers when it is dropped.
struct Stop<'a, I: Iterator, T>(&'a Queue<I, T>);

impl<I: Iterator, T> Drop for Stop<'_, I, T> {
    fn drop(&mut self) {
        locked(&self.0.state).stopped = true;
        self.0.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;

    use super::*;

    fn counter() -> Arc<AtomicUsize> {
        Arc::default()
    }

    #[test]
    fn all_are_taken_in_order_and_few_wait() {
        let (begun, taken) = (counter(), counter());
        let counts = (Arc::clone(&begun), Arc::clone(&taken));
        let make = move |i: &usize| {
            let (begun, taken) = &counts;
            let ahead = (begun.fetch_add(1, SeqCst) + 1).saturating_sub(taken.load(SeqCst));
            assert!(ahead <= 4, "{ahead} wait");
            i * i
        };
        let mut seen = Vec::new();
        let take = |thing| {
            if let Taken::Made(i, thing) = thing {
                seen.push((i, thing.unwrap()));
                taken.store(seen.len(), SeqCst);
            }
            Ok::<(), ()>(())
        };
        assert_eq!(in_order(0..100, 3, 3, make, take), Ok(()));
        assert_eq!(seen, (0..100).map(|i| (i, i * i)).collect::<Vec<_>>());
    }

    #[test]
    fn a_failure_ends_it_and_a_panic_does_not() {
        let begun = counter();
        let count = Arc::clone(&begun);
        let make = move |&i: &usize| {
            count.fetch_add(1, SeqCst);
            // Unlike `panic!`, this says nothing on stderr.
            if i == 2 {
                std::panic::resume_unwind(Box::new("two"));
            }
        };
        let mut broken = Vec::new();
        let take = |thing: Taken<usize, ()>| match thing {
            Taken::Made(i, thing) => {
                broken.extend(thing.is_err().then_some(i));
                if i == 5 { Err("five") } else { Ok(()) }
            }
            Taken::Idle => Ok(()),
        };
        assert_eq!(in_order(0..1000, 2, 4, make, take), Err("five"));
        assert_eq!(broken, [2]);
        assert!(begun.load(SeqCst) <= 10, "{begun:?}");
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(in_order(0..0, 2, 2, |&i| i, |_: Taken<usize, usize>| Err(())), Ok(()));
    }

    /// A source that does not come does not delay the items before it.
    #[test]
    fn a_pause_is_told() {
        let (send, receive) = mpsc::channel();
        send.send(1).unwrap();
        let mut send = Some(send);
        let mut seen = Vec::new();
        let take = |thing: Taken<i32, i32>| {
            match thing {
                Taken::Made(_, thing) => seen.push(thing.unwrap()),
                // Only now the next one comes, and then the end.
                Taken::Idle => drop(send.take().map(|send| send.send(2))),
            }
            Ok::<(), ()>(())
        };
        assert_eq!(in_order(receive.into_iter(), 2, 8, |&i| i, take), Ok(()));
        assert_eq!(seen, [1, 2]);
    }

    /// A source that never comes does not block a taker that stops early: if it did, this test
    /// would not end.
    #[test]
    fn a_failure_does_not_wait_for_the_next_source() {
        let (send, receive) = mpsc::channel();
        send.send(1).unwrap();
        let take = |_: Taken<i32, i32>| Err("enough");
        assert_eq!(in_order(receive.into_iter(), 2, 8, |&i| i, take), Err("enough"));
        drop(send);
    }
}
