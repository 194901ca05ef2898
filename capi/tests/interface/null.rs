//! NULL where a value is required is an error, and NULL elsewhere is fine.

use std::mem::MaybeUninit;
use std::ptr::null;

use resnetc_capi::context::*;
use resnetc_capi::error::*;
use resnetc_capi::isa::*;
use resnetc_capi::load::*;
use resnetc_capi::model::*;
use resnetc_capi::once::*;
use resnetc_capi::options::*;
use resnetc_capi::status::Status;

use crate::support::{Failure, Owned, Place, c, call, exact, handle, pointer, source, target};

fn refused(result: Result<(), Failure>, argument: &str) {
    let failure = result.expect_err(argument);
    assert_eq!(failure.status, Status::NullArgument, "{argument}");
    assert_eq!(failure.code, "null-argument");
    assert_eq!(failure.message, format!("`{argument}` is NULL"));
}

#[test]
fn null_is_refused_where_a_value_is_required() {
    let (mut options, name) = (resnetc_options_new(), c("threads"));
    let name = name.as_ptr();
    // SAFETY: strings or NULL.
    unsafe {
        refused(call(|e| resnetc_options_set(None, name, name, e)), "options");
        refused(call(|e| resnetc_options_set(Some(&mut options), null(), name, e)), "name");
        refused(call(|e| resnetc_options_set(Some(&mut options), name, null(), e)), "value");
        refused(call(|e| resnetc_options_set_number(None, name, 1, e)), "options");
        refused(call(|e| resnetc_options_set_number(Some(&mut options), null(), 1, e)), "name");
        refused(call(|e| resnetc_options_set_shape(None, name, null(), 0, e)), "options");
        let mut shape = |name, rank| {
            call(|e| resnetc_options_set_shape(Some(&mut options), name, null(), rank, e))
        };
        refused(shape(null(), 0), "input");
        refused(shape(name, 1), "dims");
        refused(call(|e| resnetc_options_add_output(None, name, e)), "options");
        refused(call(|e| resnetc_options_add_output(Some(&mut options), null(), e)), "output");
        refused(call(|e| resnetc_isa_check(null(), e)), "name");
    }
}

#[test]
fn null_is_no_network_and_no_place_for_one() {
    let name = c("cifar_resnet20");
    let name = name.as_ptr();
    // SAFETY: strings or NULL.
    unsafe {
        refused(call(|e| resnetc_load(name, None, None, e)), "model");
        refused(call(|e| resnetc_load_onnx(null(), 0, null(), None, None, e)), "model");
        refused(call(|e| resnetc_load_spec(name, null(), 0, None, None, e)), "model");
        let load = handle(|m, e| resnetc_load(null(), None, m, e));
        refused(load.map(drop), "name");
        let load = handle(|m, e| resnetc_load_onnx(null(), 8, null(), None, m, e));
        refused(load.map(drop), "bytes");
        let load = handle(|m, e| resnetc_load_spec(null(), null(), 0, None, m, e));
        refused(load.map(drop), "spec");
    }
    refused(handle(|c, e| resnetc_context_new(None, c, e)).map(drop), "model");
}

#[test]
fn null_is_no_model_and_no_context() {
    let (model, name) = (exact(), c("input"));
    let (model, name) = (Some(&*model), name.as_ptr());
    refused(call(|e| resnetc_context_new(model, None, e)), "context");
    refused(pointer(|e| resnetc_model_input(None, 0, e)).map(drop), "model");
    refused(pointer(|e| resnetc_model_output(None, 0, e)).map(drop), "model");
    let mut index = MaybeUninit::uninit();
    let (mut numbers, one) = ([0f32; 10], [0f32; 784]);
    let context = Owned::new(model.expect("a model"));
    // SAFETY: strings, handles and arrays, or NULL.
    unsafe {
        refused(call(|e| resnetc_model_find_input(None, name, Some(&mut index), e)), "model");
        refused(call(|e| resnetc_model_find_input(model, null(), Some(&mut index), e)), "name");
        refused(call(|e| resnetc_model_find_input(model, name, None, e)), "index");
        refused(call(|e| resnetc_model_find_output(None, name, Some(&mut index), e)), "model");
        refused(call(|e| resnetc_model_find_output(model, null(), Some(&mut index), e)), "name");
        refused(call(|e| resnetc_model_find_output(model, name, None, e)), "index");

        refused(pointer(|e| resnetc_context_input(None, 0, e).cast_const()).map(drop), "context");
        refused(pointer(|e| resnetc_context_output(None, 0, e)).map(drop), "context");
        let mut from = source(&one, resnetc_capi::port::ElementType::F32);
        let mut to = target(&mut numbers, resnetc_capi::port::ElementType::F32);
        refused(call(|e| resnetc_context_write(None, 0, Some(&from), e)), "context");
        refused(call(|e| resnetc_context_write(context.get(), 0, None, e)), "source");
        refused(call(|e| resnetc_context_read(None, 0, Some(&to), e)), "context");
        refused(call(|e| resnetc_context_read(context.get(), 0, None, e)), "target");
        refused(call(|e| resnetc_run(None, e)), "context");
        refused(call(|e| resnetc_run_once(None, &raw const from, 1, &raw const to, 1, e)), "model");
        refused(call(|e| resnetc_run_once(model, null(), 1, &raw const to, 1, e)), "inputs");
        refused(call(|e| resnetc_run_once(model, &raw const from, 1, null(), 1, e)), "outputs");
        (from.data, to.data) = (null(), std::ptr::null_mut());
        refused(call(|e| resnetc_context_write(context.get(), 0, Some(&from), e)), "data");
        refused(call(|e| resnetc_context_read(context.get(), 0, Some(&to), e)), "data");
        refused(call(|e| resnetc_run_once(model, &raw const from, 1, &raw const to, 1, e)), "data");
    }
}

#[test]
fn freeing_null_and_asking_it_is_fine() {
    resnetc_options_free(None);
    resnetc_model_free(None);
    resnetc_error_free(None);
    // SAFETY: NULL.
    unsafe { resnetc_context_free(None) };
    resnetc_model_trim(None);
    assert!(resnetc_model_clone(None).is_none());
    assert!(resnetc_model_facts(None).is_null());
    assert_eq!((resnetc_model_input_count(None), resnetc_model_output_count(None)), (0, 0));
    assert_eq!(resnetc_error_status(None), Status::Ok);
    assert!(resnetc_error_code(None).is_null());
    assert!(resnetc_error_message(None).is_null() && resnetc_error_help(None).is_null());
}

/// Whoever does not want errors passes NULL for them.
#[test]
fn errors_need_not_be_wanted() {
    let mut place = MaybeUninit::uninit();
    let wanted: Place<'_, ModelHandle> = Some(&mut place);
    // SAFETY: a string.
    let status = unsafe { resnetc_load(c("resnet51").as_ptr(), None, wanted, None) };
    assert_eq!(status, Status::InvalidArgument);
    // SAFETY: the call stored NULL.
    assert!(unsafe { place.assume_init() }.is_none());
    assert!(resnetc_model_input(None, 0, None).is_null());
}
