//! Printed figures are recomputed: from a network whose shapes are given here, and from each other.

use std::path::{Path, PathBuf};

use resnetc::export::onnx::{self, Existing};
use resnetc::ir::op::{Activation, Binary, Conv, Gemm, Unary, Window};
use resnetc::ir::{Graph, NodeId, Op, Tensor};
use serde_json::Value;

use crate::support::*;

/// Name, multiply-adds, and elements of operands and results of each operator with weights, by
/// hand. The batch is 2.
///
/// Convolutions need `batch * outputs * rows * columns * inputs of a group * taps` multiply-adds;
/// `sum` also computes the projection of its shortcut, and adds nothing else.
const LAYERS: [(&str, u64, u64); 5] = [
    // 3 channels of 10 x 9 pixels become 8 of 5 x 5.
    ("stem", 2 * 8 * 25 * 3 * 9, 2 * 3 * 90 + 8 * 3 * 9 + 8 + 2 * 8 * 25),
    ("reduce", 2 * 8 * 25 * 8, 2 * 8 * 25 + 8 * 8 + 2 * 8 * 25),
    // Four groups of two channels.
    ("grouped", 2 * 8 * 25 * 2 * 9, 2 * 8 * 25 + 8 * 2 * 9 + 2 * 8 * 25),
    ("expand", 2 * 16 * 25 * (8 + 8), 2 * (2 * 8 * 25) + 2 * (16 * 8) + 16 + 2 * 16 * 25),
    ("head", 2 * 5 * 16, 2 * 16 + 5 * 16 + 5 + 2 * 5),
];

/// Weights and biases; the projection has its own bias.
const PARAMETERS: u64 = 8 * 27 + 8 + 64 + 8 * 18 + (16 * 8 + 16) * 2 + 5 * 16 + 5;

fn macs() -> u64 {
    LAYERS.iter().map(|layer| layer.1).sum()
}

struct Builder(Graph);

impl Builder {
    fn constant(&mut self, shape: &[usize]) -> NodeId {
        let data = (0..shape.iter().product()).map(|i: usize| (i % 7) as f32 / 8.0 - 0.25);
        let tensor = Tensor::new(shape, data.collect()).unwrap();
        self.0.constant(format!("c{}", self.0.len()), tensor)
    }

    fn conv(&mut self, name: &str, x: NodeId, weights: [usize; 4], conv: Conv) -> NodeId {
        let [k, c, r, s] = weights;
        let mut operands = vec![x, self.constant(&[k, c, r, s])];
        if conv.bias {
            operands.push(self.constant(&[k]));
        }
        self.0.add(name, Op::Conv(conv), &operands).unwrap()
    }

    fn relu(&mut self, x: NodeId) -> NodeId {
        self.0.add(format!("relu{}", self.0.len()), Op::Unary(Unary::Relu), &[x]).unwrap()
    }
}

/// A stem, a bottleneck with a projection, and a head.
fn network() -> Graph {
    let mut b = Builder(Graph::new());
    let x = b.0.input("x", [2, 3, 10, 9]);
    let pointwise = Conv::new(Window::square(1, 1, 0), 1);
    let biased = |conv| Conv { bias: true, ..conv };
    let stem = b.conv("stem", x, [8, 3, 3, 3], biased(Conv::new(Window::square(3, 2, 1), 1)));
    let stem = b.relu(stem);
    let y = b.conv("reduce", stem, [8, 8, 1, 1], pointwise);
    let y = b.relu(y);
    let y = b.conv("grouped", y, [8, 2, 3, 3], Conv::new(Window::square(3, 1, 1), 4));
    let y = b.relu(y);
    let y = b.conv("expand", y, [16, 8, 1, 1], biased(pointwise));
    let shortcut = b.conv("shortcut", stem, [16, 8, 1, 1], biased(pointwise));
    let sum = b.0.add("sum", Op::Binary(Binary::Add), &[y, shortcut]).unwrap();
    let sum = b.relu(sum);
    let pooled = b.0.add("pool", Op::GlobalAveragePool, &[sum]).unwrap();
    let flat = b.0.add("flat", Op::Reshape { shape: vec![2, 16] }, &[pooled]).unwrap();
    let (weights, bias) = (b.constant(&[5, 16]), b.constant(&[5]));
    let gemm = Gemm {
        alpha: 1.0,
        beta: 1.0,
        transpose_a: false,
        transpose_b: true,
        bias: true,
        activation: Activation::None,
    };
    let head = b.0.add("head", Op::Gemm(gemm), &[flat, weights, bias]).unwrap();
    b.0.output("y", head);
    b.0
}

