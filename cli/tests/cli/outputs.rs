//! Commands never write over files that they read, or over files that cannot be replaced.

use std::fs;
use std::path::Path;

use super::support::*;

/// The options by which commands write a text, after the command and its model.
const TEXTS: [(&[&str], &str); 5] = [
    (&["profile", "--iters", "1"], "--trace"),
    (&["bench", "--iters", "1", "--ablate"], "--csv"),
    (&["bench", "--iters", "1", "--threads", "1,2"], "--csv"),
    (&["report", "--iters", "1"], "-o"),
    (&["dump", "--stage", "graph"], "-o"),
];

/// A copy of the bundled network with this name, and its contents.
fn copy(folder: &Path, name: &str) -> (String, Vec<u8>) {
    let file = folder.join(name);
    fs::copy(BUNDLED, &file).unwrap();
    (text(&file).to_owned(), fs::read(&file).unwrap())
}

#[test]
fn what_is_read_is_not_written_over() {
    let folder = folder("outputs_over_inputs");
    let (model, whole) = copy(&folder, "m.onnx");
    let spec = text(&folder.join("spec.json")).to_owned();
    fs::write(&spec, r#"{"preset": "cifar_resnet20"}"#).unwrap();
    for (command, option) in TEXTS {
        let (name, rest) = command.split_first().unwrap();
        let args = |model, to| [&[*name, model], rest, &[option, to]].concat();
        fail(&args(&model, &model), &["m.onnx", "not a .onnx file"]);
        fail(&args(&spec, &spec), &["spec.json", "the command reads this file"]);
        let weights = text(&folder.join("w.safetensors")).to_owned();
        fail(&args(&model, &weights), &["w.safetensors", "not a .safetensors file"]);
    }
    assert_eq!(fs::read(&model).unwrap(), whole);
    assert_eq!(fs::read_to_string(&spec).unwrap(), r#"{"preset": "cifar_resnet20"}"#);
    let input = folder.join("x.safetensors");
    fs::copy(BUNDLED_IO, &input).unwrap();
    let input = text(&input);
    let whole = fs::read(input).unwrap();
    fail(&["run", &model, "--input", input, "--output", input], &["x.safetensors", "reads"]);
    assert_eq!(fs::read(input).unwrap(), whole);
}

#[cfg(target_os = "linux")]
#[test]
fn pipes_and_links_stay_what_they_are() {
    use std::process::{Command, Stdio};
    let folder = folder("outputs_special");
    let target = folder.join("real.txt");
    fs::write(&target, "old").unwrap();
    let link = folder.join("link.txt");
    std::os::unix::fs::symlink("real.txt", &link).unwrap();
    succeed(&["dump", BUNDLED, "--stage", "graph", "-o", text(&link)]);
    assert!(link.is_symlink() && fs::read_to_string(&target).unwrap().contains("conv"));
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = Command::new("cat").arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
    succeed(&["dump", BUNDLED, "--stage", "graph", "-o", text(&pipe)]);
    let read = reader.wait_with_output().unwrap().stdout;
    assert_eq!(read, fs::read(&target).unwrap());
    assert!(!fs::metadata(&pipe).unwrap().is_file());
    let plain = succeed(&["dump", BUNDLED, "--stage", "graph", "-o", "/dev/stdout"]);
    assert_eq!(plain.as_bytes(), read);
    let full = ["dump", BUNDLED, "--stage", "graph", "-o", "/dev/full"];
    fail(&full, &["/dev/full", "writing failed"]);
    assert!(!fs::metadata("/dev/full").unwrap().is_file());
}

#[test]
fn measured_times_that_are_named_must_be_there() {
    let folder = folder("outputs_tuned");
    let missing = folder.join("missing.json");
    fail(&["run", BUNDLED, "--tuned", text(&missing)], &["missing.json"]);
    fail(&["info", BUNDLED, "--tuned", BUNDLED_IO], &[BUNDLED_IO]);
    fail(&["classify", "--tuned", text(&missing)], &["missing.json"]);
    assert_eq!(names(&folder), [""; 0]);
}

/// A limit on the size of files is an error, not the end of the process.
#[test]
#[cfg(target_os = "linux")]
fn files_beyond_the_limit_are_an_error() {
    let folder = folder("file_limit");
    let (made, kept) = (folder.join("made.onnx"), folder.join("kept.npy"));
    fs::write(&kept, b"kept").unwrap();
    for args in [
        &["zoo", "make", "resnet18", "-o", text(&made)][..],
        &["run", "cifar_resnet20", "--batch", "4096", "--output", text(&kept)],
    ] {
        let output = limited("-f 20", args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("error: ") && said.contains(" [io]"), "{args:?}: {said}");
    }
    assert!(!made.exists());
    assert_eq!(fs::read(&kept).unwrap(), b"kept");
}
