//! Pages of synthetic data and networks.

use std::path::Path;

use proptest::prelude::*;
use resnetc::ir::Graph;
use resnetc::ir::op::{Conv, Unary, Window};
use resnetc::ir::{Op, Tensor};
use resnetc::noise::{Load, Noise};
use resnetc::passes::NodeRef;
use resnetc::profile::share::ShareOf;
use resnetc::report::explain::{Explained, Explanation, NearMiss, Rewritten};
use resnetc::report::plan::{MemoryPlan, PlannedBuffer, PlannedStep, PlannedValue, Role};
use resnetc::{Compiler, Options};

use super::data::{
    Graphs, Group, Kind, Ladder, Node, Report, ReportLayer, ReportMachine, Roofs, Run,
};
use super::{collect, page};
use crate::bench::survey::{self, Level, Runs, Skipped};
use resnetc_testing::markup::Page;

fn level(name: &str) -> Level {
    Level {
        name: name.to_owned(),
        is_aside: false,
        pass: None,
        rewrites: None,
        last: Vec::new(),
        isa: "avx2",
        runs: 3,
        median_ms: 1.0,
        min_ms: 0.5,
        q1_ms: 0.75,
        q3_ms: 1.5,
        p90_ms: 2.0,
        compile_ms: 10.0,
        arena_bytes: 1 << 20,
        weight_bytes: 1 << 20,
        code_bytes: 1 << 10,
        moved_bytes: 1 << 20,
        launches: 2,
    }
}

fn layer(name: &str, kind: Kind, macs: u64) -> ReportLayer {
    ReportLayer {
        name: name.to_owned(),
        op: "conv",
        kind,
        class: name.to_owned(),
        line: name.to_owned(),
        algorithm: "direct".to_owned(),
        launches: 1,
        median_ms: 0.5,
        share_of_time: 0.5,
        macs,
        bytes: 1000,
        gflops: macs as f64 / 1e6,
        share_of_peak: 0.5,
        share_of: ShareOf::Peak,
    }
}

fn node(name: &str, operands: Vec<usize>) -> Node {
    let (id, name, line) = ("%0".to_owned(), name.to_owned(), name.to_owned());
    Node { id, name, op: "conv", kind: Kind::ThreeByThree, line, operands }
}

/// Two values in one place, and scratch memory.
fn memory(name: &str) -> MemoryPlan {
    let step = |value| PlannedStep { name: name.to_owned(), op: "conv", value, runs: true };
    let value = |written, in_place_of| PlannedValue {
        name: name.to_owned(),
        op: "conv",
        shape: vec![1, 16, 8, 8],
        layout: "nchw16c".to_owned(),
        halo: true,
        role: Role::Intermediate,
        offset: 0,
        bytes: 64,
        written: Some(written),
        last_read: Some(1),
        in_place_of,
        view_of: None,
    };
    let buffer = |values, scratch_of| PlannedBuffer {
        offset: 0,
        bytes: 64,
        live: (0, 1),
        values,
        scratch_of,
        publishes: None,
    };
    MemoryPlan {
        peak: 128,
        lower_bound: 64,
        steps: vec![step(0), step(1)],
        values: vec![value(0, None), value(1, Some(0))],
        buffers: vec![buffer(vec![0, 1], None), buffer(Vec::new(), Some(1))],
    }
}

/// A pass that applied one rewrite and nearly another, and a pass that did neither.
fn explanation(name: &str) -> Explanation {
    let node = || NodeRef { id: "%0".to_owned(), op: "conv", name: name.to_owned() };
    let pass = |pass, applied, declined| Explained {
        pass,
        doc: "does",
        optional: true,
        sweeps: 1,
        nodes: 2,
        milliseconds: 0.1,
        applied,
        declined,
    };
    let label = name.to_owned();
    let rewritten = Rewritten { label, before: vec![node(), node()], after: vec![node()] };
    let (reason, node) = (name.to_owned(), name.to_owned());
    let miss = NearMiss { node, op: "conv", reason };
    let passes =
        vec![pass("cse", vec![rewritten], vec![miss]), pass("layout", Vec::new(), Vec::new())];
    Explanation { passes }
}

/// A report in which every name that can come from a model is this one.
fn made(name: &str) -> Report {
    let text = name.to_owned();
    Report {
        model: text.clone(),
        run: Run {
            inputs: vec![vec![1, 3, 8, 8]],
            batch: 1,
            isa: "avx2",
            threads: 2,
            macs: 1000,
            gflops: 50.0,
            share_of_peak: 0.5,
            share_of: ShareOf::Peak,
            speedup: Some(2.0),
            difference: 1e-7,
            tolerance: 1e-5,
        },
        for_gradients: None,
        ladder: Ladder {
            levels: vec![
                level("unfused"),
                level("full"),
                Level { is_aside: true, ..level("other") },
            ],
            skipped: vec![Skipped { name: text.clone(), reason: text.clone() }],
            full: 1,
            unfused: Some(0),
        },
        layers: vec![layer(name, Kind::ThreeByThree, 1_000_000), layer(name, Kind::Pool, 0)],
        roofs: Roofs { gflops: 100.0, gbytes: 10.0, read_bytes: 1 << 26, layer_runs: 3 },
        memory: memory(name),
        graphs: Graphs {
            before: vec![node(name, vec![]), node(name, vec![0]), node(name, vec![0])],
            after: vec![node(name, vec![]), node(name, vec![0])],
            groups: vec![
                Group { before: (0, 2), after: (0, 1) },
                Group { before: (2, 2), after: (1, 2) },
                Group { before: (2, 3), after: (2, 2) },
            ],
        },
        explanation: explanation(name),
        noise: Noise::default(),
        machine: ReportMachine {
            resnetc: "0.0.0",
            debug: false,
            os: "linux",
            cpu: vec![("model name".to_owned(), text.clone())],
            core_cache_bytes: 1 << 20,
            last_cache_bytes: 1 << 24,
            date: "2026-11-24 10:00".to_owned(),
            command: vec![text],
        },
    }
}

