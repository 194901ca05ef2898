//! Which patch is named, and whether it or the compiled code is to blame.

use resnetc::Network;
use resnetc::check::{Bisection, Cause, Check, GuiltyPatch, Outcome, Subject, random_values};
use resnetc::passes::{Need, NodeRef, PassOptions, PassSelection, run_steps};

use crate::planted::*;

fn bisect(network: &Network, subject: Subject<'_>) -> Bisection {
    let inputs = random_values(network.graph(), 1).expect("it is small");
    let check = Check::new(network, &inputs).expect("inputs").subject(subject);
    let (mut last, mut ends) = (0, Vec::new());
    let found = check.bisect(&mut |done, total| {
        assert!(last <= done && done <= total, "{last} {done} {total}");
        last = done;
        ends.push(total);
    });
    assert!(ends.windows(2).all(|w| w[0] == w[1]));
    found.expect("it can be bisected")
}

fn patch(bisection: Bisection) -> GuiltyPatch {
    match bisection.outcome {
        Outcome::Patch(patch) => *patch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn there_is_nothing_to_find_where_nothing_is_wrong() {
    let bisection = bisect(&fixture("cifar14_c"), Subject::default());
    assert!(matches!(bisection.outcome, Outcome::Agrees), "{:?}", bisection.outcome);
    assert_eq!(bisection.tried.len(), 1);
    assert_eq!(bisection.tried[0].patches, bisection.patches);
}

fn the_bad_relu_is_found<const BAD: usize>() {
    let network = fixture("resnet_basic_b");
    let steps = wrong_pipeline::<BAD>(Need::Optional);
    let bisection = bisect(&network, Subject { pipeline: &steps, ..Subject::default() });
    let tried = bisection.tried.len();
    assert!(tried <= 2 + bisection.patches.ilog2() as usize + 1, "{tried} tried");
    let patch = patch(bisection);
    let name = &relus(network.graph())[BAD];
    assert_eq!((patch.pass, &patch.label), (WRONG, &format!("limit {name}")));
    assert_eq!(patch.cause, Cause::Pass);
    assert!(patch.meaning.relative() > 1e-3 && patch.compiled.relative() > 1e-3);
    assert!(patch.compiled_without.relative() < 1e-5);
    let mut graph = network.graph().clone();
    let stop = PassOptions { stop_after: Some(patch.number), ..PassOptions::default() };
    let remarks = run_steps(&mut graph, &steps, &stop).expect("the passes run");
    assert_eq!(remarks.optional(), patch.number);
    let last = remarks.applied.iter().rfind(|a| a.need == Need::Optional).expect("a patch");
    assert_eq!((last.pass, &last.label), (patch.pass, &patch.label));
    let is = |op, nodes: &[NodeRef]| matches!(nodes, [n] if (n.op, &n.name) == (op, name));
    assert!(is("relu", &patch.before) && is("clip", &patch.after), "{patch:?}");
}

#[test]
fn the_first_patch_of_a_wrong_pass_can_be_the_wrong_one() {
    the_bad_relu_is_found::<0>();
}

#[test]
fn one_wrong_patch_among_right_ones_of_the_same_pass_is_found() {
    the_bad_relu_is_found::<3>();
}

/// The fusion that leads to the wrong kernel is named, and found correct.
#[test]
fn a_wrong_kernel_is_told_from_a_wrong_pass() {
    let network = fixture("resnet_basic_b");
    let subject = Subject { compile: &forgets_activation, ..Subject::default() };
    let patch = patch(bisect(&network, subject));
    assert_eq!((patch.pass, patch.cause), ("fuse_activation", Cause::Kernel));
    assert!(patch.compiled.relative() > 1e-3 && patch.meaning.relative() < 1e-6, "{patch:?}");
    let ops = |nodes: &[NodeRef]| nodes.iter().map(|n| n.op).collect::<Vec<_>>();
    assert_eq!((ops(&patch.before), ops(&patch.after)), (vec!["conv", "relu"], vec!["conv"]));
}

#[test]
fn what_is_wrong_without_any_optional_patch_is_said_so() {
    let network = fixture("resnet_basic_b");
    let always = |subject| match bisect(&network, subject).outcome {
        Outcome::Always { meaning, cause } => (meaning.relative(), cause),
        other => panic!("{other:?}"),
    };
    let subject = Subject { compile: &wrong_everywhere, ..Subject::default() };
    let (meaning, cause) = always(subject);
    assert!(meaning < 1e-6 && cause == Cause::Kernel, "{meaning} {cause:?}");
    let steps = wrong_pipeline::<1>(Need::Required);
    let (meaning, cause) = always(Subject { pipeline: &steps, ..Subject::default() });
    assert!(meaning > 1e-3 && cause == Cause::Pass, "{meaning} {cause:?}");
}

#[test]
fn no_optional_patches_leave_one_network_to_try() {
    let options = options().passes(PassSelection::None);
    let network = network(
        r#"%0 = input : f32[1, 2, 5, 5] "x"
           %1 = constant seed=1 : f32[3, 2, 3, 3] "weight"
           %2 = conv(%0, %1) kernel=[3, 3] "conv"
           output "y" = %2"#,
        options,
    );
    let subject = Subject { compile: &wrong_everywhere, ..Subject::default() };
    let bisection = bisect(&network, subject);
    assert_eq!((bisection.patches, bisection.tried.len()), (0, 1));
    assert!(matches!(bisection.outcome, Outcome::Always { cause: Cause::Kernel, .. }));
}
