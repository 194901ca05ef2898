//! Networks from files and from memory, and what is not one.

use std::ffi::{CString, c_void};
use std::path::Path;
use std::ptr::null;

use resnetc_capi::load::{resnetc_load, resnetc_load_onnx, resnetc_load_spec};
use resnetc_capi::model::{
    ModelHandle, resnetc_model_facts, resnetc_model_free, resnetc_model_input,
};
use resnetc_capi::options::OptionsHandle;
use resnetc_capi::status::Status;
use resnetc_testing::host::not_run;

use crate::support::{Failure, bundled, c, handle, load, options, text};

const TINY: &str = "block = \"basic\"\nlayers = [1]\nchannels = [8]\nclasses = 3\n\
                    [input]\nchannels = 1\nheight = 8\nwidth = 8\n";

fn onnx(bytes: &[u8]) -> Result<Box<ModelHandle>, Failure> {
    let (start, count) = (bytes.as_ptr().cast::<c_void>(), bytes.len());
    // SAFETY: these bytes.
    handle(|model, error| unsafe { resnetc_load_onnx(start, count, null(), None, model, error) })
}

fn spec(
    text: &str,
    weights: &[u8],
    options: Option<&OptionsHandle>,
) -> Result<Box<ModelHandle>, Failure> {
    let (text, count) = (c(text), weights.len());
    let weights = weights.as_ptr().cast::<c_void>();
    // SAFETY: a string, and these bytes.
    handle(|model, error| unsafe {
        resnetc_load_spec(text.as_ptr(), weights, count, options, model, error)
    })
}

fn facts(model: &ModelHandle) -> &resnetc_capi::model::ModelFacts {
    // SAFETY: the model owns them.
    unsafe { &*resnetc_model_facts(Some(model)) }
}

/// The status and the code of a failure.
fn kind<T>(result: Result<T, Failure>) -> (Status, String) {
    match result {
        Ok(_) => panic!("it should fail"),
        Err(failure) => (failure.status, failure.code),
    }
}

#[test]
fn what_is_no_network_says_so() {
    let path = |name: &str| load(Path::new(name), None);
    assert_eq!(kind(path("resnet51")), (Status::InvalidArgument, "unknown-model".to_owned()));
    assert_eq!(kind(path("none/at all.onnx")), (Status::System, "io".to_owned()));
    assert_eq!(kind(path("none.toml")), (Status::System, "io".to_owned()));
    assert_eq!(kind(onnx(b"PK\x03\x04")), (Status::InvalidModel, "format".to_owned()));
    assert_eq!(kind(spec("block =", &[], None)).0, Status::InvalidModel);
    assert_eq!(kind(spec("{", &[], None)).0, Status::InvalidModel);
    assert_eq!(kind(onnx(&[])).0, Status::InvalidModel);
    let failure = path("none/at all.onnx").expect_err("there is none");
    assert!(failure.message.contains("none/at all.onnx"), "{}", failure.message);
}

/// Wherever a file is cut, there is an error: of the file, or of an output that nothing computes.
#[test]
fn truncated_models_are_refused() {
    let whole = std::fs::read(bundled()).expect("it is bundled");
    assert!(onnx(&whole).is_ok());
    // 61 is prime, so that cuts are at all kinds of places.
    for cut in (1..61).map(|i| i * whole.len() / 61).chain([1, 2, 3, whole.len() - 1]) {
        let status = kind(onnx(&whole[..cut])).0;
        assert_eq!(status, Status::InvalidModel, "{cut} bytes of {}", whole.len());
    }
}

#[test]
#[cfg(unix)]
fn a_file_without_permission_is_an_error_of_the_system() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("resnetc-capi-{}.onnx", std::process::id()));
    std::fs::copy(bundled(), &path).expect("it can be copied");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).expect("it is ours");
    let result = load(&path, None);
    let is_allowed = std::fs::File::open(&path).is_ok();
    std::fs::remove_file(&path).expect("it is ours");
    match is_allowed {
        true => not_run("files without permission", "this user may read all files"),
        false => assert_eq!(kind(result), (Status::System, "io".to_owned())),
    }
}

