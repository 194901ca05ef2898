//! The formulas that residual networks come from (He et al., "Identity Mappings in Deep Residual
//! Networks", 2016, section 2; Srivastava et al., "Highway Networks", 2015).

use proptest::prelude::*;
use resnetc::gradient::gradients;
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::op::{Binary, Conv, Unary, Window};
use resnetc_ir::random::SplitMix;
use resnetc_ir::{Graph, NodeId, Op, Tensor};

use crate::difference::number;

/// How the blocks of a stack pass on their operand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shortcut {
    /// `x + F(x)`.
    Identity,
    /// `F(x)`: a plain network.
    None,
    /// `F(x) * t + x * (1 - t)`, with a gate `t` that is given.
    Gated(f32),
}

/// A stack of blocks on one image, and the gradient of a random linear function of its result.
struct Stack {
    graph: Graph,
    /// The operands of the blocks, and the result of the last one.
    values: Vec<NodeId>,
    /// What each block adds.
    branches: Vec<NodeId>,
}

const CHANNELS: usize = 3;
const EXTENT: usize = 4;

impl Stack {
    /// `scale` is the size of the weights.
    fn new(depth: usize, shortcut: Shortcut, scale: f32, seed: u64) -> Self {
        let mut random = SplitMix(seed);
        let mut graph = Graph::new();
        let mut x = graph.input("x", [1, CHANNELS, EXTENT, EXTENT]);
        let (mut values, mut branches) = (vec![x], Vec::new());
        for _ in 0..depth {
            let shape = [CHANNELS, CHANNELS, 3, 3];
            let data = (0..CHANNELS * CHANNELS * 9).map(|_| scale * number(&mut random) as f32);
            let weights = Tensor::new(shape, data.collect()).expect("its shape");
            let weights = graph.constant("weights", weights);
            let mut add = |op, operands: &[NodeId]| graph.add("block", op, operands).expect("fits");
            let active = add(Op::Unary(Unary::Relu), &[x]);
            let conv = Op::Conv(Conv::new(Window::square(3, 1, 1), 1));
            let branch = add(conv, &[active, weights]);
            x = match shortcut {
                Shortcut::Identity => add(Op::Binary(Binary::Add), &[x, branch]),
                Shortcut::None => branch,
                Shortcut::Gated(gate) => {
                    let open = graph.constant("t", Tensor::scalar(gate));
                    let shut = graph.constant("1 - t", Tensor::scalar(1.0 - gate));
                    let mut mul =
                        |a, b| graph.add("gate", Op::Binary(Binary::Mul), &[a, b]).expect("fits");
                    let (through, past) = (mul(branch, open), mul(x, shut));
                    graph.add("sum", Op::Binary(Binary::Add), &[through, past]).expect("fits")
                }
            };
            branches.push(branch);
            values.push(x);
        }
        Stack { graph, values, branches }
    }

    /// The values, what the blocks add, and the gradients of all values, for a random image and a
    /// random linear loss.
    fn run(mut self, seed: u64) -> [Vec<Value>; 3] {
        let mut random = SplitMix(seed);
        let n = CHANNELS * EXTENT * EXTENT;
        let shape = vec![1, CHANNELS, EXTENT, EXTENT];
        let weights = (0..n).map(|_| number(&mut random) as f32).collect();
        let weights = Tensor::new(shape.clone(), weights).expect("its shape");
        let weights = self.graph.constant("loss", weights);
        let last = *self.values.last().expect("it has values");
        let mut add = |op, operands: &[NodeId]| self.graph.add("loss", op, operands).expect("fits");
        let product = add(Op::Binary(Binary::Mul), &[last, weights]);
        let mean = Op::ReduceMean { axes: vec![0, 1, 2, 3], keep_dims: false };
        let loss = add(mean, &[product]);
        let found = gradients(&mut self.graph, loss, &self.values).expect("it has gradients");
        let wanted = [&self.values, &self.branches, &found];
        let nodes: Vec<NodeId> = wanted.into_iter().flatten().copied().collect();
        nodes.into_iter().for_each(|node| self.graph.output("value", node));
        let image = Value::new(shape, (0..n).map(|_| number(&mut random)).collect());
        let mut all = eval(&self.graph, &[image]).expect("it evaluates").into_iter();
        wanted.map(|nodes| all.by_ref().take(nodes.len()).collect())
    }
}

