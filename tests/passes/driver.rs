//! The driver: options, reports, and whole networks.

use resnetc::passes::{
    NearMisses, Need, Pass, PassError, PassOptions, PassSelection, PipelineStep, Stage, Sweeps,
    Verify, cancel_transposes, cse, fold_affine, fold_batch_norm, fuse_residual, layout,
    optional_names, pipeline, run, run_pass, run_steps,
};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::op::{Binary, Conv, Unary, Window};
use resnetc_ir::text::{parse, print};
use resnetc_ir::{Graph, Layout, NodeId, Op, Patch, Tensor};

/// A residual block with everything that fuses.
const BLOCK: &str = r#"
    %0 = input : f32[1, 16, 6, 6] "x"
    %1 = constant seed=1 : f32[16, 16, 3, 3] "conv1.weight"
    %2 = conv(%0, %1) kernel=[3, 3] pads=[1, 1, 1, 1] "conv1"
    %3 = constant fill=2 : f32[16] "bn.weight"
    %4 = constant fill=1 : f32[16] "bn.var"
    %5 = batch_norm(%2, %3, %3, %3, %4) epsilon=0 "bn1"
    %6 = relu(%5) "relu1"
    %7 = constant seed=2 : f32[16, 16, 3, 3] "conv2.weight"
    %8 = conv(%6, %7) kernel=[3, 3] pads=[1, 1, 1, 1] "conv2"
    %9 = batch_norm(%8, %3, %3, %3, %4) epsilon=0 "bn2"
    %10 = add(%9, %0) "sum"
    %11 = relu(%10) "relu2"
    output "y" = %11"#;

pub(crate) fn options() -> PassOptions {
    PassOptions { verify: Verify::EachPatch, ..PassOptions::default() }
}

pub(crate) fn ops(graph: &Graph) -> Vec<&'static str> {
    let computed = |n: &NodeId| graph.node(*n).op.is_computed();
    graph.topo().into_iter().filter(computed).map(|n| graph.node(n).op.name()).collect()
}

pub(crate) fn optimized(text: &str, options: &PassOptions) -> Graph {
    let mut graph = parse(text).expect("it parses");
    run(&mut graph, options).expect("the passes run");
    graph
}

#[test]
fn a_residual_block_becomes_two_convolutions() {
    let graph = optimized(BLOCK, &PassOptions { until: Some(Stage::Fused), ..options() });
    assert_eq!(ops(&graph), ["conv", "conv"]);
    let graph = optimized(BLOCK, &options());
    assert_eq!(ops(&graph), ["reorder", "conv", "conv", "reorder"]);
}

#[test]
fn power_of_two_normalizations_fold_exactly() {
    let before = parse(BLOCK).expect("it parses");
    let after = optimized(BLOCK, &options());
    let data = (0..16 * 36).map(|i| f64::from(i % 17 - 8)).collect();
    let input = [Value::new(vec![1, 16, 6, 6], data)];
    assert_eq!(eval(&before, &input), eval(&after, &input));
}

#[test]
fn unfused_runs_what_is_required_and_nothing_else() {
    let mut graph = parse(BLOCK).expect("it parses");
    let remarks = run(&mut graph, &PassOptions { selection: PassSelection::None, ..options() })
        .expect("it runs");
    let required: Vec<&str> =
        pipeline().iter().filter(|s| s.need == Need::Required).map(|s| s.pass.name).collect();
    let ran: Vec<&str> = remarks.passes.iter().map(|p| p.pass).collect();
    assert_eq!(ran, required);
    assert_eq!(
        ops(&graph),
        ["reorder", "conv", "mul", "add", "relu", "conv", "mul", "add", "add", "relu", "reorder"]
    );
}

#[test]
fn a_pass_can_be_switched_off() {
    let selection = PassSelection::without(["fold_batch_norm", "fuse_residual", "fuse_pointwise"]);
    let mut graph = parse(BLOCK).expect("it parses");
    let remarks = run(&mut graph, &PassOptions { selection, ..options() }).expect("it runs");
    assert_eq!(remarks.count("fold_batch_norm"), 0);
    assert!(remarks.passes.iter().all(|p| p.pass != "fuse_residual"));
    assert!(ops(&graph).contains(&"add"));
}

