//! Files that must not make a command wait or fill the memory.

use std::path::Path;
use std::process::Command;

use crate::support::*;

fn hostile(kind: &str) -> Vec<String> {
    let folder = format!("../tests/hostile/{kind}");
    names(Path::new(&folder)).into_iter().map(|name| format!("{folder}/{name}")).collect()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[test]
fn arrays_are_read_or_refused() {
    let (model, _) = fixture("cifar14_c");
    for file in hostile("npy") {
        // Sound files are read, and their shape then differs from the model's, whose batch is the
        // file's.
        let says = match file_name(&file).starts_with("ok-") {
            true => "3, 32, 32]",
            false => file_name(&file),
        };
        fail(&["run", &model, "--input", &file], &[file_name(&file), says]);
    }
}

#[test]
fn pictures_that_claim_to_be_huge_are_refused() {
    for file in hostile("picture") {
        let output = resnetc(&["classify", &file]);
        assert_eq!(output.status.code(), Some(1), "{file}");
        let text = stderr(&output);
        let errors = text.lines().filter(|l| !is_remark(l)).count();
        assert!(text.starts_with("error: ") && errors == 1, "{text}");
        assert!(text.contains(file_name(&file)), "{text}");
    }
}

/// Opening a pipe would wait for its writer.
#[cfg(unix)]
#[test]
fn nobody_waits_for_a_pipe() {
    let folder = folder("pipes");
    let (model, _) = fixture("cifar14_c");
    let pipe = |name: &str| -> String {
        let path = folder.join(name);
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        text(&path).to_owned()
    };
    let says = "not a regular file";
    fail(&["info", &pipe("m.onnx")], &["m.onnx", says]);
    fail(&["info", &pipe("m.toml")], &["m.toml", says]);
    fail(&["info", &pipe("m.json")], &["m.json", says]);
    fail(&["run", &model, "--input", &pipe("x.npy")], &["x.npy", says]);
    fail(&["run", &model, "--input", &pipe("x.safetensors")], &["x.safetensors", says]);
    let weights = pipe("w.safetensors");
    fail(&["run", "cifar_resnet20", "--weights", &weights], &["w.safetensors", says]);
    fail(&["info", "cifar_resnet20", "--tuned", &pipe("t.json")], &["t.json", says]);
    fail(&["run", "cifar_resnet20", "--tuned", &pipe("u.json")], &["u.json", says]);
    // One bad picture does not stop the others.
    let picture = resnetc(&["classify", &pipe("p.png")]);
    assert_eq!(picture.status.code(), Some(1));
    assert!(stderr(&picture).contains(says), "{}", stderr(&picture));
    fail(&["classify", "--labels", &pipe("labels.txt")], &["labels.txt"]);
}
