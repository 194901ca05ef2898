//! Graphs written as ONNX models and read again: the same meaning, or a clear error if ONNX has
//! none.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use prost::Message;
use resnetc::export::onnx::{Existing, encode, model, write};
use resnetc::export::{ExportError, RefusedValue};
use resnetc::import::onnx::proto::{AttributeProto, TensorProto, ValueInfoProto};
use resnetc::import::onnx::{Bindings, parse};
use resnetc::spec::{Block, InputSpec, Norm, Shortcut, Spec, Stem, StemPool, StrideIn, Weights};
use resnetc::{Compiler, DType, Options};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::op::{Activation, Binary, Conv, Pool, SliceAxis, TopK, TopPart, Unary, Window};
use resnetc_ir::text::print;
use resnetc_ir::{Graph, Layout, NodeId, Op, Tensor};

use resnetc_testing::random_graph::random_graph;

fn reread(bytes: &[u8], batch: usize) -> Graph {
    reread_with(bytes, Bindings { batch: Some(batch), ..Bindings::default() })
}

fn reread_with(bytes: &[u8], bindings: Bindings) -> Graph {
    parse(bytes, None, &bindings).unwrap_or_else(|e| panic!("{e}"))
}

/// Equal in every node, name, type, operand and weight.
fn assert_same(a: &Graph, b: &Graph) {
    assert_eq!(a.len(), b.len());
    for (x, y) in a.nodes().zip(b.nodes()) {
        assert_eq!(a.node(x), b.node(y));
        assert_eq!(a.operands(x), b.operands(y), "{}", a.node(x).name);
        assert!(a.constant_of(x) == b.constant_of(y), "{}", a.node(x).name);
    }
    assert_eq!((a.inputs(), a.outputs()), (b.inputs(), b.outputs()));
}

fn refused(graph: &Graph) -> Vec<RefusedValue> {
    match encode(graph) {
        Err(ExportError::Refused { values }) => values,
        other => panic!("{:?}", other.map(|bytes| bytes.len())),
    }
}

/// A network of the same kind with few blocks and channels.
fn thin(spec: Spec) -> Spec {
    let thinner = |channels: &usize| channels.div_ceil(8);
    let mut thin = spec;
    thin.layers.iter_mut().for_each(|blocks| *blocks = (*blocks).min(2));
    if thin.groups > 1 {
        thin.width_per_group *= 8;
    }
    for channels in [&mut thin.channels, &mut thin.stem.deep, &mut thin.head.hidden] {
        *channels = channels.iter().map(thinner).collect();
    }
    if thin.norm == Norm::Group {
        thin.norm_groups = thinner(&thin.norm_groups);
    }
    if thin.block != Block::Conv {
        thin.stem.channels = thinner(&thin.stem.channels);
    }
    thin
}

#[test]
fn declared_types_are_written_and_come_back() {
    for dtype in DType::ALL {
        let mut graph = Graph::new();
        let x = graph.input_as("x", [3], dtype);
        let y = graph.add("y", Op::Unary(Unary::Abs), &[x]).unwrap();
        graph.output_as("x", x, dtype);
        graph.output_as("copy", x, dtype);
        graph.output_as("half", y, DType::F16);
        graph.output("y", y);
        let again = reread(&encode(&graph).unwrap(), 3);
        assert_eq!(again.input_dtype(again.inputs()[0]), dtype);
        let types: Vec<_> = again.outputs().iter().map(|o| (o.name.as_str(), o.dtype)).collect();
        let expected = [("x", dtype), ("copy", dtype), ("half", DType::F16), ("y", DType::F32)];
        assert_eq!(types, expected);
        let given = Value::new(vec![3], vec![0.0, 1.0, 1.0]);
        let values = eval(&again, std::slice::from_ref(&given)).unwrap();
        assert!(values.iter().all(|value| *value == given), "{dtype}");
    }
}

#[test]
fn selections_come_back_with_integers() {
    for (axis, largest) in [(0, true), (1, false)] {
        let mut graph = Graph::new();
        let x = graph.input("x", [3, 4]);
        for (name, part) in [("values", TopPart::Values), ("indices", TopPart::Indices)] {
            let top = Op::TopK(TopK { axis, k: 2, largest, part });
            let node = graph.add(name, top, &[x]).unwrap();
            graph.output(name, node);
            if part == TopPart::Indices {
                graph.output_as("integers", node, DType::I64);
            }
        }
        let again = reread(&encode(&graph).unwrap(), 3);
        assert_eq!(
            again.outputs().iter().map(|o| o.dtype).collect::<Vec<_>>(),
            graph.outputs().iter().map(|o| o.dtype).collect::<Vec<_>>()
        );
        let data = (0..12).map(|i| f64::from(i * 7 % 5)).collect();
        let given = [Value::new(vec![3, 4], data)];
        assert_eq!(eval(&again, &given).unwrap(), eval(&graph, &given).unwrap());
    }
}

