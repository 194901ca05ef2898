//! Whole networks: compiled ones compared with the interpreter, their memory, and how they are
//! shared. Those in `tests/fixtures` are compared with their frameworks' numbers in
//! `tests/fixtures/main.rs`.

use std::path::PathBuf;

use proptest::prelude::*;
use resnetc::Isa;
use resnetc::codegen::vir::Target;
use resnetc::compile::Stages;
use resnetc::host::cpu::Vendor;
use resnetc::import::safetensors;
use resnetc::ir::eval::eval;
use resnetc::ir::{Graph, NodeId, Op};
use resnetc::kernels::sink::Machine;
use resnetc::plan::Plan;
use resnetc::{Compiler, Model, Numerics, Options, PassSelection, Reuse};
use resnetc_testing::close::is_close;
use resnetc_testing::running::{TOLERANCE, error, isas, noise, options, run};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn specs_with_weight_files_match_pytorch() {
    for name in ["resnet_basic_b", "resnet_bottleneck_v15", "cifar20_a"] {
        let io = safetensors::load(&fixture(name).join("io.safetensors")).expect("fixture");
        let (input, output) = (&io["input"], &io["output"]);
        for isa in isas() {
            let weights = Some(fixture(name).join("weights.safetensors"));
            let options = options(isa, 2, input.shape()[0]).weights(weights);
            let network = Compiler::new(options).load(fixture(name).join("spec.toml")).expect(name);
            let got = run(&network.compile().expect(name), input.data());
            let error = error(&got, output.data().iter().map(|&x| f64::from(x)));
            assert!(error <= TOLERANCE, "{name} on {isa}: {error:e}");
        }
    }
}

/// Shortcut A is read in place from its source, however its channels align with blocks and vectors:
/// 8 of 32 and 16 of 64 channels precede them, and half as many in the narrower network. Only zeros
/// are left out, so results are the same bits as with a value that holds them, on any number of
/// threads; close to them if tiles are used, which need a whole shortcut.
#[test]
fn shortcuts_without_parameters_take_no_step() {
    let networks = [PathBuf::from("cifar_resnet20"), fixture("cifar20_a/model.onnx")];
    let copied = PassSelection::without(["fuse_strided_shortcut"]);
    for (network, isa) in networks.iter().flat_map(|n| isas().into_iter().map(move |isa| (n, isa)))
    {
        let compile = |passes: &PassSelection, threads, numerics| {
            let passes = PassSelection::clone(passes);
            let options = options(isa, threads, 2).passes(passes).numerics(numerics);
            let network = Compiler::new(options).load(network).expect("it loads");
            network.compile().expect("it compiles")
        };
        let moves = |model: &Model| {
            let plan = model.plan();
            plan.values.iter().filter(|value| ["slice", "pad"].contains(&value.op)).count()
        };
        let input: Vec<f32> = (0..2 * 3 * 32 * 32).map(|i| (i % 29) as f32 / 29.0 - 0.5).collect();
        for numerics in [Numerics::Exact, Numerics::Fast] {
            let plain = compile(&copied, 1, numerics);
            assert_eq!(moves(&plain), 4, "two shortcuts, a slice and a pad each");
            let expected = run(&plain, &input);
            for threads in [1, 2, 3] {
                let fused = compile(&PassSelection::All, threads, numerics);
                assert_eq!(moves(&fused), 0);
                let got = run(&fused, &input);
                let error = error(&got, expected.iter().map(|&x| f64::from(x)));
                let bound = match (isa, numerics) {
                    (Isa::Amx, Numerics::Fast) => TOLERANCE,
                    _ => 0.0,
                };
                assert!(error <= bound, "{isa}, {threads} threads: {error:e}");
            }
        }
    }
}

#[test]
fn the_bundled_network_matches_pytorch() {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cli/models");
    let io =
        safetensors::load(&models.join("resnet20-fashion-mnist_io.safetensors")).expect("bundled");
    let (input, output) = (&io["input"], &io["output"]);
    for isa in isas() {
        let compiler = Compiler::new(options(isa, 2, input.shape()[0]));
        let network = compiler.load(models.join("resnet20-fashion-mnist.onnx")).expect("bundled");
        let got = run(&network.compile().expect("bundled"), input.data());
        let error = error(&got, output.data().iter().map(|&x| f64::from(x)));
        assert!(error <= TOLERANCE, "{isa}: {error:e}");
    }
}

