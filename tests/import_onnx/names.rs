//! Names that are left out, given twice, or given to values that are not float tensors; nodes with
//! too many or too few operands.

use resnetc::import::onnx::proto::SparseTensorProto;
use resnetc_ir::DType;

use crate::model::{Model, single};

/// An empty name stands for an operand or a result that is left out, so it is not read, even if
/// another node leaves out an operand.
#[test]
fn results_and_operands_that_are_left_out_do_not_meet() {
    let model = Model::new(&[3])
        .floats("h", &[], &[1.5])
        .node("Dropout", &["x"], &["a", ""], &[])
        .node("Clip", &["a", "", "h"], &["y"], &[])
        .output("y");
    assert_eq!(model.run().data, [0.0, 1.0, 1.5]);
    let pooled = Model::new(&[1, 2, 2, 2])
        .weights("w", &[1, 2, 2, 2])
        .node("Dropout", &["x"], &["a", ""], &[])
        .node("Conv", &["a", "w", ""], &["y"], &[])
        .output("y");
    assert_eq!(pooled.run().shape, [1, 1, 1, 1]);
}

/// Merging files leaves copies of constants behind. Two different constants of one name are an
/// error.
#[test]
fn a_constant_may_be_stored_twice_if_both_are_equal() {
    let model = |second: f32| {
        let model = Model::new(&[2]).floats("k", &[1], &[2.0]).floats("k", &[1], &[second]);
        model.node("Mul", &["x", "k"], &["y"], &[]).output("y")
    };
    assert_eq!(model(2.0).run().data, [0.0, 2.0]);
    let error = model(3.0).error();
    assert!(error.contains("defined more than once: \"k\""), "{error}");
}

#[test]
fn sparse_constants_are_refused_by_name_where_they_are_used() {
    let sparse = |operand: &str| {
        let mut model = Model::new(&[2]).floats("k", &[1], &[2.0]).floats("d", &[1], &[2.0]);
        let values = model.graph_proto().initializer.remove(0);
        model.graph_proto().sparse_initializer.push(SparseTensorProto { values: Some(values) });
        model.node("Mul", &["x", operand], &["y"], &[]).output("y")
    };
    let error = sparse("k").error();
    assert!(error.contains("initializer \"k\": it is sparse"), "{error}");
    assert_eq!(sparse("d").run().data, [0.0, 2.0]);
}

/// A shape, for example, or integers that are stored.
#[test]
fn constant_integers_may_be_outputs() {
    let model = single("Shape", &[2, 3], &["x"], &[]);
    assert_eq!(model.graph().outputs()[0].dtype, DType::I64);
    assert_eq!(model.run().data, [2.0, 3.0]);
    let large = single("Add", &[2], &["k", "k"], &[]).ints("k", &[1 << 40]);
    let error = large.error();
    assert!(error.contains("output \"y\"") && error.contains("cannot hold exactly"), "{error}");
}

#[test]
fn too_many_and_too_few_operands_are_refused() {
    let error = single("Relu", &[2], &["x", "x"], &[]).error();
    assert!(error.contains("Relu \"y\": it has 2 operands, but takes at most 1"), "{error}");
    let error = single("Add", &[2], &["x", "x", "x"], &[]).error();
    assert!(error.contains("at most 2"), "{error}");
    // Operands that are left out do not count, and some operators take any number.
    assert_eq!(single("Relu", &[2], &["x", ""], &[]).run().data, [0.0, 1.0]);
    assert_eq!(single("Sum", &[2], &["x"; 9], &[]).run().data, [0.0, 9.0]);
    // No tool computes a function of nothing.
    let error = single("Relu", &[2], &[], &[]).error();
    assert!(error.contains("operand 0 is missing") && !error.contains("removable"), "{error}");
}
