//! Compiled steps against interpreted ones.

use resnetc::training::step::names;
use resnetc::training::{Decayed, Optimizer, Recipe};
use resnetc::{Compiler, Isa, IsaChoice, Model, Numerics, Options};
use resnetc_ir::Graph;
use resnetc_ir::eval::Value;
use resnetc_testing::family::Case;
use resnetc_testing::running::isas;

use crate::support::{Values, drawn, step};

/// Everything that a step is given.
fn given(graph: &Graph, case: &Case) -> Values {
    let weights = &case.weights;
    let value = |&id: &_| {
        let node = graph.node(id);
        let (name, shape) = (node.name.clone(), node.ty.shape.clone());
        let count = node.ty.elements();
        let stored = weights.get(&name).or_else(|| weights.get(&name.replace(".downsample.", ".shortcut.")));
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
fn run(model: &Model, given: &Values) -> Vec<Vec<f32>> {
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

/// The largest difference relative to the norm of what changed.
fn error(name: &str, before: Option<&Value>, expected: &Value, found: &[f32]) -> f64 {
    let change = |x: f64, i: usize| x - before.map_or(0.0, |before| before.data[i]);
    let scale = expected.data.iter().enumerate().map(|(i, &x)| change(x, i).abs());
    let scale = scale.fold(0.0, f64::max);
    let errors = expected.data.iter().zip(found).map(|(a, &b)| (a - f64::from(b)).abs());
    let most = errors.fold(0.0, f64::max);
    let rounding = expected.data.iter().fold(0.0f64, |m, x| m.max(x.abs())) * 1e-6;
    if name.is_empty() { most } else { (most - rounding).max(0.0) / scale.max(1e-6) }
}

fn check(case: &Case, isa: Isa, recipe: &Recipe) {
    let mut spec = case.spec.clone();
    (spec.input.height, spec.input.width) = (32, 32);
    let graph = recipe.step(&spec).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let given = given(&graph, case);
    let expected = step(&graph, &given);
    let options = Options::default().isa(IsaChoice::Exactly(isa)).threads(2).numerics(Numerics::Exact);
    let model = Compiler::new(options).graph(graph.clone()).and_then(|n| n.compile());
    let model = model.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let found = run(&model, &given);
    for (output, found) in graph.outputs().iter().zip(&found) {
        let name = &output.name;
        let error = error(name, given.get(name), &expected[name], found);
        assert!(error < 2e-3, "{} {isa:?} {name}: {error:e}", case.name);
    }
}

#[test]
fn compiled_steps_of_the_family_are_interpreted_ones() {
    let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true };
    let recipe = Recipe { optimizer, decay: 1e-4, decayed: Decayed::All, smoothing: 0.1, ..Recipe::new(3) };
    for case in [Case::described(), Case::exported()].concat() {
        for isa in isas() {
            check(&case, isa, &recipe);
        }
    }
}