/// Reads the page of such a report, and checks that the name is in it verbatim.
fn check_name(name: &str) {
    let (page, plain) =
        (Page::read(&page::render(&made(name))), Page::read(&page::render(&made("x"))));
    page.check();
    let shape =
        |page: &Page| page.elements.iter().map(|e| (e.name.clone(), e.parent)).collect::<Vec<_>>();
    assert_eq!(shape(&page), shape(&plain), "{name:?} is text and no markup");
    let title = page.elements.iter().find(|e| e.name == "h1").expect("a heading");
    assert_eq!(title.text, name);
    let expected = [("ladder", 3), ("skyline", 2), ("classes", 1), ("roofline-plot", 1)];
    for (plot, marks) in expected.into_iter().chain([("memory-plot", 2), ("graphs-plot", 5)]) {
        assert_eq!(page.marks().get(plot), Some(&marks), "{plot}");
    }
}

#[test]
fn names_that_look_like_markup_are_text() {
    let long = "<b>".repeat(10_000);
    for name in [
        "<script>alert(1)</script>",
        "\" onload=\"alert(1)",
        "' onclick='alert(1)",
        "</title></svg></style><!--",
        "]]>&lt;&#60;",
        "javascript:alert(1)",
        "",
        &long,
    ] {
        check_name(name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_name_is_text(name in any::<String>()) {
        check_name(&name);
    }
}

#[test]
fn a_page_says_what_speaks_against_its_figures() {
    assert!(!page::render(&made("x")).contains("busy"));
    let load = Load { cpus: 2, others: Some(1.4), waiting: Some(0.5), stolen: None };
    let noise = Noise::of(load, 2, [0.4], Some([50.0, 100.0]), None);
    let html = page::render(&Report { noise, ..made("x") });
    Page::read(&html).check();
    for says in ["The machine was busy", "1.4 of 2 CPUs", "the peak changed by 50 %", "40 % of"] {
        assert!(html.contains(says), "{says}");
    }
}

#[test]
fn what_is_above_the_peak_is_no_share_of_it() {
    let mut report = made("x");
    report.layers[0].share_of_peak = 1.46;
    report.layers[0].share_of = ShareOf::Direct;
    report.run.share_of_peak = 1.3;
    report.run.share_of = ShareOf::Direct;
    let html = page::render(&report);
    assert!(html.contains("146 % of direct") && html.contains("of direct convolution at peak"));
    assert!(!html.contains("146 % of peak") && !html.contains("share of peak"), "{html}");
}

#[test]
fn a_network_without_convolutions_has_a_page() {
    let report = made("x");
    let explanation = Explanation { passes: Vec::new() };
    let report = Report { layers: Vec::new(), explanation, ..report };
    let memory = MemoryPlan::default();
    let graphs = Graphs { before: Vec::new(), after: Vec::new(), groups: Vec::new() };
    let html = page::render(&Report { memory, graphs, ..report });
    Page::read(&html).check();
    assert!(!html.contains("NaN") && !html.contains("inf%"), "figures are numbers");
}

/// From a graph to the page: names of a malicious model, and one that is far too long.
#[test]
fn a_hostile_model_has_a_harmless_page_of_bounded_size() {
    let mut graph = Graph::new();
    let src = graph.input("<img src=x onerror=alert(1)>", vec![1, 16, 6, 6]);
    let weights =
        graph.constant("w", Tensor::new([16, 16, 1, 1], vec![0.5; 256]).expect("256 elements"));
    let op = Op::Conv(Conv::new(Window::square(1, 1, 0), 1));
    let conv =
        graph.add("\"><script>alert(1)</script>", op, &[src, weights]).expect("a convolution");
    let relu = graph.add("n".repeat(1_000_000), Op::Unary(Unary::Relu), &[conv]).expect("a ReLU");
    let other = graph.add("\0\u{202e}", Op::Unary(Unary::Sigmoid), &[relu]).expect("a sigmoid");
    graph.output("y", other);
    let options = Options::default().threads(1);
    let network = Compiler::new(options).graph(graph).expect("no option of loading");
    let runs = Runs { warmup: 0, iterations: Some(1), most_bytes: 0 };
    let survey = survey::measure(&network, 0, runs).expect("it can be measured");
    let report = collect::report(Path::new("m.onnx"), &network, survey).expect("it is planned");
    let html = page::render(&report);
    assert!(html.len() < 200_000, "{} bytes", html.len());
    let page = Page::read(&html);
    page.check();
    assert!(page.elements.iter().all(|e| e.name != "img"));
    // The ReLU was fused into the convolution: both nodes before are beside the one after.
    let fused = report.graphs.groups.iter().find(|g| g.before.1 - g.before.0 == 2);
    assert!(fused.is_some_and(|g| g.after.1 - g.after.0 == 1), "{:?}", report.graphs.groups);
}
