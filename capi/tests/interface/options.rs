//! Options by name.

use std::ffi::CString;

use resnetc_capi::isa::{resnetc_isa_check, resnetc_isa_count, resnetc_isa_name};
use resnetc_capi::model::{
    ModelHandle, resnetc_model_facts, resnetc_model_input, resnetc_model_output_count,
};
use resnetc_capi::options::{
    resnetc_options_add_output, resnetc_options_free, resnetc_options_new, resnetc_options_set,
    resnetc_options_set_number, resnetc_options_set_shape,
};
use resnetc_capi::status::Status;
use resnetc_capi::version::{
    RESNETC_VERSION_MAJOR, RESNETC_VERSION_MINOR, RESNETC_VERSION_PATCH, resnetc_version,
    resnetc_version_number,
};

use crate::support::{bundled, c, call, file, load, options, set, text};

fn dims(model: &ModelHandle) -> Vec<usize> {
    // SAFETY: the model owns it, and as many extents as the rank says.
    unsafe {
        let input = &*resnetc_model_input(Some(model), 0, None);
        std::slice::from_raw_parts(input.dims, input.rank).to_vec()
    }
}

/// A value that each option accepts, and one that it refuses.
const VALUES: &[(&str, &str, &str)] = &[
    ("batch", "4", "0"),
    ("cache", "folder", ""),
    ("engine", "auto", "fast"),
    ("isa", "baseline", "mmx"),
    ("memory", "1000000", "0"),
    ("no-pass", "cse", ""),
    ("numerics", "half", "slow"),
    ("only-pass", "cse", ""),
    ("outputs", "a,b", "a,"),
    ("perf-map", "off", "yes"),
    ("reuse", "freed", "always"),
    ("seed", "18446744073709551615", "-1"),
    ("shape", "input=1,3,64,64", "input"),
    ("threads", "2", "two"),
    ("weights", "file.safetensors", ""),
];

#[test]
fn each_has_values_and_refuses_others() {
    for &(name, good, bad) in VALUES {
        let mut options = resnetc_options_new();
        assert_eq!(set(&mut options, name, good), Ok(()), "{name}");
        if !bad.is_empty() {
            let failure = set(&mut options, name, bad).expect_err(name);
            assert_eq!((failure.status, &*failure.code), (Status::InvalidArgument, "option-value"));
            let start = format!("option \"{name}\" is \"{bad}\"; it must be ");
            assert!(failure.message.starts_with(&start), "{}", failure.message);
        }
        resnetc_options_free(Some(options));
    }
}

#[test]
fn an_unknown_one_lists_all() {
    let failure = set(&mut resnetc_options_new(), "thread", "2").expect_err("no such option");
    assert_eq!((failure.status, &*failure.code), (Status::InvalidArgument, "unknown-option"));
    assert_eq!(failure.message, "there is no option \"thread\"");
    let names = VALUES.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
    assert_eq!(failure.help, Some(format!("the options are {names}")));
}

#[test]
fn what_contradicts_is_a_conflict() {
    for (name, first, then, second) in [
        ("no-pass", "cse", "only-pass", "cse"),
        ("only-pass", "cse", "no-pass", "cse"),
        ("shape", "x=1", "shape", "x=1,2"),
        ("shape", "x=1,2", "shape", "x=2"),
    ] {
        let mut options = options(&[(name, first)]);
        assert_eq!(set(&mut options, then, second).expect_err(then).code, "conflict");
    }
    // What does not contradict may be given several times.
    options(&[("no-pass", "cse"), ("no-pass", "dead_code"), ("shape", "x=1"), ("shape", "y=[7]")]);
}

#[test]
fn they_reach_the_network() {
    let mut one = options(&[("batch", "3"), ("isa", "baseline")]);
    let mut number = |name: &str, n| {
        // SAFETY: a string.
        call(|e| unsafe { resnetc_options_set_number(Some(&mut one), c(name).as_ptr(), n, e) })
    };
    assert_eq!(number("threads", 2), Ok(()));
    assert_eq!(number("weights", 2).expect_err("a path").code, "option-value");
    let model = load(&bundled(), Some(&one)).expect("valid options");
    assert_eq!(dims(&model), [3, 1, 28, 28]);
    // SAFETY: the model owns it.
    let facts = unsafe { &*resnetc_model_facts(Some(&model)) };
    assert_eq!((facts.threads, text(facts.isa).as_deref()), (2, Some("baseline")));

    let interpreted = options(&[("engine", "interpreted"), ("shape", "image=[2,1,28,28]")]);
    let model = load(&bundled(), Some(&interpreted)).expect("valid options");
    assert_eq!(dims(&model), [2, 1, 28, 28]);
    // SAFETY: the model owns it.
    assert!(unsafe { (*resnetc_model_facts(Some(&model))).isa.is_null() });

    let mut shaped = resnetc_options_new();
    let (name, shape) = (c("image"), [5usize, 1, 28, 28]);
    // SAFETY: a string and four extents.
    let outcome = call(|e| unsafe {
        resnetc_options_set_shape(Some(&mut shaped), name.as_ptr(), shape.as_ptr(), 4, e)
    });
    assert_eq!(outcome, Ok(()));
    assert_eq!(dims(&load(&bundled(), Some(&shaped)).expect("a valid shape")), shape);
}

