//! The ONNX standard's own tests of every operator that is read: interpreted and compiled, the
//! results are the standard's, or the case is refused with a reason that is in
//! [`refused::REFUSED`].
//!
//! `vendor.py` wrote the cases. A standard test gives every operand at run time; here, operands
//! that a compiler needs as constants become constants: shapes and other integers, and those that
//! the table of operators requires.

mod case;
mod damaged;
mod document;
mod light;
mod old;
mod quantized;
mod refused;

use resnetc::import::onnx::{self, Bindings, Operator, operators};
use resnetc::{Compiler, Options};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::verify::verify;

use case::{Case, Prepared};
use resnetc_testing::close::is_close;

/// The outcome of a case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Both results are the standard's.
    Right,
    /// The importer or the compiler refuses it, with a reason.
    Refused(String),
    /// A result differs.
    Wrong(String),
}

/// Imports, interprets and compiles a case, for each of its sets of data.
fn outcome(operator: &Operator, case: &Case, base: &Case) -> Outcome {
    for set in &case.sets {
        let prepared = case::prepare(operator, case, base, set);
        match run(&prepared, case) {
            Outcome::Right => {}
            other => return other,
        }
    }
    match case.sets.is_empty() {
        // Without data it can only be refused.
        true => match onnx::parse(&case.model_bytes(), None, &Bindings::default()) {
            Ok(_) => Outcome::Wrong("there is no data to run it on".into()),
            Err(error) => Outcome::Refused(error.to_string()),
        },
        false => Outcome::Right,
    }
}

fn run(prepared: &Prepared, case: &Case) -> Outcome {
    let graph = match onnx::parse(&prepared.model, None, &Bindings::default()) {
        Ok(graph) => graph,
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    verify(&graph).unwrap_or_else(|e| panic!("{}: {e}", case.name()));
    let interpreted = match eval(&graph, &prepared.inputs) {
        Ok(values) => values,
        Err(error) => return Outcome::Wrong(format!("interpreted: {error}")),
    };
    let compiled = match compiled(graph, &prepared.inputs) {
        Ok(values) => values,
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    for (engine, got) in [("interpreted", interpreted), ("compiled", compiled)] {
        for (i, (got, want)) in got.iter().zip(&prepared.outputs).enumerate() {
            if let Some(difference) = difference(case, got, want) {
                return Outcome::Wrong(format!("{engine}, result {i}: {difference}"));
            }
        }
    }
    Outcome::Right
}

/// The outputs of a graph, compiled.
fn compiled(graph: resnetc_ir::Graph, inputs: &[Value]) -> Result<Vec<Value>, resnetc::Error> {
    let options = Options::default().threads(2);
    let shapes: Vec<Vec<usize>> =
        graph.outputs().iter().map(|o| graph.node(o.node).ty.shape.clone()).collect();
    let model = Compiler::new(options).graph(graph)?.compile()?;
    let mut context = model.context().expect("there is memory");
    for (i, input) in inputs.iter().enumerate() {
        context.input_mut(i).expect("an input").copy_from_slice(&input.to_f32());
    }
    model.run(&mut context).expect("it runs");
    let output = |(i, shape): (usize, Vec<usize>)| {
        Value::from_f32(shape, context.output::<f32>(i).expect("an output"))
    };
    Ok(shapes.into_iter().enumerate().map(output).collect())
}

/// Where a result is not the standard's, compared like the standard's runner does, which treats NaN
/// as equal to NaN.
fn difference(case: &Case, got: &Value, want: &Value) -> Option<String> {
    if got.shape != want.shape {
        return Some(format!("the shape is {:?}, not {:?}", got.shape, want.shape));
    }
    let steps = if refused::ONE_STEP.contains(&case.name()) { 1.0 } else { 0.0 };
    let (rtol, atol) = (f64::from(case.rtol()), f64::from(case.atol()).max(steps));
    let close = |g: f64, w: f64| is_close(g, w, atol + rtol * w.abs());
    let wrong = (0..got.data.len()).find(|&i| !close(got.data[i], want.data[i]))?;
    Some(format!("element {wrong} is {}, not {}", got.data[wrong], want.data[wrong]))
}

/// Every case with its outcome.
fn all() -> &'static [(String, &'static str, Outcome)] {
    static ALL: std::sync::OnceLock<Vec<(String, &'static str, Outcome)>> =
        std::sync::OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = Vec::new();
        for operator in operators().iter().filter(|o| o.domain.is_empty()) {
            let cases = case::read(operator.name);
            for case in &cases {
                let base = case::base(&cases, case);
                let outcome = outcome(operator, case, base);
                all.push((case.name().to_owned(), operator.name, outcome));
            }
        }
        all
    })
}

#[test]
fn every_case_is_right_or_in_the_table() {
    let mut wrong = Vec::new();
    for (name, _, outcome) in all() {
        match (outcome, refused::reason(name)) {
            (Outcome::Right, None) => {}
            (Outcome::Refused(error), Some(refusal)) if error.contains(refusal.error) => {}
            (Outcome::Wrong(_), None) if refused::is_otherwise(name) => {}
            (outcome, refusal) => wrong.push(format!("{name}: {outcome:?}, expected {refusal:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_refusal_is_needed() {
    for refusal in refused::REFUSED {
        for name in refusal.cases {
            assert!(all().iter().any(|(n, _, _)| n == name), "there is no case {name}");
        }
    }
}

#[test]
fn the_cases_are_those_of_the_standard() {
    // A file that is missing or cut short would pass every other test.
    assert!(all().len() > 600, "{} cases", all().len());
    let without = |o: &&Operator| o.domain.is_empty() && case::read(o.name).is_empty();
    let none: Vec<&str> = operators().iter().filter(without).map(|o| o.name).collect();
    assert_eq!(none, refused::UNTESTED, "operators without a case");
}
