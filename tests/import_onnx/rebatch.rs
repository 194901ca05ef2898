//! Models with a fixed batch that are compiled for another: every image gets the answer that the
//! file gives it, or the model is refused with the operator's name.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use resnetc::export::onnx::encode;
use resnetc::import::ImportErrorKind;
use resnetc::import::onnx::{self, Bindings};
use resnetc_ir::Graph;
use resnetc_ir::eval::{Value, eval};

use crate::model::Attr::{Float, Int, Ints};
use crate::model::{Model, single};

fn import(bytes: &[u8], batch: Option<usize>, dims: &[(&str, usize)]) -> Result<Graph, String> {
    let dims = dims.iter().map(|(name, n)| (name.to_string(), *n)).collect();
    onnx::parse(bytes, None, &Bindings { batch, dims, ..Bindings::default() })
        .map_err(|e| e.to_string())
}

fn shape(graph: &Graph, input: usize) -> &[usize] {
    &graph.node(graph.inputs()[input]).ty.shape
}

/// Some values for an image of an input.
fn image(input: usize, number: usize, elements: usize) -> impl Iterator<Item = f64> {
    let start = 1000 * input + number * elements;
    (start..start + elements).map(|i| f64::from((i * 37 % 101) as u32) - 50.0)
}

/// The outputs for these images, one list of numbers per image and output.
fn run(graph: &Graph, images: &[usize]) -> Vec<Vec<Vec<f64>>> {
    let input = |k| {
        let shape = shape(graph, k);
        let elements = shape[1..].iter().product();
        let data = images.iter().flat_map(|&i| image(k, i, elements)).collect();
        Value::new(shape.to_vec(), data)
    };
    let inputs: Vec<Value> = (0..graph.inputs().len()).map(input).collect();
    let outputs = eval(graph, &inputs).expect("evaluates");
    let row = |i: usize, v: &Value| {
        let elements = v.data.len() / images.len();
        v.data[i * elements..(i + 1) * elements].to_vec()
    };
    (0..images.len()).map(|i| outputs.iter().map(|v| row(i, v)).collect()).collect()
}

/// Checks that three images get the answers that the file's own batch gives each of them, at any
/// position.
fn answers_agree(own: &Graph, three: &Graph) -> bool {
    let together = run(three, &[0, 1, 2]);
    (0..3).all(|i| {
        let batch: Vec<usize> = (0..shape(own, 0)[0]).map(|k| (i + k) % 3).collect();
        run(own, &batch).iter().zip(&batch).all(|(answer, &k)| *answer == together[k])
    })
}

#[test]
fn random_graphs_give_every_picture_its_own_answer() {
    let (taken, refused) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() };
    let run = TestRunner::new(config).run(
        &resnetc_testing::random_graph::random_graph(1..10),
        |random| {
            let Ok(bytes) = encode(&random.graph) else { return Ok(()) };
            let own = import(&bytes, None, &[]).expect("it was written");
            let three = Bindings { batch: Some(3), ..Bindings::default() };
            match onnx::parse(&bytes, None, &three) {
                Ok(three) => {
                    prop_assert!(
                        answers_agree(&own, &three),
                        "{}",
                        resnetc_ir::text::print(&three)
                    );
                    taken.set(taken.get() + 1);
                }
                Err(e) => {
                    prop_assert!(matches!(*e.kind, ImportErrorKind::FixedBatch { .. }), "{e}");
                    refused.set(refused.get() + 1);
                }
            }
            Ok(())
        },
    );
    run.unwrap_or_else(|e| panic!("{e}"));
    let counts = (taken.get(), refused.get());
    assert!(counts.0 > 100, "{counts:?}");
}

/// As exporters write them that know only one batch: its number is in shapes, in slices and in a
/// factor.
fn burnt(batch: i64) -> Model {
    Model::new(&[batch, 4, 5, 5])
        .weights("w", &[6, 4, 3, 3])
        .ints("flat", &[batch, 6])
        .ints("heads", &[batch, 2, 3])
        .ints("zero", &[0])
        .ints("all", &[batch])
        .node("Conv", &["x", "w"], &["c"], &[])
        .node("GlobalAveragePool", &["c"], &["p"], &[])
        .node("Reshape", &["p", "flat"], &["f"], &[])
        .node("Slice", &["f", "zero", "all", "zero"], &["s"], &[])
        .node("Reshape", &["s", "heads"], &["h"], &[])
        .node("Transpose", &["h"], &["t"], &[("perm", Ints(vec![0, 2, 1]))])
        .node("MatMul", &["h", "t"], &["m"], &[])
        .node("Shape", &["x"], &["n"], &[("start", Int(0)), ("end", Int(1))])
        .node("Cast", &["n"], &["k"], &[("to", Int(1))])
        .node("Div", &["m", "k"], &["y"], &[])
        .output("y")
        .output("s")
}

#[test]
fn a_batch_burnt_into_shapes_and_numbers_is_rewritten() {
    for batch in [1, 2, 4] {
        let bytes = burnt(batch).bytes();
        let own = import(&bytes, None, &[]).unwrap();
        assert_eq!(shape(&own, 0)[0], batch as usize, "by default it is the file's");
        let three = import(&bytes, Some(3), &[]).unwrap();
        assert_eq!(three.node(three.outputs()[0].node).ty.shape, [3, 2, 2]);
        assert!(answers_agree(&own, &three), "batch {batch}");
        assert_eq!(shape(&import(&bytes, Some(1), &[]).unwrap(), 0)[0], 1);
        assert_eq!(shape(&import(&bytes, None, &[("x.0", 3)]).unwrap(), 0)[0], 3);
    }
}

