//! Models for other sizes, and compiled networks in a folder.

use std::ffi::c_void;
use std::ptr::null;

use resnetc_capi::load::{resnetc_load, resnetc_load_onnx};
use resnetc_capi::model::{ModelHandle, resnetc_model_free, resnetc_model_input};
use resnetc_capi::options::{resnetc_options_free, resnetc_options_new, resnetc_options_share};
use resnetc_capi::resize::{resnetc_model_with_batch, resnetc_model_with_shape};
use resnetc_capi::status::Status;

use crate::support::{Failure, bundled, c, call, handle, set};

fn batch(model: &ModelHandle) -> usize {
    // SAFETY: the model owns what is returned, and an image has four extents.
    unsafe { *(*resnetc_model_input(Some(model), 0, None)).dims }
}

fn load() -> Box<ModelHandle> {
    let path = c(bundled().to_str().expect("text"));
    // SAFETY: a string.
    handle(|m, e| unsafe { resnetc_load(path.as_ptr(), None, m, e) }).expect("it is bundled")
}

fn code<T>(result: Result<T, Failure>) -> (Status, String) {
    let failure = result.map(|_| ()).expect_err("refused");
    (failure.status, failure.code)
}

#[test]
fn a_model_is_loaded_again_for_other_sizes() {
    let model = load();
    let four = handle(|m, e| resnetc_model_with_batch(Some(&model), 4, m, e)).expect("any batch");
    assert_eq!((batch(&model), batch(&four)), (1, 4));
    let dims = [2, 1, 28, 28];
    let name = c("image");
    for input in [null(), name.as_ptr()] {
        // SAFETY: a string or NULL, and these extents.
        let two = handle(|m, e| unsafe {
            resnetc_model_with_shape(Some(&four), input, dims.as_ptr(), dims.len(), m, e)
        });
        let two = two.expect("any batch");
        assert_eq!(batch(&two), 2);
        resnetc_model_free(Some(two));
    }
    // SAFETY: as above.
    let other = handle(|m, e| unsafe {
        resnetc_model_with_shape(Some(&four), null(), dims.as_ptr(), 3, m, e)
    });
    assert_eq!(code(other).1, "given-shape");
    let none = handle(|m, e| resnetc_model_with_batch(Some(&model), 0, m, e));
    assert_eq!(code(none).0, Status::InvalidArgument);
    let none = handle(|m, e| resnetc_model_with_batch(None, 2, m, e));
    assert_eq!(code(none), (Status::NullArgument, "null-argument".to_owned()));
    assert_eq!(
        code(call(|e| resnetc_model_with_batch(Some(&model), 2, None, e))).1,
        "null-argument"
    );
    resnetc_model_free(Some(model));
    resnetc_model_free(Some(four));
}

#[test]
fn a_model_from_memory_shares_by_an_option() {
    let bytes = std::fs::read(bundled()).expect("it is bundled");
    let (start, count) = (bytes.as_ptr().cast::<c_void>(), bytes.len());
    let load = |options| {
        // SAFETY: these bytes.
        handle(|m, e| unsafe { resnetc_load_onnx(start, count, null(), options, m, e) })
    };
    let one = load(None).expect("a model");
    let again = handle(|m, e| resnetc_model_with_batch(Some(&one), 2, m, e));
    assert_eq!(code(again).1, "no-origin");
    let mut options = resnetc_options_new();
    set(&mut options, "batch", "2").expect("a number");
    call(|e| resnetc_options_share(Some(&mut options), Some(&one), e)).expect("a model");
    let two = load(Some(&options)).expect("a model");
    assert_eq!(batch(&two), 2);
    assert_eq!(code(call(|e| resnetc_options_share(None, Some(&one), e))).1, "null-argument");
    assert_eq!(
        code(call(|e| resnetc_options_share(Some(&mut options), None, e))).1,
        "null-argument"
    );
    resnetc_options_free(Some(options));
    resnetc_model_free(Some(one));
    resnetc_model_free(Some(two));
}

#[test]
fn compiled_networks_are_found_in_a_folder() {
    let folder = std::env::temp_dir().join(format!("resnetc-capi-cache-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let path = c(bundled().to_str().expect("text"));
    let mut options = resnetc_options_new();
    set(&mut options, "cache", folder.to_str().expect("text")).expect("a path");
    for _ in 0..2 {
        // SAFETY: a string.
        let model = handle(|m, e| unsafe { resnetc_load(path.as_ptr(), Some(&options), m, e) });
        resnetc_model_free(Some(model.expect("it is bundled")));
        assert_eq!(resnetc::cache::list(&folder).expect("ours").len(), 1);
    }
    resnetc_options_free(Some(options));
    std::fs::remove_dir_all(&folder).expect("ours");
}
