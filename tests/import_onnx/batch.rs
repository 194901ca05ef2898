//! Batches that were baked into a reshape: undone where images are known to be independent, refused
//! elsewhere.

use resnetc::import::ImportError;
use resnetc::import::onnx::{self, Bindings};
use resnetc_ir::Graph;
use resnetc_ir::eval::{Value, eval};

use crate::model::Attr::Ints;
use crate::model::Model;

/// A network whose reshape was traced with one image.
fn burnt(between: impl Fn(Model) -> Model) -> Model {
    let model = Model::new(&[-1, 3, 5, 5])
        .weights("w", &[4, 3, 3, 3])
        .weights("b", &[4, 1, 1])
        .weights("fc", &[4, 2])
        .ints("flat", &[1, 4])
        .node("Conv", &["x", "w"], &["c"], &[])
        .node("Add", &["c", "b"], &["s"], &[])
        .node("GlobalAveragePool", &["s"], &["p"], &[]);
    between(model)
        .node("Reshape", &["q", "flat"], &["f"], &[])
        .node("MatMul", &["f", "fc"], &["y"], &[])
        .output("y")
}

fn import(model: &Model, batch: usize) -> Result<Graph, ImportError> {
    onnx::parse(&model.bytes(), None, &Bindings { batch: Some(batch), ..Bindings::default() })
}

#[test]
fn every_picture_of_a_batch_gets_its_own_answer() {
    let model = burnt(|m| m.node("Relu", &["p"], &["q"], &[]));
    let run = |data: &[f64]| {
        let batch = data.len() / 75;
        let graph = import(&model, batch).unwrap_or_else(|e| panic!("{e}"));
        let value = Value::new(vec![batch, 3, 5, 5], data.to_vec());
        eval(&graph, &[value]).unwrap().remove(0)
    };
    let data: Vec<f64> = (0..3 * 75).map(|i| f64::from(i * 37 % 101) - 50.0).collect();
    let together = run(&data);
    let apart: Vec<f64> = data.chunks(75).flat_map(|image| run(image).data).collect();
    assert_eq!((together.shape, together.data), (vec![3, 2], apart));
}

#[test]
fn what_mixes_pictures_is_refused() {
    let axes = |perm: [i64; 4]| [("perm", Ints(perm.to_vec()))];
    let mixed = burnt(|m| {
        m.node("Transpose", &["p"], &["t"], &axes([1, 0, 2, 3])).node(
            "Transpose",
            &["t"],
            &["q"],
            &axes([1, 0, 2, 3]),
        )
    });
    assert!(import(&mixed, 1).is_ok());
    let error = import(&mixed, 3).unwrap_err().to_string();
    assert!(error.contains("[3, 4, 1, 1] cannot be reshaped to [1, 4]"), "{error}");
    let softmax =
        burnt(|m| m.node("Softmax", &["p"], &["q"], &[("axis", crate::model::Attr::Int(0))]));
    assert!(import(&softmax, 3).is_err());
}
