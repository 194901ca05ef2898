//! Runs: the results of the library, from memory of the model's and of the caller's.

use std::slice;

use resnetc_capi::context::{
    resnetc_context_input, resnetc_context_output, resnetc_context_read, resnetc_context_write,
    resnetc_run,
};
use resnetc_capi::model::{ModelHandle, resnetc_model_free};
use resnetc_capi::once::{resnetc_model_trim, resnetc_run_once};
use resnetc_capi::port::ElementType;
use resnetc_capi::transfer::{Source, Target};

use crate::support::{
    Failure, Owned, call, exact, expected, file, library, load, options, pixels, pointer, source,
    target,
};

pub(crate) fn once(
    model: &ModelHandle,
    inputs: &[Source],
    outputs: &[Target],
) -> Result<(), Failure> {
    // SAFETY: arrays of these lengths.
    call(|e| unsafe {
        resnetc_run_once(
            Some(model),
            inputs.as_ptr(),
            inputs.len(),
            outputs.as_ptr(),
            outputs.len(),
            e,
        )
    })
}

fn write(context: &Owned, index: usize, source: Source) -> Result<(), Failure> {
    // SAFETY: an array of that length.
    call(|e| unsafe { resnetc_context_write(context.get(), index, Some(&source), e) })
}

fn read(context: &Owned, index: usize, target: Target) -> Result<(), Failure> {
    // SAFETY: an array of that length.
    call(|e| unsafe { resnetc_context_read(context.get(), index, Some(&target), e) })
}

fn run(context: &Owned) -> Result<(), Failure> {
    // SAFETY: it is not freed.
    call(|e| unsafe { resnetc_run(context.get(), e) })
}

#[test]
fn results_are_those_of_the_library() {
    let (model, library) = (exact(), library());
    let context = Owned::new(&model);
    // SAFETY: the context is not freed, and inputs and outputs have these lengths.
    let (input, output) = unsafe {
        let input = pointer(|e| resnetc_context_input(context.get(), 0, e).cast_const());
        let output = pointer(|e| resnetc_context_output(context.get(), 0, e));
        (input.expect("one").cast_mut().cast::<f32>(), output.expect("one").cast::<f32>())
    };
    for number in 0..5 {
        let expected = expected(&library, number);
        let picture = pixels(number);
        // SAFETY: as above; no run is going on.
        unsafe { picture.as_ptr().copy_to(input, picture.len()) };
        assert_eq!(run(&context), Ok(()));
        // SAFETY: as above.
        assert_eq!(unsafe { slice::from_raw_parts(output, 10) }, expected);

        let mut scores = [0f32; 10];
        assert_eq!(read(&context, 0, target(&mut scores, ElementType::F32)), Ok(()));
        assert_eq!(scores[..], expected);

        let mut scores = [0f32; 10];
        let (source, target) =
            (source(&picture, ElementType::F32), target(&mut scores, ElementType::F32));
        assert_eq!(once(&model, &[source], &[target]), Ok(()));
        assert_eq!(scores[..], expected);
    }
}

#[test]
fn a_context_outlives_its_model() {
    let model = exact();
    let context = Owned::new(&model);
    resnetc_model_free(Some(model));
    assert_eq!(write(&context, 0, source(&pixels(3), ElementType::F32)), Ok(()));
    assert_eq!(run(&context), Ok(()));
    let mut scores = [0f32; 10];
    assert_eq!(read(&context, 0, target(&mut scores, ElementType::F32)), Ok(()));
    assert_eq!(scores[..], expected(&library(), 3));
}

#[test]
fn wrong_sizes_types_and_counts_are_refused() {
    let model = exact();
    let context = Owned::new(&model);
    let (picture, mut scores) = (pixels(0), [0f32; 10]);
    let good = source(&picture, ElementType::F32);
    let room = target(&mut scores, ElementType::F32);
    let code = |outcome: Result<(), Failure>| outcome.expect_err("it is wrong").code;

    for bytes in [0, 1, 4 * 783, 4 * 784 - 1, 4 * 785, usize::MAX] {
        let failure = write(&context, 0, Source { bytes, ..good }).expect_err("a wrong size");
        assert_eq!(failure.code, "input-length");
        let end = format!("3136 bytes, but {bytes} were given");
        assert!(failure.message.ends_with(&end), "{}", failure.message);
        assert_eq!(code(once(&model, &[Source { bytes, ..good }], &[room])), "input-length");
    }
    for bytes in [0, 39, 41, 80] {
        assert_eq!(code(read(&context, 0, Target { bytes, ..room })), "input-length");
        assert_eq!(code(once(&model, &[good], &[Target { bytes, ..room }])), "input-length");
    }
    for element in [ElementType::Unknown as i32, ElementType::F64 as i32, 8, -1, i32::MAX] {
        assert_eq!(code(write(&context, 0, Source { element, ..good })), "port-type");
        assert_eq!(code(read(&context, 0, Target { element, ..room })), "port-type");
    }
    for index in [1, usize::MAX] {
        assert_eq!(code(write(&context, index, good)), "no-such-input");
        assert_eq!(code(read(&context, index, room)), "no-such-output");
    }
    for (inputs, outputs) in [(0, 1), (2, 1), (1, 0), (1, 2)] {
        let outcome = once(&model, &vec![good; inputs], &vec![room; outputs]);
        assert_eq!(code(outcome), "port-count");
    }
}

