//! Many threads: on one model, and, which is refused, on one context.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use resnetc_capi::context::{ContextHandle, resnetc_run};
use resnetc_capi::model::{resnetc_model_clone, resnetc_model_free};
use resnetc_capi::once::resnetc_model_trim;
use resnetc_capi::port::ElementType;
use resnetc_capi::status::Status;

use crate::runs::once;
use crate::support::{Failure, Owned, call, exact, expected, library, pixels, source, target};

#[test]
fn any_number_of_threads_runs_a_model_at_once() {
    let (model, library) = (exact(), library());
    let expected: Vec<Vec<f32>> = (0..8).map(|number| expected(&library, number)).collect();
    let start = std::sync::Barrier::new(8);
    thread::scope(|scope| {
        for number in 0..8 {
            let model = resnetc_model_clone(Some(&model)).expect("a clone");
            let (expected, start) = (&expected[number], &start);
            scope.spawn(move || {
                let picture = pixels(number);
                start.wait();
                for round in 0..20 {
                    let mut scores = [0f32; 10];
                    let (from, to) =
                        (source(&picture, ElementType::F32), target(&mut scores, ElementType::F32));
                    assert_eq!(once(&model, &[from], &[to]), Ok(()));
                    assert_eq!(scores[..], expected[..]);
                    if round % 7 == number % 7 {
                        resnetc_model_trim(Some(&model));
                    }
                }
                resnetc_model_free(Some(model));
            });
        }
    });
}

/// A context that several threads call.
struct Shared(NonNull<ContextHandle>);

// SAFETY: any thread may call functions on a context; a second one is refused.
unsafe impl Sync for Shared {}

impl Shared {
    fn run(&self) -> Result<(), Failure> {
        // SAFETY: it is freed after all threads ended.
        call(|e| unsafe { resnetc_run(Some(self.0), e) })
    }
}

/// While one thread runs a context again and again, another one tries until it meets a run.
#[test]
fn a_context_that_another_thread_uses_is_busy() {
    let model = exact();
    let owned = Owned::new(&model);
    let (context, is_met) = (&Shared(owned.0), AtomicBool::new(false));
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let mut busy = Vec::new();
            while !is_met.load(Ordering::Relaxed) {
                busy.extend(context.run().err());
            }
            busy
        });
        let second = scope.spawn(|| {
            loop {
                if let Err(failure) = context.run() {
                    is_met.store(true, Ordering::Relaxed);
                    break failure;
                }
                thread::yield_now();
            }
        });
        let met = second.join().expect("no panic");
        for failure in first.join().expect("no panic").into_iter().chain([met]) {
            assert_eq!((failure.status, &*failure.code), (Status::Busy, "context-busy"));
            assert!(failure.help.is_some());
        }
    });
    assert_eq!(context.run(), Ok(()));
}
