//! Names of files and values that steer terminals, break lines or are not UTF-8.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use resnetc::export::onnx;
use resnetc::ir::op::{Binary, Conv, Unary, Window};
use resnetc::ir::{Graph, NodeId, Op, Tensor};
use serde_json::Value;

use crate::support::*;

const EVIL: &str = "a\nFAKE\u{1b}[2J";
const SHOWN: &str = "a\\nFAKE\\u{1b}[2J";
/// What escaping makes of the line break: as in Rust's strings, in the text form of graphs, and for a
/// shell.
const BREAKS: [&str; 3] = ["\\nFAKE", "\\u{a}FAKE", "\\x0aFAKE"];

/// No line begins with what a name put there, and no control character is printed.
#[track_caller]
fn is_harmless(output: &Output) {
    for text in [stdout(output), stderr(output)] {
        assert!(
            text.lines()
                .all(|line| !line.contains("FAKE") || BREAKS.iter().any(|b| line.contains(b))),
            "{text}"
        );
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
}

/// A model in which everything has such a name, in a file with such a name: a residual block that
/// passes fuse, and an operator that they nearly fuse.
fn model(folder: &Path) -> PathBuf {
    let mut graph = Graph::new();
    let x = graph.input(format!("x{EVIL}"), [1, 8, 4, 4]);
    let weights = Tensor::new([8, 8, 1, 1], vec![0.5; 64]).unwrap();
    let weights = graph.constant(format!("w{EVIL}"), weights);
    let shift =
        graph.constant(format!("s{EVIL}"), Tensor::new([1, 8, 1, 1], vec![0.5; 8]).unwrap());
    let conv = Op::Conv(Conv::new(Window::square(1, 1, 0), 1));
    let mut add = |name: &str, op: &Op, operands: &[NodeId]| {
        graph.add(format!("{name}{EVIL}"), op.clone(), operands).unwrap()
    };
    let [sum, relu] = [Op::Binary(Binary::Add), Op::Unary(Unary::Relu)];
    let a = add("conv", &conv, &[x, weights]);
    let b = add("bias", &sum, &[a, shift]);
    let c = add("relu", &relu, &[b]);
    let d = add("conv2", &conv, &[c, weights]);
    let e = add("sum", &sum, &[d, c]);
    let f = add("act", &relu, &[e]);
    let g = add("sigmoid", &Op::Unary(Unary::Sigmoid), &[f]);
    let h = add("swap", &Op::Transpose { perm: vec![0, 1, 3, 2] }, &[g]);
    for (name, value) in [("y", h), ("other", b)] {
        graph.output(format!("{name}{EVIL}"), value);
    }
    let file = folder.join(format!("{EVIL}.onnx"));
    fs::write(&file, onnx::encode(&graph).unwrap()).unwrap();
    file
}

#[cfg(unix)]
#[test]
fn names_do_not_steer_terminals_or_forge_lines() {
    let folder = folder("names");
    let model = model(&folder);
    let model = text(&model);
    for args in [
        &["run", model][..],
        &["run", model, "--outputs", EVIL],
        &["run", model, "--input", &format!("{EVIL}.npy")],
        &["info", model],
        &["explain", model],
        &["profile", model, "--iters", "1"],
        &["check", model],
        &["bench", model, "--iters", "1", "--warmup", "0"],
        &["run", model, "--seed", "1", "--tuned", EVIL],
        &["run", "cifar_resnet20", "--weights", &format!("{EVIL}.safetensors")],
        &["info", &format!("{EVIL}.toml")],
        &["info", &format!("{EVIL}.json")],
        &["info", &format!("{EVIL}.nothing")],
        &["run", model, "--output", &format!("{EVIL}.txt")],
        &["run", model, "--output", &format!("{EVIL}/none.npy")],
        &["dump", model, "--node", EVIL],
        &["dump", model, "--node", &format!("conv2{EVIL}")],
        &["dump", model, "--node", &format!("conv2{EVIL}"), "--stage", "plan"],
        &["dump", model, "--stage", "graph"],
        &["dump", model, "--stage", "fused"],
        &["dump", model, "--stage", "scheduled"],
        &["dump", model, "--stage", "plan"],
        &["dump", model, "--stage", "dot"],
        &["dump", model, "--stage", "clif"],
        &["dump", model, "--stage", "asm"],
        &["explain", model, "--json"],
        &["check", model, "--json"],
        &["check", model, "--tolerance", "6e-8"],
        &["report", model, "--iters", "1", "-o", &format!("{EVIL}/none.html")],
        &["run", model, "--batch", "999999999"],
        &["zoo", "make", model, "-o", "m.onnx"],
        &["classify", EVIL],
        &["classify", &format!("{EVIL}.png")],
        &["classify", "--labels", EVIL],
        &["bench", model, "--against", EVIL],
    ] {
        let output = command(args).current_dir(&folder).output().unwrap();
        let all = stdout(&output) + &stderr(&output);
        assert!(all.contains("FAKE"), "{args:?}: {all}");
        // A file of measured times names itself.
        if args.contains(&"--tuned") {
            continue;
        }
        is_harmless(&output);
    }
    let output = resnetc(&["run", model]);
    assert!(stdout(&output).contains(&format!("output   \"y{SHOWN}\"")), "{}", stdout(&output));
}

/// JSON has the name itself, and the bytes of a name that no text can hold.
#[cfg(target_os = "linux")]
#[test]
fn pictures_keep_their_names() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = folder("picture_names");
    let bag = fs::read("models/pictures/bag.png").unwrap();
    let odd = folder.join(OsStr::from_bytes(b"caf\xe9.png"));
    fs::write(&odd, &bag).unwrap();
    fs::write(folder.join(format!("{EVIL}.png")), &bag).unwrap();
    let hex: String = odd.as_os_str().as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let report = json(&["classify", text(&folder), "--json"]);
    let pictures = report["pictures"].as_array().unwrap().clone();
    let lines = succeed(&["classify", text(&folder), "--jsonl"]);
    let lines: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    for pictures in [pictures, lines] {
        let [evil, odd] = &pictures[..] else { panic!("{pictures:?}") };
        assert_eq!(evil["file"], text(&folder.join(format!("{EVIL}.png"))));
        assert!(evil.get("file_hex").is_none(), "{evil}");
        assert_eq!(odd["file_hex"], hex);
        assert!(odd["file"].as_str().unwrap().ends_with("caf\u{fffd}.png"), "{odd}");
    }
    let output = resnetc(&["classify", text(&folder)]);
    is_harmless(&output);
    assert!(stdout(&output).contains("caf\\xe9.png"), "{}", stdout(&output));

    // Commands that name files in JSON name these, too.
    fs::copy(BUNDLED, folder.join(OsStr::from_bytes(b"\xe9.onnx"))).unwrap();
    let mut info = command(&["info", "--json"]);
    let output = info.arg(folder.join(OsStr::from_bytes(b"\xe9.onnx"))).output().unwrap();
    let info: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(info["model"].as_str().unwrap().ends_with("\\xe9.onnx"), "{info}");
}
