//! `resnetc export`: files that are whole or not there, and what is refused.

use std::fs;
use std::process::Command;

use super::support::*;

const MODEL: &str = "../tests/fixtures/resnet_basic_b/model.onnx";

#[test]
fn a_network_is_three_files_or_four() {
    let folder = folder("export");
    let place = folder.join("some/where");
    let place = place.to_str().unwrap();
    let report = json(&["export", MODEL, "-o", place, "--json"]);
    let names = |report: &serde_json::Value| -> Vec<String> {
        report["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&report), ["net.h", "main.c", "net.o"]);
    fail(&["export", MODEL, "-o", place], &["net.h: the file exists [file-exists]"]);
    let other = ["export", MODEL, "-o", place, "--name", "other", "--separate-weights"];
    let report = json(&[&other[..], &["--target", "aarch64", "--json"]].concat());
    assert_eq!(names(&report), ["other.h", "other_main.c", "other.weights", "other.o"]);
    assert_eq!(report["isa"], "neon");
    let weights = fs::metadata(format!("{place}/other.weights")).unwrap().len();
    assert_eq!(report["weight_bytes"], weights);
    let mut all: Vec<_> = fs::read_dir(place).unwrap().map(|e| e.unwrap().file_name()).collect();
    all.sort();
    let others = ["other.h", "other.o", "other.weights", "other_main.c"];
    assert_eq!(all, [&["main.c", "net.h", "net.o"][..], &others].concat());
}

#[test]
fn the_line_that_it_prints_builds_the_program() {
    let folder = folder("export_built");
    let place = folder.join("net");
    let place_name = place.to_str().unwrap();
    let name = ["--threads", "2", "--name", "basic"];
    let text = succeed(&[&["export", MODEL, "-o", place_name][..], &name].concat());
    let line = text.lines().last().unwrap().strip_prefix("build it there: ").unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let built = Command::new(words[0]).args(&words[1..]).current_dir(&place).output();
    let Ok(built) = built else {
        resnetc_testing::host::not_run("a program of an exported network", "there is no cc");
        return;
    };
    assert!(built.status.success() && built.stderr.is_empty(), "{}", stderr(&built));
    let output = Command::new(place.join("basic")).current_dir(&place).output().unwrap();
    assert_eq!(stdout(&output).lines().count(), 5, "the five largest elements");
    let missing = Command::new(place.join("basic")).arg("none.raw").current_dir(&place).output();
    let missing = missing.unwrap();
    assert!(!missing.status.success() && stderr(&missing).starts_with("none.raw: "));
}

#[test]
fn all_files_are_replaced_or_none() {
    let folder = folder("export_replaced");
    let place = folder.to_str().unwrap();
    fs::write(folder.join("net.h"), "mine").unwrap();
    fs::create_dir(folder.join("net.o")).unwrap();
    fail(&["export", MODEL, "-o", place, "--force"], &["it cannot be written: it is a folder"]);
    assert_eq!(fs::read_to_string(folder.join("net.h")).unwrap(), "mine");
    assert!(!folder.join("main.c").exists());
}

#[test]
fn what_cannot_be_exported_is_refused_before_the_work() {
    let folder = folder("export_refused");
    let place = folder.to_str().unwrap();
    let refused = |args: &[&str], code: i32, says: &str| {
        let output = resnetc(&[&["export", MODEL, "-o", place], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
    };
    refused(&["--target", "z80"], 2, "unknown target \"z80\"; expected one of native, x86-64, ");
    refused(&["--name", "my-net"], 2, "is no name for functions in C");
    refused(&["--isa", "baseline"], 2, "--isa has no effect: --target has its instruction set");
    refused(&["--name", "stdio"], 2, "stdio.h is a header of C");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    fs::write(folder.join("file"), "").unwrap();
    fail(&["export", MODEL, "-o", &format!("{place}/file")], &["file: it cannot be written: "]);
    fail(&["export", "none.onnx", "-o", place], &["none.onnx"]);
}
