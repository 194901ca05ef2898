//! Networks like those that users bring, compiled and compared with ONNX Runtime.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use resnetc::isa::ISAS;
use resnetc::{Compiler, DType, Description, IsaChoice, Model, Numerics, Options, PassSelection};
use resnetc_testing::close::{greatest, is_close};
use safetensors::{Dtype, SafeTensors};
use table::{CASES, Case, Within};

#[test]
fn every_folder_is_in_the_table() {
    let folders = std::fs::read_dir(root()).expect("a folder");
    let found: BTreeSet<String> = folders
        .map(|entry| entry.expect("readable"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("a plain name"))
        .collect();
    let listed: BTreeSet<String> = CASES.iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(listed.len(), CASES.len(), "a case is twice in the table");
    assert_eq!(listed, found);
}

#[test]
fn networks_of_users_come_out_right() {
    for case in CASES {
        let stored = case.stored();
        for isa in ISAS.into_iter().filter(|&isa| resnetc_testing::host::runs(isa)) {
            let isa = IsaChoice::Exactly(isa);
            for (numerics, threads, passes) in [
                (Numerics::Exact, 2, PassSelection::All),
                (Numerics::Fast, 1, PassSelection::All),
                (Numerics::Fast, 2, PassSelection::None),
            ] {
                let threads = Some(threads);
                let options =
                    Options::default().isa(isa).numerics(numerics).threads(threads).passes(passes);
                check(case, &stored, options);
            }
        }
    }
}

fn check(case: &Case, stored: &Stored, options: Options) {
    let Case { name, wanted, within } = case;
    let context =
        format!("{name} on {:?}, {:?}, {:?}", options.isa, options.numerics, options.passes);
    let description = Description::open(case.file()).expect(name);
    let inputs = description.inputs(&[]).expect(name).into_iter().zip(&stored.inputs);
    let shapes: BTreeMap<_, _> =
        inputs.map(|(input, array)| (input.name, array.shape.clone())).collect();
    let network = Compiler::new(options.shapes(shapes)).build(&description);
    let model = network.expect(name).compile().expect(name);
    let outputs = run(&model, &stored.inputs);
    assert_eq!(outputs.len(), stored.outputs.len(), "{name}: {wanted}");
    for (i, (got, expected)) in outputs.iter().zip(&stored.outputs).enumerate() {
        let greatest = greatest(&expected.data);
        let allowed = match within {
            Within::Rounding => 1e-4 * greatest,
            Within::Half => 2e-2 * greatest,
            // The step itself is an f32, and results are multiples of it.
            Within::Step(step) => step * (1.0 + 1e-5),
            Within::Part(part) => part * greatest,
        };
        assert_eq!(got.shape, expected.shape, "{name}, output {i}: {wanted}");
        assert_eq!(got.dtype, expected.dtype, "{name}, output {i}: {wanted}");
        for (at, (&g, &e)) in got.data.iter().zip(&expected.data).enumerate() {
            assert!(
                is_close(g, e, allowed),
                "{context}, output {i}, element {at}: {g} for {e}; {wanted}"
            );
        }
    }
}

fn run(model: &Model, inputs: &[Array]) -> Vec<Array> {
    let mut cx = model.context().expect("memory for an arena");
    cx.poison();
    for (i, input) in inputs.iter().enumerate() {
        let values = input.data.iter().map(|&x| x as f32);
        cx.input_mut::<f32>(i)
            .expect("an input")
            .iter_mut()
            .zip(values)
            .for_each(|(to, x)| *to = x);
    }
    model.run(&mut cx).expect("its own context");
    let output = |i: usize| Array {
        shape: model.outputs()[i].shape.clone(),
        dtype: model.outputs()[i].dtype,
        data: cx.output::<f32>(i).expect("an output").iter().map(|&x| f64::from(x)).collect(),
    };
    (0..model.outputs().len()).map(output).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// Numbers of any type.
struct Array {
    shape: Vec<usize>,
    dtype: DType,
    data: Vec<f64>,
}

/// The data that is stored beside a network.
struct Stored {
    inputs: Vec<Array>,
    outputs: Vec<Array>,
}

impl Case {
    fn file(&self) -> PathBuf {
        root().join(self.name).join("model.onnx")
    }

    fn stored(&self) -> Stored {
        let bytes = std::fs::read(root().join(self.name).join("io.safetensors")).expect(self.name);
        let file = SafeTensors::deserialize(&bytes).expect(self.name);
        let all = |kind: &str| -> Vec<Array> {
            (0..).map_while(|i| file.tensor(&format!("{kind}_{i}")).ok()).map(array).collect()
        };
        Stored { inputs: all("input"), outputs: all("output") }
    }
}

fn array(view: safetensors::tensor::TensorView<'_>) -> Array {
    fn numbers<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
    }
    let bytes = view.data();
    let (dtype, data) = match view.dtype() {
        Dtype::F64 => (DType::F64, numbers(bytes, f64::from_le_bytes)),
        Dtype::F32 => (DType::F32, numbers(bytes, |b| f64::from(f32::from_le_bytes(b)))),
        Dtype::F16 => (DType::F16, numbers(bytes, |b| half::f16::from_le_bytes(b).to_f64())),
        Dtype::I64 => (DType::I64, numbers(bytes, |b| i64::from_le_bytes(b) as f64)),
        Dtype::I32 => (DType::I32, numbers(bytes, |b| f64::from(i32::from_le_bytes(b)))),
        Dtype::I8 => (DType::I8, numbers(bytes, |b| f64::from(i8::from_le_bytes(b)))),
        Dtype::U8 => (DType::U8, numbers(bytes, |[b]: [u8; 1]| f64::from(b))),
        Dtype::BOOL => (DType::Bool, numbers(bytes, |[b]: [u8; 1]| f64::from(b))),
        other => panic!("{other:?} is stored nowhere yet"),
    };
    Array { shape: view.shape().to_vec(), dtype, data }
}