#[test]
fn outputs_are_chosen_by_name() {
    let path = file("tests/cases/argmax_beside_softmax/model.onnx");
    let all = load(&path, None).expect("a network");
    assert_eq!(resnetc_model_output_count(Some(&all)), 2);
    let mut one = resnetc_options_new();
    let port = resnetc_capi::model::resnetc_model_output(Some(&all), 1, None);
    // SAFETY: the model owns it, and its name.
    let outcome = call(|e| unsafe { resnetc_options_add_output(Some(&mut one), (*port).name, e) });
    assert_eq!(outcome, Ok(()));
    assert_eq!(resnetc_model_output_count(Some(&load(&path, Some(&one)).expect("valid"))), 1);
    let none = options(&[("outputs", "none")]);
    assert_eq!(load(&path, Some(&none)).expect_err("no such output").code, "unknown-output");
}

/// Errors of the library call options as this interface does.
#[test]
fn errors_of_the_library_name_options_as_they_are_called_here() {
    for (name, value, code, message) in [
        ("seed", "1", "no-effect", "option \"seed\" has no effect: "),
        ("threads", "1000000", "thread-count", "option \"threads\" is 1000000; it must be 1 to "),
        ("no-pass", "none", "unknown-pass", ""),
        ("shape", "none=2", "unknown-dimension", ""),
        ("shape", "none=1,2", "unknown-input", ""),
        ("shape", "image=1,2", "given-shape", ""),
    ] {
        let options = options(&[(name, value)]);
        let failure = load(&bundled(), Some(&options)).expect_err(name);
        assert_eq!(failure.code, code);
        assert!(failure.message.starts_with(message), "{}", failure.message);
        let all = failure.message + &failure.help.unwrap_or_default();
        assert!(!all.contains("Options::") && !all.contains("--"), "{all}");
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let wrong = CString::new(vec![b'a', 0xff]).expect("no NUL");
    let (good, mut options) = (c("threads"), resnetc_options_new());
    for (name, value) in [(&wrong, &good), (&good, &wrong)] {
        let (name, value) = (name.as_ptr(), value.as_ptr());
        // SAFETY: strings.
        let outcome = call(|e| unsafe { resnetc_options_set(Some(&mut options), name, value, e) });
        assert_eq!(outcome.expect_err("not UTF-8").code, "text-encoding");
    }
}

#[test]
fn instruction_sets_have_names_and_the_baseline_is_everywhere() {
    let names: Vec<String> =
        (0..resnetc_isa_count()).map(|i| text(resnetc_isa_name(i)).expect("a name")).collect();
    assert!(names.contains(&"baseline".to_owned()) && names.contains(&"avx2".to_owned()));
    assert!(resnetc_isa_name(names.len()).is_null());
    // SAFETY: a string.
    let check = |name: &str| call(|e| unsafe { resnetc_isa_check(c(name).as_ptr(), e) });
    assert_eq!((check("auto"), check("baseline")), (Ok(()), Ok(())));
    for name in names {
        if let Err(failure) = check(&name) {
            assert_eq!(failure.code, "missing-isa");
        }
    }
    assert_eq!(check("mmx").expect_err("unknown").code, "option-value");
}

#[test]
fn the_version_is_that_of_the_package_and_of_the_header() {
    let version = text(resnetc_version()).expect("a version");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let header = [RESNETC_VERSION_MAJOR, RESNETC_VERSION_MINOR, RESNETC_VERSION_PATCH];
    assert_eq!(version, header.map(|n| n.to_string()).join("."));
    let number = header.into_iter().fold(0, |number, part| 100 * number + part);
    assert_eq!(resnetc_version_number(), number);
}
