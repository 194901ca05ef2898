//! The example in the documentation of every pass shows what the pass does.

use std::path::PathBuf;

use resnetc::passes::{self, Pass, Verify, run_pass};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::text::{parse, print};
use resnetc_ir::verify::verify;
use resnetc_ir::{Graph, NodeId};

/// If set, this test writes the passes' results into their documentation.
const BLESS: &str = "RESNETC_BLESS";

/// Every pass once.
pub(crate) fn all() -> Vec<Pass> {
    let mut all: Vec<Pass> = passes::pipeline().iter().map(|step| step.pass).collect();
    all.sort_by_key(|pass| pass.name);
    all.dedup_by_key(|pass| pass.name);
    all
}

fn source(pass: &Pass) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/passes/{}.rs", pass.name))
}

/// The byte range of the code block after `heading`, without its fences.
fn block(source: &str, heading: &str) -> std::ops::Range<usize> {
    let heading = source.find(heading).unwrap_or_else(|| panic!("no heading {heading}"));
    let fence = "//! ```text\n";
    let start = heading + source[heading..].find(fence).expect("a code block") + fence.len();
    start..start + source[start..].find("//! ```\n").expect("the end of the code block")
}

fn uncommented(block: &str) -> String {
    block.lines().map(|line| format!("{}\n", line.trim_start_matches("//! "))).collect()
}

fn commented(text: &str) -> String {
    text.lines().map(|line| format!("//! {line}\n")).collect()
}

#[test]
fn every_pass_does_what_its_documentation_shows() {
    for pass in all() {
        let path = source(&pass);
        let mut text = std::fs::read_to_string(&path).expect("the source of the pass");
        let before = uncommented(&text[block(&text, "//! Before:")]);
        let original = parse(&before).unwrap_or_else(|e| panic!("{}: {e}", pass.name));
        verify(&original).unwrap_or_else(|e| panic!("{}: {e}", pass.name));
        let mut graph = original.clone();
        let remarks = run_pass(&mut graph, &pass, Verify::EachPatch).expect("the pass runs");
        assert!(remarks.count(pass.name) > 0, "{} does nothing to its example", pass.name);
        assert_same_meaning(&pass, &original, &graph);
        let after = commented(&print(&graph));
        let range = block(&text, "//! After:");
        if std::env::var_os(BLESS).is_some() {
            text.replace_range(range, &after);
            std::fs::write(&path, text).expect("the source can be written");
        } else {
            let shown = &text[range];
            assert!(
                shown == after,
                "{}: its documentation shows\n{shown}\nbut it makes\n{after}\nset {BLESS}=1 to accept that",
                pass.name
            );
        }
    }
}

/// The examples are chosen so that every number in them is exact.
fn assert_same_meaning(pass: &Pass, before: &Graph, after: &Graph) {
    let inputs: Vec<Value> = before.inputs().iter().map(|&input| numbers(before, input)).collect();
    let expected = eval(before, &inputs).expect("before");
    assert_eq!(expected, eval(after, &inputs).expect("after"), "{}", pass.name);
    assert!(expected.iter().any(|v| v.data.iter().any(|&x| x != 0.0)), "{}", pass.name);
}

fn numbers(graph: &Graph, input: NodeId) -> Value {
    let ty = &graph.node(input).ty;
    let data = (0..ty.elements()).map(|i| (i * 7 % 23) as f64 - 8.0).collect();
    Value::new(ty.shape.clone(), data)
}
