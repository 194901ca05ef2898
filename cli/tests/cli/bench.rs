//! `resnetc bench`: which figures there are and how they agree with each other. How fast anything
//! is is not tested.

use std::fs;

use serde_json::Value;

use crate::support::*;

const MODEL: &str = "cifar_resnet20";

fn ablation(more: &[&str]) -> Value {
    ablation_of(MODEL, more)
}

fn ablation_of(model: &str, more: &[&str]) -> Value {
    json(&[&["bench", model, "--ablate", "--iters", "2", "--warmup", "0", "--json"], more].concat())
}

fn rows(report: &Value) -> &[Value] {
    report["rows"].as_array().unwrap()
}

fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    rows(report).iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

fn number(of: &Value) -> f64 {
    of.as_f64().unwrap_or_else(|| panic!("{of} is not a number"))
}

/// Whether two figures are equal to the sixth decimal, as they are written in CSV.
fn same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-6,
        (None, None) => true,
        _ => false,
    }
}

fn optional_passes() -> Vec<String> {
    let passes = json(&["passes", "--json"]);
    let optional = passes.as_array().unwrap().iter().filter(|p| p["optional"] == true);
    optional.map(|p| p["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn bench_prints_all_figures() {
    let args = ["bench", "cifar_resnet20", "--iters", "3", "--batch", "2", "--layers", "--compare"];
    let report = json(&[&args[..], &["--json", "--threads", "1"]].concat());
    for key in [
        "median_ms",
        "min_ms",
        "p90_ms",
        "compile_ms",
        "arena_bytes",
        "weight_bytes",
        "gflops",
        "peak_gflops",
        "share_of_peak",
        "layers_ms",
    ] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}: {report}");
    }
    assert_eq!((&report["threads"], &report["batch"]), (&1.into(), &2.into()));
    assert_eq!(report["iterations"], 3);
    assert!(report["min_ms"].as_f64() <= report["median_ms"].as_f64());
    assert!(report["median_ms"].as_f64() <= report["p90_ms"].as_f64());
    assert!(report["compare"]["speedup"].as_f64().unwrap() > 0.0);
    let steps = report["layers"].as_array().unwrap().len();
    assert_eq!(report["steps"], steps);
    let grouped = report["classes"].as_array().unwrap().iter();
    assert_eq!(grouped.map(|c| c["steps"].as_u64().unwrap()).sum::<u64>(), steps as u64);
    assert!(succeed(&args).contains("times as fast"));
}

#[test]
fn a_ladder_has_a_row_for_each_pass_and_figures_that_fit() {
    let report = ablation(&["--threads", "1"]);
    assert_eq!((&report["threads"], &report["batch"]), (&1.into(), &1.into()));
    assert_eq!(report["all_in_memory"], true);
    for key in ["gflops", "peak_gflops", "share_of_peak", "macs", "tolerance"] {
        assert!(number(&report[key]) > 0.0, "{key}");
    }
    for pass in optional_passes() {
        let (added, removed) =
            (row(&report, &format!("+ {pass}")), row(&report, &format!("- {pass}")));
        assert_eq!((&added["pass"], &added["group"]), (&pass.as_str().into(), &"added".into()));
        assert_eq!(
            (&removed["pass"], &removed["group"]),
            (&pass.as_str().into(), &"removed".into())
        );
    }
    let full = number(&row(&report, "full")["median_ms"]);
    let mut before = None;
    for row in rows(&report) {
        let ms = number(&row["median_ms"]);
        assert!(ms > 0.0 && number(&row["q1_ms"]) <= ms && ms <= number(&row["q3_ms"]), "{row}");
        assert!(same(row["ratio"].as_f64(), Some(ms / full)), "{row}");
        match row["group"].as_str().unwrap() {
            "level" | "added" => {
                let expected = before.map(|b| ms / b);
                assert!(same(row["ratio_before"].as_f64(), expected), "{row}");
                before = Some(ms);
            }
            _ => assert_eq!(row["ratio_before"], Value::Null, "{row}"),
        }
        if row["name"] == "interpreter" {
            assert_eq!(row["iterations"], 1);
            continue;
        }
        assert_eq!(row["iterations"], 2, "{row}");
        if let Some(tolerance) = row["tolerance"].as_f64() {
            assert!(number(&row["relative_difference"]) <= tolerance, "{row}");
        }
        for key in ["arena_bytes", "weight_bytes", "moved_bytes", "launches"] {
            assert!(number(&row[key]) > 0.0, "{key}: {row}");
        }
    }
    assert_eq!(row(&report, "unfused, baseline")["isa"], "baseline");
}

