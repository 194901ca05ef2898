//! Element types: declarations, casts that change nothing, and the ways in which a file stores
//! numbers.

use resnetc::import::onnx::proto::{DataType, TensorProto};
use resnetc::{Compiler, DType, Options, RunError};
use resnetc_ir::eval::{Value, eval};

use crate::model::Attr::Int;
use crate::model::Model;

/// A model whose input "x" has this type.
fn of(dtype: DType, dims: &[i64]) -> Model {
    let mut model = Model::new(dims);
    let input = model.graph_proto().input[0].r#type.as_mut();
    let tensor = input.and_then(|t| t.tensor_type.as_mut()).expect("the model has an input");
    tensor.elem_type = Some(DataType::from(dtype) as i32);
    model
}

fn cast(model: Model, from: &str, to: &str, dtype: DType) -> Model {
    model.node("Cast", &[from], &[to], &[("to", Int(DataType::from(dtype) as i64))])
}

/// The declared types of the only input and the only output.
fn ports(model: &Model) -> (DType, DType) {
    let graph = model.graph();
    (graph.input_dtype(graph.inputs()[0]), graph.outputs()[0].dtype)
}

#[test]
fn inputs_and_outputs_have_the_types_of_the_file() {
    for dtype in DType::ALL {
        let passed = of(dtype, &[2]).node("Identity", &["x"], &["y"], &[]).output("y");
        assert_eq!(ports(&passed), (dtype, dtype));
        let floats = cast(of(dtype, &[2]), "x", "f", DType::F32);
        let floats = floats.node("Relu", &["f"], &["y"], &[]).output("y");
        assert_eq!(ports(&floats), (dtype, DType::F32));
        assert_eq!(floats.run().data, [0.0, 1.0]);
    }
}

#[test]
fn arithmetic_keeps_the_type_of_floats() {
    for dtype in DType::ALL.into_iter().filter(|dtype| dtype.is_float()) {
        // The constant comes first, and is not a half any more after arithmetic.
        let model = of(dtype, &[2])
            .floats("c", &[2], &[1.0, 2.0])
            .node("Neg", &["c"], &["n"], &[])
            .node("Add", &["n", "x"], &["s"], &[])
            .node("Relu", &["s"], &["y"], &[])
            .output("y");
        assert_eq!(ports(&model), (dtype, dtype));
    }
}

#[test]
fn a_cast_at_run_time_goes_where_integers_are_held_and_floats_go_anywhere() {
    for from in DType::ALL {
        for to in DType::ALL {
            let model = cast(of(from, &[2]), "x", "y", to).output("y");
            let held = match (from.integers(), to.integers()) {
                (_, None) => true,
                // Whether it is 0, which is defined for every value.
                _ if to == DType::Bool => true,
                (None, Some(_)) => true,
                (Some(from), Some(to)) => to.0 <= from.0 && from.1 <= to.1,
            };
            match held {
                true => assert_eq!(ports(&model), (from, to)),
                false => {
                    let names = [from, to].map(|ty| format!("{:?}", DataType::from(ty)));
                    let error = model.error();
                    assert!(names.iter().all(|name| error.contains(name)), "{from} {to}: {error}");
                }
            }
        }
    }
}

/// The result of Rust's `as` for a float, as an f32: rounded towards zero, clamped to the limits, 0
/// for NaN. A limit that is not an f32 is replaced by the next f32 that the type holds.
fn as_integer(x: f32, dtype: DType) -> f32 {
    let (integer, greatest) = match dtype {
        DType::I8 => ((x as i8) as f32, i8::MAX as f32),
        DType::U8 => ((x as u8) as f32, u8::MAX as f32),
        DType::I16 => ((x as i16) as f32, i16::MAX as f32),
        DType::U16 => ((x as u16) as f32, u16::MAX as f32),
        DType::I32 => ((x as i32) as f32, 2_147_483_520.0),
        DType::U32 => ((x as u32) as f32, 4_294_967_040.0),
        DType::I64 => ((x as i64) as f32, 9_223_371_487_098_961_920.0),
        DType::U64 => ((x as u64) as f32, 18_446_742_974_197_923_840.0),
        other => panic!("{other} has fractions"),
    };
    integer.min(greatest)
}

