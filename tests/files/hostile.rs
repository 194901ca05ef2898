//! Files that are wrong on purpose, and a few that are right, one folder for each kind of file.
//! Those whose names begin with `ok-` are accepted; all others are refused with a reason, without a
//! panic, an endless loop or much memory.
//!
//! Some were written to break a rule and are named after it; others were found by fuzzing
//! (`fuzz/`), which starts from these folders.

use std::path::{Path, PathBuf};

use resnetc::import::onnx::{self, Bindings};
use resnetc::import::{npy, safetensors};
use resnetc::ir::Graph;
use resnetc::ir::text::{constants, parse, parse_with, print};
use resnetc::ir::verify::verify;
use resnetc::spec::{Spec, Weights};
use resnetc::tune::Cache;
use resnetc::{Compiler, Options};

/// The files of a kind, by name. There are some that are accepted and some that are refused.
fn files(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(kind);
    let entries = std::fs::read_dir(&folder).expect("the folder is part of the repository");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("readable").path()).collect();
    files.sort();
    assert!(files.iter().any(|f| is_sound(f)) && !files.iter().all(|f| is_sound(f)), "{kind}");
    files
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|n| n.to_str()).expect("a plain name")
}

fn is_sound(file: &Path) -> bool {
    name(file).starts_with("ok-")
}

/// Reads every file of a kind, and checks the contents of sound ones.
fn replay<T>(kind: &str, read: impl Fn(&Path) -> Result<T, String>, look: impl Fn(&Path, T)) {
    for file in files(kind) {
        match read(&file) {
            Ok(found) => {
                assert!(is_sound(&file), "{kind}/{} was accepted", name(&file));
                look(&file, found);
            }
            Err(reason) => {
                assert!(!is_sound(&file), "{kind}/{}: {reason}", name(&file));
                let printable = |c: char| !c.is_control() || c == '\n';
                let is_short = reason.len() < 4000 && !reason.is_empty();
                assert!(is_short && reason.chars().all(printable), "{reason:?}");
            }
        }
    }
}

fn bytes(file: &Path) -> Vec<u8> {
    std::fs::read(file).expect("readable")
}

/// After reading, a bad graph is our bug: it must be sound, compile and run.
fn compile_and_run(graph: Graph) {
    verify(&graph).expect("a sound graph");
    let options = Options::default().threads(1);
    let network = Compiler::new(options).graph(graph).expect("no option of loading");
    let model = network.compile().expect("it compiles");
    model.run(&mut model.context().expect("memory")).expect("its own context");
}

#[test]
fn onnx_models() {
    let read = |file: &Path| onnx::load(file, &Bindings::default()).map_err(|e| e.to_string());
    replay("onnx", read, |_, graph| compile_and_run(graph));
    // Read from memory and mapped, they are the same.
    for file in files("onnx") {
        let parsed = onnx::parse(&bytes(&file), file.parent(), &Bindings::default());
        assert_eq!(parsed.is_ok(), is_sound(&file), "{}", name(&file));
        let mapped = Compiler::new(Options::default()).onnx(&file);
        assert_eq!(mapped.is_ok(), is_sound(&file), "{}", name(&file));
    }
}

#[test]
fn descriptions() {
    replay(
        "spec",
        |file| {
            let spec = Spec::load(file).map_err(|e| e.to_string())?;
            spec.build(&Weights::Random { seed: 0 }, 1).map_err(|e| e.to_string())
        },
        |_, graph| compile_and_run(graph),
    );
}

#[test]
fn graphs_in_text() {
    let read = |file: &Path| {
        let text = String::from_utf8(bytes(file)).map_err(|e| e.to_string())?;
        let graph = parse(&text).map_err(|e| e.to_string())?;
        verify(&graph).map_err(|e| e.to_string()).map(|()| graph)
    };
    replay("graph_text", read, |file, graph| {
        let constants = constants(&graph);
        let again = parse_with(&print(&graph), &|hash| constants.get(&hash).cloned());
        assert_eq!(print(&again.expect("what was printed")), print(&graph), "{}", name(file));
        compile_and_run(graph);
    });
}

#[test]
fn weights() {
    let read = |file: &Path| safetensors::load(file).map_err(|e| e.to_string());
    replay("safetensors", read, |file, weights| {
        let elements: usize = weights.values().map(|t| t.elements()).sum();
        assert!(2 * elements <= bytes(file).len(), "{}", name(file));
    });
}

#[test]
fn arrays() {
    replay(
        "npy",
        |file| npy::read(file).map_err(|e| e.to_string()),
        |file, array| {
            assert!(array.elements() * array.dtype().bytes() <= bytes(file).len());
            assert_eq!(
                npy::parse(&npy::encode(&array).expect("it is small")).expect("what was written"),
                array
            );
        },
    );
}

#[test]
fn measured_times() {
    let conv = concat!(
        "%0 = input : f32[1, 16, 8, 8]\n",
        "%1 = constant fill=0.5 : f32[16, 16, 3, 3]\n",
        "%2 = conv(%0, %1) kernel=[3, 3] pads=[1, 1, 1, 1]\n",
        "output \"y\" = %2\n",
    );
    replay(
        "tuned",
        |file| Cache::decode(&bytes(file)),
        |_, cache| {
            let options = Options::default().tuned(Some(cache.tuned().into()));
            let graph = parse(conv).expect("it is written right");
            Compiler::new(options)
                .graph(graph)
                .expect("no option of loading")
                .compile()
                .expect("no choice is a reason to fail");
        },
    );
}