#[test]
fn other_numbers_have_rows_with_bounds_of_their_own() {
    let report = ablation(&["--threads", "1"]);
    let full = row(&report, "full");
    for (name, least, most) in
        [("weights of 16 bits", 1e-7, 1e-4), ("quantized to 8 bits", 1e-4, 1e-1)]
    {
        let row = row(&report, name);
        assert_eq!(row["group"], "choice");
        let difference = number(&row["relative_difference"]);
        assert!(least < difference && difference < most, "{name}: {difference}");
        // Rounding explains what 16 bits change, and does not make one network the other.
        let tolerance = row["tolerance"].as_f64();
        assert_eq!(tolerance.is_some_and(|t| t > number(&full["tolerance"])), most < 1e-3, "{row}");
        assert!(number(&row["weight_bytes"]) < number(&full["weight_bytes"]), "{row}");
    }
    let own = rows(&report).iter().filter(|r| r["tolerance"] == report["tolerance"]);
    let own: Vec<f64> = own.map(|r| number(&r["relative_difference"])).collect();
    assert_eq!(own.iter().copied().fold(0.0, f64::max), number(&report["difference"]));
}

#[test]
fn a_quantized_network_has_a_ladder_too() {
    let file = folder("ablation_quantized").join("m.int8.onnx");
    let pictures = ["--calibrate", "models/pictures", "--preset", "fashion-mnist", "--no-ranking"];
    succeed(&[&["quantize", BUNDLED, "-o", text(&file)][..], &pictures].concat());
    let report = ablation_of(text(&file), &["--threads", "1"]);
    assert!(rows(&report).iter().all(|r| r["name"] != "quantized to 8 bits"));
    let (unfused, full) = (row(&report, "unfused"), row(&report, "full"));
    for key in ["launches", "moved_bytes", "arena_bytes"] {
        assert!(number(&full[key]) < number(&unfused[key]), "{key}");
    }
    let floats = row(&report, "- fuse_quantizers");
    assert!(number(&floats["moved_bytes"]) > 3.0 * number(&full["moved_bytes"]));
}

#[test]
fn rows_that_run_the_same_code_are_one_measurement() {
    let report = ablation(&["--threads", "1"]);
    let mut same = 0;
    for twin in rows(&report) {
        let Some(name) = twin["same_as"].as_str() else { continue };
        same += 1;
        let original = row(&report, name);
        assert_eq!(original["same_as"], Value::Null, "{name} was timed separately");
        for key in ["median_ms", "min_ms", "arena_bytes", "moved_bytes", "launches", "isa"] {
            assert_eq!(twin[key], original[key], "{key}: {twin}");
        }
    }
    assert!(same > 10, "most passes have nothing to do here");
    // The last level is the full network, however many passes there are.
    let passes = optional_passes();
    assert_eq!(row(&report, &format!("+ {}", passes.last().unwrap()))["same_as"], "full");
    assert_eq!(row(&report, "+ merge_pad")["rewrites"], 0);
    assert_eq!(row(&report, "full again")["same_as"], Value::Null);
    // Fusion reduces all of these figures here.
    let (unfused, full) = (row(&report, "unfused"), row(&report, "full"));
    for key in ["launches", "moved_bytes", "arena_bytes"] {
        assert!(number(&full[key]) < number(&unfused[key]), "{key}");
    }
    let never = row(&report, "no memory used twice");
    assert!(number(&never["arena_bytes"]) > number(&full["arena_bytes"]));
}