#[test]
fn wrong_names_are_answered_with_the_right_ones() {
    for (name, is_known) in [("fold_bn", false), ("layout", true), ("remove_identity", true)] {
        for selection in [PassSelection::without([name]), PassSelection::only([name])] {
            let options = PassOptions { selection, ..options() };
            let error = run(&mut parse(BLOCK).expect("it parses"), &options).expect_err(name);
            match is_known {
                true => assert!(matches!(error, PassError::Required { .. }), "{error}"),
                false => assert!(matches!(error, PassError::Unknown { .. }), "{error}"),
            }
            let text = error.to_string();
            assert!(optional_names().iter().all(|valid| text.contains(valid)), "{text}");
        }
    }
}

/// A name selects every step of its pass, and the required steps always run.
#[test]
fn selections_take_what_they_name_and_keep_the_order() {
    let ran = |selection: PassSelection| {
        let options = PassOptions { selection, ..options() };
        let remarks = run(&mut parse(BLOCK).expect("it parses"), &options).expect("it runs");
        remarks.passes.iter().map(|p| p.pass).collect::<Vec<_>>()
    };
    let steps = |wanted: &dyn Fn(&str) -> bool| {
        let steps = pipeline().iter().filter(|s| s.need == Need::Required || wanted(s.pass.name));
        steps.map(|s| s.pass.name).collect::<Vec<_>>()
    };
    for name in optional_names() {
        assert_eq!(ran(PassSelection::only([name])), steps(&|n| n == name));
        assert_eq!(ran(PassSelection::without([name])), steps(&|n| n != name));
    }
    assert_eq!(ran(PassSelection::only(optional_names())), ran(PassSelection::All));
    assert_eq!(ran(PassSelection::without(optional_names())), ran(PassSelection::None));
}

/// Bisection: every prefix of the optional patches gives a graph that compiles and has the same
/// meaning.
#[test]
fn every_prefix_of_the_patches_keeps_meaning() {
    let original = parse(BLOCK).expect("it parses");
    let data = (0..16 * 36).map(|i| f64::from(i % 17 - 8)).collect();
    let input = [Value::new(vec![1, 16, 6, 6], data)];
    let expected = eval(&original, &input).expect("it can be evaluated");
    let optional =
        |name: &str| pipeline().iter().any(|s| s.pass.name == name && s.need == Need::Optional);
    for limit in 0.. {
        let mut graph = original.clone();
        let stop = PassOptions { stop_after: Some(limit), ..options() };
        let remarks = run(&mut graph, &stop).expect("the passes run");
        let applied = remarks.applied.iter().filter(|a| optional(a.pass)).count();
        assert!(applied <= limit);
        assert_eq!(eval(&graph, &input).expect("it can be evaluated"), expected, "{limit}");
        if applied < limit {
            assert!(limit > 4, "the block has more to fuse than {applied}");
            return;
        }
    }
}

