//! `--train`: commands about a step of training in place of a run.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::*;

/// A spec of a small network.
fn small(name: &str) -> PathBuf {
    let spec = folder(name).join("net.toml");
    let text = r#"
        block = "basic"
        layers = [1, 1]
        channels = [16, 32]
        classes = 3
        input = { channels = 1, height = 12, width = 12 }
        stem = { channels = 16, kernel = 3, stride = 1, pool = "none" }
    "#;
    fs::write(&spec, text).unwrap();
    spec
}

#[test]
fn bench_times_a_step_and_its_passes() {
    let spec = small("step_bench");
    let step = ["bench", text(&spec), "--train", "--batch", "6", "--iters", "3", "--json"];
    let report = json(&step);
    assert_eq!(report["batch"], 6);
    assert!(report["median_ms"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(report["peak_bytes"].as_u64().unwrap() > report["arena_bytes"].as_u64().unwrap());
    }
    let compared = json(&[&step[..], &["--compare"]].concat());
    assert!(compared["compare"]["outputs_relative_difference"].as_f64().unwrap() < 1e-4);
    let rows = json(&[
        "bench",
        text(&spec),
        "--train",
        "--batch",
        "6",
        "--iters",
        "2",
        "--ablate",
        "--json",
    ]);
    let rows = rows["rows"].as_array().unwrap();
    let row = |name: &str| rows.iter().any(|row| row["name"] == name);
    assert!(
        row("+ fuse_channel_sums") && row("- fuse_pointwise") && row("interpreter"),
        "{rows:?}"
    );
}

#[test]
fn a_step_is_checked_layer_by_layer() {
    let spec = small("step_check");
    for optimizer in ["--train", "--train=adamw"] {
        let said = succeed(&["check", text(&spec), optimizer, "--batch", "5"]);
        assert!(said.lines().any(|line| line.starts_with("all ") && line.contains("within 1e-4")));
        assert!(said.contains("conv_weights \"dlayer2.0.conv1\""), "{said}");
    }
}

#[test]
fn a_step_fits_a_limit_of_memory() {
    let spec = small("step_memory");
    let step = ["bench", text(&spec), "--train", "--batch", "32", "--iters", "1"];
    let full = json(&[&step[..], &["--json"]].concat());
    let bytes = |report: &Value, name: &str| report["for_gradients"][name]["bytes"].as_u64();
    assert_eq!(bytes(&full, "again"), Some(0));
    let arena = full["arena_bytes"].as_u64().unwrap();
    let limit = format!("{}kB", 9 * arena / 10_000);
    let limited = json(&[&step[..], &["--memory", &limit, "--json"]].concat());
    assert!(limited["arena_bytes"].as_u64().unwrap() <= 9 * arena / 10);
    assert!(bytes(&limited, "again") > Some(0) && bytes(&limited, "kept") < bytes(&full, "kept"));
    let said = succeed(&[&step[..], &["--memory", &limit]].concat());
    assert!(
        said.contains("values for gradients: ") && said.contains(" computed again ("),
        "{said}"
    );
    fail(
        &[&step[..], &["--memory", "1kB"]].concat(),
        &["a run needs at least ", "--memory allows 1.00 kB", "[memory-limit]"],
    );
    // The limit is for the network, not for the unfused one beside it.
    for beside in [&["info"][..], &["bench", "--iters", "1", "--compare"]] {
        let about = [text(&spec), "--train", "--batch", "32", "--memory", &limit, "--json"];
        let report = json(&[beside, &about].concat());
        let bytes = |name: &str| report.pointer(name).and_then(Value::as_u64);
        let own = bytes("/compiled/arena_bytes").or(bytes("/arena_bytes")).unwrap();
        let unfused = bytes("/unfused/arena_bytes").or(bytes("/compare/unfused/arena_bytes"));
        assert!(own <= 9 * arena / 10 && unfused > Some(9 * arena / 10), "{own} {unfused:?}");
    }
    // What the error says is sufficient is.
    let said = stderr(&resnetc(&[&step[..], &["--memory", "1kB"]].concat()));
    let least = said.split("at least ").nth(1).unwrap().split(" for").next().unwrap();
    succeed(&[&step[..], &["--memory", least]].concat());
    for size in ["0", "much", "1e99GB"] {
        misuse(
            &[&step[..], &["--memory", size]].concat(),
            "expected a size, such as 500MB or 2GiB",
        );
    }
    let check = ["check", text(&spec), "--train", "--memory", "1GB"];
    misuse(&check, "--memory has no effect: all values are kept");
}

#[test]
fn a_step_can_be_looked_at() {
    let spec = small("step_look");
    let explained = succeed(&["explain", text(&spec), "--train", "--batch", "4"]);
    assert!(explained.contains("fuse_channel_sums"), "{explained}");
    let plan = succeed(&["dump", text(&spec), "--train", "--stage", "plan"]);
    assert!(plan.contains("\"layer1.0.conv1.weight.velocity\" input"), "{plan}");
    let info = json(&["info", text(&spec), "--train=adamw", "--batch", "4", "--json"]);
    let run = json(&["info", text(&spec), "--json"]);
    for count in ["parameters", "statistics"] {
        assert!(info[count].as_u64() > Some(0) && info[count] == run[count], "{info} {run}");
    }
    let inputs: Vec<&str> = info["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| port["name"].as_str().unwrap())
        .collect();
    assert!(inputs.contains(&"fc.bias.gradient_square"), "{inputs:?}");
    let profile =
        json(&["profile", text(&spec), "--train", "--batch", "4", "--iters", "2", "--json"]);
    let steps = profile["steps"].as_array().unwrap();
    let is_it = |step: &&Value| step["name"] == "dlayer1.0.conv2" && step["op"] == "conv_weights";
    let macs = steps.iter().filter(is_it).map(|step| step["macs"].as_u64().unwrap());
    let macs: Vec<u64> = macs.collect();
    assert!(macs.len() > 1 && macs[0] > 0 && macs[1..].iter().sum::<u64>() == 0, "{macs:?}");
    let page = spec.with_file_name("page.html");
    let options = ["--train", "--batch", "4", "--iters", "2", "-o", text(&page)];
    succeed(&[&["report", text(&spec)], &options[..]].concat());
    assert!(fs::read_to_string(&page).unwrap().contains("conv_weights"));
}

#[test]
fn what_has_no_step_is_refused() {
    let spec = small("step_refused");
    fail(
        &["explain", BUNDLED, "--train"],
        &[BUNDLED, "an ONNX file is a network that was trained"],
    );
    let shape = ["bench", text(&spec), "--train", "--shape", "input=4,1,12,12"];
    misuse(&shape, "--shape has no effect: the size of a step's images is a key of the spec");
    misuse(&["check", text(&spec), "--train", "--input", "x.npy"], "cannot be used with '--input");
    misuse(&["bench", text(&spec), "--train=adam"], "adamw");
    let weights = spec.with_file_name("none.safetensors");
    fail(&["bench", text(&spec), "--train", "--weights", text(&weights)], &["none.safetensors"]);
}