#[test]
fn built_in_networks_come_back_as_they_are() {
    for name in Spec::builtin_names() {
        let spec = thin(Spec::builtin(name).unwrap());
        let graph = spec.build(&Weights::Random { seed: 5 }, 2).unwrap();
        assert_same(&graph, &reread(&encode(&graph).unwrap(), 2));
    }
}

fn specs() -> impl Strategy<Value = Spec> {
    let kinds = (any::<bool>(), 0..4usize, any::<bool>());
    let layers = prop::collection::vec((1..3usize, 0..2usize), 1..4);
    let stem = (1..5usize, 0..3usize, 1..3usize, any::<bool>());
    // Halved four times, an image still has more than one row: the step of a slice with one element
    // is lost.
    let size = (1..4usize, 33..40usize, 33..40usize);
    (kinds, layers, stem, size, 1..3usize, 1..7usize, 1..999u32).prop_map(
        |((basic, shortcut, first), stages, stem, size, groups, classes, epsilon)| Spec {
            groups: if basic { 1 } else { groups },
            shortcut: [Shortcut::A, Shortcut::B, Shortcut::C, Shortcut::None][shortcut],
            // Elsewhere it has no effect, and is refused.
            stride_in: match first && !basic && stages.len() > 1 {
                true => StrideIn::First,
                false => StrideIn::Second,
            },
            classes,
            norm_epsilon: f64::from(epsilon) / 1e5,
            input: InputSpec { channels: size.0, height: size.1, width: size.2 },
            stem: Stem {
                channels: stem.0,
                kernel: 2 * stem.1 + 1,
                stride: stem.2,
                deep: Vec::new(),
                pool: if stem.3 { StemPool::Max } else { StemPool::None },
            },
            ..Spec::new(
                if basic { Block::Basic } else { Block::Bottleneck },
                stages.iter().map(|s| s.0).collect::<Vec<_>>(),
                // Channels never decrease, as shortcut A requires.
                (0..stages.len()).map(|i| 4 * (i + 1) + stages[i].1).collect::<Vec<_>>(),
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn described_networks_come_back_as_they_are(
        spec in specs(), seed in any::<u64>(), batch in 1..3usize,
    ) {
        let graph = spec.build(&Weights::Random { seed }, batch).unwrap();
        let bytes = encode(&graph).unwrap();
        let again = reread(&bytes, batch);
        assert_same(&graph, &again);
        prop_assert_eq!(encode(&again).unwrap(), bytes);
    }
}

/// Parts of a random graph that this version of ONNX cannot express.
fn is_refused(graph: &Graph, id: NodeId) -> bool {
    match graph.node(id).op {
        Op::Conv(op) => {
            op.residual.is_some() || op.projection.is_some() || op.activation != Activation::None
        }
        Op::Gemm(op) => op.activation != Activation::None,
        Op::AveragePool { pool, .. } => pool.window.dilations != [1, 1],
        _ => false,
    }
}

/// Whether a node is read back as others with the same meaning: several nodes, a slice of even
/// steps, a condition with a cast.
fn comes_back_otherwise(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.node(id).op, Op::Interpolate(_) | Op::Gather { .. } | Op::Where)
}

fn bits(graph: &Graph, inputs: &[Value]) -> Vec<(Vec<usize>, Vec<u64>)> {
    let values = eval(graph, inputs).expect("it can be evaluated").into_iter();
    values.map(|v| (v.shape, v.data.iter().map(|x| x.to_bits()).collect())).collect()
}

#[test]
fn random_graphs_mean_the_same_when_read_again() {
    let (written, not_written) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..Default::default() };
    let run = TestRunner::new(config).run(&random_graph(1..10), |random| {
        let graph = &random.graph;
        let foreign = graph.nodes().filter(|&n| is_refused(graph, n)).count();
        if foreign > 0 {
            prop_assert_eq!(refused(graph).len(), foreign);
            not_written.set(not_written.get() + 1);
            return Ok(());
        }
        let bytes = encode(graph).expect("it has a counterpart in ONNX");
        let again = reread(&bytes, graph.node(graph.inputs()[0]).ty.shape[0]);
        let inputs = random.inputs();
        prop_assert!(bits(graph, &inputs) == bits(&again, &inputs), "{}", print(&again));
        let same = graph.nodes().all(|n| !comes_back_otherwise(graph, n));
        let rewritten = encode(&again).expect("what was read can be written");
        prop_assert!(!same || rewritten == bytes);
        written.set(written.get() + 1);
        Ok(())
    });
    run.unwrap_or_else(|e| panic!("{e}"));
    let counts = (written.get(), not_written.get());
    assert!(counts.0 > 300 && counts.1 > 20, "{counts:?}");
}

fn slice(graph: &mut Graph, name: &str, x: NodeId, axes: &[(usize, isize, usize)]) -> NodeId {
    let axis = |&(start, step, len): &_| SliceAxis { start, step, len };
    graph.add(name, Op::Slice(axes.iter().map(axis).collect()), &[x]).unwrap()
}

/// Corner cases that random graphs do not reach.
#[test]
fn slices_clips_and_rounded_pools_mean_the_same() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 2, 5, 6]);
    let backwards = slice(&mut graph, "", x, &[(0, 1, 1), (1, -1, 2), (4, -2, 3), (4, -3, 2)]);
    let single = slice(&mut graph, "", x, &[(0, 7, 1), (1, -9, 1), (0, isize::MIN, 1), (0, 1, 6)]);
    let whole = slice(&mut graph, "", x, &[(0, 1, 1), (0, 1, 2), (0, 1, 5), (0, 1, 6)]);
    let clip = |lo, hi| Op::Unary(Unary::Clip { lo, hi });
    let limits = [(f32::NEG_INFINITY, 0.25), (-0.5, f32::INFINITY), (-0.5, 0.25)];
    let clips = limits.map(|(lo, hi)| graph.add("", clip(lo, hi), &[x]).unwrap());
    let pools = [(3, 2, 0), (2, 2, 1), (1, 3, 0)].map(|(kernel, stride, pad)| {
        let pool = Pool { window: Window::square(kernel, stride, pad), ceil_mode: true };
        let max = graph.add("", Op::MaxPool(pool), &[x]).unwrap();
        let average = Op::AveragePool { pool, count_include_pad: true };
        [max, graph.add("", average, &[x]).unwrap()]
    });
    let values = [backwards, single, whole].into_iter().chain(clips).chain(pools.concat());
    for (i, value) in values.enumerate() {
        graph.output(format!("y{i}"), value);
    }
    let data = (0..60).map(|i| f64::from(i % 7) * 0.31 - 1.0).collect();
    let inputs = [Value::new(vec![1, 2, 5, 6], data)];
    assert_eq!(bits(&graph, &inputs), bits(&reread(&encode(&graph).unwrap(), 1), &inputs));
}

