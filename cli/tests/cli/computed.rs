//! Networks whose weights are computed in the graph, from constants: every command works on them,
//! in every mode.

use std::fs;

use crate::support::*;

const CASES: [&str; 2] =
    ["../tests/cases/computed_weights/model.onnx", "../tests/cases/computed_weights_1d/model.onnx"];

/// One run is enough: the times do not matter here.
const QUICK: [&str; 7] = ["--iters", "1", "--warmup", "0", "--threads", "1", "--json"];

/// A value that depends on constants alone is a constant, with and without optional passes.
#[test]
fn commands_take_networks_whose_weights_are_computed() {
    for model in CASES {
        let info = json(&["info", model, "--json"]);
        assert!(info["unfused"]["steps"].as_u64() >= info["compiled"]["steps"].as_u64(), "{info}");
        let explained = json(&["explain", model, "--json"]);
        let passes = explained["passes"].as_array().unwrap();
        let folded = passes.iter().find(|p| p["pass"] == "fold_constants").unwrap();
        assert!(!folded["applied"].as_array().unwrap().is_empty());
        assert_eq!(folded["optional"], false, "weights are packed when a network is compiled");
        let profile = json(&["profile", model, "--iters", "1", "--json"]);
        let macs = profile["steps"].as_array().unwrap().iter().map(|s| s["macs"].as_u64().unwrap());
        assert_eq!(info["macs"], macs.sum::<u64>(), "constants are not part of the work of a run");
        for mode in [&[][..], &["--unfused"]] {
            succeed(&[&["run", model], mode].concat());
            for stage in ["fused", "scheduled", "plan", "program", "dot"] {
                succeed(&[&["dump", model, "--stage", stage], mode].concat());
            }
        }
        succeed(&["dump", model, "--stage", "graph"]);
        json(&[&["bench", model, "--compare"], &QUICK[..]].concat());
    }
}

#[test]
fn reports_and_ladders_have_their_lowest_levels() {
    let model = CASES[0];
    let page = folder("computed").join("page.html");
    let data = json(&[&["report", model, "-o", text(&page)], &QUICK[..]].concat());
    let levels = data["ladder"]["levels"].as_array().unwrap();
    assert!(levels.iter().any(|level| level["name"] == "unfused"), "{levels:?}");
    assert!(fs::metadata(&page).unwrap().len() > 0);
    let ablation = json(&[&["bench", model, "--ablate"], &QUICK[..]].concat());
    let rows = ablation["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["name"] == "unfused"));
    assert!(
        rows.iter().all(|row| row["pass"] != "fold_constants"),
        "it is not an optimization: it must run"
    );
}
