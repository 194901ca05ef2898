//! Quantized networks that every pass and every plan must take.

use resnetc::ir::eval::{Value, eval};
use resnetc::ir::text::parse;
use resnetc::{Compiler, Options};

/// A few channels in another shape: nothing can be written around them, and rows of bytes are read
/// several at a time.
const RESHAPED: [&str; 2] = [
    r#"
        %0 = input : f32[1, 3, 1, 8] "x"
        %1 = measure(%0)
        %2 = quantize_measured(%0, %1)
        %3 = reshape(%2) shape=[1, 3, 8, 1]
        %4 = constant fill=3 : i8[4, 3, 3, 3]
        %5 = constant fill=0 : f32[4]
        %6 = constant fill=0.01 : f32[4]
        %7 = quantized_conv(%3, %4, %5, %6, %1) kernel=[3, 3] pads=[1, 1, 1, 1] measured floats
        output "y" = %7"#,
    r#"
        %0 = input : f32[1, 3, 1, 8] "x"
        %1 = quantize(%0) scale=0.5 zero=7 to=u8 limits=[0, 255]
        %2 = reshape(%1) shape=[1, 3, 8, 1]
        %3 = constant fill=3 : i8[4, 3, 1, 1]
        %4 = constant fill=0 : i32[4]
        %5 = constant fill=0.01 : f32[4]
        %6 = quantized_conv(%2, %3, %4, %5) kernel=[1, 1] src_zero=7 floats
        output "y" = %6"#,
];

/// Equal bytes, which are read with different zero points.
const TWINS: &str = r#"
    %0 = input : f32[1, 4, 6, 6] "x"
    %1 = measure(%0)
    %2 = quantize_measured(%0, %1)
    %3 = quantize_measured(%0, %1)
    %4 = constant fill=-2 : i8[4, 4, 3, 3]
    %5 = constant fill=0 : i32[4]
    %6 = constant fill=0.01 : f32[4]
    %7 = quantized_conv(%2, %4, %5, %6) kernel=[3, 3] pads=[1, 1, 1, 1] floats
    %8 = constant fill=0 : f32[4]
    %9 = quantized_conv(%3, %4, %8, %6, %1) kernel=[3, 3] pads=[1, 1, 1, 1] measured floats
    output "y" = %7
    output "z" = %9"#;

#[test]
fn compiled_networks_equal_the_interpreter() {
    for text in RESHAPED.into_iter().chain([TWINS]) {
        let graph = parse(text).expect("a graph");
        let shape = graph.node(graph.inputs()[0]).ty.shape.clone();
        let elements = shape.iter().product::<usize>();
        let x: Vec<f32> = (0..elements).map(|i| (i * 7 % 19) as f32 / 4.0 - 1.5).collect();
        let input = Value::new(shape, x.iter().map(|&x| f64::from(x)).collect());
        let expected = eval(&graph, &[input]).expect("it can be interpreted");
        let options = Options::default().threads(1);
        let network = Compiler::new(options).graph(graph).expect("a network");
        let model = network.compile().unwrap_or_else(|e| panic!("{e}\n{text}"));
        let mut context = model.context().expect("memory");
        context.input_mut::<f32>(0).expect("one").copy_from_slice(&x);
        context.poison();
        model.run(&mut context).expect("its own context");
        for (i, expected) in expected.iter().enumerate() {
            let found = context.output::<f32>(i).expect("an output");
            let found: Vec<f64> = found.iter().map(|&x| f64::from(x)).collect();
            assert_eq!(found, expected.data, "{text}");
        }
    }
}
