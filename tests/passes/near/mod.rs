//! Graphs near the pattern of each pass, in which any of its conditions may fail: the result must
//! have the same meaning.
//!
//! Random networks hardly ever meet a condition on three rare operators in a row. Here every graph
//! is nearly the pattern, and each part of it is occasionally a different one.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use resnetc::passes::{Pass, Verify, run_pass};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::op::{Activation, Unary};
use resnetc_ir::text::print;
use resnetc_ir::verify::verify;
use resnetc_ir::{DType, Graph, NodeId, Op, Tensor};

use crate::examples::all;
use crate::random::{EXACT, REORDERING};
use resnetc_testing::bound::bounds;
use resnetc_testing::cases::cases;
use resnetc_testing::close::{greatest, is_close};
use resnetc_testing::random_graph::dice::Dice;

mod arithmetic;
mod functions;
mod measured;
mod movement;
mod quantized;
mod shortcuts;
mod training;
mod windows;

/// Builds a graph; `None` if its parts do not fit together.
type Pattern = fn(&mut Near) -> Option<()>;

const PATTERNS: &[(&str, Pattern)] = &[
    ("cancel_transposes", movement::transposed),
    ("cse", movement::doubled),
    ("dead_code", movement::doubled),
    ("fold_affine", arithmetic::chain),
    ("fold_batch_norm", arithmetic::normalized),
    ("fold_constants", arithmetic::of_constants),
    ("fuse_activation", arithmetic::activated),
    ("fuse_bytes", functions::of_bytes),
    ("fuse_channel_sums", training::channel_sums),
    ("fuse_measured", measured::operators),
    ("fuse_pointwise", training::functions),
    ("fuse_projection", shortcuts::projected),
    ("fuse_quantized", quantized::operators),
    ("fuse_quantizers", quantized::arithmetic),
    ("fuse_residual", shortcuts::sum),
    ("fuse_strided_shortcut", shortcuts::strided),
    ("layout", shortcuts::strided),
    ("lower_batch_norm", arithmetic::normalized),
    ("lower_conv_source", training::conv_source),
    ("lower_cross_entropy", training::cross_entropy),
    ("lower_gemm", arithmetic::product),
    ("measure_ranges", measured::arithmetic),
    ("merge_affine", arithmetic::chain),
    ("merge_border", windows::border),
    ("merge_branches", shortcuts::branches),
    ("merge_pad", windows::padded),
    ("merge_scales", arithmetic::scales),
    ("reduce_mean_to_pool", windows::mean),
    ("remove_identity", movement::identity),
    ("split_conv_weights", training::conv_weights),
    ("ungroup", movement::grouped),
    ("update_in_place", training::state),
];

/// Passes that have something to do in nearly every graph of their pattern.
const ALWAYS: &[&str] = &["dead_code", "fold_constants", "layout", "lower_batch_norm"];

/// A graph under construction.
struct Near {
    graph: Graph,
    dice: Dice,
    computed: Vec<NodeId>,
}

impl Near {
    fn build(pattern: Pattern, seed: u64) -> Option<Near> {
        let dice = Dice::new(seed, seed.is_multiple_of(2));
        let mut near = Near { graph: Graph::new(), dice, computed: Vec::new() };
        pattern(&mut near)?;
        if near.one_of(4) {
            near.give_another_user();
        }
        verify(&near.graph).ok()?;
        Some(near)
    }

    /// An inner value is an output, or read by something else.
    fn give_another_user(&mut self) {
        let (last, computed) = (self.computed.len() - 1, self.computed.clone());
        let node = computed[self.dice.between(0, last)];
        let read = if self.dice.coin() { node } else { self.unary(node, Unary::Abs) };
        self.graph.output("side", read);
    }

    fn one_of(&mut self, n: usize) -> bool {
        self.dice.between(1, n) == 1
    }

    fn add(&mut self, op: Op, operands: &[NodeId]) -> Option<NodeId> {
        let node = self.graph.add("", op, operands).ok()?;
        self.computed.push(node);
        Some(node)
    }

    fn unary(&mut self, x: NodeId, unary: Unary) -> NodeId {
        self.graph.add("", Op::Unary(unary), &[x]).expect("any value is valid")
    }

    fn end(&mut self, node: NodeId) -> Option<()> {
        self.graph.output("y", node);
        Some(())
    }

    fn shape(&self, node: NodeId) -> Vec<usize> {
        self.graph.node(node).ty.shape.clone()
    }

    fn input(&mut self, shape: &[usize]) -> NodeId {
        self.graph.input(format!("x{}", self.graph.len()), shape)
    }

    fn image(&mut self) -> NodeId {
        let shape =
            [(1, 2), (1, 4), (2, 6), (2, 6)].map(|(low, high)| self.dice.between(low, high));
        self.input(&shape)
    }

    fn constant(&mut self, shape: &[usize]) -> NodeId {
        let tensor = self.dice.tensor(shape);
        self.graph.constant("", tensor)
    }

    fn positive(&mut self, shape: &[usize]) -> NodeId {
        let tensor = self.dice.positive(shape);
        self.graph.constant("", tensor)
    }

    /// A constant, or occasionally a value of the same shape that is not constant, or a constant
    /// with one odd element.
    fn parameter(&mut self, shape: &[usize], odd: f32) -> NodeId {
        match self.dice.between(0, 15) {
            0 => self.input(shape),
            1 => {
                let mut data = self.dice.positive(shape).into_data();
                let at = self.dice.between(0, data.len() - 1);
                data[at] = odd;
                self.graph.constant("", Tensor::new(shape, data).expect("as many"))
            }
            _ => self.positive(shape),
        }
    }