/// The memory of a caller may begin anywhere.
#[test]
fn memory_needs_no_alignment() {
    let (model, picture) = (exact(), pixels(1));
    let mut given = vec![0u8; 1];
    given.extend(picture.iter().flat_map(|x| x.to_ne_bytes()));
    let mut room = [0u8; 41];
    let element = ElementType::F32;
    let outcome = once(&model, &[source(&given[1..], element)], &[target(&mut room[1..], element)]);
    assert_eq!(outcome, Ok(()));
    let scores: Vec<f32> =
        room[1..].as_chunks().0.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect();
    assert_eq!(scores, expected(&library(), 1));
}

#[test]
fn bytes_are_converted_to_the_floats_that_contexts_hold() {
    let path = file("tests/cases/uint8_input/model.onnx");
    let exact = options(&[("numerics", "exact")]);
    let model = load(&path, Some(&exact)).expect("a network");
    let bytes: Vec<u8> = (0..360).map(|i| (i * 7 % 256) as u8).collect();
    let floats: Vec<f32> = bytes.iter().map(|&x| x.into()).collect();
    let run = |from: Source| {
        let context = Owned::new(&model);
        write(&context, 0, from)?;
        super::runs::run(&context)?;
        // SAFETY: the context is not freed.
        let output = unsafe { resnetc_context_output(context.get(), 0, None) };
        // SAFETY: every output has an element.
        Ok::<f32, Failure>(unsafe { *output.cast() })
    };
    let first = run(source(&bytes, ElementType::U8)).expect("bytes");
    assert_eq!(run(source(&floats, ElementType::F32)).expect("the same as floats"), first);
}

/// Booleans and 64-bit integers, which contexts hold as floats.
#[test]
fn all_declared_types_are_converted() {
    let exact = options(&[("numerics", "exact"), ("batch", "2")]);
    let path = file("tests/cases/mask_and_shift/model.onnx");
    let model = load(&path, Some(&exact)).expect("a network");
    let (picture, mask) = (vec![0.5f32; 2 * 3 * 120], vec![1u8; 2 * 120]);
    let shift = [-3i64, 0, 1, 2, 3, -1];
    let inputs = [
        source(&picture, ElementType::F32),
        source(&mask, ElementType::Bool),
        source(&shift, ElementType::I64),
    ];
    let (mut logits, mut same, mut held) = ([0f32; 14], [0i64; 6], [0f32; 6]);
    let outputs = [target(&mut logits, ElementType::F32), target(&mut same, ElementType::I64)];
    assert_eq!(once(&model, &inputs, &outputs), Ok(()));
    assert_eq!(same, shift);
    let outputs = [target(&mut logits, ElementType::F32), target(&mut held, ElementType::F32)];
    assert_eq!(once(&model, &inputs, &outputs), Ok(()));
    assert_eq!(held, shift.map(|x| x as f32));
    assert!(logits.iter().any(|&x| x != 0.0));

    // What f32 does not hold is refused.
    let shift = [(1i64 << 24) + 1, 0, 0, 0, 0, 0];
    let context = Owned::new(&model);
    let failure = write(&context, 2, source(&shift, ElementType::I64)).expect_err("too precise");
    assert_eq!(failure.code, "array-element");
    assert!(failure.message.starts_with("input \"shift\": "), "{}", failure.message);
}

/// An input that is declared as bytes accepts only bytes, even where it is held as floats.
#[test]
fn values_that_the_model_does_not_declare_are_refused_at_the_run() {
    let model = load(&file("tests/cases/uint8_input/model.onnx"), None).expect("a network");
    let context = Owned::new(&model);
    let mut values = vec![1f32; 360];
    values[7] = 0.5;
    assert_eq!(write(&context, 0, source(&values, ElementType::F32)), Ok(()));
    let failure = run(&context).expect_err("no byte is a half");
    assert_eq!(failure.code, "input-element");
    assert!(failure.message.contains("element 7"), "{}", failure.message);
}

#[test]
fn contexts_of_the_pool_are_made_again_after_they_were_freed() {
    let (model, picture) = (exact(), pixels(2));
    let expected = expected(&library(), 2);
    for _ in 0..3 {
        let mut scores = [0f32; 10];
        let (from, to) =
            (source(&picture, ElementType::F32), target(&mut scores, ElementType::F32));
        assert_eq!(once(&model, &[from], &[to]), Ok(()));
        assert_eq!(scores[..], expected);
        resnetc_model_trim(Some(&model));
    }
}
