//! The text form: what it looks like, what it accepts, where it locates errors.

use proptest::prelude::*;
use resnetc_ir::eval::eval;
use resnetc_ir::text::{constants, hash, parse, parse_with, print};
use resnetc_ir::verify::verify;
use resnetc_ir::{Graph, Tensor};
use resnetc_testing::values::iota;

/// A text that prints as itself, with every operator and with every attribute at another value than
/// its default.
const EVERYTHING: &str = r#"%0 = input : f32[1, 4, 8, 8] "image"
%1 = input as=uint8 : f32[1, 2]
%2 = constant fill=0.5 : f32[8, 2, 3, 3] "conv.weight"
%3 = constant [1, 2, 3, 4, 5, 6, 7, -0.5] : f32[8] "conv.bias"
%4 = conv(%0, %2, %3) kernel=[3, 3] strides=[2, 2] dilations=[2, 1] pads=[2, 1, 2, 1] groups=2 relu : f32[1, 8, 4, 4] nchw16c "conv"
%5 = constant [1, 1, 1, 1, 1, 1, 1, 1] : f32[8, 1, 1, 1]
%6 = conv(%4, %5, %0) kernel=[1, 1] groups=8 residual residual_strides=[2, 2] residual_channel=3 clip=[-inf, 6] : f32[1, 8, 4, 4]
%7 = batch_norm(%6, %3, %3, %3, %3) epsilon=0.001 : f32[1, 8, 4, 4]
%8 = clip(%7) lo=-0 hi=1e-40 : f32[1, 8, 4, 4]
%9 = sigmoid(%8) : f32[1, 8, 4, 4]
%10 = add(%9, %8) : f32[1, 8, 4, 4]
%11 = sub(%10, %9) : f32[1, 8, 4, 4]
%12 = mul(%11, %9) : f32[1, 8, 4, 4]
%13 = div(%12, %9) : f32[1, 8, 4, 4]
%14 = max_pool(%13) kernel=[3, 3] strides=[2, 2] pads=[1, 1, 1, 1] ceil_mode : f32[1, 8, 3, 3]
%15 = average_pool(%14) kernel=[2, 2] count_include_pad : f32[1, 8, 2, 2]
%16 = pad(%15) before=[0, 0, 1, 0] after=[0, 0, 1, 0] reflect : f32[1, 8, 4, 2]
%17 = pad(%16) before=[0, 0, 0, 1] after=[0, 0, 0, 1] value=NaN : f32[1, 8, 4, 4]
%18 = slice(%17) start=[0, 7, 0, 0] len=[1, 8, 2, 4] step=[1, -1, 2, 1] : f32[1, 8, 2, 4]
%19 = concat(%18, %18) axis=2 : f32[1, 8, 4, 4]
%20 = transpose(%19) perm=[0, 2, 3, 1] : f32[1, 4, 4, 8]
%21 = reduce_mean(%20) axes=[1, 2] keep_dims : f32[1, 1, 1, 8]
%22 = transpose(%21) perm=[0, 3, 1, 2] : f32[1, 8, 1, 1]
%23 = global_average_pool(%22) : f32[1, 8, 1, 1]
%24 = reorder(%23) to=nchw16c : f32[1, 8, 1, 1] nchw16c
%25 = reshape(%24) shape=[1, 8] : f32[1, 8]
%26 = constant iota : f32[8, 3]
%27 = matmul(%25, %26) : f32[1, 3]
%28 = relu(%27) : f32[1, 3]
%29 = constant [1, 2, 3, 4, 5, 6] : f32[2, 3]
%30 = gemm(%28, %29, %1) alpha=0.5 beta=2 transpose_b relu : f32[1, 2]
%31 = softmax(%30) axis=1 : f32[1, 2]
%32 = identity(%31) : f32[1, 2] "a \"name\" \\ of\u{a}two lines"
%33 = constant iota : f32[8, 8, 1, 1]
%34 = constant fill=-1 : f32[8, 4, 2, 1]
%35 = conv(%13, %33, %3, %0, %34) kernel=[1, 1] projection_kernel=[2, 1] projection_strides=[2, 2] projection_dilations=[2, 1] projection_pads=[1, 0, 1, 0] relu : f32[1, 8, 4, 4]
%36 = top_values(%30) axis=1 k=1 : f32[1, 1]
%37 = top_indices(%30) axis=1 k=2 smallest : f32[1, 2]
output "probabilities" = %32
output "features" = %4 as=float16
output "projected" = %35
output "best" = %36
output "worst" = %37 as=int64
"#;