#[test]
fn floats_become_integers_towards_zero_and_within_the_type() {
    let mut numbers =
        vec![0.0, -0.0, 0.49, 0.5, 0.99999994, 1.0, 1.5, 2.5, 126.99999, 127.0, 127.5, 128.0];
    numbers.extend([254.9, 255.0, 255.5, 256.0, 32767.9, 32768.0, 65535.5, 65536.0, 8_388_607.5]);
    numbers.extend([
        16_777_216.0,
        2_147_483_520.0,
        2_147_483_648.0,
        4_294_967_296.0,
        1e-40,
        1e18,
        1e19,
        1e38,
    ]);
    numbers.extend([f32::MIN_POSITIVE, f32::INFINITY, f32::NAN]);
    let numbers: Vec<f32> = numbers.iter().flat_map(|&x| [x, -x]).collect();
    for from in [DType::F32, DType::F64, DType::F16] {
        for to in DType::ALL.into_iter().filter(|to| !to.is_float() && *to != DType::Bool) {
            let model = cast(of(from, &[numbers.len() as i64]), "x", "y", to).output("y");
            assert_eq!(ports(&model), (from, to));
            let wanted: Vec<f32> = numbers.iter().map(|&x| as_integer(x, to)).collect();
            let x = Value::from_f32([numbers.len()], &numbers);
            let interpreted = eval(&model.graph(), &[x]).unwrap().remove(0).to_f32();
            assert_eq!(interpreted, wanted, "{from} to {to}");
            let compiled = Compiler::new(Options::default().threads(1));
            let compiled = compiled.graph(model.graph()).unwrap().compile().unwrap();
            let mut context = compiled.context().unwrap();
            context.input_mut(0).unwrap().copy_from_slice(&numbers);
            compiled.run(&mut context).unwrap();
            assert_eq!(context.output::<f32>(0).unwrap(), wanted, "{from} to {to}, compiled");
            assert!(wanted.iter().all(|&x| x == x.trunc()), "{to}");
        }
    }
    // Constants are converted by the same rule; values beyond the type are refused elsewhere.
    let halves = of(DType::F32, &[4]).floats("c", &[4], &[-1.5, -0.5, 0.5, 1.5]);
    let halves = cast(cast(halves, "c", "i", DType::I32), "i", "f", DType::F32);
    let sum = halves.node("Mul", &["x", "f"], &["y"], &[]).output("y");
    assert_eq!(sum.run().data, [0.0, 0.0, 0.0, 3.0]);
}

#[test]
fn a_cast_like_takes_the_type_of_its_other_operand() {
    let model = of(DType::F16, &[2])
        .input("like", &[1])
        .node("CastLike", &["x", "like"], &["y"], &[])
        .output("y");
    let graph = model.graph();
    assert_eq!(graph.outputs()[0].dtype, DType::F32);
    let model = Model::new(&[2]).tensor(halves("like", |t| t.raw_data = Some(vec![0; 6].into())));
    let model = model.node("CastLike", &["x", "like"], &["y"], &[]).output("y");
    assert_eq!(ports(&model), (DType::F32, DType::F16));
}

/// A tensor of three halves, to be filled.
fn halves(name: &str, fill: impl Fn(&mut TensorProto)) -> TensorProto {
    let mut tensor = TensorProto {
        name: Some(name.into()),
        dims: vec![3],
        data_type: Some(DataType::Float16 as i32),
        ..Default::default()
    };
    fill(&mut tensor);
    tensor
}

