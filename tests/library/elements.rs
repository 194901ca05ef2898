//! Element types in the API: a context gives memory of the type that the model holds, and an error
//! for any other type.

use resnetc::compile::compile;
use resnetc::errors::RunError;
use resnetc::{DType, Element, Engine, Error, Model, Options};
use resnetc_ir::text::parse;

fn options(engine: Engine) -> Options {
    Options::default().engine(engine).threads(1)
}

fn interpreted(text: &str) -> Model {
    compile(parse(text).expect("a graph"), &options(Engine::Interpreted)).expect("it is run")
}

/// Sums of products of bytes.
const BYTES: &str = "
%0 = input : u8[1, 2, 2, 2] \"x\"
%1 = constant [1, -2, 3, 127] : i8[2, 2, 1, 1] \"w\"
%2 = constant [1000, -1] : i32[2] \"b\"
%3 = conv(%0, %1, %2) kernel=[1, 1] : i32[1, 2, 2, 2] \"sums\"
output \"y\" = %3
";

#[test]
fn the_interpreter_takes_and_gives_integers() {
    let model = interpreted(BYTES);
    let ports = [&model.inputs()[0], &model.outputs()[0]];
    assert_eq!(ports.map(|port| port.element()), [DType::U8, DType::I32]);
    assert_eq!(ports.map(|port| port.dtype), [DType::U8, DType::I32]);
    let mut context = model.context().expect("there is memory");
    let x: [u8; 8] = [0, 1, 2, 255, 4, 5, 6, 255];
    context.input_mut(0).expect("bytes").copy_from_slice(&x);
    model.run(&mut context).expect("it runs");
    let sum = |w: [i32; 2], b: i32| {
        move |i: usize| b + w[0] * i32::from(x[i]) + w[1] * i32::from(x[i + 4])
    };
    let first = (0..4).map(sum([1, -2], 1000));
    let expected: Vec<i32> = first.chain((0..4).map(sum([3, 127], -1))).collect();
    assert_eq!(context.output::<i32>(0).expect("integers"), expected);
    assert_eq!(context.read_output::<i32>(0).expect("integers"), expected);
    assert_eq!(context.output_bytes(0).expect("an output")[..4], expected[0].to_le_bytes());
}

fn wrong<T: Element>(found: Result<T, RunError>) -> String {
    found.expect_err("another type").to_string()
}

#[test]
fn another_type_is_an_error_that_names_the_port_and_both_types() {
    let model = interpreted(BYTES);
    let mut context = model.context().expect("there is memory");
    let error = wrong(context.input_mut::<f32>(0).map(|x| x[0]));
    assert_eq!(error, "input \"x\" is u8, but f32 was requested");
    assert_eq!(
        wrong(context.output::<f32>(0).map(|y| y[0])),
        "output \"y\" is i32, but f32 was requested"
    );
    assert_eq!(
        wrong(context.read_output::<u8>(0).map(|y| y[0])),
        "output \"y\" is i32, but u8 was requested"
    );
    let error = context.write_input(0, &[1i8; 8]).expect_err("another type").to_string();
    assert_eq!(error, "input \"x\" is u8, but i8 was requested");
    let error = context.write_input(0, &[1u8; 7]).expect_err("too few").to_string();
    assert_eq!(error, "input \"x\" has 8 elements, but 7 were given");
    assert!(context.input_mut::<u8>(1).is_err() && context.write_input::<u8>(1, &[]).is_err());
}

/// A network of f32 whose description declares bytes, like imported ones.
const DECLARED: &str = "
%0 = input as=uint8 : f32[4] \"x\"
%1 = constant [2] : f32[1] \"two\"
%2 = mul(%0, %1) : f32[4] \"twice\"
output \"y\" = %2 as=int32
";

#[test]
fn declared_elements_are_converted_on_the_way() {
    for engine in [Engine::Interpreted, Engine::Auto] {
        let graph = parse(DECLARED).expect("a graph");
        let model = compile(graph, &options(engine)).expect("it is run");
        let port = &model.inputs()[0];
        assert_eq!((port.element(), port.dtype), (DType::F32, DType::U8));
        let mut context = model.context().expect("there is memory");
        context.write_input(0, &[0u8, 1, 200, 255]).expect("bytes");
        model.run(&mut context).expect("it runs");
        assert_eq!(context.read_output::<i32>(0).expect("integers"), [0, 2, 400, 510]);
        assert_eq!(context.output::<f32>(0).expect("floats"), [0.0, 2.0, 400.0, 510.0]);
        // The held type can be written, too, and every run still checks the values.
        context.write_input(0, &[0.0f32, 1.5, 2.0, 3.0]).expect("floats");
        assert!(matches!(model.run(&mut context), Err(RunError::Element { index: 1, .. })));
    }
}

#[test]
fn an_integer_that_no_float_holds_is_refused() {
    let text = DECLARED.replace("as=uint8", "as=int32");
    let mut context = interpreted(&text).context().expect("there is memory");
    let most = 1 << 24;
    context.write_input(0, &[most, -most, 0, 1]).expect("they are exact");
    let error = context.write_input(0, &[0, most + 1, 0, 0]).expect_err("no float is that");
    assert!(error.to_string().contains("its element 1 is 16777217; it accepts"), "{error}");
}

#[test]
fn kernels_refuse_other_elements_by_name() {
    let texts = [
        (
            BYTES,
            "2 operators cannot be compiled:\n  conv \"sums\" cannot be compiled: operand 0 is u8, but kernels compute with \
             f32 only\n  reorder \"sums\" cannot be compiled: operand 0 is i32, but kernels compute with f32 only",
        ),
        (
            "%0 = input : f32[4] \"x\"\n%1 = convert(%0) to=i8 : i8[4] \"bytes\"\noutput \"y\" = %1\n",
            "convert \"bytes\" cannot be compiled: only f32 is converted to u8, and bytes to f32",
        ),
        (
            "%0 = input : f16[4] \"x\"\n%1 = relu(%0) : f16[4] \"half\"\noutput \"y\" = %1\n",
            "relu \"half\" cannot be compiled: operand 0 is f16, but kernels compute with f32 only",
        ),
    ];
    for (text, expected) in texts {
        match compile(parse(text).expect("a graph"), &options(Engine::Compiled)) {
            Err(Error::NoCode(_)) => {}
            Err(error) => assert_eq!(error.to_string(), expected),
            Ok(_) => panic!("{text} was compiled"),
        }
    }
}
