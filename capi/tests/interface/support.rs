//! Calls, and what comes of them.

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use resnetc::{Compiler, Model, Numerics, Options};
use resnetc_capi::context::{ContextHandle, resnetc_context_free, resnetc_context_new};
use resnetc_capi::error::{
    ErrorHandle, resnetc_error_code, resnetc_error_free, resnetc_error_help, resnetc_error_message,
    resnetc_error_status,
};
use resnetc_capi::load::resnetc_load;
use resnetc_capi::model::ModelHandle;
use resnetc_capi::options::{OptionsHandle, resnetc_options_new, resnetc_options_set};
use resnetc_capi::port::ElementType;
use resnetc_capi::status::Status;
use resnetc_capi::transfer::{Source, Target};

/// Where a call stores a handle.
pub(crate) type Place<'a, T> = Option<&'a mut MaybeUninit<Option<Box<T>>>>;

/// What an error says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// The text of a string of the library.
pub(crate) fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the library's strings end with a NUL.
    let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })?;
    Some(text.to_str().expect("UTF-8").to_owned())
}

pub(crate) fn c(text: &str) -> CString {
    CString::new(text).expect("no NUL")
}

/// Reads an error through its accessors, and frees it.
pub(crate) fn read(error: Option<Box<ErrorHandle>>) -> Option<Failure> {
    let failure = error.as_deref().map(|error| Failure {
        status: resnetc_error_status(Some(error)),
        code: text(resnetc_error_code(Some(error))).expect("a code"),
        message: text(resnetc_error_message(Some(error))).expect("a message"),
        help: text(resnetc_error_help(Some(error))),
    });
    resnetc_error_free(error);
    failure
}

/// A call that returns a status.
pub(crate) fn call(f: impl FnOnce(Place<'_, ErrorHandle>) -> Status) -> Result<(), Failure> {
    let mut error = MaybeUninit::uninit();
    let status = f(Some(&mut error));
    // SAFETY: every call stores an error, or NULL.
    let failure = read(unsafe { error.assume_init() });
    assert_eq!(failure.as_ref().map_or(Status::Ok, |failure| failure.status), status);
    failure.map_or(Ok(()), Err)
}

/// A call that returns a pointer.
pub(crate) fn pointer<T>(
    f: impl FnOnce(Place<'_, ErrorHandle>) -> *const T,
) -> Result<*const T, Failure> {
    let mut error = MaybeUninit::uninit();
    let pointer = f(Some(&mut error));
    // SAFETY: every call stores an error, or NULL.
    let failure = read(unsafe { error.assume_init() });
    assert_eq!(pointer.is_null(), failure.is_some());
    failure.map_or(Ok(pointer), Err)
}

/// A call that stores a handle.
pub(crate) fn handle<T>(
    f: impl FnOnce(Place<'_, T>, Place<'_, ErrorHandle>) -> Status,
) -> Result<Box<T>, Failure> {
    let mut place = MaybeUninit::uninit();
    let outcome = call(|error| f(Some(&mut place), error));
    // SAFETY: these calls store a handle, or NULL, whatever comes of them.
    let handle = unsafe { place.assume_init() };
    assert_eq!(handle.is_some(), outcome.is_ok());
    outcome.map(|()| handle.expect("it is there"))
}

pub(crate) fn set(options: &mut OptionsHandle, name: &str, value: &str) -> Result<(), Failure> {
    // SAFETY: strings.
    call(|e| unsafe { resnetc_options_set(Some(options), c(name).as_ptr(), c(value).as_ptr(), e) })
}

pub(crate) fn options(given: &[(&str, &str)]) -> Box<OptionsHandle> {
    let mut options = resnetc_options_new();
    for (name, value) in given {
        set(&mut options, name, value).expect("a valid option");
    }
    options
}

pub(crate) fn load(
    model: &Path,
    options: Option<&OptionsHandle>,
) -> Result<Box<ModelHandle>, Failure> {
    let model = c(model.to_str().expect("UTF-8"));
    // SAFETY: a string.
    handle(|place, error| unsafe { resnetc_load(model.as_ptr(), options, place, error) })
}

/// A context that frees itself.
#[derive(Debug)]
pub(crate) struct Owned(pub(crate) NonNull<ContextHandle>);

impl Owned {
    pub(crate) fn new(model: &ModelHandle) -> Self {
        let context = handle(|place, error| resnetc_context_new(Some(model), place, error));
        Owned(NonNull::from(Box::leak(context.expect("a context"))))
    }

    pub(crate) fn get(&self) -> Option<NonNull<ContextHandle>> {
        Some(self.0)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe { resnetc_context_free(self.get()) };
    }
}

/// A file of the repository.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The bundled network.
pub(crate) fn bundled() -> PathBuf {
    file("cli/models/resnet20-fashion-mnist.onnx")
}

/// The bundled network with the numerics that leave no choice, on one thread.
pub(crate) fn exact() -> Box<ModelHandle> {
    let options = options(&[("numerics", "exact"), ("threads", "1")]);
    load(&bundled(), Some(&options)).expect("it is bundled")
}

/// The same from the library.
pub(crate) fn library() -> Model {
    let options = Options::default().numerics(Numerics::Exact).threads(1);
    let network = Compiler::new(options).load(bundled()).expect("it is bundled");
    network.compile().expect("it compiles")
}

/// Pixels of a picture that is made up.
pub(crate) fn pixels(number: usize) -> Vec<f32> {
    (0..28 * 28).map(|i| ((i + number) % 29) as f32 / 32.0).collect()
}

/// What the library computes from [`pixels`].
pub(crate) fn expected(model: &Model, number: usize) -> Vec<f32> {
    let mut context = model.context().expect("memory");
    context.input_mut(0).expect("an input").copy_from_slice(&pixels(number));
    model.run(&mut context).expect("it runs");
    context.output(0).expect("an output").to_vec()
}

pub(crate) fn source<T>(data: &[T], element: ElementType) -> Source {
    let data_bytes = size_of_val(data);
    Source { data: data.as_ptr().cast::<c_void>(), bytes: data_bytes, element: element as i32 }
}

pub(crate) fn target<T>(data: &mut [T], element: ElementType) -> Target {
    let bytes = size_of_val(data);
    Target { data: data.as_mut_ptr().cast::<c_void>(), bytes, element: element as i32 }
}