#[test]
fn prints_what_it_read() {
    let graph = parse(EVERYTHING).expect("parses");
    assert_eq!(print(&graph), EVERYTHING);
    assert_eq!(verify(&graph), Ok(()));
    assert_eq!(graph.inputs().len(), 2);
    let name = graph.nodes().map(|id| graph.node(id).name.clone()).find(|n| n.contains("two"));
    assert_eq!(name.as_deref(), Some("a \"name\" \\ of\ntwo lines"));
    assert!(eval(&graph, &[iota(&[1, 4, 8, 8]), iota(&[1, 2])]).is_ok());
}

/// Operators on bytes, with a scale or zero point for each operand, and a result of bytes or not.
const ON_BYTES: &str = r#"%0 = input : u8[1, 2, 4, 4] "x"
%1 = input : f32[1, 2, 1, 1]
%2 = on_bytes(%0, %1) op=mul scales=[0.25, none] zeros=[128, 0] result_scale=0.5 result_to=i8 result_zero=-3 result_limits=[-3, 127] : i8[1, 2, 4, 4]
%3 = on_bytes(%0) op=average_pool kernel=[2, 2] count_include_pad scales=[1] : f32[1, 2, 3, 3]
%4 = constant iota : u8[256]
%5 = lookup(%0, %4) zero=7 : u8[1, 2, 4, 4]
output "product" = %2
output "mean" = %3
output "same" = %5
"#;

#[test]
fn operators_on_bytes_print_what_they_read() {
    let graph = parse(ON_BYTES).expect("parses");
    assert_eq!(print(&graph), ON_BYTES);
    assert_eq!(verify(&graph), Ok(()));
    for (from, to, reason) in [
        ("op=mul", "op=softmax axis=1", "needs 1 operand, got 2"),
        ("op=average_pool kernel=[2, 2] count_include_pad", "op=softmax axis=1", "on bytes"),
        ("op=mul ", "", "op is missing"),
        ("zeros=[128, 0]", "zeros=[128]", "2 scales, but 1 zeros"),
        ("zeros=[128, 0]", "zeros=[300, 0]", "300 is not a byte"),
        ("scales=[0.25, none]", "scales=[0.25, 2]", "operand 1 is f32"),
        ("scales=[1]", "scales=[none]", "operand 0 is u8"),
        ("scales=[1]", "scales=[1, 1]", "1 operands, but 2 scales"),
        ("result_scale=0.5", "result_scale=0", "scale 0"),
        ("iota : u8[256]", "iota : u8[255]", "[255] is not [256]"),
        ("u8[1, 2, 4, 4] \"x\"", "i8[1, 2, 4, 4] \"x\"", "operand 0 is i8"),
    ] {
        let text = ON_BYTES.replace(from, to).replace(" : i8[1, 2, 4, 4]\n", "\n");
        let error = parse(&text).expect_err(to).to_string();
        assert!(error.contains(reason), "{to}: {error}");
    }
}

