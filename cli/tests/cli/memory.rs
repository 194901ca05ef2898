//! Commands that are given too little memory.
#![cfg(target_os = "linux")]

use std::process::Output;

use crate::support::{folder, limited, stderr, stdout, succeed, text};

/// Runs a command that can address this many MB.
fn with_memory(megabytes: u32, args: &[&str]) -> Output {
    limited(&format!("-v {}", megabytes * 1000), args)
}

/// Memory for weights is requested before it is used; without it, a command ends with a message.
#[test]
fn too_little_memory_for_weights_is_an_error() {
    // The weights take 240 MB, the program itself less than 100.
    for command in ["info", "run", "check", "dump"] {
        let output = with_memory(150, &[command, "resnet152"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        let line = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(line.contains("not enough memory for"), "{command}: {said}");
        assert!(line.ends_with(" [out-of-memory]"), "{command}: {said}");
        assert_eq!(stdout(&output), "", "{command}");
    }
}

/// Collections that do not grow with the network end the process where nothing is left for them.
const SMALL: usize = 1 << 20;

/// The sizes of the requests that ended the process.
fn fatal(said: &str) -> Vec<usize> {
    let after = said.split("memory allocation of ").skip(1);
    after.filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect()
}

/// Whatever the limit is, no request of a size that grows with weights or values ends the process.
#[test]
fn memory_runs_out_anywhere_with_an_error() {
    let folder = folder("memory");
    let (model, made) = (folder.join("model.onnx"), folder.join("made.onnx"));
    let (model, made) = (text(&model), text(&made));
    let values = folder.join("y.npy");
    succeed(&["zoo", "make", "resnet18", "-o", model]);
    let input = folder.join("x.npy");
    let array = resnetc::Array::new(resnetc::DType::F64, [2048, 3, 32, 32], vec![0; 50_331_648]);
    let array = resnetc::import::npy::encode(&array.unwrap()).unwrap();
    std::fs::write(&input, array).unwrap();
    let check = ["check", "cifar_resnet20", "--batch", "32", "--threads", "1"];
    for (args, limits) in [
        (vec!["info", model], 60..140),
        (vec!["dump", model], 60..140),
        (vec!["zoo", "make", "resnet18", "-o", made, "--force"], 60..180),
        (vec!["bench", "resnet18", "--batch", "8", "--iters", "1"], 60..160),
        (
            vec!["run", "cifar_resnet20", "--input", text(&input), "--output", text(&values)],
            60..300,
        ),
        (check.to_vec(), 50..90),
    ] {
        let mut refused = 0;
        for megabytes in limits.step_by(20) {
            let output = with_memory(megabytes, &args);
            let said = stderr(&output);
            let sizes = fatal(&said);
            assert!(sizes.iter().all(|&size| size < SMALL), "{megabytes} MB, {args:?}: {said}");
            refused += usize::from(said.contains("[out-of-memory]"));
        }
        assert!(refused > 0, "{args:?} had enough memory everywhere");
    }
}