#[test]
#[cfg(unix)]
fn a_path_may_have_any_bytes_and_a_name_may_not() {
    use std::os::unix::ffi::OsStrExt;
    let name = CString::new(b"caf\xe9.onnx".to_vec()).expect("no NUL");
    let path = std::env::temp_dir().join(std::ffi::OsStr::from_bytes(name.as_bytes()));
    if let Err(e) = std::fs::copy(bundled(), &path) {
        return not_run("paths that are not UTF-8", &e.to_string());
    }
    let whole = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    // SAFETY: strings.
    let found = handle(|m, e| unsafe { resnetc_load(whole.as_ptr(), None, m, e) });
    std::fs::remove_file(&path).expect("it is ours");
    resnetc_model_free(Some(found.expect("it is there")));
    // SAFETY: strings.
    let spec = handle(|m, e| unsafe { resnetc_load_spec(name.as_ptr(), null(), 0, None, m, e) });
    assert_eq!(kind(spec), (Status::InvalidArgument, "text-encoding".to_owned()));
}

#[test]
fn a_spec_has_random_weights_or_those_in_memory() {
    let random = spec(TINY, &[], None).expect("a valid spec");
    assert!(facts(&random).has_random_weights && facts(&random).weight_bytes > 0);
    let json = r#"{"block": "basic", "layers": [1], "channels": [8], "classes": 3}"#;
    assert!(facts(&spec(json, &[], None).expect("a valid spec")).has_random_weights);

    let weights = weights();
    let batch = options(&[("batch", "3")]);
    let given = spec(TINY, &weights, Some(&batch)).expect("weights that fit");
    assert!(!facts(&given).has_random_weights);
    // SAFETY: the model owns it.
    let input = unsafe { &*resnetc_model_input(Some(&given), 0, None) };
    // SAFETY: as many as the rank says.
    let dims = unsafe { std::slice::from_raw_parts(input.dims, input.rank) };
    assert_eq!(dims, [3, 1, 8, 8]);

    let cut = spec(TINY, &weights[..weights.len() / 2], None);
    assert_eq!(kind(cut).0, Status::InvalidModel);
    let other = spec(&TINY.replace("[8]", "[16]"), &weights, None).expect_err("they do not fit");
    assert_eq!(other.code, "spec-weights");
    let twice = options(&[("weights", "none.safetensors")]);
    assert_eq!(kind(spec(TINY, &weights, Some(&twice))).1, "no-effect");
}

/// A weight file for the tiny spec.
fn weights() -> Vec<u8> {
    use resnetc::import::safetensors;
    use resnetc::ir::Tensor;
    let spec = resnetc::spec::Spec::from_toml(TINY).expect("a valid spec");
    let parameters = spec.parameters().expect("a valid spec");
    let tensor = |shape: &[usize]| {
        let count = shape.iter().product();
        Tensor::new(shape.to_vec(), vec![0.5; count]).expect("as many as the shape says")
    };
    let tensors: Vec<(String, Tensor)> =
        parameters.iter().map(|p| (p.name.clone(), tensor(&p.shape))).collect();
    let path = std::env::temp_dir().join(format!("resnetc-capi-{}.tensors", std::process::id()));
    safetensors::save(&path, tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)))
        .expect("it can be written");
    let bytes = std::fs::read(&path).expect("it was written");
    std::fs::remove_file(&path).expect("it is ours");
    bytes
}

#[test]
fn the_facts_are_those_of_the_library() {
    let model = crate::support::exact();
    let (facts, library) = (facts(&model), crate::support::library());
    let report = library.report();
    assert_eq!(facts.threads, 1);
    assert_eq!(facts.arena_bytes, report.arena_bytes);
    assert_eq!(facts.weight_bytes, report.weight_bytes);
    assert_eq!(facts.code_bytes, report.code_bytes);
    assert_eq!(text(facts.isa).as_deref(), Some(report.isa.name()));
    assert!(!facts.has_random_weights && facts.compile_seconds > 0.0);
}
