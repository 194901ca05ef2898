//! Weights are in memory once: the contents of a file are freed as they are packed. Peaks are those
//! of separate processes, which only load, compile and run; so this program has no test harness,
//! and starts itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use resnetc::import::onnx::proto::{DataLocation, ModelProto, StringStringEntryProto};
use resnetc::import::safetensors;
use resnetc::ir::op::{Conv, Window};
use resnetc::ir::{Graph, Op, Tensor};
use resnetc::spec::Spec;
use resnetc::{Compiler, Model, Network, Numerics, Options};

/// Convolutions with one tap and this many channels: 4 MiB of weights each.
const LAYERS: usize = 24;
const CHANNELS: usize = 1024;

/// Twelve convolutions of 512 channels: 113 MB of weights.
const SPEC: &str = "block = \"basic\"\nlayers = [3, 3]\nchannels = [512, 512]\nclasses = 10\n";

/// Other memory of a process: itself, graphs, the code generator's memory for each thread, and what
/// the allocator keeps. At most a third of the weights, so that it cannot hide a second copy of
/// them.
const MARGIN: usize = 32 << 20;

/// The files, in a folder: how each is loaded.
const SUBJECTS: [&str; 3] = ["whole.onnx", "parts.onnx", "weights.safetensors"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [word, file, threads] if word == "peak" => {
            peak(Path::new(file), threads.parse().expect("a number"));
        }
        _ if peak_bytes().is_none() => resnetc_testing::host::not_run(
            "peaks of memory",
            "this system has no /proc/self/status",
        ),
        _ => all(),
    }
}

fn all() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("memory");
    std::fs::create_dir_all(&folder).expect("a folder");
    make(&folder);
    for subject in SUBJECTS {
        for threads in ["1", "2"] {
            let mut child = Command::new(std::env::current_exe().expect("this program"));
            let status = child.arg("peak").arg(folder.join(subject)).arg(threads).status();
            assert!(status.expect("it starts").success(), "{subject}, {threads} threads");
        }
    }
    std::fs::remove_dir_all(&folder).expect("it is ours");
    println!("weights are in memory once: ok");
}

fn make(folder: &Path) {
    let mut graph = Graph::new();
    let mut value = graph.input("x", [1, CHANNELS, 7, 7]);
    for layer in 0..LAYERS {
        let weight = |i: usize| ((i * 7919 + layer * 31) % 2001) as f32 / 1e5 - 0.01;
        let weights = (0..CHANNELS * CHANNELS).map(weight).collect();
        let weights = Tensor::new([CHANNELS, CHANNELS, 1, 1], weights).expect("it fits");
        let weights = graph.constant(format!("weights{layer}"), weights);
        let conv = Op::Conv(Conv::new(Window::square(1, 1, 0), 1));
        value = graph.add(format!("conv{layer}"), conv, &[value, weights]).expect("shapes fit");
    }
    graph.output("y", value);
    let bytes = Compiler::default().graph(graph).expect("no options").to_onnx().expect("it fits");
    write(folder, SUBJECTS[0], &bytes);
    let mut model = ModelProto::decode(&bytes[..]).expect("what we wrote");
    let mut data = Vec::new();
    for tensor in &mut model.graph.as_mut().expect("a graph").initializer {
        let raw = tensor.raw_data.take().expect("weights are raw");
        let entry = |key: &str, value: String| StringStringEntryProto {
            key: Some(key.to_owned()),
            value: Some(value),
        };
        tensor.external_data = vec![
            entry("location", "parts.data".to_owned()),
            entry("offset", data.len().to_string()),
        ];
        tensor.data_location = Some(DataLocation::External as i32);
        data.extend_from_slice(&raw);
    }
    write(folder, "parts.data", &data);
    write(folder, SUBJECTS[1], &model.encode_to_vec());
    let weights = Spec::from_toml(SPEC).expect("a spec").random_weights(1).expect("it has some");
    safetensors::save(&folder.join(SUBJECTS[2]), safetensors::named(&weights)).expect("room");
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("room");
}

/// Loads and compiles a network, runs it if that is quick, and compares the peak with what must be
/// in memory.
fn peak(file: &Path, threads: usize) {
    let before = peak_bytes().expect("asked before");
    let network = load(file, threads);
    let sizes = |network: &Network| -> Vec<usize> {
        let graph = network.graph();
        let constants = graph.nodes().filter_map(|node| graph.constant_of(node));
        constants.map(|tensor| tensor.elements() * size_of::<f32>()).collect()
    };
    let sizes = sizes(&network);
    let (constants, largest) = (sizes.iter().sum::<usize>(), sizes.iter().max().copied());
    let model = network.compile().expect("it compiles");
    let report = model.report();
    let arena = report.arena_bytes + threads * report.thread_bytes;
    let packed = report.weight_bytes;
    if file.extension().is_some_and(|e| e == "onnx") {
        run(&model);
    }
    // Each thread packs one constant at a time, which is in memory twice meanwhile.
    let bound = constants.max(packed) + threads * largest.unwrap_or(0) + arena + MARGIN;
    let peak = peak_bytes().expect("asked before");
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    println!(
        "{}, {threads} threads: peak {:.1} MiB, at most {:.1} (constants {:.1}, packed {:.1}, before {:.1})",
        file.file_name().unwrap_or_default().display(),
        mib(peak),
        mib(bound),
        mib(constants),
        mib(packed),
        mib(before)
    );
    assert!(3 * MARGIN <= constants, "a second copy would not be seen");
    assert!(peak <= bound, "{peak} bytes, but {bound} are enough");
}

fn load(file: &Path, threads: usize) -> Network {
    // Direct convolution packs exactly the weights.
    let numerics = Numerics::Exact;
    let options = Options::default().threads(threads).numerics(numerics);
    match file.extension().is_some_and(|e| e == "onnx") {
        true => Compiler::new(options).load(file).expect("what we wrote"),
        false => {
            let weights = Some(PathBuf::from(file));
            let spec = Spec::from_toml(SPEC).expect("a spec");
            Compiler::new(options.weights(weights)).spec(&spec).expect("what we wrote")
        }
    }
}

fn run(model: &Model) {
    let mut context = model.context().expect("memory");
    context.input_mut::<f32>(0).expect("one").fill(1.0);
    model.run(&mut context).expect("its own context");
}

/// The peak memory of this process so far. (`getrusage` would report that of its parent, if it had
/// more.)
fn peak_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}
