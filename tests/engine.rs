//! What runs a network: machine code, or the interpreter on request or where the system allows no
//! executable memory. That setting is permanent for a process, so this program starts itself under
//! it; it has no test harness.

use std::path::PathBuf;
use std::process::Command;

use resnetc::compile::Interpreted;
use resnetc::import::safetensors;
use resnetc::runtime::trace::RunTrace;
use resnetc::{Compiler, Context, Engine, Model, Network, Numerics, Options, RunError};

const FIXTURE: &str = "tests/fixtures/resnet_basic_b";

/// As many as its input has.
const PICTURES: usize = 2;

/// The largest difference between f32 code and an interpreter in f64, relative to the largest
/// output: far below the error of a wrong layer, and far above rounding.
const TOLERANCE: f32 = 1e-4;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("denied") {
        return denied::library();
    }
    an_interpreted_model_is_a_model();
    an_interpreter_is_asked_for_alone();
    machine_code_is_what_runs_where_it_may();
    denied::all();
    println!("engines: ok");
}

fn fixture(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FIXTURE).join(file)
}

fn network(engine: Engine) -> Network {
    with(Options::default().engine(engine))
}

fn with(options: Options) -> Network {
    Compiler::new(options.batch(PICTURES)).load(fixture("model.onnx")).expect("fixture")
}

fn model(engine: Engine) -> Model {
    network(engine).compile().expect("it compiles")
}

/// A context with the fixture's input.
fn context(model: &Model) -> Context {
    let input = safetensors::load_tensor(&fixture("io.safetensors"), Some("input"));
    let mut context = model.context().expect("memory");
    context.input_mut(0).expect("one").copy_from_slice(input.expect("fixture").data());
    context
}

/// Checks that the outputs are those that the network's framework computed.
fn is_right(context: &Context) -> bool {
    let wanted = safetensors::load_tensor(&fixture("io.safetensors"), Some("output"));
    let (wanted, found) = (wanted.expect("fixture"), context.output::<f32>(0).expect("one"));
    let greatest = wanted.data().iter().fold(0f32, |greatest, x| greatest.max(x.abs()));
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= TOLERANCE * greatest;
    wanted.elements() == found.len() && found.iter().zip(wanted.data()).all(close)
}

fn an_interpreted_model_is_a_model() {
    let (model, compiled) = (model(Engine::Interpreted), model(Engine::Compiled));
    assert_eq!(model.report().interpreted, Some(Interpreted::AskedFor));
    assert!(model.steps().is_empty() && model.threads() == 1);
    for (ports, others) in
        [(model.inputs(), compiled.inputs()), (model.outputs(), compiled.outputs())]
    {
        assert_eq!(ports.len(), others.len());
        for (port, other) in ports.iter().zip(others) {
            assert_eq!((&port.name, &port.shape), (&other.name, &other.shape));
            assert_eq!(port.dtype, other.dtype);
        }
    }
    let mut own = context(&model);
    let ways: [&dyn Fn(&mut Context); 3] = [
        &|context| model.run(context).expect("its own context"),
        &|context| model.run_timed(context, &mut []).expect("its own context"),
        &|context| assert_eq!(model.run_traced(context), Ok(RunTrace::default())),
    ];
    for run in ways {
        own.poison();
        assert!(!is_right(&own));
        run(&mut own);
        assert!(is_right(&own));
    }
    let times = &mut [Default::default()];
    let wrong = model.run_timed(&mut own, times);
    assert_eq!(wrong, Err(RunError::Times { given: 1, steps: 0 }));
    assert_eq!(model.run(&mut context(&compiled)), Err(RunError::ForeignContext));
    assert_eq!(compiled.run(&mut own), Err(RunError::ForeignContext));
    assert!(own.input_mut::<f32>(1).is_err() && own.output::<f32>(1).is_err());
    // A context outlives its model, and models are shared.
    let clone = model.clone();
    drop(model);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut own = context(&clone);
                clone.run(&mut own).expect("its own context");
                assert!(is_right(&own));
            });
        }
    });
    assert!(is_right(&own));
}

/// Options that have no effect on the interpreter are refused.
fn an_interpreter_is_asked_for_alone() {
    let options =
        Options::default().engine(Engine::Interpreted).threads(2).numerics(Numerics::Exact);
    let error = Compiler::new(options).load(fixture("model.onnx")).expect_err("of no use");
    let error = error.to_string();
    for option in ["Options::threads", "Options::numerics"] {
        assert!(error.contains(option), "{error}");
    }
}

fn machine_code_is_what_runs_where_it_may() {
    for engine in [Engine::default(), Engine::Auto] {
        let model = model(engine);
        assert!(model.report().interpreted.is_none() && !model.steps().is_empty());
        let mut own = context(&model);
        model.run(&mut own).expect("its own context");
        assert!(is_right(&own));
    }
}

mod denied {
    use super::*;
    use resnetc::Error;
    use resnetc::host::executable::{self, Setting};

    pub(super) fn all() {
        let this = std::env::current_exe().expect("this program");
        if let Some(output) = resnetc_testing::denied::output(Command::new(this).arg("denied")) {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
        }
    }

    /// Under the setting.
    pub(super) fn library() {
        let refusal = executable::probe().expect_err("it is set");
        assert_eq!(refusal.setting, Some(Setting::DenyWriteExecute));
        match network(Engine::Compiled).compile() {
            Err(Error::NoCode(found)) => assert_eq!(found, refusal),
            other => panic!("{other:?}"),
        }
        for numerics in [Numerics::Exact, Numerics::Portable] {
            match with(Options::default().engine(Engine::Auto).numerics(numerics)).compile() {
                Err(Error::NoCode(found)) => assert_eq!(found, refusal, "bits are promised"),
                other => panic!("{other:?}"),
            }
        }
        let model = model(Engine::Auto);
        assert_eq!(model.report().interpreted, Some(Interpreted::NoCode(refusal)));
        let mut own = context(&model);
        model.run(&mut own).expect("its own context");
        assert!(is_right(&own));
        an_interpreted_model_is_none_the_less();
    }

    fn an_interpreted_model_is_none_the_less() {
        let model = model(Engine::Interpreted);
        assert_eq!(model.report().interpreted, Some(Interpreted::AskedFor));
        let mut own = context(&model);
        model.run(&mut own).expect("its own context");
        assert!(is_right(&own));
    }
}