#[test]
fn what_mixes_pictures_is_refused_by_name() {
    // A number computed from all images, and another one without axes.
    let mean = Model::new(&[2, 3])
        .node("ReduceMean", &["x"], &["m"], &[("keepdims", Int(0))])
        .floats("c", &[], &[1.0])
        .node("Add", &["c", "m"], &["s"], &[])
        .node("Add", &["x", "s"], &["y"], &[])
        .output("y");
    let mixing: [(&str, Model); 6] = [
        ("reduce_mean \"m\"", mean),
        ("softmax \"y\"", single("Softmax", &[1, 3], &["x"], &[("axis", Int(0))])),
        ("reduce_mean \"y\"", single("ReduceMean", &[2, 3], &["x"], &[("axes", Ints(vec![0]))])),
        ("reshape \"y\"", single("Reshape", &[1, 3], &["x", "s"], &[]).ints("s", &[3])),
        ("add \"y\"", single("Add", &[2, 3], &["x", "w"], &[]).weights("w", &[2, 3])),
        ("gemm \"y\"", single("Gemm", &[2, 2], &["x", "x"], &[("alpha", Float(1.0))])),
    ];
    for (operator, model) in mixing {
        assert!(import(&model.bytes(), None, &[]).is_ok());
        let error = import(&model.bytes(), Some(5), &[]).unwrap_err();
        for part in ["5", "input \"x\"", operator, "dynamic"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        // Nodes that no output needs do not matter.
        let unused = model.node("Relu", &["x"], &["z"], &[]);
        let mut unused = unused.output("z");
        unused.graph_proto().output.remove(0);
        assert!(import(&unused.bytes(), Some(5), &[]).is_ok());
    }
}

#[test]
fn inputs_have_one_batch() {
    let two = |a: i64, b: i64| {
        let model = Model::new(&[a, 3]).input("z", &[b, 3]);
        model.node("Add", &["x", "z"], &["y"], &[]).output("y").bytes()
    };
    let changed = import(&two(2, 2), Some(4), &[]).unwrap();
    assert_eq!((shape(&changed, 0), shape(&changed, 1)), (&[4, 3][..], &[4, 3][..]));
    let error = import(&two(2, 1), Some(4), &[]).unwrap_err();
    assert!(error.contains("first extents are 2 and 1"), "{error}");
    let error = import(&two(2, 2), None, &[("x.0", 3), ("z.0", 4)]).unwrap_err();
    assert!(error.contains("3 and 4"), "{error}");
    // An open batch takes the requested number, and the other input stays as it is.
    let open = import(&two(-1, 1), Some(4), &[]).unwrap();
    assert_eq!((shape(&open, 0), shape(&open, 1)), (&[4, 3][..], &[1, 3][..]));
}

#[test]
fn a_given_batch_that_is_the_declared_one_contradicts_another() {
    let two = Model::new(&[1, 3]).input("z", &[1, 3]).node("Add", &["x", "z"], &["y"], &[]);
    let one = single("Relu", &[1, 3], &["x"], &[]);
    let cases = [
        (&one, Some(2), vec![("x", 1)]),
        (&two.clone().output("y"), Some(2), vec![("x", 1)]),
        (&two.clone().output("y"), Some(2), vec![("z", 1)]),
        (&two.clone().output("y"), None, vec![("x", 2), ("z", 1)]),
    ];
    for (model, batch, given) in cases {
        let shapes = given.iter().map(|&(input, n)| (input.to_owned(), vec![n, 3]));
        let dims = given.iter().map(|&(input, n)| (format!("{input}.0"), n));
        for bindings in [
            Bindings { batch, shapes: shapes.collect(), ..Bindings::default() },
            Bindings { batch, dims: dims.collect(), ..Bindings::default() },
        ] {
            let error = onnx::parse(&model.bytes(), None, &bindings).expect_err("a conflict");
            assert!(matches!(*error.kind, ImportErrorKind::Conflict { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains("a batch of 2 was requested, but 1 for"), "{text}");
        }
    }
    // The declared batch may be given, with the same batch or none.
    let shapes = || [("x".to_owned(), vec![1, 3])].into();
    for batch in [None, Some(1)] {
        let bindings = Bindings { batch, shapes: shapes(), ..Bindings::default() };
        assert!(onnx::parse(&one.bytes(), None, &bindings).is_ok());
    }
}

#[test]
fn other_fixed_axes_stay() {
    let bytes = single("Relu", &[1, 3, 8, 8], &["x"], &[]).bytes();
    assert!(import(&bytes, None, &[("x.2", 8)]).is_ok());
    let error = import(&bytes, None, &[("x.2", 16)]).unwrap_err();
    assert!(error.contains("16") && error.contains("axis 2 of input \"x\" is 8"), "{error}");
    for unknown in ["x.4", "x", "z.0", "x.-1"] {
        let error = import(&bytes, None, &[(unknown, 1)]).unwrap_err();
        assert!(error.contains(&format!("no input has a dimension \"{unknown}\"")), "{error}");
    }
    let error = import(&bytes, Some(usize::MAX), &[]).unwrap_err();
    assert!(!error.is_empty());
}