    /// An activation of a fused operator; usually none.
    fn activation(&mut self) -> Activation {
        if self.one_of(5) { self.dice.activation() } else { Activation::None }
    }

    /// An image after nothing, or after a function with or without negative results.
    fn source(&mut self, x: NodeId) -> Option<NodeId> {
        let lo = self.dice.pick(&[-0.5, -0.5, 0.0, 0.25]);
        let hi = self.dice.pick(&[-0.25, 0.5, 0.5, 3.0]);
        let unary = self.dice.pick(&[
            Unary::Relu,
            Unary::Relu,
            Unary::Clip { lo, hi },
            Unary::Clip { lo, hi },
            Unary::Abs,
            Unary::Tanh,
        ]);
        if self.one_of(4) { Some(x) } else { self.add(Op::Unary(unary), &[x]) }
    }

    fn inputs(&mut self) -> Vec<Value> {
        let shapes: Vec<Vec<usize>> = self.graph.inputs().iter().map(|&i| self.shape(i)).collect();
        let types = self.graph.inputs().iter().map(|&i| self.graph.input_dtype(i));
        let types: Vec<DType> = types.collect();
        let value = |(shape, ty): (&Vec<usize>, DType)| {
            let mut value = Value::from(&self.dice.tensor(shape));
            if !ty.is_float() {
                value.data.iter_mut().for_each(|x| *x = ty.convert(*x, DType::F32));
            }
            value
        };
        shapes.iter().zip(types).map(value).collect()
    }
}

/// Checks that the meaning of the graph is unchanged. Returns whether the pass rewrote something.
fn check(pass: &Pass, near: &mut Near) -> Result<bool, TestCaseError> {
    let inputs = near.inputs();
    let before = &near.graph;
    let fail =
        |what: String| TestCaseError::fail(format!("{}: {what}\n{}", pass.name, print(before)));
    let mut graph = before.clone();
    let remarks = run_pass(&mut graph, pass, Verify::EachPatch).map_err(|e| fail(e.to_string()))?;
    let evaluated = |graph: &Graph| eval(graph, &inputs).map_err(|e| fail(e.to_string()));
    let (expected, found) = (evaluated(before)?, evaluated(&graph)?);
    let bounds = bounds(before, &inputs).map_err(|e| fail(e.to_string()))?;
    for ((want, got), bound) in expected.iter().zip(&found).zip(&bounds) {
        if want.shape != got.shape {
            return Err(fail(format!("{:?} became {:?}", want.shape, got.shape)));
        }
        let most = greatest(&want.data);
        for (i, (&want, &got)) in want.data.iter().zip(&got.data).enumerate() {
            // A constant that a pass leaves to be computed may overflow f32; then so does the
            // result.
            let [want, got] = [want, got]
                .map(|x| if (x as f32).is_infinite() { x.signum() * f64::INFINITY } else { x });
            let allowed = match pass.name {
                name if EXACT.contains(&name) => 0.0,
                name if REORDERING.contains(&name) => 1e-12 * (1.0 + most + bound.magnitude[i]),
                _ => bound.tolerance[i],
            };
            // After a division by zero, any rounding decides between infinity and NaN; and where
            // terms overflow that would cancel, their order decides whether the sum does.
            let cancels = bound.magnitude[i] > f64::from(f32::MAX);
            let is_open =
                (!allowed.is_finite() && !want.is_finite() || cancels) && !got.is_finite();
            if !is_open && !is_close(got, want, allowed) {
                return Err(fail(format!("element {i}: {want} became {got}")));
            }
        }
    }
    Ok(remarks.count(pass.name) > 0)
}

#[test]
fn every_pass_has_a_pattern() {
    let names: Vec<&str> = PATTERNS.iter().map(|pattern| pattern.0).collect();
    assert_eq!(names, all().iter().map(|pass| pass.name).collect::<Vec<_>>());
}

#[test]
fn graphs_that_are_nearly_a_pattern_keep_their_meaning() {
    let cases = cases(1000);
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    let mut failed = Vec::new();
    for pass in all() {
        let Some((name, pattern)) = PATTERNS.iter().find(|pattern| pattern.0 == pass.name) else {
            failed.push(format!("{}: it has no pattern", pass.name));
            continue;
        };
        let (built, fired) = (Cell::new(0), Cell::new(0));
        let test = |seed: u64| {
            let Some(mut near) = Near::build(*pattern, seed) else { return Ok(()) };
            built.set(built.get() + 1);
            fired.set(fired.get() + u32::from(check(&pass, &mut near)?));
            Ok(())
        };
        let run = TestRunner::new(config.clone()).run(&any::<u64>(), test);
        if let Err(error) = run {
            failed.push(error.to_string());
            continue;
        }
        let (built, fired) = (built.get(), fired.get());
        let is_always = ALWAYS.contains(name);
        let tells = 2 * built > cases && 20 * fired > built && (is_always || fired + 5 < built);
        if !tells {
            failed.push(format!("{name}: {fired} of {built} graphs of {cases} are the pattern"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Seeds that were found, the pass that each is for, and what is particular about it.
const FOUND: &[(u64, &str, Pattern)] = &[
    // Terms of 6e38 and -6e38: the sum is 0, but neither term is an f32.
    (7091832645968533772, "lower_gemm", arithmetic::product),
];

#[test]
fn found_graphs_keep_their_meaning() {
    for &(seed, name, pattern) in FOUND {
        let pass = all().into_iter().find(|pass| pass.name == name).expect("a pass");
        check(&pass, &mut Near::build(pattern, seed).expect("a graph")).unwrap();
    }
}