/// Networks with weights of 16 bits are within 1e-4 of what their framework computes with all bits,
/// and within the tolerance of `check`.
#[test]
fn weights_of_16_bits_keep_the_results() {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cli/models");
    let bundled = (
        models.join("resnet20-fashion-mnist.onnx"),
        models.join("resnet20-fashion-mnist_io.safetensors"),
    );
    let others = ["resnet_basic_b", "resnet_bottleneck_v15", "cifar20_a", "resnext", "plain20"]
        .map(|name| (fixture(name).join("model.onnx"), fixture(name).join("io.safetensors")));
    for (model, io) in [bundled].into_iter().chain(others) {
        let io = safetensors::load(&io).expect("its values");
        let (input, output) = (&io["input"], &io["output"]);
        for isa in isas() {
            for threads in [1, 2] {
                let options = options(isa, threads, input.shape()[0]).numerics(Numerics::Half);
                let network = Compiler::new(options).load(&model).expect("it loads");
                let got = run(&network.compile().expect("it compiles"), input.data());
                let error = error(&got, output.data().iter().map(|&x| f64::from(x)));
                let name = model.display();
                assert!(error <= 1e-4, "{name} on {isa}: {error:e}");
                assert!(error > 1e-6, "{name} on {isa} has all bits: {error:e}");
            }
        }
    }
}

/// They take about half of the memory of those of 32 bits, on every instruction set without tiles;
/// with tiles, two thirds of that of three digits.
#[test]
fn weights_of_16_bits_take_half_of_the_memory() {
    for name in ["resnet18", "resnet50"] {
        let network = Compiler::new(Options::default()).load(name).expect("built in");
        for isa in isas() {
            let bytes = |numerics| {
                let options = options(isa, 2, 1).numerics(numerics);
                let stages = Stages::of(network.graph().clone(), &options).expect("it is planned");
                stages.lower().expect("it is lowered").weight_bytes as f64
            };
            let share = bytes(Numerics::Half) / bytes(Numerics::Exact);
            let (least, most) = if isa == Isa::Amx { (0.45, 0.7) } else { (0.45, 0.75) };
            assert!((least..most).contains(&share), "{name} on {isa}: {share}");
        }
    }
}

#[test]
fn built_in_networks_plan_close_to_the_lower_bound() {
    for name in ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"] {
        let options = Options::default().threads(1);
        let network = Compiler::new(options.clone()).load(name).expect("built in");
        let stages = Stages::of(network.graph().clone(), &options).expect("it is planned");
        let plan = &stages.plan;
        resnetc::plan::verify::verify(&stages.graph, plan).expect("the plan keeps what is read");
        assert!(
            plan.peak * 4 <= plan.lower_bound * 5,
            "{name}: {} of {}",
            plan.peak,
            plan.lower_bound
        );
    }
}

/// The published ranges of steps' results have their own places until the last reader. Planned for
/// tiles, whatever this CPU has.
#[test]
fn ranges_are_kept_for_their_readers() {
    let options = Options::default().threads(1);
    let network = Compiler::new(options.clone()).load("resnet50").expect("built in");
    let mut graph = network.graph().clone();
    resnetc::compile::schedule(&mut graph, &options).expect("passes");
    let machine = Machine::new(Target::AMX, 2, 1 << 20, Vendor::Other);
    let choices = resnetc::compile::choose(&graph, &options, &machine);
    let plan = resnetc::compile::plan(&graph, &choices, options.reuse);
    let found = |plan: &Plan| resnetc::plan::verify::verify(&graph, plan).is_err();
    assert!(!found(&plan));
    let published = plan.steps.iter().flat_map(|s| s.published.iter().map(|p| (s.node, p.1)));
    let ranges: Vec<_> = published.collect();
    assert!(ranges.len() > 40, "{} of 54 layers keep a range", ranges.len());
    for &(node, buffer) in &ranges {
        let mut broken = plan.clone();
        broken.buffers[buffer].offset = plan.places[&node].offset as usize;
        assert!(found(&broken), "the range of {node} lies on its value");
    }
}

#[test]
fn values_share_as_much_memory_as_they_may() {
    for name in ["resnet18", "resnet50"] {
        let plans = [Reuse::InPlace, Reuse::Freed, Reuse::Never].map(|reuse| {
            let options = Options::default().threads(1).reuse(reuse);
            let network = Compiler::new(options.clone()).load(name).expect("built in");
            let Stages { graph, plan, .. } =
                Stages::of(network.graph().clone(), &options).expect("it is planned");
            resnetc::plan::verify::verify(&graph, &plan).expect("the plan keeps what is read");
            plan
        });
        let in_place = plans.each_ref().map(|p| p.steps.iter().any(|s| s.in_place.is_some()));
        assert_eq!(in_place, [true, false, false]);
        let [least, freed, never] = plans.each_ref().map(|p| p.peak);
        assert!(least <= freed && freed < never, "{name}: {least} {freed} {never}");
        let all: usize = plans[2].buffers.iter().map(|b| b.bytes).sum();
        assert_eq!(never, all, "{name}: every value has its own place");
    }
}

