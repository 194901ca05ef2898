//! `--cache` and `resnetc cache`.

use std::fs;

use super::support::*;

#[test]
fn a_network_is_compiled_once() {
    let folder = folder("cached");
    let cache = folder.join("cache");
    let (cache, model) = (cache.to_str().unwrap(), "../tests/fixtures/resnet_basic_b/spec.toml");
    let run = |extra: &[&str]| {
        let mut args = vec!["run", model, "--cache", cache, "--json"];
        args.extend(extra);
        let report = json(&args);
        let phases = report["phases"].as_array().unwrap();
        let phases: Vec<String> = phases.iter().map(|p| p["name"].to_string()).collect();
        (phases.contains(&"\"cache\"".to_owned()), report["outputs"].clone())
    };
    let (was_found, outputs) = run(&[]);
    assert!(!was_found);
    assert_eq!(run(&[]), (true, outputs.clone()));
    assert!(!run(&["--numerics", "exact"]).0);
    let listed = json(&["cache", "list", cache, "--json"]);
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|entry| entry["is_current"] == true), "{listed:?}");
    assert_eq!(succeed(&["cache", "list", cache]).lines().count(), 2);
    let file = listed[0]["file"].as_str().unwrap();
    fs::remove_file(file).unwrap();
    fs::write(file, "damaged").unwrap();
    let table = succeed(&["cache", "list", cache]);
    assert!(table.contains("it is not a compiled network"), "{table}");
    let (first, second) = (run(&[]), run(&["--numerics", "exact"]));
    assert!(first.0 != second.0, "one of them was damaged");
    assert_eq!(first.1, outputs);
    let cleared = succeed(&["cache", "clear", cache]);
    assert!(cleared.starts_with("removed 2 networks ("), "{cleared}");
    assert_eq!(succeed(&["cache", "list", cache]), "no networks\n");
    fail(&["cache", "list", &format!("{cache}/none")], &["none: "]);
    fail(&["cache", "clear", model], &["is not a folder"]);
}

#[test]
fn pictures_are_classified_by_a_network_from_a_folder() {
    let folder = folder("cached_pictures");
    let cache = folder.join("cache");
    let args = ["classify", "--cache", cache.to_str().unwrap(), "--json"];
    let (first, second) = (json(&args), json(&args));
    assert_eq!(first["pictures"].as_array().unwrap().len(), 10);
    let without_times = |report: &serde_json::Value| -> Vec<_> {
        report["pictures"].as_array().unwrap().iter().map(|p| p["top"].clone()).collect()
    };
    assert_eq!(without_times(&first), without_times(&second));
    assert_eq!(json(&["cache", "list", args[2], "--json"]).as_array().unwrap().len(), 1);
}
