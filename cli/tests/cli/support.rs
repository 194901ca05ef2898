//! Runs the program and checks its output.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use resnetc::export::onnx::{self, Existing};
use resnetc::ir::{Graph, Op};
use serde_json::Value;

pub(crate) const BUNDLED: &str = "models/resnet20-fashion-mnist.onnx";
pub(crate) const BUNDLED_IO: &str = "models/resnet20-fashion-mnist_io.safetensors";

/// The beginning of the warning that there are fewer CPUs than threads.
pub(crate) const FEW_CPUS: &str = "warning: --threads ";

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resnetc"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    // This folder does not exist: the user's measured times must not affect a test.
    command.env("RESNETC_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("no cache"));
    command
}

pub(crate) fn resnetc(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The output of a command that must succeed.
pub(crate) fn succeed(args: &[&str]) -> String {
    let output = resnetc(args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    let errors = stderr(&output);
    assert!(errors.lines().all(is_remark), "{args:?}: {errors}");
    stdout(&output)
}

/// Lines that any command may print on stderr: that weights or inputs are random, that a test
/// requests more threads than there are CPUs, that the machine is busy, the skipped files and the
/// summary of `classify`, the batch of what `quantize` writes, and that a network in a folder was
/// damaged.
pub(crate) fn is_remark(line: &str) -> bool {
    let note = line.strip_prefix("note: ").unwrap_or_default();
    let is_random = note.starts_with("the weights of ") || note.starts_with("the input is random");
    let is_damaged = note.starts_with("compiled again, because ");
    let is_note = is_random
        || is_damaged
        || note.contains(" left out")
        || note.contains(" in the quantized file");
    is_note || line.starts_with(FEW_CPUS) || is_summary(line) || is_noise(line)
}

/// Lines of measuring commands if other processes interfere, as other tests may.
pub(crate) fn is_noise(line: &str) -> bool {
    line.starts_with("warning: the machine was busy")
}

pub(crate) fn is_summary(line: &str) -> bool {
    line.starts_with("note: classified ")
}

/// Runs a command under a limit: an option of the shell's `ulimit`.
#[cfg(target_os = "linux")]
pub(crate) fn limited(limit: &str, args: &[&str]) -> Output {
    let script = format!("ulimit -c 0; ulimit {limit}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_resnetc")]).args(args);
    shell.output().expect("a shell")
}

pub(crate) fn json(args: &[&str]) -> Value {
    serde_json::from_str(&succeed(args)).unwrap()
}

/// Asserts that a command fails with exit code 1 and one `error:` line with all of `says`, and
/// prints nothing else but perhaps a `help:` line.
pub(crate) fn fail(args: &[&str], says: &[&str]) {
    let output = resnetc(args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
    assert_eq!(stdout(&output), "", "{args:?}");
    let lines: Vec<&str> = text.lines().filter(|l| !is_remark(l)).collect();
    assert!(lines[0].starts_with("error: "), "{args:?}: {text}");
    assert!(lines[1..].iter().all(|l| l.starts_with("help: ")), "{args:?}: {text}");
    assert!(lines.len() <= 2, "{args:?}: {text}");
    for part in says {
        assert!(lines[0].contains(part), "{args:?}: no \"{part}\" in: {text}");
    }
}

/// Asserts that arguments are wrong, and that stderr says this about them.
pub(crate) fn misuse(args: &[&str], says: &str) {
    let output = resnetc(args);
    let said = stderr(&output);
    assert!(output.status.code() == Some(2) && said.contains(says), "{args:?}: {said}");
}

/// A separate, empty folder for a test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes a model for one picture that would mix several.
pub(crate) fn mixing(folder: &Path) -> PathBuf {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 3, 64, 64]);
    let mean = graph.add("mean", Op::GlobalAveragePool, &[x]).unwrap();
    let turned = graph.add("turned", Op::Transpose { perm: vec![1, 0, 2, 3] }, &[mean]).unwrap();
    let y = graph.add("y", Op::Reshape { shape: vec![1, 3] }, &[turned]).unwrap();
    graph.output("y", y);
    let file = folder.join("mixing.onnx");
    onnx::write(&graph, &file, Existing::Replace).unwrap();
    file
}

/// The model and the input with expected output of a fixture.
pub(crate) fn fixture(name: &str) -> (String, String) {
    let folder = format!("../tests/fixtures/{name}");
    (format!("{folder}/model.onnx"), format!("{folder}/io.safetensors"))
}

/// The values of a `.npy` file of f32.
pub(crate) fn npy_values(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let header = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    bytes[10 + header..].as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}
