//! `resnetc bench` on several sizes, compared with an earlier run, and with many contexts at once:
//! figures that follow from each other. How fast anything is is not tested.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::*;

const BENCH: [&str; 4] = ["bench", BUNDLED, "--iters", "3"];
const SIZES: [&str; 4] = ["--threads", "1,2", "--batch", "1,8"];

fn bench(more: &[&str]) -> Value {
    json(&[&BENCH, more, &["--json"]].concat())
}

fn number(of: &Value, key: &str) -> f64 {
    of.pointer(key).and_then(Value::as_f64).unwrap_or_else(|| panic!("{key} is not a number: {of}"))
}

fn rows(report: &Value) -> &[Value] {
    report["rows"].as_array().unwrap()
}

/// Whether a printed number is this one, up to its decimals. The value itself was rounded, too, to
/// at least three decimals, so the two may disagree about which way a half is rounded.
#[track_caller]
fn printed(field: &str, value: f64) {
    let decimals = field.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let shown: f64 = field.parse().unwrap();
    let half = 0.5 * 10f64.powi(-(decimals as i32));
    assert!((shown - value).abs() <= half + 0.5e-3 + 1e-9, "{field} of {value}");
}

#[test]
fn a_sweep_has_a_row_for_each_combination() {
    let report = bench(&SIZES);
    let sizes: Vec<(u64, u64)> = rows(&report)
        .iter()
        .map(|row| (row["threads"].as_u64().unwrap(), row["batch"].as_u64().unwrap()))
        .collect();
    assert_eq!(sizes, [(1, 1), (1, 8), (2, 1), (2, 8)]);
    let macs = number(&rows(&report)[0], "/macs");
    for row in rows(&report) {
        assert_eq!(
            number(row, "/macs"),
            macs * number(row, "/batch"),
            "the work of one image each"
        );
        assert_eq!((&row["iterations"], &row["options"]), (&3.into(), &json!([])));
        let gflops = 2.0 * number(row, "/macs") / number(row, "/median_ms") / 1e6;
        assert!((number(row, "/gflops") - gflops).abs() < 1e-9 * gflops, "{row}");
    }
}

/// The table and the CSV file are from the same run, so all figures of one follow from those of the
/// other.
#[test]
fn the_table_of_a_sweep_says_what_its_file_says() {
    let file = folder("sweep").join("rows.csv");
    let said = succeed(&[&BENCH[..], &SIZES, &["--csv", text(&file)]].concat());
    let written = fs::read_to_string(&file).unwrap();
    let mut lines = written.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let at = |line: &[&str], name: &str| -> f64 {
        let column = names.iter().position(|n| *n == name).unwrap_or_else(|| panic!("no {name}"));
        line[column].parse().unwrap()
    };
    let table: Vec<Vec<&str>> =
        said.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(table.len(), 4, "{said}");
    for (row, line) in table.iter().zip(lines) {
        let [threads, batch, median, picture, rate, gflops] = row[..] else { panic!("{row:?}") };
        let ms = at(&line, "median_ms");
        printed(threads, at(&line, "threads"));
        printed(batch, at(&line, "batch"));
        printed(median, ms);
        printed(picture, ms / at(&line, "batch"));
        printed(gflops, at(&line, "gflops"));
        // The file has six decimals of the median, the table one of the rate.
        let pictures = 1e3 * at(&line, "batch") / ms;
        let shown: f64 = rate.parse().unwrap();
        assert!((shown - pictures).abs() <= 0.05 + pictures * 1e-6 / ms, "{shown} for {pictures}");
        assert!(
            (at(&line, "pictures_per_second") - pictures).abs() <= 0.001 + pictures * 1e-6 / ms
        );
        let speed = 2.0 * 30_821_248.0 * at(&line, "batch") / ms / 1e6;
        assert!((at(&line, "gflops") - speed).abs() <= 0.001 + speed * 1e-6 / ms, "{line:?}");
    }
}

/// A saved run of one thread and batch 1, and its contents.
fn saved(folder: &Path) -> (String, Value) {
    let report = bench(&["--threads", "1"]);
    let file = folder.join("saved.json");
    fs::write(&file, report.to_string()).unwrap();
    (text(&file).to_owned(), report)
}

