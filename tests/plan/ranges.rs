//! Convolutions on tiles that keep the range of their results for later ones: through several of
//! them, a value that is far larger than all others, or NaN, reaches only outputs that see it.

use resnetc::PassSelection;
use resnetc::codegen::region::{Extent, Item, Word};
use resnetc::codegen::vir::Target;
use resnetc::compile;
use resnetc::host::cpu::Vendor;
use resnetc::ir::eval::{Value, eval};
use resnetc::ir::op::{Binary, Conv, Op, Unary, Window};
use resnetc::ir::{Graph, NodeId, Tensor};
use resnetc::kernels::Algorithm;
use resnetc::kernels::sink::Machine;
use resnetc::{Compiler, Options, Reuse};

use super::planned::Planned;

/// Values between -1 and 1.
fn reals(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i + seed) * 7919 % 1009) as f32 / 504.5 - 1.0).collect()
}

fn conv(graph: &mut Graph, name: &str, window: Window, operand: NodeId) -> NodeId {
    let [k, c] = [32, graph.node(operand).ty.shape[1]];
    let shape = [k, c, window.kernel[0], window.kernel[1]];
    let len: usize = shape.iter().product();
    let scale = 2.0 / (len as f32 / k as f32).sqrt();
    let weights = reals(len, name.len()).iter().map(|w| w * scale).collect();
    let w = graph.constant(format!("{name}.w"), Tensor::new(shape, weights).expect("its size"));
    graph.add(name, Op::Conv(Conv::new(window, 1)), &[operand, w]).expect("it fits")
}

/// A stem and a block with a shortcut, on images so large that not every output sees a corner.
fn network() -> Graph {
    let mut graph = Graph::new();
    let g = &mut graph;
    let x = g.input("x", [2, 3, 40, 36]);
    let relu =
        |g: &mut Graph, name: &str, y| g.add(name, Op::Unary(Unary::Relu), &[y]).expect("it fits");
    let y = conv(g, "stem", Window::square(3, 2, 1), x);
    let stem = relu(g, "stem.relu", y);
    let y = conv(g, "one", Window::square(3, 1, 1), stem);
    let y = relu(g, "one.relu", y);
    let y = conv(g, "second", Window::square(1, 1, 0), y);
    let y = g.add("sum", Op::Binary(Binary::Add), &[y, stem]).expect("it fits");
    let y = relu(g, "sum.relu", y);
    let y = conv(g, "last", Window::square(3, 2, 1), y);
    g.output("y", y);
    graph
}

fn planned(graph: Graph) -> Planned {
    let tiles = |candidates: &[Algorithm]| {
        let tiles = candidates.iter().find(|a| a.name() == "fixed_point");
        tiles.copied().unwrap_or(Algorithm::DIRECT)
    };
    Planned::new(graph, Target::AMX, PassSelection::All, tiles)
}

/// The maximum error of an f32 network of this depth, relative to the largest output.
const TOLERANCE: f64 = 1e-4;

#[test]
fn what_is_far_from_others_reaches_what_sees_it() {
    let planned = planned(network());
    assert!(planned.plan.steps.iter().filter(|step| !step.published.is_empty()).count() >= 3);
    let clean = reals(2 * 3 * 40 * 36, 0);
    let exact = |data: &[f32]| {
        let input = Value::from_f32([2, 3, 40, 36], data);
        eval(&network(), &[input]).expect("valid")[0].data.clone()
    };
    let undisturbed = exact(&clean);
    let greatest = undisturbed.iter().fold(0.0f64, |g, y| g.max(y.abs()));
    for plant in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e20, -9999.0, f32::MAX / 1e6] {
        let mut data = clean.clone();
        data[36 + 2] = plant;
        let expected = exact(&data);
        let input = Value::from_f32([2, 3, 40, 36], &data);
        let got = planned.run(&planned.plan, &[input]).expect("it runs");
        let mut apart = 0;
        for (i, (got, &e)) in got.iter().zip(&expected).enumerate() {
            let got = f64::from(f32::from_bits(*got));
            if e == undisturbed[i] {
                apart += 1;
                let distance = (got - e).abs();
                assert!(distance <= TOLERANCE * greatest, "{plant}: {i} is {got}, not {e}");
            } else if !e.is_finite() {
                assert!(got == e || got.is_nan() && e.is_nan(), "{plant}: {i} is {got}, not {e}");
            }
        }
        assert!(apart > expected.len() / 2 + 100, "{plant}: {apart} outputs do not see it");
    }
}

/// Half cycles of a product of tiles, as in the cost model; other instructions take one.
const DOT: f64 = 38.0;

/// Reports how many times each kernel is called, for values of similar size.
fn count(items: &[Item], turns: f64, add: &mut dyn FnMut(usize, f64)) {
    for item in items {
        match item {
            Item::Call(call) => {
                let extents = call.loops.iter().map(|extent| match *extent {
                    Extent::Fixed(n) | Extent::Rest { per: n, .. } => f64::from(n),
                });
                add(call.kernel, turns * extents.product::<f64>());
            }
            Item::Repeat { count: n, items } => count(items, turns * f64::from(*n), add),
            Item::When { is: Word::Zero, items, .. } => count(items, turns, add),
            Item::When { is: Word::NotZero, .. } => {}
        }
    }
}

/// Checking whether values are of similar size takes less than a hundredth of a network.
#[test]
fn looking_at_values_takes_next_to_nothing() {
    let options = Options::default();
    let network = Compiler::new(options.clone()).load("resnet18").expect("built in");
    let mut graph = network.graph().clone();
    let machine = Machine::new(Target::AMX, 2, 2 << 20, Vendor::Other);
    compile::schedule(&mut graph, &options).expect("passes");
    let choices = compile::choose(&graph, &options, &machine);
    let plan = compile::plan(&graph, &choices, Reuse::InPlace);
    let lowered = compile::lower(&graph, &plan, &choices, machine).expect("it is lowered");
    let (mut looking, mut all) = (0.0, 0.0);
    for piece in lowered.regions.iter().flat_map(|region| &region.pieces) {
        count(&piece.items, piece.chunk_count() as f64, &mut |kernel, turns| {
            let program = &lowered.kernels[kernel];
            let (work, name) = (program.work(), &program.name);
            let others = (work.instructions - work.tile_dots) as f64;
            let cost = turns * (others + DOT * work.tile_dots as f64);
            all += cost;
            let looks = ["suspects", "check", "magnitudes"];
            if looks.iter().any(|step| name.starts_with(&format!("fixed point {step} "))) {
                looking += cost;
            }
        });
    }
    let share = looking / all;
    assert!((0.001..0.01).contains(&share), "{share}");
}
