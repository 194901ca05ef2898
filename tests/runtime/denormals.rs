//! Denormal numbers count as zero during a run, or as what they are, on every thread, and the
//! caller's mode is restored afterwards.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::hint::black_box;
use std::time::Duration;

use resnetc::ir::op::{Binary, Conv, Window};
use resnetc::ir::{Graph, Op, Tensor};
use resnetc::isa::ISAS;
use resnetc::runtime::fpenv::{Denormals, RunMode};
use resnetc::{Compiler, Context, Isa, IsaChoice, Model, Numerics, Options};

use resnetc_testing::host::runs;

/// Its square is denormal, and so is the sum of some squares.
const TINY: f32 = 1e-20;
const DENORMAL: f32 = f32::from_bits(1 << 20);
const CHANNELS: usize = 32;
const EXTENT: usize = 32;

/// Squares, products that are summed, and a denormal number times a number that would make it
/// normal.
fn network() -> Graph {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, CHANNELS, EXTENT, EXTENT]);
    let tiny = graph.input("denormal", [1, CHANNELS, EXTENT, EXTENT]);
    let square = graph.add("square", Op::Binary(Binary::Mul), &[x, x]).expect("shapes fit");
    let weights = Tensor::new([CHANNELS, CHANNELS, 1, 1], vec![TINY; CHANNELS * CHANNELS]);
    let weights = graph.constant("weights", weights.expect("as many as the shape has"));
    let conv = Op::Conv(Conv::new(Window::square(1, 1, 0), 1));
    let sum = graph.add("sum", conv, &[x, weights]).expect("shapes fit");
    let large = graph.constant("large", Tensor::scalar(1e30));
    let grown = graph.add("grown", Op::Binary(Binary::Mul), &[tiny, large]).expect("shapes fit");
    graph.output("square", square);
    graph.output("sum", sum);
    graph.output("grown", grown);
    graph
}

fn compile(isa: IsaChoice, threads: usize, numerics: Numerics) -> (Model, Context) {
    let options = Options::default().isa(isa).threads(threads).numerics(numerics);
    let model =
        Compiler::new(options).graph(network()).and_then(|n| n.compile()).expect("it compiles");
    let mut context = model.context().expect("memory");
    context.input_mut::<f32>(0).expect("there are two").fill(TINY);
    context.input_mut::<f32>(1).expect("there are two").fill(DENORMAL);
    (model, context)
}

/// Whether the calling thread computes with denormal numbers.
fn denormals_live() -> bool {
    black_box(f32::from_bits(1 << 20)) * black_box(0.5) != 0.0
}

/// A way to run a model.
type Run = fn(&Model, &mut Context);

const WAYS: [Run; 3] = [
    |model, context| model.run(context).expect("its own context"),
    |model, context| {
        let mut times = vec![Duration::ZERO; model.steps().len()];
        model.run_timed(context, &mut times).expect("its own context");
    },
    |model, context| drop(model.run_traced(context).expect("its own context")),
];

/// What the outputs are, of which all elements are equal.
fn expected(denormals: Denormals) -> [f32; 3] {
    let square = black_box(TINY) * black_box(TINY);
    match denormals {
        Denormals::Zero => [0.0; 3],
        Denormals::Kept => {
            let sum = (0..CHANNELS).fold(0.0f32, |sum, _| TINY.mul_add(TINY, sum));
            [square, sum, black_box(DENORMAL) * 1e30]
        }
    }
}

fn check(model: &Model, context: &mut Context, run: Run, denormals: Denormals) {
    let expected = expected(denormals);
    context.poison();
    run(model, context);
    for (output, expected) in expected.into_iter().enumerate() {
        let name = &model.outputs()[output].name;
        let values = context.output::<f32>(output).expect("counted");
        // Without fused multiply-adds, each square is rounded.
        let slack = f32::MIN_POSITIVE * f32::EPSILON * CHANNELS as f32;
        let slack = if model.report().isa == Isa::Baseline { slack } else { 0.0 };
        let wrong = values.iter().filter(|&&x| (x - expected).abs() > slack).count();
        let (isa, threads) = (model.report().isa, model.threads());
        assert_eq!(wrong, 0, "{name} on {isa}, {threads} threads: {:e}", values[0]);
    }
}

#[test]
fn denormal_numbers_are_what_the_numerics_ask_in_a_run_and_alive_behind_it() {
    assert!(black_box(TINY) * black_box(TINY) != 0.0 && denormals_live());
    for isa in ISAS {
        if !runs(isa) {
            continue;
        }
        for threads in 1..=3 {
            let all = [(Numerics::Fast, Denormals::Zero), (Numerics::Exact, Denormals::Kept)];
            for (numerics, denormals) in all {
                let (model, mut context) = compile(IsaChoice::Exactly(isa), threads, numerics);
                for run in WAYS {
                    // Enough runs that every thread gets its share.
                    for _ in 0..10 {
                        check(&model, &mut context, run, denormals);
                        assert!(denormals_live(), "{isa}, {threads} threads");
                    }
                }
            }
        }
    }
}

#[test]
fn a_caller_that_flushes_does_so_afterwards() {
    let (model, mut context) = compile(IsaChoice::Auto, 2, Numerics::Fast);
    let guard = RunMode::new(Denormals::Zero);
    for run in WAYS {
        check(&model, &mut context, run, Denormals::Zero);
        assert!(!denormals_live());
    }
    drop(guard);
    assert!(denormals_live());
}

/// Any thread of the caller may run the model.
#[test]
fn every_calling_thread_has_its_own_mode_back() {
    let (model, _) = compile(IsaChoice::Auto, 2, Numerics::Fast);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut context = model.context().expect("memory");
                context.input_mut::<f32>(0).expect("there are two").fill(TINY);
                context.input_mut::<f32>(1).expect("there are two").fill(DENORMAL);
                for _ in 0..20 {
                    check(&model, &mut context, WAYS[0], Denormals::Zero);
                    assert!(denormals_live());
                }
            });
        }
    });
}