fn file(name: &str) -> PathBuf {
    let file = folder(name).join("network.onnx");
    onnx::write(&network(), &file, Existing::Keep).unwrap();
    file
}

fn number(of: &Value, key: &str) -> f64 {
    of.pointer(key).and_then(Value::as_f64).unwrap_or_else(|| panic!("{key} is not a number: {of}"))
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of.pointer(key).and_then(Value::as_array).unwrap_or_else(|| panic!("{key} is not a list: {of}"))
}

fn sum(of: &[Value], key: &str) -> f64 {
    of.iter().map(|row| number(row, key)).sum()
}

/// Checks that a figure is the expected one, up to rounding.
#[track_caller]
fn close(found: f64, expected: f64) {
    let near = (found - expected).abs() <= 1e-9 * expected.abs().max(1e-9);
    assert!(near, "{found} is printed, {expected} is right");
}

/// Speeds and shares of a row that has a time, multiply-adds and, where they are counted, bytes.
fn check_speeds(row: &Value, peak: f64) {
    let ms = number(row, "/median_ms");
    let gflops = 2.0 * number(row, "/macs") / ms / 1e6;
    close(number(row, "/gflops"), gflops);
    close(number(row, "/share_of_peak"), gflops / peak);
    if row.get("gbytes").is_some() {
        close(number(row, "/gbytes"), number(row, "/bytes") / ms / 1e6);
    }
}

/// Steps, and classes of them, as `profile` and `bench --layers` give them.
fn check_steps(steps: &[Value], classes: &[Value], peak: f64) {
    let ms = sum(steps, "/median_ms");
    for step in steps {
        check_speeds(step, peak);
        close(number(step, "/share_of_time"), number(step, "/median_ms") / ms);
        assert!(number(step, "/min_ms") <= number(step, "/median_ms"), "{step}");
        assert!(number(step, "/median_ms") <= number(step, "/max_ms"), "{step}");
    }
    for class in classes {
        check_speeds(class, peak);
        let own: Vec<Value> =
            steps.iter().filter(|s| s["class"] == class["class"]).cloned().collect();
        assert_eq!(class["steps"], own.len(), "{class}");
        for key in ["/macs", "/bytes", "/median_ms", "/share_of_time"] {
            close(number(class, key), sum(&own, key));
        }
    }
    assert_eq!(sum(classes, "/steps") as usize, steps.len());
    close(sum(classes, "/share_of_time"), 1.0);
}

#[test]
fn work_and_parameters_are_those_of_the_formulas() {
    let file = file("figures_info");
    let info = json(&["info", text(&file), "--json"]);
    assert_eq!(info["macs"], macs());
    assert_eq!((&info["parameters"], &info["statistics"]), (&PARAMETERS.into(), &0.into()));
    let said = succeed(&["info", text(&file)]);
    assert!(said.contains(&format!("parameters  {PARAMETERS} ")), "{said}");
    assert!(said.contains(&format!("{:.1} k multiply-adds", macs() as f64 / 1e3)), "{said}");
    // `explain` reports the same rewrites.
    let explained = json(&["explain", text(&file), "--json"]);
    let mut applied = std::collections::BTreeMap::new();
    for pass in list(&explained, "/passes") {
        *applied.entry(pass["pass"].as_str().unwrap()).or_insert(0) += list(pass, "/applied").len();
    }
    applied.retain(|_, n| *n > 0);
    assert_eq!(info["fusions"], serde_json::json!(applied));
    assert_eq!((applied["fuse_residual"], applied["fuse_projection"]), (1, 1));
    let said = succeed(&["explain", text(&file)]);
    let [rewrites, near] = [
        applied.values().sum::<usize>(),
        list(&explained, "/passes").iter().map(|pass| list(pass, "/declined").len()).sum(),
    ];
    assert!(said.contains(&format!("{rewrites} rewrites applied, {near} nearly")), "{said}");
}

#[test]
fn steps_of_a_profile_are_those_of_the_formulas() {
    let file = file("figures_profile");
    let profile = json(&["profile", text(&file), "--iters", "3", "--isa", "baseline", "--json"]);
    let (steps, classes) = (list(&profile, "/steps"), list(&profile, "/classes"));
    check_steps(steps, classes, number(&profile, "/peak_gflops"));
    close(number(&profile, "/milliseconds"), sum(steps, "/median_ms"));
    for (name, macs, elements) in LAYERS {
        let own: Vec<Value> =
            steps.iter().filter(|s| s["name"] == name && s["macs"] != 0).cloned().collect();
        assert_eq!(sum(&own, "/macs") as u64, macs, "{name}: {own:?}");
        assert_eq!(sum(&own, "/bytes") as u64, 4 * elements, "{name}: {own:?}");
    }
    assert_eq!(sum(steps, "/macs") as u64, macs());
    check_printed_shares(&file);
}