#[test]
fn short_forms() {
    let graph = parse(
        "# ids are any numbers; types that follow from operands may be missing\n\
         %7=input:f32[2]\n\n\
         %3 = constant [1, -2.5]   # a vector\n\
         %4 = constant [3] : f32[]\n\
         %9 = add(%7, %3) \"sum\"\n\
         %1 = mul(%9, %4)\n\
         output \"y\" = %1",
    )
    .expect("parses");
    let outputs = eval(&graph, &[iota(&[2])]).expect("evaluates");
    assert_eq!(outputs[0].data, [3.0, -4.5]);
}

fn data(line: &str) -> Vec<f32> {
    let graph = parse(&format!("%0 = constant {line}")).expect("parses");
    let id = graph.nodes().next().expect("one node");
    graph.constant_of(id).expect("a constant").data().to_vec()
}

#[test]
fn constants_from_rules() {
    assert_eq!(data("iota : f32[2, 2]"), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(data("fill=-inf : f32[2]"), [f32::NEG_INFINITY; 2]);
    let seeded = data("seed=7 : f32[1000]");
    assert_eq!(seeded, data("seed=7 : f32[1000]"));
    assert_ne!(seeded, data("seed=8 : f32[1000]"));
    assert!(seeded.iter().all(|x| (x * 8.0).fract() == 0.0 && x.abs() <= 1.0));
    assert!(seeded.contains(&1.0) && seeded.contains(&-1.0) && seeded.contains(&0.125));
}

#[test]
fn large_constants_are_looked_up() {
    let mut graph = Graph::new();
    let odd: Vec<f32> = (0..20).map(|i| (i as f32).sqrt()).collect();
    let tensor = Tensor::vector(odd);
    let node = graph.constant("w", tensor.clone());
    graph.output("y", node);
    let text = print(&graph);
    assert!(text.contains(&format!("fnv={:016x}", hash(&tensor))), "{text}");
    let error = parse(&text).expect_err("the data is not in the text");
    assert!(error.to_string().starts_with("line 1: no data"), "{error}");
    let table = constants(&graph);
    let reread = parse_with(&text, &|hash| table.get(&hash).cloned()).expect("parses");
    assert_eq!(**reread.constant_of(reread.outputs()[0].node).expect("a constant"), tensor);
    let wrong = std::sync::Arc::new(Tensor::vector(vec![0.0; 20]));
    assert!(parse_with(&text, &|_| Some(wrong.clone())).is_err());
}

#[test]
fn errors_say_where_and_what() {
    let refused = |line: &str, message: &str| {
        let text =
            format!("%0 = input : f32[1, 2, 4, 4]\n%1 = constant fill=1 : f32[2, 2, 1, 1]\n{line}");
        let error = parse(&text).expect_err(line);
        assert_eq!(error.line, 3, "{line}: {error}");
        assert!(error.message.contains(message), "{line}: {error}");
    };
    refused("hello", "%id or output");
    refused("%2 = hello(%0)", "hello is not an operator");
    refused("%2 = relu(%5)", "%5 is not defined");
    refused("%1 = relu(%0)", "%1 is defined twice");
    refused("%2 = relu(%0, %1)", "needs 1 operand, got 2");
    refused(
        "%2 = relu(%0) : f32[1, 2]",
        "says f32[1, 2], but the operands make it f32[1, 2, 4, 4]",
    );
    refused(
        "%2 = relu(%0) : u8[1, 2, 4, 4]",
        "says u8[1, 2, 4, 4], but the operands make it f32[1, 2, 4, 4]",
    );
    refused(
        "%2 = input : q4[1]",
        "q4 is not an element type; expected one of f32, f16, bf16, f64, i8",
    );
    refused("%2 = relu(%0) : f64[1]", "f32");
    refused("%2 = relu(%0) : f32[1, 2, 4, 4] nhwc", "nhwc is not a layout");
    refused("%2 = relu(%0) axis=1", "axis does not belong here");
    refused("%2 = relu(%0) [1]", "a list without a key");
    refused("%2 = relu(%0) \"x", "closing");
    refused("%2 = relu(%0) \"x\" 3", "at the end");
    refused("%2 = conv(%0, %1)", "kernel is missing");
    refused("%2 = conv(%0, %1) kernel=[1]", "kernel takes 2 numbers");
    refused("%2 = conv(%0, %1) kernel=1", "kernel takes a list");
    refused("%2 = conv(%0, %1) kernel=[1, -1]", "-1 is not a value for kernel");
    refused("%2 = conv(%0, %1) kernel=[1, 1] relu relu", "relu is given twice");
    refused("%2 = conv(%0, %1) kernel=[1, 1] relu=1", "relu takes no value");
    refused("%2 = conv(%0, %1) kernel=[1, 1] residual", "needs 3 operands");
    refused("%2 = conv(%0, %1) kernel=[1, 1] projection_kernel=[1, 1]", "needs 4 operands");
    refused("%2 = conv(%0, %1) kernel=[1, 1] projection_pads=[0, 0, 0, 0]", "does not belong here");
    refused("%2 = conv(%0, %1", ") is missing");
    refused("%2 = softmax(%0) axis=", "axis has no value");
    refused("%2 = constant", "the type is missing");
    refused("%2 = constant : f32[2]", "a constant is");
    refused("%2 = constant [1, 2] : f32[3]", "2 elements are listed for [3]");
    refused("%2 = constant [] : f32[0]", "extent 0");
    refused("%2 = constant fill=0 : f32[1048576, 1048576]", "too many to generate");
    refused("%2 = input", "the type is missing");
    refused("%2 = input : f32[18446744073709551615, 2]", "more than");
    refused("%2 = input as=f32 : f32[1]", "f32 is not an element type");
    refused("%2 = relu(%1) as=uint8", "as does not belong here");
    refused("output \"y\" = %1 as=int", "int is not an element type");
    refused("output \"y\" = 3", "an output must be a %id");
    refused("output = %1", "the name of the output is missing");
    refused("\u{1}", "unexpected");
}

proptest! {
    #[test]
    fn every_name_reads_back(name in any::<String>()) {
        let mut graph = Graph::new();
        let node = graph.input(name.clone(), [1]);
        graph.output(name.clone(), node);
        let reread = parse(&print(&graph)).expect("parses");
        prop_assert_eq!(&reread.outputs()[0].name, &name);
        prop_assert_eq!(&reread.node(reread.inputs()[0]).name, &name);
    }

    #[test]
    fn every_number_reads_back(bits in prop::collection::vec(any::<u32>(), 1..16)) {
        let mut graph = Graph::new();
        graph.constant("", Tensor::vector(bits.iter().copied().map(f32::from_bits).collect()));
        let reread = parse(&print(&graph)).expect("parses");
        let id = reread.nodes().next().expect("one node");
        let data = reread.constant_of(id).expect("a constant").data();
        for (got, &want) in data.iter().zip(&bits) {
            let nan = got.is_nan() && f32::from_bits(want).is_nan();
            prop_assert!(nan || got.to_bits() == want);
        }
    }

    /// Lines made of words of the language get further into the parser than arbitrary text does.
    #[test]
    fn no_soup_of_words_makes_the_parser_panic(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..40),
    ) {
        if let Ok(graph) = parse(&words.join(" ")) {
            let _ = verify(&graph);
        }
    }
}