#[test]
fn models_are_shared_between_threads() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    let compiler = Compiler::new(Options::default().threads(2));
    let model = compiler
        .load(fixture("resnext").join("model.onnx"))
        .expect("fixture")
        .compile()
        .expect("compiles");
    is_send_and_sync(&model);
    let input = noise(model.inputs()[0].shape.iter().product(), 3);
    let expected = run(&model, &input);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (model, input, expected) = (model.clone(), &input, &expected);
            scope.spawn(move || assert_eq!(run(&model, input), *expected));
        }
    });
}

#[test]
fn a_context_of_another_model_is_refused() {
    let load = || {
        let compiler = Compiler::new(Options::default().threads(1));
        compiler
            .load(fixture("plain20").join("model.onnx"))
            .expect("fixture")
            .compile()
            .expect("compiles")
    };
    let (a, b) = (load(), load());
    let mut cx = a.context().expect("memory");
    assert_eq!(b.run(&mut cx), Err(resnetc::RunError::ForeignContext));
    assert!(cx.input_mut::<f32>(1).is_err() && cx.output::<f32>(1).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn random_graphs_compile_to_what_they_mean(case in resnetc_testing::random_graph::random_graph(2..12), passes in passes(), reuse in reuse(), threads in 1usize..3) {
        let inputs = case.inputs();
        let expected = eval(&case.graph, &inputs).expect("evaluates");
        let bounds = resnetc_testing::bound::bounds(&case.graph, &inputs).expect("evaluates");
        let roundings = roundings(&case.graph);
        for isa in isas() {
            let options = options(isa, threads, 1).batch(None).passes(passes.clone()).reuse(reuse);
            let model = Compiler::new(options).graph(case.graph.clone()).expect("no option of loading").compile().expect("compiles");
            let mut cx = model.context().expect("memory");
            cx.poison();
            for (i, value) in inputs.iter().enumerate() {
                cx.input_mut(i).expect("inputs agree").copy_from_slice(&value.to_f32());
            }
            model.run(&mut cx).expect("its own context");
            for (i, (e, bound)) in expected.iter().zip(&bounds).enumerate() {
                for ((g, e), m) in cx.output::<f32>(i).expect("outputs agree").iter().zip(&e.data).zip(&bound.magnitude) {
                    let allowed = m * roundings * 2f64.powi(-24) + 1e-30;
                    prop_assert!(is_close(f64::from(*g), *e, allowed), "{isa}: {g} for {e}");
                }
            }
        }
    }
}

/// All optional passes, none, or any of them.
fn passes() -> impl Strategy<Value = PassSelection> {
    let names = resnetc::passes::optional_names();
    let some = prop::sample::subsequence(names.clone(), 1..names.len());
    prop_oneof![
        Just(PassSelection::All),
        Just(PassSelection::None),
        some.clone().prop_map(PassSelection::only),
        some.prop_map(PassSelection::without),
    ]
}

fn reuse() -> impl Strategy<Value = Reuse> {
    prop_oneof![Just(Reuse::InPlace), Just(Reuse::Freed), Just(Reuse::Never)]
}

/// The maximum number of f32 roundings on the way to an output: all that the graph does for one
/// element of each value. An exponential counts as eight; the error of its argument is in the
/// magnitude of the result.
fn roundings(graph: &Graph) -> f64 {
    let one = |id: NodeId| {
        let elements = |n: NodeId| graph.node(n).ty.elements();
        let operand = |i: usize| graph.operand(id, i).map_or(1, elements);
        match &graph.node(id).op {
            Op::Conv(_) => {
                operand(1) / graph.operand(id, 1).map_or(1, |w| graph.node(w).ty.shape[0])
            }
            Op::Gemm(_) | Op::MatMul => operand(0),
            Op::AveragePool { pool, .. } => pool.window.kernel.iter().product(),
            Op::GlobalAveragePool | Op::ReduceMean { .. } => operand(0) / elements(id),
            Op::Softmax { axis } => graph.node(id).ty.shape[*axis],
            _ => 0,
        }
    };
    graph.nodes().map(|id| one(id) as f64 + 8.0).sum()
}