/// -1.5, the largest half, and the smallest subnormal one; as bfloat16, these bits are other
/// numbers.
const BITS: [u16; 3] = [0xbe00, 0x7bff, 0x0001];
const HALVES: [f64; 3] = [-1.5, 65504.0, 1.0 / (1u64 << 24) as f64];

#[test]
fn constants_are_the_same_however_they_are_stored() {
    let raw = |t: &mut TensorProto| {
        t.raw_data = Some(BITS.iter().flat_map(|b| b.to_le_bytes()).collect::<Vec<u8>>().into());
    };
    let typed = |t: &mut TensorProto| t.int32_data = BITS.map(i32::from).to_vec();
    let brain = BITS.map(|bits| f64::from(f32::from_bits(u32::from(bits) << 16)));
    let doubles = [-1.5, 1e300, 0.1f64];
    // Their values as f32.
    let singles = [-1.5, f64::INFINITY, f64::from(0.1f32)];
    let as_bfloat = |t: &mut TensorProto| t.data_type = Some(DataType::Bfloat16 as i32);
    let as_double = |t: &mut TensorProto| t.data_type = Some(DataType::Double as i32);
    let cases: [(&str, TensorProto, [f64; 3]); 6] = [
        ("raw halves", halves("c", raw), HALVES),
        ("typed halves", halves("c", typed), HALVES),
        (
            "raw bfloat16",
            halves("c", |t| {
                raw(t);
                as_bfloat(t)
            }),
            brain,
        ),
        (
            "typed bfloat16",
            halves("c", |t| {
                typed(t);
                as_bfloat(t)
            }),
            brain,
        ),
        (
            "raw doubles",
            halves("c", |t| {
                as_double(t);
                t.raw_data =
                    Some(doubles.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>().into());
            }),
            singles,
        ),
        (
            "typed doubles",
            halves("c", |t| {
                as_double(t);
                t.double_data = doubles.to_vec()
            }),
            singles,
        ),
    ];
    for (what, tensor, want) in cases {
        let model = Model::new(&[3]).tensor(tensor).node("Add", &["x", "c"], &["y"], &[]);
        let graph = model.output("y").graph();
        let zeros = Value::new(vec![3], vec![0.0; 3]);
        assert_eq!(eval(&graph, &[zeros]).unwrap()[0].data, want, "{what}");
    }
}

#[test]
fn a_run_refuses_what_is_no_value_of_an_integer_input() {
    let bytes = cast(of(DType::U8, &[40]), "x", "f", DType::F32)
        .node("Add", &["f", "f"], &["y"], &[])
        .output("y");
    let model = Compiler::new(Options::default()).graph(bytes.graph()).unwrap().compile().unwrap();
    assert_eq!(model.inputs()[0].dtype, DType::U8);
    assert_eq!(model.outputs()[0].dtype, DType::F32);
    let mut context = model.context().unwrap();
    context.input_mut::<f32>(0).unwrap().fill(255.0);
    model.run(&mut context).unwrap();
    assert_eq!(context.output::<f32>(0).unwrap(), [510.0; 40]);
    for (index, value) in [(0, 0.37), (17, 300.0), (39, -5.0), (3, f32::NAN), (8, f32::INFINITY)] {
        context.input_mut::<f32>(0).unwrap().fill(7.0);
        context.input_mut::<f32>(0).unwrap()[index] = value;
        let error = model.run(&mut context).unwrap_err();
        assert!(
            matches!(&error, RunError::Element { input, index: i, .. } if input == "x" && *i == index)
        );
        let text = error.to_string();
        let parts = ["\"x\"", "uint8", &format!("element {index}"), &value.to_string(), "0 to 255"];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(model.run_timed(&mut context, &mut [Default::default()]).is_err());
        assert!(model.run_traced(&mut context).is_err());
        assert_eq!(context.output::<f32>(0).unwrap(), [510.0; 40], "nothing ran");
    }
}