/// The printed shares add up to 100 percent.
fn check_printed_shares(file: &Path) {
    let said = succeed(&["profile", text(file), "--iters", "3", "--isa", "baseline"]);
    for table in said.split("\n\n").skip(1) {
        let rows = table.lines().skip(1);
        let shares: Vec<f64> = rows
            .filter_map(|row| row.split_whitespace().nth(1)?.strip_suffix('%')?.parse().ok())
            .collect();
        let rounding = 0.05 * shares.len() as f64 + 1e-9;
        let whole: f64 = shares.iter().sum();
        assert!(!shares.is_empty() && (whole - 100.0).abs() <= rounding, "{whole}: {table}");
    }
}

#[test]
fn speeds_and_ratios_of_a_bench_follow_from_its_times() {
    let file = file("figures_bench");
    let args = ["bench", text(&file), "--iters", "5", "--threads", "1", "--layers", "--compare"];
    let report = json(&[&args[..], &["--json"]].concat());
    assert_eq!(report["macs"], macs());
    assert_eq!(report["batch"], 2);
    check_speeds(&report, number(&report, "/peak_gflops"));
    check_steps(
        list(&report, "/layers"),
        list(&report, "/classes"),
        number(&report, "/peak_gflops"),
    );
    close(number(&report, "/layers_ms"), sum(list(&report, "/layers"), "/median_ms"));
    let unfused = number(&report, "/compare/unfused/median_ms");
    close(number(&report, "/compare/speedup"), unfused / number(&report, "/median_ms"));
    // In the text, the second of two lines `run      median ...` is the one without optional
    // passes.
    let said = succeed(&args);
    let after = |line: &str, before: &str| {
        let rest = line.split_once(before).unwrap_or_else(|| panic!("{before}: {line}")).1;
        rest.split([' ', ',']).next().unwrap().parse::<f64>().unwrap()
    };
    let medians: Vec<f64> = said
        .lines()
        .filter(|line| line.starts_with("run "))
        .map(|line| after(line, "median "))
        .collect();
    let times = said.lines().find(|line| line.contains("times as fast")).unwrap();
    let (speedup, ratio) = (after(times, "make it "), medians[1] / medians[0]);
    // Medians are rounded to a thousandth of a millisecond, the ratio to a hundredth.
    let rounding = 0.005 + ratio * (0.0005 / medians[0] + 0.0005 / medians[1]) + 1e-6;
    assert!((speedup - ratio).abs() <= rounding, "{speedup} for {ratio}: {said}");
}

#[test]
fn speeds_and_ratios_of_a_report_follow_from_its_times() {
    let file = file("figures_report");
    let quick = ["--iters", "3", "--warmup", "0", "--threads", "1", "--isa", "baseline"];
    let page = folder("figures_page").join("page.html");
    let data = json(&[&["report", text(&file), "-o", text(&page), "--json"], &quick[..]].concat());
    let levels = list(&data, "/ladder/levels");
    let level = |key: &str| &levels[data["ladder"][key].as_u64().unwrap() as usize];
    let full = number(level("full"), "/median_ms");
    assert_eq!(data["run"]["macs"], macs());
    let (gflops, peak) = (2.0 * macs() as f64 / full / 1e6, number(&data, "/roofs/gflops"));
    close(number(&data, "/run/gflops"), gflops);
    close(number(&data, "/run/share_of_peak"), gflops / peak);
    let unfused = level("unfused");
    close(number(&data, "/run/speedup"), number(unfused, "/median_ms") / full);
    assert_eq!(unfused["pass"], Value::Null);
    let layers = list(&data, "/layers");
    let ms = sum(layers, "/median_ms");
    for layer in layers {
        check_speeds(layer, peak);
        close(number(layer, "/share_of_time"), number(layer, "/median_ms") / ms);
    }
    close(sum(layers, "/share_of_time"), 1.0);
    for (name, macs, elements) in LAYERS {
        let layer = layers.iter().find(|layer| layer["name"] == name).unwrap();
        assert_eq!(
            (layer["macs"].as_u64(), layer["bytes"].as_u64()),
            (Some(macs), Some(4 * elements))
        );
    }
}
