//! Plans of random graphs with a random change: refused, or still correct.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use resnetc::PassSelection;
use resnetc::codegen::vir::Target;
use resnetc::ir::eval::Value;
use resnetc::ir::{Layout, NodeId};
use resnetc::kernels::Algorithm;
use resnetc::kernels::sink::ALIGN;
use resnetc::plan::Plan;
use resnetc::plan::verify::verify;

use super::broken::{fixed, network};
use super::planned::Planned;
use resnetc_testing::cases::cases;
use resnetc_testing::random_graph::random_graph;

/// The change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// A buffer with everything in it is moved: onto another one, beside one, after all.
    Move,
    /// One value is moved.
    MoveValue,
    /// A step runs in place of one of its operands.
    InPlace,
    /// A step no longer runs in place.
    NotInPlace,
    /// A step is a view of its first operand.
    View,
    /// A view is computed.
    NotView,
    /// A border is filled that was not, or vice versa.
    Fill,
    /// A border is narrower or wider.
    Border,
    /// Two steps have changed places.
    Order,
    /// A step is left out.
    LeaveOut,
    /// A step runs again at the end.
    Again,
    /// A value is in the other layout.
    Layout,
    /// The arena is smaller.
    Peak,
    /// A step loses its scratch memory, or keeps no range.
    NoRoom,
}

const CHANGES: [Change; 14] = [
    Change::Move,
    Change::MoveValue,
    Change::InPlace,
    Change::NotInPlace,
    Change::View,
    Change::NotView,
    Change::Fill,
    Change::Border,
    Change::Order,
    Change::LeaveOut,
    Change::Again,
    Change::Layout,
    Change::Peak,
    Change::NoRoom,
];

/// Random numbers for the target of a change.
struct Dice<'a>(&'a [u32]);

impl Dice<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first as usize % sides.max(1)
    }
}

impl Change {
    fn apply(self, planned: &Planned, plan: &mut Plan, dice: &mut Dice<'_>) {
        let at = dice.roll(plan.steps.len());
        let node = plan.steps[at].node;
        let operands: Vec<_> = planned.graph.operands(node);
        let operands: Vec<_> =
            operands.into_iter().filter(|o| plan.places.contains_key(o)).collect();
        match self {
            Change::Move => {
                let moved = dice.roll(plan.buffers.len());
                let to = somewhere(plan, dice);
                planned.move_buffer(plan, moved, to);
            }
            Change::MoveValue => {
                let to = somewhere(plan, dice);
                plan.places.get_mut(&node).expect("a place").offset = to as i64;
            }
            Change::InPlace => {
                let Some(&operand) = operands.get(dice.roll(operands.len())) else { return };
                plan.steps[at].in_place = Some(operand);
                let from = plan.places[&operand].clone();
                let place = plan.places.get_mut(&node).expect("a place");
                match dice.roll(3) {
                    0 => place.offset = from.offset,
                    1 => *place = from,
                    _ => {}
                }
            }
            Change::NotInPlace => plan.steps[at].in_place = None,
            Change::View => {
                plan.steps[at].is_view = true;
                let Some(first) = operands.first() else { return };
                let (offset, halo) = (plan.places[first].offset, plan.places[first].geometry.halo);
                let place = plan.places.get_mut(&node).expect("a place");
                (place.offset, place.geometry.halo) = (offset, halo);
            }
            Change::NotView => plan.steps[at].is_view = false,
            Change::Fill => plan.steps[at].fill_halo ^= true,
            Change::Border => {
                let (side, wider, elsewhere) = (dice.roll(4), dice.roll(2), dice.roll(2));
                let place = plan.places.get_mut(&node).expect("a place");
                let halo = &mut place.geometry.halo;
                let sides = [&mut halo.top, &mut halo.left, &mut halo.bottom, &mut halo.right];
                let side = sides.into_iter().nth(side);
                side.into_iter().for_each(|n| *n = (*n + 2 * wider).saturating_sub(1));
                if elsewhere == 1 {
                    place.offset = plan.peak as i64;
                    plan.peak += place.geometry.bytes().next_multiple_of(ALIGN);
                    plan.steps[at].fill_halo = true;
                }
            }
            Change::Order => {
                let near = (at + 1) % plan.steps.len();
                let other = [near, dice.roll(plan.steps.len())][dice.roll(2)];
                plan.steps.swap(at, other);
            }
            Change::LeaveOut => {
                plan.steps.remove(at);
            }
            Change::Again => plan.steps.push(plan.steps[at].clone()),
            Change::Layout => {
                let ty = &mut plan.places.get_mut(&node).expect("a place").geometry.ty;
                ty.layout = match ty.layout {
                    Layout::Planar => Layout::Blocked,
                    Layout::Blocked => Layout::Planar,
                };
            }
            Change::Peak => plan.peak = plan.peak.saturating_sub(ALIGN * (1 + dice.roll(4))),
            Change::NoRoom => match dice.roll(2) {
                0 => plan.steps[at].scratch = None,
                _ => plan.steps[at].published.clear(),
            },
        }
    }
}

