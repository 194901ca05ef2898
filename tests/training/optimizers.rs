//! Twenty steps of a ResNet-20 with each optimizer against PyTorch's, in f64.

use std::collections::BTreeMap;

use resnetc::spec::{Role, Spec};
use resnetc::training::names;
use resnetc::training::{Decayed, Optimizer, Recipe};
use resnetc_ir::eval::Value;
use serde::Deserialize;

use crate::support::{Values, carry, drawn, numbers, step};

/// What `make_traces.py` found.
#[derive(Deserialize)]
pub(crate) struct Trace {
    pub(crate) optimizer: String,
    pub(crate) losses: Vec<f64>,
    tensors: BTreeMap<String, [f64; 2]>,
}

pub(crate) const BATCH: usize = 4;
const SIZE: usize = 10;
const STEPS: usize = 20;

pub(crate) fn traces() -> Vec<Trace> {
    serde_json::from_str(include_str!("traces.json")).expect("it is as written")
}

pub(crate) fn spec() -> Spec {
    let mut spec = Spec::builtin("cifar_resnet20").expect("it is built in");
    (spec.input.height, spec.input.width, spec.classes) = (SIZE, SIZE, 10);
    spec
}

/// The recipe of a trace, and its learning rate.
pub(crate) fn recipe(optimizer: &str) -> (Recipe, f64) {
    let sgd = |momentum, nesterov| Optimizer::Sgd { momentum, nesterov };
    let (optimizer, decay, decayed, rate) = match optimizer {
        "sgd" => (sgd(0.0, false), 0.0, Decayed::Weights, 0.05),
        "momentum" => (sgd(0.9, false), 1e-4, Decayed::All, 0.05),
        "nesterov" => (sgd(0.9, true), 5e-4, Decayed::Weights, 0.05),
        "adam_w" => (Optimizer::ADAM_W, 0.05, Decayed::Weights, 0.002),
        other => panic!("{other} is no optimizer"),
    };
    (Recipe { optimizer, decay, decayed, ..Recipe::new(BATCH) }, rate)
}

/// The weights that training starts with.
pub(crate) fn weights(spec: &Spec) -> Values {
    let parameters = spec.parameters().expect("it is valid");
    let mut names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    let value = |parameter: &resnetc::spec::Parameter| {
        let count: usize = parameter.shape.iter().product();
        let seed =
            100 + names.iter().position(|name| **name == parameter.name).expect("one") as u64;
        let data = match parameter.role {
            Role::Conv { .. } | Role::Linear => {
                let bound = (6.0 / (count / parameter.shape[0]) as f64).sqrt();
                drawn(seed, count).into_iter().map(|x| f64::from((x * bound) as f32)).collect()
            }
            Role::Scale { .. } | Role::Variance => vec![1.0; count],
            _ => vec![0.0; count],
        };
        (parameter.name.clone(), Value::new(parameter.shape.clone(), data))
    };
    parameters.iter().map(value).collect()
}

/// The images and labels of a step.
pub(crate) fn batch(step: usize) -> (Vec<f64>, Vec<f64>) {
    let labels: Vec<usize> = (0..BATCH).map(|i| (3 * step + 7 * i) % 10).collect();
    let mut images = drawn(1000 + step as u64, BATCH * 3 * SIZE * SIZE);
    for (image, label) in images.chunks_exact_mut(3 * SIZE * SIZE).zip(&labels) {
        image.iter_mut().skip(*label).step_by(SIZE).for_each(|x| *x += 1.0);
    }
    (images, labels.into_iter().map(|label| label as f64).collect())
}

/// The learning rate of a step.
pub(crate) fn rate(rate: f64, step: usize) -> f64 {
    if step >= STEPS / 2 { rate * 0.5 } else { rate }
}

/// The losses of all steps, and the state after them.
fn train(recipe: &Recipe, base: f64, mut state: Values) -> (Vec<f64>, Values) {
    let graph = recipe.step(&spec()).expect("it is valid");
    for &input in graph.inputs() {
        let node = graph.node(input);
        let zeros = || Value::new(node.ty.shape.clone(), vec![0.0; node.ty.elements()]);
        state.entry(node.name.clone()).or_insert_with(zeros);
    }
    let mut losses = Vec::new();
    for at in 0..STEPS {
        let (images, labels) = batch(at);
        state.insert(names::IMAGES.into(), Value::new([BATCH, 3, SIZE, SIZE], images));
        state.insert(names::LABELS.into(), Value::new([BATCH], labels));
        let mut given = vec![("rate", rate(base, at))];
        if let Optimizer::AdamW { betas, .. } = recipe.optimizer {
            let corrections = betas.map(|beta| 1.0 - beta.powi(at as i32 + 1));
            given.extend(["mean_correction", "square_correction"].into_iter().zip(corrections));
        }
        for (name, number) in given {
            state.insert(name.into(), Value::new([1], vec![number]));
        }
        let results = step(&graph, &state);
        losses.push(results[names::LOSS].data[0]);
        carry(&mut state, &results);
    }
    (losses, state)
}

/// Constants of a recipe are f32 here and f64 in PyTorch, and training amplifies the difference. By
/// how much is measured: the distance to a run whose constants are the next f32 is what a whole unit
/// in the last place does to each of them, twice what rounding can do.
fn nudged(recipe: &Recipe) -> Recipe {
    let next = |x: f64| f64::from((x as f32).next_up());
    let optimizer = match recipe.optimizer {
        Optimizer::Sgd { momentum, nesterov } if momentum > 0.0 => {
            Optimizer::Sgd { momentum: next(momentum), nesterov }
        }
        sgd @ Optimizer::Sgd { .. } => sgd,
        Optimizer::AdamW { betas, epsilon } => {
            Optimizer::AdamW { betas: betas.map(next), epsilon: next(epsilon) }
        }
    };
    let decay = if recipe.decay > 0.0 { next(recipe.decay) } else { 0.0 };
    Recipe { optimizer, decay, momentum: next(recipe.momentum), ..recipe.clone() }
}

#[test]
fn twenty_steps_follow_those_of_pytorch() {
    let traces = traces();
    std::thread::scope(|scope| {
        for half in [0, 1] {
            let traces = &traces;
            scope.spawn(move || traces.iter().skip(half).step_by(2).for_each(follow));
        }
    });
}

fn follow(trace: &Trace) {
    let (recipe, rate) = recipe(&trace.optimizer);
    let (losses, state) = train(&recipe, rate, weights(&spec()));
    let (others, other_state) = train(&nudged(&recipe), rate, weights(&spec()));
    // What the machine's f64 leaves of the identity of two programs.
    let mut slack = 1e-11;
    for (step, ((loss, other), expected)) in
        losses.iter().zip(&others).zip(&trace.losses).enumerate()
    {
        slack = f64::max(slack, (loss - other).abs());
        let error = (loss - expected).abs();
        assert!(error < slack, "{} step {step}: {loss} for {expected}", trace.optimizer);
    }
    for (name, expected) in &trace.tensors {
        let [found, other] = [&state, &other_state].map(|state| numbers(&state[name].data));
        // The sum of products changes by as much as the norm of the difference, or less.
        let slack = (found[0] - other[0]).abs().max((found[1] - other[1]).abs());
        for (expected, found) in expected.iter().zip(found) {
            let error = (found - expected).abs();
            // The factor that makes a variance unbiased is rounded as well.
            let slack = 2.0 * slack + 2f64.powi(-24) * expected.abs() + 1e-11;
            assert!(error < slack, "{} {name}: {found} for {expected}", trace.optimizer);
        }
    }
}