#[test]
fn every_value_has_one_name_and_callers_keep_theirs() {
    let mut graph = Graph::new();
    let x = graph.input("x", [2]);
    let constant = graph.constant("x", Tensor::vector(vec![3.0, 4.0]));
    let sum = graph.add("y", Op::Binary(Binary::Add), &[x, constant]).unwrap();
    let other = graph.add("y", Op::Unary(Unary::Relu), &[sum]).unwrap();
    let nameless = graph.add("", Op::Unary(Unary::Sigmoid), &[other]).unwrap();
    graph.add("dead", Op::Identity, &[nameless]).unwrap();
    for (name, node) in [
        ("x", x),
        ("passed on", x),
        ("constant", constant),
        ("y", nameless),
        ("again", nameless),
        ("inner", sum),
    ] {
        graph.output(name, node);
    }
    let proto = model(&graph).unwrap().graph.unwrap();
    let names = |list: &[ValueInfoProto]| -> Vec<String> {
        list.iter().map(|v| v.name().to_owned()).collect()
    };
    assert_eq!(names(&proto.input), ["x"]);
    assert_eq!(names(&proto.output), ["x", "passed on", "constant", "y", "again", "inner"]);
    let mut defined: Vec<&str> = proto.node.iter().map(|n| &n.output[0][..]).collect();
    defined.extend(proto.initializer.iter().map(|t| t.name()));
    defined.push("x");
    let count = defined.len();
    defined.sort_unstable();
    defined.dedup();
    assert_eq!((defined.len(), count), (8, 8), "{defined:?}");
    let inputs = [Value::new(vec![2], vec![-5.0, 0.5])];
    assert_eq!(
        bits(&graph, &inputs),
        bits(&reread_with(&encode(&graph).unwrap(), Bindings::default()), &inputs)
    );
}

