//! Handles that are made, used and freed leave nothing behind. The only test of its program, so
//! that nothing else takes memory.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null};

use resnetc_capi::context::{
    ContextHandle, resnetc_context_free, resnetc_context_new, resnetc_run,
};
use resnetc_capi::error::resnetc_error_free;
use resnetc_capi::load::{resnetc_load, resnetc_load_spec};
use resnetc_capi::model::{ModelHandle, resnetc_model_clone, resnetc_model_free};
use resnetc_capi::options::{
    resnetc_options_free, resnetc_options_new, resnetc_options_set_number,
};
use resnetc_capi::status::Status;
use resnetc_testing::host::not_run;

const TINY: &str = "block = \"basic\"\nlayers = [1]\nchannels = [8]\nclasses = 3\n\
                    [input]\nchannels = 1\nheight = 8\nwidth = 8\n[stem]\nchannels = 8\n";

/// Contexts that are made in all.
const CONTEXTS: usize = 10_000;

/// Contexts of each model.
const OF_A_MODEL: usize = 50;

/// Memory of this process in bytes; `None` where the system does not say.
fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

fn model() -> Box<ModelHandle> {
    let (spec, threads) = (CString::new(TINY).expect("no NUL"), c"threads");
    let (mut options, mut place) = (resnetc_options_new(), MaybeUninit::uninit());
    // SAFETY: strings.
    let status = unsafe {
        resnetc_options_set_number(Some(&mut options), threads.as_ptr(), 1, None);
        let spec = spec.as_ptr();
        resnetc_load_spec(spec, null(), 0, Some(&options), Some(&mut place), None)
    };
    assert_eq!(status, Status::Ok);
    resnetc_options_free(Some(options));
    // SAFETY: the call stored a model.
    unsafe { place.assume_init() }.expect("a model")
}

/// A context of a model whose handle may be freed before it.
fn context(model: &ModelHandle) -> NonNull<ContextHandle> {
    let mut place = MaybeUninit::uninit();
    assert_eq!(resnetc_context_new(Some(model), Some(&mut place), None), Status::Ok);
    // SAFETY: the call stored a context.
    NonNull::from(Box::leak(unsafe { place.assume_init() }.expect("a context")))
}

fn fail() {
    let (mut model, mut error) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let name = c"resnet51";
    // SAFETY: a string.
    let status = unsafe { resnetc_load(name.as_ptr(), None, Some(&mut model), Some(&mut error)) };
    assert_eq!(status, Status::InvalidArgument);
    // SAFETY: the call stored an error.
    resnetc_error_free(unsafe { error.assume_init() });
}

/// Makes, runs and frees the contexts of one model.
fn cycle() {
    let first = model();
    let model = resnetc_model_clone(Some(&first)).expect("a clone");
    resnetc_model_free(Some(first));
    for _ in 0..OF_A_MODEL {
        let context = context(&model);
        // SAFETY: it is not freed yet, and then it is.
        unsafe {
            assert_eq!(resnetc_run(Some(context), None), Status::Ok);
            resnetc_context_free(Some(context));
        }
    }
    let last = context(&model);
    resnetc_model_free(Some(model));
    // SAFETY: it is not freed yet.
    unsafe { resnetc_context_free(Some(last)) };
    fail();
}

#[test]
fn handles_leave_nothing_behind() {
    const CYCLES: usize = CONTEXTS / OF_A_MODEL;
    // Allocators and the system's tables reach their size first.
    (0..CYCLES / 10).for_each(|_| cycle());
    let Some(before) = resident() else {
        return not_run("memory of handles", "the system does not say how much there is");
    };
    (0..CYCLES).for_each(|_| cycle());
    let after = resident().expect("it said so before");
    let growth = after.saturating_sub(before);
    // A context takes more than a page, so a lost one in ten would be 4 MB, as would a few pages of
    // each model.
    assert!(growth < 1 << 20, "{growth} bytes more than {before}");
}
