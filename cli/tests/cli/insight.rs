//! `explain`, `profile` and `--perf-map`.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use serde_json::Value;

use super::support::{BUNDLED, command, fail, folder, json, succeed};

/// `freed` needs more than `in-place` where a shortcut is added in the place of its source, and
/// `never` needs the sum of all values.
#[test]
fn reuse_decides_how_large_the_arena_is() {
    let arena = |reuse: &str| {
        let info = json(&["info", "cifar_resnet20", "--threads", "1", "--reuse", reuse, "--json"]);
        info["compiled"]["arena_bytes"].as_u64().unwrap()
    };
    let [in_place, freed, never] = ["in-place", "freed", "never"].map(arena);
    assert!(in_place < freed && freed < never, "{in_place} {freed} {never}");
    let default = json(&["info", "cifar_resnet20", "--threads", "1", "--json"]);
    assert_eq!(default["compiled"]["arena_bytes"], in_place);
}

#[test]
fn explain_lists_what_was_fused_and_what_was_not() {
    let explained = json(&["explain", "resnet50", "--json"]);
    let passes = explained["passes"].as_array().unwrap();
    let pass = |name: &str| passes.iter().find(|p| p["pass"] == name).unwrap();
    let residual = pass("fuse_residual")["applied"].as_array().unwrap();
    assert_eq!(residual.len(), 16, "one a block");
    let ops = |nodes: &Value| -> Vec<String> {
        nodes.as_array().unwrap().iter().map(|n| n["op"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ops(&residual[0]["before"]), ["conv", "add"]);
    assert_eq!(ops(&residual[0]["after"]), ["conv"]);
    let text = succeed(&["explain", "resnet50"]);
    for patch in residual {
        assert!(text.contains(patch["label"].as_str().unwrap()), "{patch}");
    }
    let near = passes.iter().flat_map(|p| p["declined"].as_array().unwrap());
    for miss in near {
        assert!(text.contains(miss["reason"].as_str().unwrap()), "{miss}");
    }
}

/// The text before the first empty line, on a screen of 24 lines and 80 columns.
#[test]
fn explain_begins_with_a_summary_that_fits_a_screen() {
    for model in [BUNDLED, "resnet50", "resnet152"] {
        let said = succeed(&["explain", model]);
        let (summary, _) = said.split_once("\n\n").unwrap();
        let widest = summary.lines().map(|line| line.chars().count()).max();
        assert!(summary.lines().count() <= 23 && widest <= Some(80), "{summary}");
        // Its figures are those of the document, whose first few the list has.
        let explained = json(&["explain", model, "--json"]);
        let told = &explained["summary"];
        assert!(summary.starts_with(&format!(
            "{} operators become {} steps;",
            told["operators"], told["steps"]
        )));
        for (title, key) in [
            ("rewrites applied", "applied"),
            ("rewrites declined", "declined"),
            ("convolutions", "algorithms"),
        ] {
            let counts = told[key].as_array().unwrap();
            let number = |c: &Value| c["count"].as_u64().unwrap();
            let total: u64 = counts.iter().map(number).sum();
            let mut lines =
                summary.lines().skip_while(|line| !line.starts_with(&format!("{title}: ")));
            assert_eq!(lines.next(), Some(&format!("{title}: {total}")[..]), "{summary}");
            for count in counts.iter().take(5) {
                let line = format!("  {:>4}  {}", number(count), count["what"].as_str().unwrap());
                assert_eq!(lines.next(), Some(&line[..]), "{summary}");
            }
        }
        let passes = explained["passes"].as_array().unwrap();
        let listed =
            |key: &str| passes.iter().map(|p| p[key].as_array().unwrap().len()).sum::<usize>();
        for key in ["applied", "declined"] {
            let counted: u64 =
                told[key].as_array().unwrap().iter().map(|c| c["count"].as_u64().unwrap()).sum();
            assert_eq!(counted, listed(key) as u64, "{model}: {key}");
        }
    }
}

#[test]
fn profile_writes_its_timeline_or_says_so_before_it_starts() {
    let trace = folder("profile").join("trace.json");
    let path = trace.to_str().unwrap();
    let profile = json(&["profile", BUNDLED, "--iters", "2", "--json", "--trace", path]);
    let steps = profile["steps"].as_array().unwrap();
    assert!(steps.iter().any(|s| s["gflops"].as_f64() > Some(0.0)));
    let timeline: Value = serde_json::from_slice(&fs::read(&trace).unwrap()).unwrap();
    let events = timeline["traceEvents"].as_array().unwrap();
    for step in steps {
        let of_step = |e: &&Value| e["args"]["kernel"] == step["kernel"];
        assert!(events.iter().any(|e| of_step(&e)), "{step}");
    }
    fail(&["profile", "no such model", "--trace", "/no/such/folder/t.json"], &["/no/such/folder"]);
}

#[test]
fn a_perf_map_names_all_code_by_its_shape_line() {
    let mut profile = command(&["profile", BUNDLED, "--iters", "1", "--json", "--perf-map"]);
    let child = profile.stdout(Stdio::piped()).spawn().unwrap();
    let map = format!("/tmp/perf-{}.map", child.id());
    let output = child.wait_with_output().unwrap();
    let profile: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = fs::read_to_string(&map).unwrap();
    fs::remove_file(&map).unwrap();
    let mut functions: Vec<(u64, u64, &str)> = text
        .lines()
        .map(|line| {
            let mut parts = line.splitn(3, ' ');
            let mut number = || u64::from_str_radix(parts.next().unwrap(), 16).unwrap();
            (number(), number(), parts.next().unwrap())
        })
        .collect();
    functions.sort_unstable();
    assert!(functions.windows(2).all(|f| f[0].0 + f[0].1 <= f[1].0), "{text}");
    let names: BTreeSet<&str> = functions.iter().map(|f| f.2).collect();
    for step in profile["steps"].as_array().unwrap() {
        assert!(names.contains(step["kernel"].as_str().unwrap()), "{step} is not in {text}");
        assert!(names.contains(step["name"].as_str().unwrap()), "{step} is not in {text}");
    }
}
