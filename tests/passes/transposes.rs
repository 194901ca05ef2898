//! Random graphs of transposes and of operators that work in any order of axes: small and square,
//! so that transposes meet, cancel and have several readers.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use resnetc::passes::{PassOptions, Verify, cancel_transposes, run, run_pass};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::infer::broadcast;
use resnetc_ir::op::{Binary, PadMode, SliceAxis, Unary};
use resnetc_ir::text::{parse, print};
use resnetc_ir::{Graph, NodeId, Op, Tensor};

use resnetc_testing::cases::cases;

use crate::exact::assert_equal;

fn runner(usual: u32) -> TestRunner {
    let cases = cases(usual);
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..Default::default() })
}

/// One operator, on values that the indices choose.
type Step = (u8, Index, Index, [Index; 4]);

#[derive(Clone, Debug)]
struct Plan {
    shape: Vec<usize>,
    steps: Vec<Step>,
    outputs: Vec<Index>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let shape = prop::collection::vec(prop::sample::select(vec![1usize, 2, 2, 3, 3]), 3..=4);
    let steps = prop::collection::vec(any::<Step>(), 1..14);
    let outputs = prop::collection::vec(any::<Index>(), 0..3);
    (shape, steps, outputs).prop_map(|(shape, steps, outputs)| Plan { shape, steps, outputs })
}

impl Plan {
    fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        let mut values = vec![graph.input("x", self.shape.clone())];
        for step in &self.steps {
            values.push(add(&mut graph, &values, step));
        }
        for at in &self.outputs {
            graph.output("side", *at.get(&values));
        }
        graph.output("y", values[values.len() - 1]);
        graph.remove_dead();
        graph
    }
}

fn add(graph: &mut Graph, values: &[NodeId], (kind, a, b, axes): &Step) -> NodeId {
    // Newer values are chosen more often, so that graphs are deep.
    let newer = &values[a.index(values.len())..];
    let value = *a.get(newer);
    let shape = graph.node(value).ty.shape.clone();
    let rank = shape.len();
    let (op, operands) = match kind % 10 {
        0..=3 => {
            let mut perm: Vec<usize> = (0..rank).collect();
            (1..rank).for_each(|i| perm.swap(i, axes[i].index(i + 1)));
            (Op::Transpose { perm }, vec![value])
        }
        4 => (Op::Unary(Unary::Relu), vec![value]),
        5 | 6 => {
            let fits = |&&other: &&NodeId| broadcast(&shape, &graph.node(other).ty.shape).is_ok();
            let others: Vec<NodeId> = values.iter().filter(fits).copied().collect();
            let op = [Binary::Add, Binary::Sub, Binary::Max][axes[0].index(3)];
            (Op::Binary(op), vec![value, *b.get(&others)])
        }
        7 if rank > 2 => {
            let axis = axes[0].index(rank);
            let more = (axis + 1..rank).filter(|i| axes[*i].index(2) == 0);
            let axes_of_mean = [axis].into_iter().chain(more).collect();
            let keep_dims = axes[3].index(2) == 0;
            (Op::ReduceMean { axes: axes_of_mean, keep_dims }, vec![value])
        }
        7 | 8 => {
            let data = (0..shape.iter().product()).map(|i: usize| (i % 5) as f32 - 2.0).collect();
            let constant = graph.constant("", Tensor::new(shape, data).expect("it fits"));
            (Op::Binary(Binary::Add), vec![constant, value])
        }
        _ if rank > 0 => moving(&shape, axes, value),
        _ => (Op::Unary(Unary::Abs), vec![value]),
    };
    graph.add("", op, &operands).expect("it type-checks")
}

/// An operator along one axis, which moves with it.
fn moving(shape: &[usize], axes: &[Index; 4], value: NodeId) -> (Op, Vec<NodeId>) {
    let axis = axes[0].index(shape.len());
    let op = match axes[1].index(3) {
        0 if shape[axis] < 4 => return (Op::Concat { axis }, vec![value, value]),
        1 => {
            let (mut before, after) = (vec![0; shape.len()], vec![0; shape.len()]);
            before[axis] = usize::from(shape[axis] < 4);
            Op::Pad { before, after, mode: PadMode::Constant(1.0) }
        }
        _ => {
            let taken = |(i, &len): (usize, &usize)| match i == axis {
                true => SliceAxis { start: len - 1, step: -1, len: len.div_ceil(2) },
                false => SliceAxis { start: 0, step: 1, len },
            };
            Op::Slice(shape.iter().enumerate().map(taken).collect())
        }
    };
    (op, vec![value])
}

/// Every patch reduces the measure of the pass, which the driver checks after each of them, and
/// values do not change.
#[test]
fn every_patch_of_transposes_makes_progress_and_keeps_meaning() {
    let moved = Cell::new(0);
    let test = |plan: Plan| {
        let before = plan.graph();
        let mut graph = before.clone();
        let remarks = run_pass(&mut graph, &cancel_transposes::PASS, Verify::EachPatch)
            .map_err(|e| TestCaseError::fail(format!("{e}\n{}", print(&before))))?;
        let regions = remarks.applied.iter().filter(|a| a.label.starts_with("move"));
        moved.set(moved.get() + usize::from(regions.count() > 0));
        let input = [numbers(&plan.shape)];
        assert_equal(&eval(&before, &input), &eval(&graph, &input), &before)?;
        let mut graph = before.clone();
        run(&mut graph, &PassOptions { verify: Verify::EachPatch, ..Default::default() })
            .map_err(|e| TestCaseError::fail(format!("{e}\n{}", print(&before))))?;
        Ok(())
    };
    let mut runner = runner(4000);
    runner.run(&plan(), test).unwrap_or_else(|e| panic!("{e}"));
    let wanted = runner.config().cases / 50;
    assert!(moved.get() >= wanted as usize, "{} graphs moved a region", moved.get());
}

fn numbers(shape: &[usize]) -> Value {
    let data = (0..shape.iter().product()).map(|i: usize| (i * 7 % 23) as f64 - 8.0).collect();
    Value::new(shape.to_vec(), data)
}

/// A transpose that a source of the region reads in the new order, one that leads back into the
/// region, and two of them in a row: moving the region saves none of them, and moving it back and
/// forth would never end.
#[test]
fn what_is_read_afterwards_is_not_saved() {
    let graphs = [
        r#"
            %0 = input : f32[1, 1, 8, 8] "x"
            %1 = transpose(%0) perm=[0, 1, 3, 2]
            %2 = sub(%1, %0)
            %3 = reduce_mean(%2) axes=[2, 3] keep_dims
            output "y" = %3"#,
        r#"
            %0 = input : f32[1, 1, 8, 8] "x"
            %1 = relu(%0)
            %2 = transpose(%1) perm=[0, 1, 3, 2]
            %3 = sub(%1, %2)
            %4 = reduce_mean(%3) axes=[2, 3]
            output "y" = %4"#,
        r#"
            %0 = input : f32[1, 3, 3, 3] "x"
            %1 = relu(%0)
            %2 = transpose(%1) perm=[0, 2, 3, 1]
            %3 = transpose(%2) perm=[0, 2, 3, 1]
            %4 = sub(%1, %3)
            %5 = max(%4, %2)
            output "y" = %5"#,
    ];
    for text in graphs {
        let before = parse(text).expect("it parses");
        let mut graph = before.clone();
        let options = PassOptions { verify: Verify::EachPatch, ..Default::default() };
        run(&mut graph, &options).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let input = [numbers(&before.node(before.inputs()[0]).ty.shape)];
        assert_equal(&eval(&before, &input), &eval(&graph, &input), &before).expect("equal");
    }
}
