//! What the pipeline makes of quantized values, and what is reported to stay on floats.

use resnetc::passes::{Verify, run, run_pass};
use resnetc::report::floats::float_operators;
use resnetc_ir::text::parse;

use super::driver::{ops, optimized, options};
use super::examples::all;

/// What a convolution in floats can take, it takes: the sum is not one on bytes.
#[test]
fn convolutions_in_floats_come_before_functions_on_bytes() {
    let graph = optimized(
        r#"
        %0 = input : f32[1, 16, 4, 4] "x"
        %1 = constant seed=1 : f32[16, 16, 1, 1] "weight"
        %2 = conv(%0, %1) kernel=[1, 1] "conv"
        %3 = input : f32[1, 16, 4, 4] "shortcut"
        %4 = quantize(%3) scale=0.5 to=u8 limits=[0, 255]
        %5 = dequantize(%4) scale=0.5
        %6 = add(%2, %5)
        %7 = relu(%6)
        %8 = quantize(%7) scale=0.5 to=u8 limits=[0, 255]
        %9 = dequantize(%8) scale=0.5
        %10 = sigmoid(%9)
        %11 = quantize(%10) scale=0.25 to=u8 limits=[0, 255]
        %12 = dequantize(%11) scale=0.25
        output "y" = %12"#,
        &options(),
    );
    let found = ops(&graph);
    for op in ["conv", "lookup"] {
        assert!(found.contains(&op), "{found:?}");
    }
    assert!(!found.contains(&"on_bytes") && !found.contains(&"add"), "{found:?}");
}

/// Inputs that are declared to be bytes, moved or not, become bytes once.
#[test]
fn dequantized_inputs_are_bytes() {
    for (ty, zero) in [("uint8", 3.0), ("int8", -3.0)] {
        let text = format!(
            r#"
            %0 = input as={ty} : f32[1, 4, 4, 16] "x"
            %1 = transpose(%0) perm=[0, 3, 1, 2]
            %2 = constant [{zero}] : f32[]
            %3 = sub(%1, %2)
            %4 = constant [0.5] : f32[]
            %5 = mul(%3, %4)
            %6 = constant fill=3 : f32[16, 16, 1, 1]
            %7 = mul(%6, %4)
            %8 = conv(%5, %7) kernel=[1, 1]
            %9 = mul(%3, %2)
            %10 = sigmoid(%9)
            output "y" = %8
            output "z" = %10"#
        );
        let mut graph = parse(&text).expect("it parses");
        for pass in ["fuse_quantizers", "fuse_quantized"] {
            let pass = all().into_iter().find(|p| p.name == pass).expect(pass);
            run_pass(&mut graph, &pass, Verify::EachPatch).expect("it runs");
        }
        let found = ops(&graph);
        let count = |op: &str| found.iter().filter(|&&found| found == op).count();
        assert_eq!((count("quantize"), count("quantized_conv")), (1, 1), "{ty}: {found:?}");
    }
}

/// A product and a mean on bytes; a softmax, which has no form on them; and a chain of two
/// functions of two values, of which the first reads bytes and the last writes them.
const ISLANDS: &str = r#"
    %0 = input : f32[1, 16, 4, 4] "x"
    %1 = quantize(%0) scale=0.5 to=u8 zero=128 limits=[0, 255]
    %2 = dequantize(%1) scale=0.5 zero=128
    %3 = global_average_pool(%2) "mean"
    %4 = quantize(%3) scale=0.5 to=u8 limits=[0, 255]
    %5 = dequantize(%4) scale=0.5
    %6 = mul(%2, %5) "product"
    %7 = quantize(%6) scale=0.5 to=u8 limits=[0, 255]
    %8 = dequantize(%7) scale=0.5
    %9 = softmax(%8) axis=1 "softmax"
    %10 = quantize(%9) scale=0.5 to=u8 limits=[0, 255]
    %11 = dequantize(%10) scale=0.5
    %12 = add(%8, %11) "first"
    %13 = mul(%12, %5) "last"
    %14 = quantize(%13) scale=0.5 to=u8 limits=[0, 255]
    %15 = dequantize(%14) scale=0.5
    output "y" = %15"#;

#[test]
fn what_computes_on_floats_is_listed_with_a_reason() {
    let mut graph = parse(ISLANDS).expect("it parses");
    let remarks = run(&mut graph, &options()).expect("the passes run");
    let listed = float_operators(&graph, &remarks);
    let listed: Vec<(&str, &str)> =
        listed.iter().map(|found| (found.node.name.as_str(), found.reason.as_str())).collect();
    let expected = [
        ("softmax", "it has no form on integers"),
        ("first", "it reads bytes, but what reads its result does not"),
        ("last", "it writes bytes, but an operand is floats"),
    ];
    assert_eq!(listed, expected);
}

/// A product of measured bytes whose groups are too small, and one that is computed in integers.
const MEASURED: &str = r#"
    %0 = input : f32[1, 16, 4, 4] "x"
    %1 = measure(%0)
    %2 = quantize_measured(%0, %1)
    %3 = convert(%2) to=f32
    %4 = slice(%1) start=[1] len=[1]
    %5 = reshape(%4) shape=[]
    %6 = sub(%3, %5)
    %7 = slice(%1) start=[0] len=[1]
    %8 = reshape(%7) shape=[]
    %9 = constant fill=3 : f32[16, 1, 1, 1]
    %11 = conv(%6, %9) kernel=[1, 1] groups=16 "grouped"
    %12 = mul(%11, %8)
    %13 = constant fill=3 : f32[16, 16, 1, 1]
    %14 = conv(%6, %13) kernel=[1, 1] "whole"
    %15 = mul(%14, %8)
    output "y" = %12
    output "z" = %15"#;

#[test]
fn products_of_measured_values_on_floats_are_listed_with_a_reason() {
    let mut graph = parse(MEASURED).expect("valid");
    let remarks = run(&mut graph, &options()).expect("the passes run");
    let listed = float_operators(&graph, &remarks);
    let listed: Vec<(&str, &str)> =
        listed.iter().map(|found| (found.node.name.as_str(), found.reason.as_str())).collect();
    assert_eq!(listed, [("grouped", "its groups are not whole blocks of channels")]);
    let count = ops(&graph).into_iter().filter(|&op| op == "quantized_conv").count();
    assert_eq!(count, 1, "{:?}", ops(&graph));
}