const WORDS: &[&str] = &[
    "%0 = input : f32[1, 2, 3, 4]\n",
    "%1 = relu(%0)\n",
    "\n%2 =",
    "%3",
    "(",
    ")",
    "[",
    "]",
    "=",
    ",",
    ":",
    "f32",
    "constant",
    "conv",
    "pad",
    "slice",
    "reshape",
    "(%0)",
    "(%0, %1)",
    "kernel=[1, 1]",
    "strides=[0, 1]",
    "residual",
    "residual_strides=[0, 2]",
    "residual_channel=1",
    "start=[1]",
    "len=[2]",
    "step=[-9223372036854775808]",
    "before=[1]",
    "fill=1",
    "iota",
    "seed=0",
    "fnv=00",
    "18446744073709551615",
    "-1",
    "0",
    "nchw16c",
    "\"",
    "\\u{",
    "output",
    "\"y\"",
    "#",
    "1e999",
    "shape=[]",
];

/// What gradients are made of.
const GRADIENTS: &str = r#"%0 = input : f32[2, 6, 3, 5] "dy"
%1 = input : f32[6, 2, 3, 2] "weights"
%2 = input : f32[3, 4]
%3 = conv_source(%0, %1) kernel=[3, 2] strides=[2, 1] pads=[1, 1, 1, 0] groups=2 image=[6, 5] : f32[2, 4, 6, 5]
%4 = conv_weights(%0, %3) kernel=[3, 2] strides=[2, 1] pads=[1, 1, 1, 0] groups=2 image=[6, 5] : f32[6, 2, 3, 2]
%5 = max_pool(%3) kernel=[2, 2] strides=[2, 2] ceil_mode : f32[2, 4, 3, 3]
%6 = max_pool_source(%5, %3) kernel=[2, 2] strides=[2, 2] ceil_mode : f32[2, 4, 6, 5]
%7 = cross_entropy(%2, %2) : f32[3]
output "weights" = %4
output "source" = %6
output "loss" = %7
output "weights" = %1 next_of(%1)
"#;