fn norm(value: &Value) -> f64 {
    value.data.iter().map(|x| x * x).sum::<f64>().sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// `x_L = x_l + sum of F(x_i)` for every `l` (equation 4 of the paper).
    #[test]
    fn a_value_is_an_earlier_one_and_what_was_added(depth in 1..12usize, seed: u64) {
        let [values, branches, _] = Stack::new(depth, Shortcut::Identity, 0.3, seed).run(seed);
        let last = values.last().expect("it has values");
        for (l, value) in values.iter().enumerate() {
            for (i, &x) in value.data.iter().enumerate() {
                let added: f64 = branches[l..].iter().map(|branch| branch.data[i]).sum();
                prop_assert!((last.data[i] - x - added).abs() <= 1e-12 * (1.0 + last.data[i].abs()));
            }
        }
    }

    /// `dx_l = dx_L * (1 + d(sum of F) / dx_l)` (equation 5): without weights exactly `dx_L`, at any
    /// depth.
    #[test]
    fn without_weights_a_gradient_arrives_as_it_was(depth in 1..40usize, seed: u64) {
        let [values, _, gradients] = Stack::new(depth, Shortcut::Identity, 0.0, seed).run(seed);
        prop_assert_eq!(&values[0], &values[depth]);
        for gradient in &gradients {
            prop_assert_eq!(gradient, &gradients[depth]);
        }
    }

    /// What passes through the weights is added to what passes unchanged.
    #[test]
    fn weights_add_to_a_gradient(depth in 1..6usize, seed: u64) {
        let stack = Stack::new(depth, Shortcut::Identity, 0.3, seed);
        let (mut graph, values) = (stack.graph, stack.values);
        let last = values[depth];
        let mut add = |op, operands: &[NodeId]| graph.add("loss", op, operands).expect("fits");
        let mean = |value| (Op::ReduceMean { axes: vec![0, 1, 2, 3], keep_dims: false }, value);
        // The loss of the whole result, and of what was added to the first value alone.
        let (op, value) = mean(last);
        let whole = add(op, &[value]);
        let difference = add(Op::Binary(Binary::Sub), &[last, values[0]]);
        let (op, value) = mean(difference);
        let through = add(op, &[value]);
        let of_whole = gradients(&mut graph, whole, &[values[0], last]).expect("it has gradients");
        let of_sum = gradients(&mut graph, through, &[values[0]]).expect("it has gradients");
        for node in of_whole.into_iter().chain(of_sum) {
            graph.output("gradient", node);
        }
        let mut random = SplitMix(seed);
        let image = (0..CHANNELS * EXTENT * EXTENT).map(|_| number(&mut random)).collect();
        let image = Value::new(vec![1, CHANNELS, EXTENT, EXTENT], image);
        let found = eval(&graph, &[image]).expect("it evaluates");
        for i in 0..found[0].data.len() {
            let [first, last, through] = [0, 1, 2].map(|k| found[k].data[i]);
            prop_assert!((first - last - through).abs() <= 1e-12);
        }
    }

    /// Through a closed gate nothing passes but the shortcut, and through an open one nothing passes
    /// it: with small weights the gradient of a plain or gated stack vanishes, that of a residual one
    /// does not.
    #[test]
    fn gradients_of_plain_and_gated_stacks_vanish(seed: u64) {
        let depth = 24;
        let first = |shortcut| {
            let [_, _, gradients] = Stack::new(depth, shortcut, 0.05, seed).run(seed);
            norm(&gradients[0]) / norm(&gradients[depth])
        };
        prop_assert!(first(Shortcut::Identity) > 0.3);
        prop_assert!(first(Shortcut::None) < 1e-6);
        prop_assert!(first(Shortcut::Gated(1.0)) < 1e-6);
        let half = first(Shortcut::Gated(0.5));
        prop_assert!(half < 1e-4, "{half}");
        prop_assert_eq!(first(Shortcut::Gated(0.0)), 1.0);
    }
}