#[test]
fn the_same_figures_as_csv_and_as_a_table() {
    let folder = folder("ablation");
    let file = folder.join("rows.csv");
    fs::write(&file, "an older file").unwrap();
    // Too little memory for two models: each is recompiled for each of its turns.
    let report = ablation(&["--csv", text(&file), "--hold", "0", "--batch", "2"]);
    assert_eq!(report["all_in_memory"], false);
    let written = fs::read_to_string(&file).unwrap();
    let lines: Vec<Vec<String>> = written.lines().map(fields).collect();
    let column = |name: &str| lines[0].iter().position(|c| c == name).expect(name);
    assert_eq!(lines.len(), rows(&report).len() + 1);
    for (line, row) in lines[1..].iter().zip(rows(&report)) {
        assert_eq!(line.len(), lines[0].len(), "{line:?}");
        assert_eq!(line[column("model")], MODEL);
        assert_eq!(line[column("batch")], "2");
        for key in ["same_as", "pass", "isa"] {
            assert_eq!(line[column(key)], row[key].as_str().unwrap_or_default(), "{row}");
        }
        assert_eq!(line[column("variant")], row["name"].as_str().unwrap());
        for key in
            ["median_ms", "q1_ms", "q3_ms", "ratio", "ratio_before", "arena_bytes", "launches"]
        {
            assert!(same(line[column(key)].parse().ok(), row[key].as_f64()), "{key}: {row}");
        }
    }
    assert_eq!(names(&folder), ["rows.csv"]);
    let table = succeed(&["bench", MODEL, "--ablate", "--iters", "1"]);
    for part in [
        "| unfused, baseline ",
        "| + fold_batch_norm ",
        "= full",
        "nothing to do in this network: ",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let widths: Vec<usize> =
        table.lines().filter(|l| l.starts_with('|')).map(|l| l.chars().count()).collect();
    assert!(widths.len() > 8 && widths.iter().all(|&w| w == widths[0]), "{table}");
}

/// The fields of a line of CSV.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

#[test]
fn what_cannot_be_written_is_said_before_the_work() {
    let folder = folder("ablation_unwritable");
    let ablate = |file: &str, says: &str| {
        // The model does not exist either: the file is checked first.
        fail(&["bench", "resnet5000", "--ablate", "--csv", file], &[says]);
    };
    ablate(text(&folder.join("no/such/rows.csv")), "rows.csv");
    ablate(text(&folder), "ablation_unwritable");
    let kept = folder.join("kept.csv");
    fs::write(&kept, "kept").unwrap();
    ablate(text(&kept), "resnet5000");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "kept");
    assert_eq!(names(&folder), ["kept.csv"]);
}

#[test]
fn passes_are_chosen_by_their_names_in_every_command_that_compiles() {
    let (model, _) = fixture("resnet_basic_b");
    let optional = optional_passes();
    for command in ["run", "bench", "check", "info", "dump", "tune"] {
        for option in ["--no-pass", "--only-pass"] {
            for (name, says) in [("magic", "no pass"), ("remove_identity", "required")] {
                fail(&[command, &model, option, name], &[name, says]);
                let help = stderr(&resnetc(&[command, &model, option, name]));
                assert!(optional.iter().all(|pass| help.contains(pass.as_str())), "{help}");
            }
        }
    }
    fail(&["classify", "--only-pass", "magic"], &["magic"]);
    let dump = |args: &[&str]| succeed(&[&["dump", &model, "--stage", "scheduled"], args].concat());
    let (full, unfused) = (dump(&[]), dump(&["--unfused"]));
    assert_ne!(full, unfused);
    let named = |option| optional.iter().flat_map(|p| [option, p.as_str()]).collect::<Vec<_>>();
    assert_eq!(dump(&named("--only-pass")), full);
    assert_eq!(dump(&named("--no-pass")), unfused);
    let only = dump(&["--only-pass", "fold_batch_norm"]);
    assert!(only != full && only != unfused);
}
