//! Compiled steps against interpreted ones.

use resnetc::training::names;
use resnetc::training::{Decayed, Optimizer, Recipe};
use resnetc::{Compiler, Isa, IsaChoice, Model, Numerics, Options};
use resnetc_ir::Graph;
use resnetc_ir::eval::Value;
use resnetc_testing::family::Case;
use resnetc_testing::running::isas;

use crate::support::{Values, drawn, step};

/// Everything that a step is given.
pub(crate) fn given(graph: &Graph, case: &Case) -> Values {
    let weights = &case.weights;
    let value = |&id: &_| {
        let node = graph.node(id);
        let (name, shape) = (node.name.clone(), node.ty.shape.clone());
        let count = node.ty.elements();
        let stored =
            weights.get(&name).or_else(|| weights.get(&name.replace(".downsample.", ".shortcut.")));
        let data: Vec<f64> = match (name.as_str(), stored) {
            (_, Some(tensor)) => tensor.data().iter().map(|&x| f64::from(x)).collect(),
            (names::LABELS, _) => (0..count).map(|i| (7 * i % 10) as f64).collect(),
            (names::IMAGES, _) => drawn(3, count),
            ("rate", _) => vec![0.1],
            // What an optimizer remembers.
            _ => drawn(4, count).into_iter().map(|x| 0.01 * x.abs()).collect(),
        };
        let data = data.into_iter().map(|x| f64::from(x as f32)).collect();
        (name, Value::new(shape, data))
    };
    graph.inputs().iter().map(value).collect()
}

/// The results of a compiled step, run twice from the same state on memory full of NaN.
pub(crate) fn run(model: &Model, given: &Values) -> Vec<Vec<f32>> {
    let mut context = model.context().expect("memory for an arena");
    context.poison();
    let mut once = || {
        for (i, port) in model.inputs().iter().enumerate() {
            let value = given[&port.name].to_f32();
            context.input_mut::<f32>(i).expect("it is f32").copy_from_slice(&value);
        }
        model.run(&mut context).expect("it runs");
        let output = |i| context.output::<f32>(i).expect("it is f32").to_vec();
        (0..model.outputs().len()).map(output).collect::<Vec<_>>()
    };
    let first = once();
    assert_eq!(first, once(), "a second run gives another result");
    first
}

/// How much a value changed: itself, if nothing was there before.
fn change(before: Option<&Value>, after: &Value) -> f64 {
    let old = |i: usize| before.map_or(0.0, |before| before.data[i]);
    after.data.iter().enumerate().map(|(i, x)| (x - old(i)).abs()).fold(0.0, f64::max)
}

/// The error of a change that is allowed, relative to the largest change of the same value: five
/// times what was measured. A loss of 20 layers sums 1e5 terms of either sign.
const TOLERANCE: f64 = 2e-3;
/// Sums whose terms cancel, such as the gradient of a bias before a normalization, err relative to
/// their terms, which other changes of the network are like.
const CANCELLED: f64 = 1e-2;

fn check(case: &Case, isa: Isa, numerics: Numerics) {
    let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true };
    let decayed = Decayed::All;
    let recipe = Recipe { optimizer, decay: 1e-4, decayed, smoothing: 0.1, ..Recipe::new(3) };
    let mut spec = case.spec.clone();
    (spec.input.height, spec.input.width) = (32, 32);
    let graph = recipe.step(&spec).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let given = given(&graph, case);
    let expected = step(&graph, &given);
    let options = Options::default().isa(IsaChoice::Exactly(isa)).threads(2).numerics(numerics);
    let model = Compiler::new(options).graph(graph.clone()).and_then(|n| n.compile());
    let model = model.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let found = run(&model, &given);
    let velocities = expected.iter().filter(|(name, _)| name.ends_with("velocity"));
    let largest = velocities.map(|(name, v)| change(given.get(name), v)).fold(0.0, f64::max);
    for (output, found) in graph.outputs().iter().zip(&found) {
        let (name, expected) = (&output.name, &expected[&output.name]);
        let scale = change(given.get(name), expected).max(CANCELLED * largest);
        let pairs = expected.data.iter().zip(found);
        let error = pairs.map(|(a, &b)| {
            // The sum of what was there and of the change is rounded, too.
            ((a - f64::from(b)).abs() - 1e-6 * a.abs()).max(0.0)
        });
        let error = error.fold(0.0, f64::max) / scale;
        assert!(error < TOLERANCE, "{} {isa:?} {numerics:?} {name}: {error:e}", case.name);
    }
}

#[test]
fn compiled_steps_of_the_family_are_interpreted_ones() {
    let all = isas();
    let widest = *all.last().expect("there is one");
    for case in [Case::described(), Case::exported()].concat() {
        check(&case, widest, Numerics::Fast);
    }
}

#[test]
fn every_instruction_set_computes_the_same_step() {
    let small = ["bit_basic", "ecaresnet", "padded", "prelu", "resnext", "cifar20_b", "seresnet"];
    let cases = [Case::described(), Case::exported()].concat();
    for case in cases.iter().filter(|case| small.contains(&case.name.as_str())) {
        for isa in isas() {
            check(case, isa, Numerics::Exact);
        }
    }
}