/// A place in the arena: where a buffer begins, about a cache line beside that, or the end.
fn somewhere(plan: &Plan, dice: &mut Dice<'_>) -> usize {
    let other = plan.buffers.get(dice.roll(plan.buffers.len() + 1)).map_or(plan.peak, |b| b.offset);
    let lines = [0, 0, 1, 3][dice.roll(4)];
    other + lines * ALIGN
}

/// Every accepted plan runs twice. Every kind of change must have been refused at least once, and
/// accepted where it often leaves a plan correct.
#[test]
fn a_changed_plan_is_refused_or_right() {
    let mut runner = TestRunner::new(Config {
        cases: cases(60),
        failure_persistence: None,
        ..Config::default()
    });
    let targets = prop::sample::select(vec![Target::V128, Target::AVX512, Target::AMX]);
    let passes = prop_oneof![Just(PassSelection::All), Just(PassSelection::None)];
    let dice = prop::collection::vec(prop::collection::vec(any::<u32>(), 8), 2 * CHANGES.len());
    let random = random_graph(2..9).prop_map(|random| (random.graph.clone(), random.inputs()));
    let network = Just(network()).prop_map(|graph| {
        let value = |&input: &NodeId| {
            let shape = &graph.node(input).ty.shape;
            let data: Vec<f32> =
                (0..shape.iter().product()).map(|i: usize| (i % 11) as f32 - 5.0).collect();
            Value::from_f32(shape.clone(), &data)
        };
        let inputs = graph.inputs().iter().map(value).collect();
        (graph, inputs)
    });
    let cases = prop_oneof![
        8 => (random, targets, any::<bool>()),
        1 => (network, Just(Target::AMX), Just(false)),
    ];
    let seen: Cell<BTreeMap<Change, [u32; 2]>> = Cell::default();
    let result =
        runner.run(&(cases, passes, dice), |(((graph, inputs), target, any), passes, dice)| {
            let mut choice = Dice(&dice[0]);
            let mut pick = |able: &[Algorithm]| match any {
                true => able[choice.roll(able.len())],
                false => fixed(able),
            };
            let planned = Planned::new(graph, target, passes, &mut pick);
            verify(&planned.graph, &planned.plan).expect("the original plan is right");
            if planned.plan.steps.is_empty() {
                return Ok(());
            }
            let expected = planned.run(&planned.plan, &inputs).expect("it runs");
            for (i, dice) in dice.iter().enumerate() {
                let (change, mut plan) = (CHANGES[i % CHANGES.len()], planned.plan.clone());
                change.apply(&planned, &mut plan, &mut Dice(dice));
                if plan == planned.plan {
                    continue;
                }
                let verdict = verify(&planned.graph, &plan);
                let mut counts = seen.take();
                counts.entry(change).or_default()[usize::from(verdict.is_ok())] += 1;
                seen.set(counts);
                if verdict.is_err() {
                    continue;
                }
                match planned.run(&plan, &inputs) {
                    Ok(got) => prop_assert!(
                        got == expected,
                        "{:?}: wrong, and accepted\n{:?}",
                        change,
                        plan
                    ),
                    // Only the kernels know which steps need scratch memory.
                    Err(e) => prop_assert!(
                        change == Change::NoRoom && e.contains("scratch"),
                        "{:?}: {}",
                        change,
                        e
                    ),
                }
            }
            Ok(())
        });
    if let Err(e) = result {
        panic!("{e}");
    }
    let seen = seen.take();
    for change in CHANGES {
        let [refused, accepted] = seen.get(&change).copied().unwrap_or_default();
        let harmless = [Change::NoRoom];
        let often_right = [Change::Move, Change::MoveValue, Change::Fill, Change::Again];
        assert!(
            refused > 0 || harmless.contains(&change),
            "{change:?} was never refused: {seen:?}"
        );
        assert!(
            accepted > 0 || !often_right.contains(&change),
            "{change:?} was never accepted: {seen:?}"
        );
    }
}
