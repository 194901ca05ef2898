//! Options: each has an effect, or is refused by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use resnetc::advice::OptionName;
use resnetc::spec::Spec;
use resnetc::tune::Tuned;
use resnetc::{
    Compiler, Error, Isa, IsaChoice, Network, Numerics, Options, PassSelection, Reuse, ThreadPool,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Every option, with a value that is not its default.
fn options() -> Vec<(OptionName, Options)> {
    let all = Options::default;
    let dims = BTreeMap::from([("batch".to_owned(), 2)]);
    let shapes = BTreeMap::from([("none".to_owned(), vec![2])]);
    let weights = Some(fixture("resnet_basic_b/weights.safetensors"));
    vec![
        (OptionName::Isa, all().isa(IsaChoice::Exactly(Isa::Baseline))),
        (OptionName::Threads, all().threads(1)),
        (OptionName::Pool, all().pool(ThreadPool::new(1).expect("the caller's thread"))),
        (OptionName::Numerics, all().numerics(Numerics::Exact)),
        (OptionName::Numerics, all().numerics(Numerics::Half)),
        (OptionName::Batch, all().batch(2)),
        (OptionName::Dims, all().dims(dims)),
        (OptionName::Shapes, all().shapes(shapes)),
        (OptionName::Outputs, all().outputs(vec!["none".to_owned()])),
        (OptionName::Weights, all().weights(weights)),
        (OptionName::Seed, all().seed(1)),
        (OptionName::Passes, all().passes(PassSelection::None)),
        (OptionName::Reuse, all().reuse(Reuse::Never)),
        (OptionName::Memory, all().memory(1 << 30)),
        (
            OptionName::Share,
            all().share(
                by_file(&Compiler::default()).expect("a network").compile().expect("it compiles"),
            ),
        ),
        (OptionName::CacheDir, all().cache_dir(std::env::temp_dir())),
        (OptionName::PerfMap, all().perf_map(true)),
        (OptionName::Tuned, all().tuned(Some(Arc::new(Tuned::default())))),
    ]
}

/// A way to get a network.
type Source = fn(&Compiler) -> Result<Network, Error>;

fn by_spec(compiler: &Compiler) -> Result<Network, Error> {
    compiler.load(fixture("resnet_basic_b/spec.toml"))
}

fn by_name(compiler: &Compiler) -> Result<Network, Error> {
    compiler.spec(&Spec::builtin("cifar_resnet20").expect("built in"))
}

fn by_file(compiler: &Compiler) -> Result<Network, Error> {
    compiler.load("cli/models/resnet20-fashion-mnist.onnx")
}

fn by_bytes(compiler: &Compiler) -> Result<Network, Error> {
    let bytes = std::fs::read("cli/models/resnet20-fashion-mnist.onnx").expect("it is there");
    compiler.onnx_bytes(&bytes, None)
}

fn by_graph(compiler: &Compiler) -> Result<Network, Error> {
    let network = Compiler::default().load("cifar_resnet20").expect("built in");
    compiler.graph(network.graph().clone())
}

/// The options that an error says have no effect.
fn idle(error: &Error) -> Vec<OptionName> {
    match error {
        Error::NoEffect { options } => options.iter().map(|o| o.option).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn an_option_without_effect_is_refused_by_its_name() {
    use OptionName::{Batch, CacheDir, Dims, Seed, Shapes, Weights};
    let sources: [(&str, Source, &[OptionName]); 5] = [
        ("spec", by_spec, &[Dims]),
        ("built in", by_name, &[Dims]),
        ("file", by_file, &[Weights, Seed]),
        ("bytes", by_bytes, &[Weights, Seed]),
        ("graph", by_graph, &[Batch, Dims, Shapes, Weights, Seed, CacheDir]),
    ];
    for (name, source, ignored) in sources {
        for (option, options) in options() {
            let found = match source(&Compiler::new(options)) {
                Ok(_) => Vec::new(),
                // Unknown dimensions, inputs and outputs, and weights of another network, are other
                // kinds of errors.
                Err(error) => {
                    let says = format!("Options::{} has no effect", option.field());
                    assert_eq!(error.to_string().contains(&says), !idle(&error).is_empty());
                    idle(&error)
                }
            };
            let expected = if ignored.contains(&option) { vec![option] } else { Vec::new() };
            assert_eq!(found, expected, "{name}: {option}");
        }
    }
}

#[test]
fn all_that_has_no_effect_is_said_at_once() {
    let options = Options::default().batch(2).seed(3);
    let error = by_graph(&Compiler::new(options)).expect_err("two options for nothing");
    assert_eq!(idle(&error), [OptionName::Batch, OptionName::Seed]);
    let text = error.to_string();
    assert!(text.contains("Options::batch has no effect: "), "{text}");
    assert!(text.contains("Options::seed has no effect: "), "{text}");
    let weights = Some(fixture("resnet_basic_b/weights.safetensors"));
    let error = by_spec(&Compiler::new(Options::default().weights(weights).seed(3)))
        .expect_err("weights that are not drawn need no seed");
    assert_eq!(idle(&error), [OptionName::Seed]);
}

#[test]
fn exact_numerics_leave_nothing_to_measured_times() {
    let tuned = Some(Arc::new(Tuned::default()));
    let options = Options::default().numerics(Numerics::Exact).tuned(tuned);
    for source in [by_spec as Source, by_file, by_graph] {
        let error = source(&Compiler::new(options.clone())).expect_err("no choice");
        assert_eq!(idle(&error), [OptionName::Tuned]);
    }
    // Also if the options come later.
    let network = by_graph(&Compiler::default()).expect("a network").with_options(options);
    assert_eq!(idle(&network.compile().expect_err("no choice")), [OptionName::Tuned]);
}

#[test]
fn a_network_keeps_how_it_was_loaded_under_other_options() {
    let loaded = Options::default().batch(3).seed(7);
    let network = by_spec(&Compiler::new(loaded)).expect("a network");
    let other = Options::default().batch(9).threads(1);
    let again = network.with_options(other);
    let options = again.options();
    assert_eq!((options.batch, options.seed, options.threads), (Some(3), 7, Some(1)));
    let model = again.compile().expect("it compiles");
    assert_eq!((model.inputs()[0].shape[0], model.threads()), (3, 1));
}

/// A batch and a dimension that contradict each other about the same axis.
#[test]
fn two_options_for_one_axis_agree_or_are_refused() {
    let load = |batch, size| {
        let dims = BTreeMap::from([(symbol(), size)]);
        by_file(&Compiler::new(Options::default().batch(batch).dims(dims)))
    };
    assert!(load(None, 4).is_ok() && load(Some(4), 4).is_ok());
    let error = load(Some(2), 4).expect_err("two batches").to_string();
    assert!(error.contains('2') && error.contains('4') && error.contains(&symbol()), "{error}");
}

/// The file's name of its batch.
fn symbol() -> String {
    use resnetc::import::onnx::{Dim, describe};
    let inputs = describe("cli/models/resnet20-fashion-mnist.onnx".as_ref()).expect("readable");
    match &inputs[0].dims.as_ref().expect("a declared shape")[0] {
        Dim::Symbol(name) => name.clone(),
        Dim::Fixed(n) => panic!("the batch is fixed at {n}"),
    }
}