#[test]
fn gradients_print_as_they_are_read() {
    let graph = parse(GRADIENTS).expect("parses");
    assert_eq!(print(&graph), GRADIENTS);
    assert_eq!(verify(&graph), Ok(()));
}

/// Functions of elements, with every kind of step and term.
const EXPRESSIONS: &str = r#"%0 = input : f32[2, 3, 4, 5] "x"
%1 = input : f32[3, 1, 1]
%2 = pointwise(%0, %1) steps=[sub/x0/x1, clip/s0/-inf/6, less/s1/0.5, where/s2/x0/s1, sqrt/x1, pow/s3/s4] results=[s5] : f32[2, 3, 4, 5] "all"
%3 = channel_sums(%2) steps=[] results=[x0] : f32[1, 3]
%4 = channel_sums(%2, %1) steps=[mul/x0/x1] results=[s0, x0, 2] : f32[3, 3]
%5 = moments(%2) : f32[2, 3]
output "a" = %3
output "b" = %4
output "c" = %5
"#;

#[test]
fn expressions_print_as_they_are_read() {
    let graph = parse(EXPRESSIONS).expect("parses");
    assert_eq!(print(&graph), EXPRESSIONS);
    assert_eq!(verify(&graph), Ok(()));
}

#[test]
fn wrong_expressions_are_refused() {
    let refused = |steps: &str, results: &str| {
        let text = format!(
            "%0 = input : f32[2]\n%1 = pointwise(%0) steps=[{steps}] results=[{results}]\n"
        );
        parse(&text).expect_err("it is wrong").message
    };
    assert!(refused("mul/x0", "s0").contains("mul/x0 is not a step"));
    assert!(refused("rule/x0", "s0").contains("rule/x0 is not a step"));
    assert!(refused("mul/x0/y1", "s0").contains("y1 is not a term"));
    assert!(refused("mul/x0/s0", "s0").contains("step 0 is read before it is computed"));
    assert!(refused("abs/x0", "s1").contains("step 1 is read before it is computed"));
    assert!(refused("mul/x0/x1", "s0").contains("needs 2 operands, got 1"));
    assert!(refused("clip/x0/nan/1", "s0").contains("NaN"));
    assert!(refused("", "").contains("needs 0 operands, got 1"));
    assert!(refused("abs/x0", "").contains("the expression has 0 results, not 1"));
    assert!(refused("", "x0, x0").contains("the expression has 2 results, not 1"));
}