#[test]
fn what_onnx_cannot_say_is_refused_by_name_and_all_at_once() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 4, 6, 6]);
    let weights = graph.constant("w", Tensor::new([4, 4, 1, 1], vec![0.5; 16]).unwrap());
    let conv = Conv { activation: Activation::Relu, ..Conv::new(Window::square(1, 1, 0), 1) };
    let fused = graph.add("fused", Op::Conv(conv), &[x, weights]).unwrap();
    let window = Window { dilations: [2, 1], ..Window::square(2, 1, 0) };
    let pool = Pool { window, ceil_mode: false };
    let dilated = Op::AveragePool { pool, count_include_pad: false };
    let dilated = graph.add("dilated", dilated, &[fused]).unwrap();
    let blocked = graph.add("blocked", Op::Reorder(Layout::Blocked), &[dilated]).unwrap();
    graph.output("y", blocked);
    let text = encode(&graph).unwrap_err().to_string();
    let expected = [("conv", "fused"), ("average_pool", "dilated"), ("reorder", "blocked")];
    assert!(text.contains("3 values"), "{text}");
    for (value, (kind, name)) in refused(&graph).iter().zip(expected) {
        assert_eq!((value.kind, &value.name[..]), (kind, name));
        assert!(text.contains(&format!("{kind} \"{name}\"")), "{text}");
    }
}

/// ONNX's messages use proto2, where numbers are packed only if declared so; some engines read
/// nothing else.
#[test]
fn lists_are_packed_where_the_standard_packs_them() {
    let attribute = AttributeProto { ints: vec![1, 2], floats: vec![0.0], ..Default::default() };
    assert_eq!(attribute.encode_to_vec(), [0x3d, 0, 0, 0, 0, 0x40, 1, 0x40, 2]);
    let tensor = TensorProto { dims: vec![3, 4], int64_data: vec![5, 6], ..Default::default() };
    assert_eq!(tensor.encode_to_vec(), [0x08, 3, 0x08, 4, 0x3a, 2, 5, 6]);
}

#[test]
fn inputs_and_outputs_must_have_names_of_their_own() {
    let mut graph = Graph::new();
    let inputs = ["x", "x", ""].map(|name| graph.input(name, [1]));
    let y = graph.add("y", Op::Identity, &[inputs[1]]).unwrap();
    for (name, node) in [("x", y), ("y", y), ("y", y), ("", y)] {
        graph.output(name, node);
    }
    let names: Vec<_> = refused(&graph).into_iter().map(|v| (v.kind, v.name)).collect();
    let expected =
        [("input", "x"), ("input", ""), ("output", "x"), ("output", "y"), ("output", "")];
    assert_eq!(names, expected.map(|(kind, name)| (kind, name.to_owned())));
}

/// The constants share their data, so this needs little memory.
#[test]
fn a_model_beyond_the_limit_of_the_format_is_refused() {
    let mut graph = Graph::new();
    let tensor = Arc::new(Tensor::vector(vec![0.0; 1 << 20]));
    let mut sum = graph.input("x", [1 << 20]);
    for i in 0..512 {
        let constant = graph.constant(format!("c{i}"), tensor.clone());
        sum = graph.add(format!("s{i}"), Op::Binary(Binary::Add), &[sum, constant]).unwrap();
    }
    graph.output("y", sum);
    let Err(ExportError::TooLarge { bytes, limit }) = encode(&graph) else { panic!("accepted") };
    assert_eq!((bytes, limit), (1 << 31, (1 << 31) - 1));
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("export").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn files_are_kept_or_replaced_as_asked_and_nothing_half_written_remains() {
    let folder = folder("existing");
    let path = folder.join("m.onnx");
    let mut graph = Graph::new();
    let x = graph.input("x", [1]);
    graph.output("y", x);
    fs::write(&path, "something else").unwrap();
    assert!(matches!(write(&graph, &path, Existing::Keep), Err(ExportError::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"something else");
    let size = write(&graph, &path, Existing::Replace).unwrap();
    assert_eq!(fs::read(&path).unwrap(), encode(&graph).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().len(), size);
    fs::remove_file(&path).unwrap();
    write(&graph, &path, Existing::Keep).unwrap();
    fs::create_dir(folder.join("d.onnx")).unwrap();
    for bad in ["d.onnx", "no/such/folder.onnx", "m.onnx/below.onnx"] {
        let error = write(&graph, &folder.join(bad), Existing::Replace).unwrap_err();
        assert!(error.to_string().contains(bad), "{error}");
    }
    let mut names = names(&folder);
    names.sort();
    assert_eq!(names, ["d.onnx", "m.onnx"]);
}

#[test]
fn a_loaded_network_can_be_written() {
    let network = Compiler::new(Options::default().batch(3));
    let network = network.load("cifar_resnet20").unwrap();
    assert_same(network.graph(), &reread(&network.to_onnx().unwrap(), 3));
}