#[test]
fn what_cannot_be_lowered_is_an_error() {
    let text = r#"
        %0 = input : f32[1, 2, 4, 4] "x"
        %1 = input : f32[2, 1, 1, 1] "weights"
        %2 = conv_source(%0, %1, %0) kernel=[1, 1] groups=2 image=[4, 4] residual "one"
        %3 = conv_source(%2, %1, %2) kernel=[1, 1] groups=2 image=[4, 4] residual "two"
        output "y" = %3"#;
    let mut graph = parse(text).expect("it parses");
    graph.set_file("model.onnx");
    let error = run(&mut graph, &options()).expect_err("no pass takes a residual apart");
    assert!(matches!(error, PassError::NotLowered { .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("model.onnx: 2 operators cannot be compiled"), "{text}");
    assert!(text.contains("\"one\"") && text.contains("\"two\""), "{text}");
}

#[test]
fn a_shared_weight_is_cloned() {
    let text = r#"
        %0 = input : f32[1, 1, 4, 4]
        %1 = constant [3, 5] : f32[2, 1, 1, 1] "shared"
        %2 = conv(%0, %1) kernel=[1, 1] "normalized"
        %3 = constant [2, 2]
        %4 = constant [1, 1]
        %5 = batch_norm(%2, %3, %3, %3, %4) epsilon=0
        %6 = conv(%0, %1) kernel=[1, 1] strides=[2, 2] "plain"
        output "y" = %5
        output "z" = %6"#;
    let mut graph = parse(text).expect("it parses");
    run_pass(&mut graph, &fold_batch_norm::PASS, Verify::EachPatch).expect("it runs");
    let weights = |name: &str| {
        let node = graph.nodes().find(|&n| graph.node(n).name == name).expect("the convolution");
        let weights = graph.operand(node, 1).and_then(|w| graph.constant_of(w));
        weights.expect("constant weights").data().to_vec()
    };
    assert_eq!((weights("normalized"), weights("plain")), (vec![6.0, 10.0], vec![3.0, 5.0]));
}

#[test]
fn folded_denormals_are_flushed() {
    let text = r#"
        %0 = input : f32[1, 1, 4, 4]
        %1 = constant [1e-30, 1] : f32[2, 1, 1, 1]
        %2 = conv(%0, %1) kernel=[1, 1]
        %3 = constant [1e-10, 1] : f32[2, 1, 1]
        %4 = mul(%2, %3)
        output "y" = %4"#;
    let mut graph = parse(text).expect("it parses");
    run_pass(&mut graph, &fold_affine::PASS, Verify::EachPatch).expect("it runs");
    let constants: Vec<f32> = graph
        .nodes()
        .filter_map(|n| graph.constant_of(n))
        .flat_map(|t| t.data().to_vec())
        .collect();
    assert_eq!(constants, [0.0, 1.0, 0.0, 0.0]);
}

/// Weights and bias are the results in f64, rounded once: bit for bit.
#[test]
fn normalizations_are_folded_in_f64() {
    let text = r#"
        %0 = input : f32[1, 2, 4, 4]
        %1 = constant [0.1, -0.37, 0.93, 0.77, -0.59, 0.31] : f32[3, 2, 1, 1]
        %2 = constant [0.1, 0.2, 0.3]
        %3 = conv(%0, %1, %2) kernel=[1, 1]
        %4 = constant [1.1, 0.7, 1.3] "scale"
        %5 = constant [0.3, 0.7, 0.9] "shift"
        %6 = constant [0.6, 0.1, 0.2] "mean"
        %7 = constant [0.7, 1.9, 0.3] "variance"
        %8 = batch_norm(%3, %4, %5, %6, %7) epsilon=1e-5
        output "y" = %8"#;
    let mut graph = parse(text).expect("it parses");
    let norm = graph.outputs()[0].node;
    let conv = graph.operand(norm, 0).expect("the convolution");
    let data = |graph: &Graph, node: NodeId, i: usize| -> Vec<f64> {
        let constant = graph.operand(node, i).and_then(|n| graph.constant_of(n)).cloned();
        constant.expect("a constant").data().iter().map(|&x| f64::from(x)).collect()
    };
    let (weights, bias) = (data(&graph, conv, 1), data(&graph, conv, 2));
    let [gamma, beta, mean, variance] = [1, 2, 3, 4].map(|i| data(&graph, norm, i));
    let scale: Vec<f64> = (0..3).map(|c| gamma[c] / (variance[c] + 1e-5).sqrt()).collect();
    run_pass(&mut graph, &fold_batch_norm::PASS, Verify::EachPatch).expect("it runs");
    let folded = graph.outputs()[0].node;
    let rounded = |x: f64| f64::from(x as f32);
    let expected: Vec<f64> = (0..6).map(|i| rounded(weights[i] * scale[i / 2])).collect();
    assert_eq!(data(&graph, folded, 1), expected);
    let shift = |c: usize| beta[c] - mean[c] * scale[c];
    let expected: Vec<f64> = (0..3).map(|c| rounded(bias[c] * scale[c] + shift(c))).collect();
    assert_eq!(data(&graph, folded, 2), expected);
}

/// A chain rounds once: with a rounding at each of the steps the scale would not come out as 1.
#[test]
fn a_chain_is_folded_in_f64() {
    let text = r#"
        %0 = input : f32[1, 1, 1, 1]
        %1 = constant [1] : f32[1, 1, 1, 1]
        %2 = conv(%0, %1) kernel=[1, 1]
        %3 = constant [3]
        %4 = div(%2, %3)
        %5 = constant [0.1]
        %6 = mul(%4, %5)
        %7 = div(%6, %5)
        %8 = mul(%7, %3)
        output "y" = %8"#;
    let mut graph = parse(text).expect("it parses");
    let remarks = run_pass(&mut graph, &fold_affine::PASS, Verify::EachPatch).expect("it runs");
    assert_eq!(remarks.count("fold_affine"), 1);
    let conv = graph.outputs()[0].node;
    let weights = graph.operand(conv, 1).and_then(|w| graph.constant_of(w)).expect("weights");
    assert_eq!(weights.data(), [1.0]);
}

/// The projection is done first and becomes the residual of the main branch, whichever comes first
/// in the sum.
#[test]
fn the_main_branch_takes_the_sum() {
    for (a, b) in [("%3", "%5"), ("%5", "%3")] {
        let text = format!(
            r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [1, 2, 3, 4] : f32[2, 2, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1] "projection"
            %4 = conv(%0, %1) kernel=[1, 1] relu "reduce"
            %5 = conv(%4, %1) kernel=[1, 1] "expand"
            %6 = add({a}, {b})
            output "y" = %6"#
        );
        let mut graph = parse(&text).expect("it parses");
        run_pass(&mut graph, &fuse_residual::PASS, Verify::EachPatch).expect("it runs");
        let fused = graph.outputs()[0].node;
        assert_eq!(graph.node(fused).name, "expand");
        let residual = graph.operand(fused, 2).expect("the residual");
        assert_eq!(graph.node(residual).name, "projection");
    }
}

/// Every second pixel and new channels, in any order and form.
#[test]
fn a_shortcut_without_parameters_is_read_where_its_source_lies() {
    const PAD: &str = "pad(%S) before=[0, 1, 0, 0] after=[0, 3, 0, 0]";
    const CONCAT: &str = "concat(%2, %S, %3) axis=1";
    const SLICE: &str = "slice(%S) start=[0, 0, 0, 0] len=[1, C, 3, 2] step=[1, 1, 2, 2]";
    const POOLS: [&str; 2] = [
        "average_pool(%S) kernel=[1, 1] strides=[2, 2]",
        "max_pool(%S) kernel=[1, 1] strides=[2, 2]",
    ];
    let fused = |shortcut: [&str; 2], size: [usize; 2]| {
        // The second of them reads the first, which reads the input.
        let channels = if [PAD, CONCAT].contains(&shortcut[0]) { "6" } else { "2" };
        let [first, second] = shortcut.map(|op| op.replace('C', channels));
        let [h, w] = size;
        let text = format!(
            r#"
            %0 = input : f32[1, 2, 5, 4]
            %1 = constant seed=1 : f32[6, 2, 3, 3]
            %2 = constant fill=0 : f32[1, 1, {h}, {w}]
            %3 = constant fill=-0 : f32[1, 3, {h}, {w}]
            %4 = {}
            %5 = {}
            %6 = conv(%0, %1) kernel=[3, 3] strides=[2, 2] pads=[1, 1, 1, 1]
            %7 = add(%6, %5)
            %8 = relu(%7)
            output "y" = %8"#,
            first.replace("%S", "%0"),
            second.replace("%S", "%4"),
        );
        let mut graph = parse(&text).expect("it parses");
        let options = PassOptions { until: Some(Stage::Fused), ..Default::default() };
        run(&mut graph, &options).expect("it runs");
        print(&graph)
    };
    let expected = fused([SLICE, PAD], [3, 2]);
    assert!(expected.contains("residual residual_strides=[2, 2] residual_channel=1"), "{expected}");
    for pixels in [SLICE, POOLS[0], POOLS[1]] {
        assert_eq!(fused([pixels, PAD], [3, 2]), expected);
        assert_eq!(fused([PAD, pixels], [5, 4]), expected);
        assert_eq!(fused([pixels, CONCAT], [3, 2]), expected);
        assert_eq!(fused([CONCAT, pixels], [5, 4]), expected);
    }
}

#[test]
fn equal_constants_and_their_users_are_merged() {
    let mut graph = Graph::new();
    let input = graph.input("x", [2, 5000]);
    let large = std::sync::Arc::new(Tensor::vector(vec![1.0; 5000]));
    for name in ["a", "b"] {
        let constant = graph.constant(name, large.clone());
        let add = Op::Binary(Binary::Add);
        let sum = graph.add(name, add, &[input, constant]).expect("it type-checks");
        graph.output(name, sum);
    }
    run_pass(&mut graph, &cse::PASS, Verify::EachPatch).expect("it runs");
    assert_eq!(graph.outputs()[0].node, graph.outputs()[1].node);
}

/// A trunk of channels-last residual blocks, as TensorFlow exports it.
fn channels_last(blocks: usize) -> Graph {
    let mut graph = Graph::new();
    let mut trunk = graph.input("x", [1, 4, 4, 2]);
    for block in 0..blocks {
        let branch = channels_last_layer(&mut graph, trunk, 2 * block);
        let branch = channels_last_layer(&mut graph, branch, 2 * block + 1);
        trunk = graph.add("", Op::Binary(Binary::Add), &[trunk, branch]).expect("equal shapes");
        trunk = graph.add("", Op::Unary(Unary::Relu), &[trunk]).expect("it fits");
    }
    let mean = Op::ReduceMean { axes: vec![1, 2], keep_dims: false };
    let pooled = graph.add("", mean, &[trunk]).expect("an image");
    graph.output("y", pooled);
    graph
}

/// A convolution between transposes, bias, normalization and ReLU. No two layers have an equal
/// constant.
fn channels_last_layer(graph: &mut Graph, source: NodeId, layer: usize) -> NodeId {
    let number = (layer + 1) as f32;
    let weights = Tensor::new([2, 2, 1, 1], [0.5, 0.25, 0.5, number / 1024.0].to_vec());
    let weights = graph.constant("", weights.expect("4 elements"));
    let mut add = |op: Op, operands: &[NodeId]| graph.add("", op, operands).expect("it fits");
    let planar = add(Op::Transpose { perm: vec![0, 3, 1, 2] }, &[source]);
    let conv = Op::Conv(Conv::new(Window::square(1, 1, 0), 1));
    let conv = add(conv, &[planar, weights]);
    let mut value = add(Op::Transpose { perm: vec![0, 2, 3, 1] }, &[conv]);
    for (i, op) in [Binary::Add, Binary::Sub, Binary::Mul, Binary::Add].into_iter().enumerate() {
        let data = vec![0.5 + i as f32 / 4.0, number / 1024.0 + 1.0];
        let constant = Tensor::new([1, 1, 1, 2], data).expect("2 elements");
        let constant = graph.constant("", constant);
        value = graph.add("", Op::Binary(op), &[value, constant]).expect("it fits");
    }
    graph.add("", Op::Unary(Unary::Relu), &[value]).expect("it fits")
}

#[test]
fn no_transpose_stays_between_channels_last_convolutions() {
    let original = channels_last(3);
    let mut graph = original.clone();
    run_pass(&mut graph, &cancel_transposes::PASS, Verify::EachPatch).expect("it runs");
    let transposes = ops(&graph).into_iter().filter(|&op| op == "transpose").count();
    assert_eq!(transposes, 1, "the one of the input");
    let data = (0..32).map(f64::from).collect();
    let input = [Value::new(vec![1, 4, 4, 2], data)];
    assert_eq!(eval(&original, &input), eval(&graph, &input));
    run(&mut graph, &options()).expect("it runs");
    let left: Vec<_> = ops(&graph).into_iter().filter(|&op| op != "conv").collect();
    assert_eq!(
        left.iter().filter(|&&op| !matches!(op, "add" | "relu" | "pointwise")).count(),
        5,
        "the input's transpose, one reorder at each end, the pool and its reshape: {left:?}"
    );
}

/// The deepest published residual network has 1202 layers. Passes sweep over it as often as over a
/// shallow one: work is linear in the number of nodes, not quadratic.
#[test]
fn a_network_of_1202_layers_takes_no_more_sweeps_than_a_shallow_one() {
    let sweeps = |pairs: usize| {
        let mut graph = channels_last(pairs);
        let remarks = run(&mut graph, &PassOptions { verify: Verify::EachPass, ..options() })
            .expect("it runs");
        let convolutions = ops(&graph).into_iter().filter(|&op| op == "conv").count();
        assert_eq!(convolutions, 2 * pairs);
        remarks.passes.iter().map(|p| (p.pass, p.sweeps)).collect::<Vec<_>>()
    };
    assert_eq!(sweeps(601), sweeps(10));
}

#[test]
fn layout_is_stable() {
    let mut graph = parse(BLOCK).expect("it parses");
    let remarks = run_pass(&mut graph, &layout::PASS, Verify::EachPatch).expect("it runs");
    assert_eq!(remarks.passes[0].sweeps, 2, "the second sweep finds nothing");
}

#[test]
fn reorders_are_shared() {
    let text = r#"
        %0 = input : f32[1, 16, 4, 4]
        %1 = constant fill=1 : f32[16, 16, 1, 1]
        %2 = conv(%0, %1) kernel=[1, 1]
        %3 = conv(%0, %1, %0) kernel=[1, 1] strides=[1, 1] residual
        %4 = concat(%2, %0, %0) axis=1
        output "a" = %2
        output "b" = %3
        output "c" = %4"#;
    let graph = optimized(text, &PassOptions { selection: PassSelection::None, ..options() });
    let to = |layout| graph.nodes().filter(|&n| graph.node(n).op == Op::Reorder(layout)).count();
    assert_eq!((to(Layout::Blocked), to(Layout::Planar)), (1, 3));
}

/// Pre-processing does not make a stem read blocks.
#[test]
fn stems_read_what_preprocessing_made() {
    let text = r#"
        %0 = input : f32[1, 3, 8, 8]
        %1 = constant [1, 2, 3] : f32[3, 1, 1]
        %2 = sub(%0, %1)
        %3 = constant fill=1 : f32[16, 3, 3, 3]
        %4 = conv(%2, %3) kernel=[3, 3] pads=[1, 1, 1, 1]
        output "y" = %4"#;
    let graph = optimized(text, &options());
    assert_eq!(ops(&graph), ["sub", "reorder", "conv", "reorder"]);
    assert!(graph.nodes().all(|n| graph.node(n).op != Op::Reorder(Layout::Blocked)));
}

/// A stem reads the planar input; a copy of it if it pads.
#[test]
fn stems_read_planar() {
    let stem = |c: usize, pad: usize, groups: usize| {
        let text = format!(
            r#"
            %0 = input : f32[1, {c}, 8, 8]
            %1 = constant fill=1 : f32[16, {}, 3, 3]
            %2 = conv(%0, %1) kernel=[3, 3] pads=[{pad}, {pad}, {pad}, {pad}] groups={groups}
            output "y" = %2"#,
            c / groups
        );
        let graph = optimized(&text, &options());
        let conv = graph.nodes().find(|&n| matches!(graph.node(n).op, Op::Conv(_)));
        let source = graph.operand(conv.expect("the convolution"), 0).expect("its source");
        graph.node(source).op.clone()
    };
    assert_eq!(stem(3, 0, 1), Op::Input);
    assert_eq!(stem(3, 1, 1), Op::Reorder(Layout::Planar));
    assert_eq!(stem(16, 1, 1), Op::Reorder(Layout::Blocked));
    assert_eq!(stem(16, 0, 1), Op::Reorder(Layout::Blocked));
    assert_eq!(stem(4, 0, 2), Op::Reorder(Layout::Blocked));
}

#[test]
fn reports_serialize() {
    let mut graph = parse(BLOCK).expect("it parses");
    let remarks = run(&mut graph, &options()).expect("it runs");
    let json = serde_json::to_value(&remarks).expect("it serializes");
    assert!(json["applied"].as_array().is_some_and(|a| a.len() > 4), "{json}");
    let label = json["applied"][0]["label"].as_str();
    assert_eq!(label, Some("fold batch_norm bn1 into conv conv1"));
}

#[test]
fn a_fused_node_stands_for_all_that_was_fused() {
    let mut graph = parse(BLOCK).expect("it parses");
    let before = graph.clone();
    let remarks = run(&mut graph, &options()).expect("the passes run");
    let names = |node| {
        let names = remarks.origins.of(node).map(|n| before.node(n).name.as_str());
        names.collect::<Vec<_>>()
    };
    let convs = graph.topo().into_iter().filter(|&n| matches!(graph.node(n).op, Op::Conv(_)));
    let found: Vec<_> = convs.map(names).collect();
    assert_eq!(found, [vec!["conv1", "bn1", "relu1"], vec!["conv2", "bn2", "sum", "relu2"]]);
    let reorders = graph.nodes().filter(|&n| matches!(graph.node(n).op, Op::Reorder(_)));
    for reorder in reorders {
        assert!(names(reorder).is_empty(), "the description knows no layouts");
    }
}

#[test]
fn a_lowered_node_is_stood_for_by_all_that_compute_it() {
    let mut graph = parse(
        r#"
        %0 = input : f32[1, 2, 3, 3] "x"
        %1 = constant fill=2 : f32[2] "scale"
        %2 = relu(%0) "relu"
        %3 = batch_norm(%2, %1, %1, %1, %1) epsilon=0 "bn"
        output "y" = %3"#,
    )
    .expect("it parses");
    let bn = graph.outputs()[0].node;
    let selection = PassSelection::without(["fuse_pointwise"]);
    let options = PassOptions { selection, ..options() };
    let remarks = run(&mut graph, &options).expect("the passes run");
    let stand_in = |op: Op| {
        let node = graph.nodes().find(|&n| graph.node(n).op == op).expect("it was lowered");
        remarks.origins.of(node).collect::<Vec<_>>()
    };
    assert_eq!(stand_in(Op::Binary(Binary::Mul)), [bn]);
    assert_eq!(stand_in(Op::Binary(Binary::Add)), [bn]);
}

#[test]
fn what_an_optional_pass_proposes_wrongly_costs_no_network() {
    fn wrong(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
        let Op::Unary(Unary::Relu) = graph.node(node).op else { return None };
        let mut patch = Patch::new("a smaller value in its place");
        let smaller = patch.constant("one", Tensor::vector(vec![1.0]));
        patch.replace(node, smaller);
        Some(patch)
    }
    let pass = Pass { name: "wrong", doc: "", sweep: |_| Box::new(wrong), measure: None };
    let run = |need, verify| {
        let mut graph = parse(BLOCK).expect("it parses");
        let step = PipelineStep { pass, sweeps: Sweeps::UntilStable, need, stage: Stage::Fused };
        let options = PassOptions { verify, ..PassOptions::default() };
        let before = ops(&graph);
        // Batch normalization is left, which has no kernel.
        let result = run_steps(&mut graph, &[step], &options);
        assert_eq!(ops(&graph), before, "a refused patch leaves the graph as it was");
        result.expect_err("something is left over")
    };
    assert!(matches!(run(Need::Optional, Verify::Off), PassError::NotLowered { .. }));
    for (need, verify) in [(Need::Required, Verify::Off), (Need::Optional, Verify::EachPass)] {
        assert!(matches!(run(need, verify), PassError::Patch { pass: "wrong", .. }));
    }
}
