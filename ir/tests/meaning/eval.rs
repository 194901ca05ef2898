//! Whole graphs through the interpreter: inputs, order, lifetime, outputs.

use std::collections::HashMap;

use resnetc_ir::eval::{Value, eval, eval_each, eval_node};
use resnetc_ir::text::parse;
use resnetc_ir::{Op, Tensor};
use resnetc_testing::values::{iota, value};

const TWO_INPUTS: &str = r#"
%0 = input : f32[2] "a"
%1 = input : f32[2] "b"
%2 = constant [10] : f32[]
%3 = sub(%0, %1)
%4 = mul(%3, %2)
%5 = mul(%3, %3)
%6 = relu(%1) "dead"
output "tens" = %4
output "squares" = %5
output "tens again" = %4
output "given" = %1
"#;

#[test]
fn inputs_and_outputs_are_in_the_order_of_the_graph() {
    let graph = parse(TWO_INPUTS).expect("parses");
    let (a, b) = (value(&[2], &[5.0, 7.0]), value(&[2], &[1.0, 9.0]));
    let outputs = eval(&graph, &[a, b.clone()]).expect("evaluates");
    let data: Vec<&[f64]> = outputs.iter().map(|v| &v.data[..]).collect();
    assert_eq!(data, [&[40.0, -20.0][..], &[16.0, 4.0], &[40.0, -20.0], &b.data]);
}

#[test]
fn every_node_is_reported_once_after_its_operands() {
    let graph = parse(TWO_INPUTS).expect("parses");
    let mut seen = HashMap::new();
    let inputs = [iota(&[2]), iota(&[2])];
    let outputs = eval_each(&graph, &inputs, &mut |id, operands, value| {
        let known: Vec<&Value> = graph.operands(id).iter().map(|o| &seen[o]).collect();
        assert_eq!(operands, known);
        assert_eq!(value.shape, graph.node(id).ty.shape);
        assert_eq!(seen.insert(id, value.clone()), None);
    });
    assert_eq!(outputs.expect("evaluates").len(), 4);
    assert_eq!(seen.len(), graph.len());
}

#[test]
fn wrong_inputs_are_refused() {
    let graph = parse(TWO_INPUTS).expect("parses");
    let good = iota(&[2]);
    let refused = |inputs: &[Value], words: &str| {
        let message = eval(&graph, inputs).expect_err("refused").to_string();
        assert!(message.contains(words), "{message}");
    };
    refused(&[], "2 inputs, got 0");
    refused(&[good.clone(), good.clone(), good.clone()], "2 inputs, got 3");
    refused(&[good.clone(), iota(&[1, 2])], "input \"b\" is f32[2], got f32[1, 2]");
    let lying = Value::new(vec![2], vec![0.0]);
    refused(&[lying.clone(), good], "input \"a\": [2] does not have 1 elements");
    let message = eval_node(&Op::Identity, &[&lying]).expect_err("refused").to_string();
    assert!(message.contains("operand 0"), "{message}");
    assert!(eval_node(&Op::Input, &[]).is_err());
}

#[test]
fn values_and_tensors() {
    let tensor = Tensor::new([2, 1], vec![0.1, -2.0]).expect("two elements");
    let value = Value::from(&tensor);
    assert_eq!(value, Value::from_f32([2, 1], &[0.1, -2.0]));
    assert_eq!(value.data[0], f64::from(0.1f32));
    assert_eq!(value.to_f32(), [0.1, -2.0]);
    assert_eq!(value.to_tensor(), Ok(Some(tensor)));
    assert_eq!(Value::from_f32([3], &[0.0]).to_tensor(), Ok(None));
}

/// Weights as a quantizer writes them, the largest of which is 127.5 steps: exactly in f32 for
/// some, slightly different for others.
#[test]
fn what_is_computed_from_constants_is_in_f32() {
    for seed in 1..200u32 {
        let greatest = seed as f32 * 0.037 + 1e-3;
        let scale = 2.0 * greatest / 255.0;
        let text = format!(
            "%0 = input : f32[] \"x\"\n%1 = constant [{greatest:?}] : f32[]\n%2 = constant [{scale:?}] : f32[]\n\
             %3 = div(%1, %2)\n%4 = round(%3)\n%5 = mul(%4, %2)\n%6 = mul(%0, %5)\n\
             output \"steps\" = %4\noutput \"y\" = %6\n"
        );
        let graph = parse(&text).expect("parses");
        let outputs = eval(&graph, &[value(&[], &[0.1])]).expect("evaluates");
        let steps = (greatest / scale).round_ties_even();
        let weight = f64::from(steps * scale);
        // Values that depend on an input are in f64.
        assert_eq!(
            (outputs[0].data[0], outputs[1].data[0]),
            (steps.into(), 0.1 * weight),
            "{text}"
        );
    }
}
