//! Inputs and outputs: what is known of them, and by which names they are found.

use std::mem::MaybeUninit;

use resnetc_capi::model::{
    resnetc_model_clone, resnetc_model_find_input, resnetc_model_find_output, resnetc_model_free,
    resnetc_model_input, resnetc_model_input_count, resnetc_model_output,
    resnetc_model_output_count,
};
use resnetc_capi::port::{ElementType, PortInfo};
use resnetc_capi::status::Status;

use crate::support::{c, call, exact, file, library, load, pointer, text};

fn check(info: &PortInfo, port: &resnetc::Port) {
    assert_eq!(text(info.name).as_ref(), Some(&port.name));
    // SAFETY: as many extents as the rank says.
    let dims = unsafe { std::slice::from_raw_parts(info.dims, info.rank) };
    assert_eq!(dims, port.shape);
    let elements: usize = port.shape.iter().product();
    assert_eq!((info.elements, info.bytes), (elements, 4 * elements));
    assert_eq!((info.held, info.declared), (ElementType::F32, ElementType::F32));
}

#[test]
fn they_are_those_of_the_library() {
    let (model, library) = (exact(), library());
    let model = Some(&*model);
    assert_eq!(resnetc_model_input_count(model), library.inputs().len());
    assert_eq!(resnetc_model_output_count(model), library.outputs().len());
    let input = pointer(|e| resnetc_model_input(model, 0, e)).expect("an input");
    let output = pointer(|e| resnetc_model_output(model, 0, e)).expect("an output");
    // SAFETY: the model owns them.
    unsafe {
        check(&*input, &library.inputs()[0]);
        check(&*output, &library.outputs()[0]);
    }
}

#[test]
fn declared_types_are_kept_apart_from_those_held() {
    let bytes = load(&file("tests/cases/uint8_input/model.onnx"), None).expect("a network");
    let classes = file("tests/cases/argmax_beside_softmax/model.onnx");
    let classes = load(&classes, None).expect("a network");
    // SAFETY: the models own them.
    let types = unsafe {
        let input = &*resnetc_model_input(Some(&bytes), 0, None);
        let output = |i| &*resnetc_model_output(Some(&classes), i, None);
        let outputs = (0..2).map(|i| (output(i).held, output(i).declared));
        [(input.held, input.declared)].into_iter().chain(outputs).collect::<Vec<_>>()
    };
    assert_eq!(types[0], (ElementType::F32, ElementType::U8));
    assert!(types[1..].contains(&(ElementType::F32, ElementType::F32)));
    assert!(types[1..].contains(&(ElementType::F32, ElementType::I64)));
}

#[test]
fn an_index_beyond_the_last_is_an_error() {
    let model = exact();
    for index in [1, usize::MAX] {
        let input = pointer(|e| resnetc_model_input(Some(&model), index, e));
        let failure = input.expect_err("there is one");
        assert_eq!((failure.status, &*failure.code), (Status::InvalidArgument, "no-such-input"));
        let output = pointer(|e| resnetc_model_output(Some(&model), index, e));
        assert_eq!(output.expect_err("there is one").code, "no-such-output");
    }
}

#[test]
fn they_are_found_by_name() {
    let (model, library) = (exact(), library());
    let find = |is_input: bool, name: &str| {
        let (name, mut index) = (c(name), MaybeUninit::new(usize::MAX));
        let function = match is_input {
            true => resnetc_model_find_input,
            false => resnetc_model_find_output,
        };
        let found =
            // SAFETY: a string.
            call(|e| unsafe { function(Some(&model), name.as_ptr(), Some(&mut index), e) });
        // SAFETY: it was initialized above.
        (found, unsafe { index.assume_init() })
    };
    let (input, output) = (&library.inputs()[0].name, &library.outputs()[0].name);
    assert_eq!(find(true, input), (Ok(()), 0));
    assert_eq!(find(false, output), (Ok(()), 0));
    let (outcome, index) = find(true, "no such");
    let failure = outcome.expect_err("no such input");
    assert_eq!((failure.code.as_str(), index), ("unknown-input", usize::MAX));
    assert_eq!(failure.message, "the model has no input \"no such\"");
    assert_eq!(failure.help, Some(format!("it has \"{input}\"")));
    assert_eq!(find(false, "").0.expect_err("no such output").code, "unknown-output");
}

#[test]
fn a_clone_keeps_them_when_the_first_handle_is_freed() {
    let model = exact();
    let clone = resnetc_model_clone(Some(&model)).expect("a clone");
    let input = resnetc_model_input(Some(&model), 0, None);
    resnetc_model_free(Some(model));
    assert_eq!(resnetc_model_input(Some(&clone), 0, None), input);
    // SAFETY: the clone owns it, too.
    check(unsafe { &*input }, &library().inputs()[0]);
    resnetc_model_free(Some(clone));
}