/// The reported differences, except those about the load of the machine.
fn differs(against: &Value) -> Vec<&str> {
    let all = against["differs"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    all.filter(|line| !line.starts_with("the machine ")).collect()
}

#[test]
fn an_earlier_run_is_compared_and_what_is_another_is_said() {
    let (file, then) = saved(&folder("against"));
    let one = |more: &[&str]| {
        let report = bench(&[&["--against", &file], more].concat());
        let against = report["against"].clone();
        let ratio = number(&report, "/median_ms") / number(&then, "/median_ms");
        assert!((number(&against, "/ratio") - ratio).abs() <= 1e-12 * ratio, "{against}");
        assert_eq!(against["median_ms"], then["median_ms"]);
        against
    };
    assert_eq!(differs(&one(&["--threads", "1"])), [""; 0]);
    assert_eq!(differs(&one(&["--threads", "2"])), ["threads: 1 then, 2 now"]);
    let other = one(&["--threads", "1", "--no-pass", "fuse_residual", "--numerics", "exact"]);
    assert_eq!(
        differs(&other),
        ["options: the defaults then, all passes but fuse_residual; exact numerics now"]
    );
    // Another network, as text: each difference is a line.
    let said =
        succeed(&["bench", "cifar_resnet20", "--iters", "1", "--threads", "1", "--against", &file]);
    for line in [
        &format!("not the same: model: {BUNDLED} then, cifar_resnet20 now"),
        "multiply-adds: 30821248 then",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let line = said.lines().find(|line| line.starts_with("against ")).unwrap();
    assert!(line.contains(&format!("median {:.3} ms then", number(&then, "/median_ms"))), "{line}");
}

#[test]
fn another_machine_is_said() {
    let folder = folder("against_machine");
    let (file, mut then) = saved(&folder);
    then["cpu"] = "Motorola 68000".into();
    then["isa"] = "68881".into();
    then["resnetc"] = "0.0.1".into();
    fs::write(&file, then.to_string()).unwrap();
    let report = bench(&["--threads", "1", "--against", &file]);
    let now = |key: &str| report[key].as_str().unwrap();
    assert_eq!(
        differs(&report["against"]),
        [
            format!("CPU: Motorola 68000 then, {} now", now("cpu")),
            format!("instruction set: 68881 then, {} now", now("isa")),
            format!("resnetc: 0.0.1 then, {} now", now("resnetc")),
        ]
    );
}

#[test]
fn a_sweep_finds_its_sizes_in_a_saved_sweep() {
    let folder = folder("against_sweep");
    let file = folder.join("sweep.json");
    let then = bench(&["--threads", "1", "--batch", "1,2"]);
    fs::write(&file, then.to_string()).unwrap();
    let now = bench(&["--threads", "1", "--batch", "2,1", "--against", text(&file)]);
    for (row, saved) in rows(&now).iter().zip(rows(&then).iter().rev()) {
        assert_eq!(row["against"]["median_ms"], saved["median_ms"], "{row}");
        assert_eq!(differs(&row["against"]), [""; 0]);
    }
    let args =
        [&BENCH[..], &["--threads", "1", "--batch", "4", "--against", text(&file), "--json"]]
            .concat();
    let output = resnetc(&args);
    assert!(output.status.success());
    assert!(stderr(&output).contains("sweep.json has no run on 1 thread with batch 4"));
    assert_eq!(serde_json::from_str::<Value>(&stdout(&output)).unwrap()["against"], Value::Null);
}

#[test]
fn what_is_no_saved_run_is_refused_by_name() {
    let folder = folder("against_broken");
    let (file, then) = saved(&folder);
    let mut without = then.clone();
    without.as_object_mut().unwrap().remove("threads");
    let mut timeless = then.clone();
    timeless["median_ms"] = 0.into();
    let ablation = json!({ "rows": [{ "name": "full", "median_ms": 1.0 }] });
    for text in [
        String::new(),
        "{".to_owned(),
        "[1, 2]".to_owned(),
        "\u{feff}{}".to_owned(),
        "PK\u{3}\u{4}".to_owned(),
        "[".repeat(100_000),
        without.to_string(),
        timeless.to_string(),
        ablation.to_string(),
        json!({ "rows": [] }).to_string(),
    ] {
        fs::write(&file, &text).unwrap();
        // The model does not exist either: the file is checked first.
        fail(&["bench", "resnet5000", "--against", &file], &["saved.json"]);
        let said = stderr(&resnetc(&["bench", "resnet5000", "--against", &file]));
        assert!(
            said.contains("help: save an earlier run by `resnetc bench MODEL --json > FILE`"),
            "{said}"
        );
    }
    fail(&["bench", BUNDLED, "--against", "no-such.json"], &["no-such.json"]);
    fail(&["bench", BUNDLED, "--against", text(&folder)], &["against_broken"]);
}

/// At least half of each context's runs take the median or longer, and all of them fit into the
/// total time.
#[test]
fn throughput_and_tails_of_many_contexts_fit_each_other() {
    let (contexts, batch) = (3, 2);
    let report = bench(&["--threads", "1", "--batch", "2", "--concurrency", "3"]);
    let crowd = &report["concurrency"];
    assert_eq!((&crowd["contexts"], &crowd["runs"]), (&contexts.into(), &(3 * contexts).into()));
    let (runs, seconds) = (number(crowd, "/runs"), number(crowd, "/seconds"));
    let rate = runs * f64::from(batch) / seconds;
    assert!((number(crowd, "/pictures_per_second") - rate).abs() <= 1e-9 * rate, "{crowd}");
    let tails: Vec<f64> =
        ["/p50_ms", "/p90_ms", "/p99_ms", "/max_ms"].iter().map(|key| number(crowd, key)).collect();
    assert!(tails.is_sorted() && tails[0] > 0.0, "{crowd}");
    assert!(tails[3] <= 1e3 * seconds, "{crowd}");
    let busy = runs / 2.0 * tails[0];
    assert!(busy <= f64::from(contexts) * 1e3 * seconds, "{crowd}");
    let said = succeed(&[&BENCH[..], &["--threads", "1", "--concurrency", "2"]].concat());
    assert!(said.lines().any(|line| line.starts_with("at once  2 contexts: ")), "{said}");
}
