//! Programs that link exported objects.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use resnetc::object::{Export, ExportTarget, Exported, Weights, export};
use resnetc::{Compiler, DType, Engine, IsaChoice, Model, Network, Numerics, Options};
use resnetc_testing::host::not_run;
use resnetc_testing::random_graph::random_graph;
use resnetc_testing::running::{TOLERANCE, error, noise};

/// What builds programs for a target, and what runs them.
struct Tools {
    compiler: &'static str,
    runner: &'static [&'static str],
}

const HERE: Tools = Tools { compiler: "cc", runner: &[] };

const ARM: Tools = Tools {
    compiler: "aarch64-linux-gnu-gcc",
    runner: &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
};

const WINDOWS: Tools = Tools { compiler: "x86_64-w64-mingw32-gcc", runner: &["wine"] };

impl Tools {
    /// Whether they are all there; otherwise says what is not run.
    fn are_there(&self) -> bool {
        let tools = [Some(&self.compiler), self.runner.first()];
        let missing = tools.into_iter().flatten().find_map(|tool| {
            let found = Command::new(tool).arg("--version").output();
            found.err().map(|e| format!("{tool}: {e}"))
        });
        if let Some(why) = &missing {
            not_run("programs of exported networks", why);
        }
        missing.is_none()
    }
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("resnetc-object-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program that calls both functions with memory that ends where it must not be read or written
/// any more, and with wrong arguments.
fn harness(model: &Model, weights: Weights) -> String {
    let mut text = String::from(include_str!("harness.c"));
    let (mut names, mut slots) = (Vec::new(), String::new());
    for (kind, ports) in [("input", model.inputs()), ("output", model.outputs())] {
        for i in 0..ports.len() {
            let name = if ports.len() > 1 { format!("{kind}{i}") } else { kind.to_owned() };
            let bytes = format!("NET_{}_BYTES", name.to_uppercase());
            let _ = writeln!(slots, "    void *{name} = guarded({bytes}, 4);");
            if kind == "input" {
                let _ = writeln!(slots, "    load(\"{name}.raw\", {name}, {bytes});");
            } else {
                let _ = writeln!(slots, "    void *{name}_2 = guarded({bytes}, 4);");
            }
            names.push(name);
        }
    }
    let outputs = || names.iter().filter(|name| name.starts_with("output"));
    let second = |name: &String| match name.starts_with("output") {
        true => format!("{name}_2"),
        false => name.clone(),
    };
    let weight = match weights {
        Weights::Inside => "",
        Weights::Beside => {
            slots += "    void *weights = guarded(NET_WEIGHT_BYTES, NET_ALIGN);\n    \
                      load(\"net.weights\", weights, NET_WEIGHT_BYTES);\n";
            ", weights"
        }
    };
    let (first, again) =
        (names.join(", "), names.iter().map(second).collect::<Vec<_>>().join(", "));
    let nulls = vec!["0"; names.len()].join(", ");
    let _ = write!(
        text,
        "int main(void) {{\n{slots}\
         CHECK(net_run({nulls}, 0{weight}) == NET_NULL);\n\
         unsigned char *arena = guarded(NET_ARENA_BYTES, NET_ALIGN);\n\
         memset(arena, 0xff, NET_ARENA_BYTES);\n\
         CHECK(net_run({first}, arena + 4{weight}) == NET_UNALIGNED);\n\
         CHECK(net_run({first}, arena{weight}) == NET_OK);\n\
         unsigned char *wide = guarded(NET_ARENA_BYTES_FOR(WORKERS), NET_ALIGN);\n\
         memset(wide, 0xff, NET_ARENA_BYTES_FOR(WORKERS));\n\
         CHECK(net_run_parallel({again}, wide{weight}, WORKERS, 0, 0) == NET_NULL);\n\
         CHECK(net_run_parallel({again}, wide{weight}, 0, in_threads, 0) == NET_NULL);\n\
         CHECK(net_run_parallel({again}, wide{weight}, WORKERS, in_threads, 0) == NET_OK);\n"
    );
    for name in outputs() {
        let bytes = format!("NET_{}_BYTES", name.to_uppercase());
        let _ = writeln!(text, "CHECK(memcmp({name}, {name}_2, {bytes}) == 0);");
        let _ = writeln!(text, "save(\"{name}.raw\", {name}, {bytes});");
    }
    text + "return 0;\n}\n"
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("it is there");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

/// Writes, builds and runs both programs of an exported network; returns the outputs of the second.
fn outputs(
    folder: &Path,
    tools: &Tools,
    exported: &Exported,
    model: &Model,
    inputs: &[Vec<u8>],
) -> Vec<Vec<u8>> {
    let weights = exported.weights.as_ref().map_or(Weights::Inside, |_| Weights::Beside);
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("ours");
    write("net.o", &exported.object);
    write("net.h", exported.header.as_bytes());
    write("main.c", exported.main.as_bytes());
    write("harness.c", harness(model, weights).as_bytes());
    exported.weights.iter().for_each(|bytes| write("net.weights", bytes));
    for (i, bytes) in inputs.iter().enumerate() {
        let name = if inputs.len() > 1 { format!("input{i}.raw") } else { "input.raw".to_owned() };
        write(&name, bytes);
    }
    for (source, extra) in [("main", None), ("harness", Some("-pthread"))] {
        let mut build = Command::new(tools.compiler);
        build.args(["-std=gnu99", "-O1", "-Wall", "-Wextra", "-Werror"]).args(extra);
        build.args([&format!("{source}.c"), "net.o", "-o", source]).current_dir(folder);
        succeed(&mut build);
        let program = format!("./{source}");
        let words: Vec<&str> = tools.runner.iter().copied().chain([&*program]).collect();
        succeed(Command::new(words[0]).args(&words[1..]).current_dir(folder));
    }
    let several = model.outputs().len() > 1;
    let output = |i: usize| {
        let name = if several { format!("output{i}.raw") } else { "output.raw".to_owned() };
        fs::read(folder.join(name)).expect("the program wrote it")
    };
    (0..model.outputs().len()).map(output).collect()
}

/// The bytes of a model's outputs.
fn run(model: &Model, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut context = model.context().expect("memory");
    for (i, bytes) in inputs.iter().enumerate() {
        context.input_bytes_mut(i).expect("an input").copy_from_slice(bytes);
    }
    model.run(&mut context).expect("its own context");
    let output = |i| context.output_bytes(i).expect("an output").to_vec();
    (0..model.outputs().len()).map(output).collect()
}

/// The bytes of inputs: noise, and 0 and 1 where the model declares integers or truth values.
fn values(model: &Model) -> Vec<Vec<u8>> {
    let bytes = |(i, port): (usize, &resnetc::Port)| {
        assert_eq!(port.element(), DType::F32, "imported networks hold floats");
        let noise = noise(port.shape.iter().product(), i as u64);
        let whole = |x: f32| if port.dtype.is_float() { x } else { f32::from(x > 0.0) };
        noise.into_iter().flat_map(|x| whole(x).to_le_bytes()).collect()
    };
    model.inputs().iter().enumerate().map(bytes).collect()
}

/// Asserts that a program computes what a network's model of the same instruction set computes,
/// bit for bit: code for this machine is that of the model.
fn check(network: &Network, weights: Weights) {
    let target = ExportTarget::native();
    let options = network.options().clone().isa(IsaChoice::Exactly(target.isa()));
    let model = network.with_options(options).compile().expect("it compiles");
    let (folder, inputs) = (Folder::new(), values(&model));
    let how = Export { target, weights, ..Export::default() };
    let exported = export(network, &how).expect("it can be exported");
    let found = outputs(&folder.0, &HERE, &exported, &model, &inputs);
    assert!(found == run(&model, &inputs), "the outputs differ");
}

/// Asserts that a program for any CPU of a level is as right as every model must be: algorithms
/// are chosen for the caches of a typical CPU, so they need not be those of this one.
fn check_level(name: &str, target: ExportTarget, tools: &Tools) {
    let network = load(name, Options::default().threads(2));
    let interpreted = network.options().clone().engine(Engine::Interpreted);
    let model = network.with_options(interpreted).compile().expect("it is interpreted");
    let (folder, inputs) = (Folder::new(), values(&model));
    let how = Export { target, ..Export::default() };
    let exported = export(&network, &how).expect("it can be exported");
    let found = outputs(&folder.0, tools, &exported, &model, &inputs);
    for (found, expected) in found.iter().zip(run(&model, &inputs)) {
        let error = error(&floats(found), floats(&expected).into_iter().map(f64::from));
        // Winograd's algorithm has twice the error of direct convolution.
        assert!(error <= 2.0 * TOLERANCE, "{name} for {target}: {error:e}");
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect()
}

const FIXTURES: [&str; 6] = [
    "resnet_basic_b",
    "resnet_bottleneck_v15",
    "resnet_d",
    "resnetv2_preact",
    "resnext",
    "seresnet",
];

fn load(name: &str, options: Options) -> Network {
    Compiler::new(options).load(format!("tests/fixtures/{name}/model.onnx")).expect("a fixture")
}

#[test]
fn fixtures_compute_what_models_compute() {
    if !HERE.are_there() {
        return;
    }
    for name in FIXTURES {
        for threads in [1, 3] {
            let network = load(name, Options::default().threads(threads));
            check(&network, Weights::Inside);
        }
    }
    let exact = load(FIXTURES[0], Options::default().numerics(Numerics::Exact).batch(2).threads(2));
    check(&exact, Weights::Beside);
    let bundled = "cli/models/resnet20-fashion-mnist.onnx";
    let bundled = Compiler::default().load(bundled).expect("it is bundled");
    check(&bundled, Weights::Inside);
}

#[test]
fn every_level_that_runs_here_is_right() {
    if !HERE.are_there() || cfg!(not(target_arch = "x86_64")) {
        return;
    }
    for target in ["x86-64", "x86-64-v3", "x86-64-v4"] {
        let target: ExportTarget = target.parse().expect("a target");
        if resnetc_testing::host::runs(target.isa()) {
            check_level("resnet_basic_b", target, &HERE);
        }
    }
}

#[test]
fn arm_is_right_in_an_emulator() {
    if !ARM.are_there() {
        return;
    }
    let target: ExportTarget = "aarch64".parse().expect("a target");
    for name in FIXTURES {
        check_level(name, target, &ARM);
    }
}

/// The program of the export alone: the other one asks the system for pages as Unix has them.
#[test]
fn windows_is_right_in_wine() {
    if !WINDOWS.are_there() {
        return;
    }
    let target: ExportTarget = "x86-64-windows".parse().expect("a target");
    if !resnetc_testing::host::runs(target.isa()) {
        return;
    }
    let network = load(FIXTURES[0], Options::default());
    let interpreted = network.options().clone().engine(Engine::Interpreted);
    let model = network.with_options(interpreted).compile().expect("it is interpreted");
    let (folder, inputs) = (Folder::new(), values(&model));
    let how = Export { target, ..Export::default() };
    let exported = export(&network, &how).expect("it can be exported");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.0.join(name), bytes).expect("ours");
    write("net.o", &exported.object);
    write("net.h", exported.header.as_bytes());
    write("main.c", exported.main.as_bytes());
    write("input.raw", &inputs[0]);
    let words: Vec<&str> = exported.build.split(' ').collect();
    succeed(Command::new(words[0]).args(&words[1..]).current_dir(&folder.0));
    let run = ["net.exe", "input.raw", "output.raw"];
    succeed(Command::new(WINDOWS.runner[0]).args(run).current_dir(&folder.0));
    let found = fs::read(folder.0.join("output.raw")).expect("the program wrote it");
    let expected = run_floats(&model, &inputs);
    let error = error(&floats(&found), expected.into_iter().map(f64::from));
    assert!(error <= 2.0 * TOLERANCE, "{error:e}");
}

fn run_floats(model: &Model, inputs: &[Vec<u8>]) -> Vec<f32> {
    floats(&run(model, inputs)[0])
}

#[test]
fn integers_are_passed_as_models_pass_them() {
    if !HERE.are_there() {
        return;
    }
    for case in ["uint8_input", "operators_logic", "floats_to_integers", "argmax_beside_softmax"] {
        let network = Compiler::default().load(format!("tests/cases/{case}/model.onnx"));
        check(&network.expect("a case"), Weights::Inside);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn random_networks_compute_what_models_compute(random in random_graph(1..10), beside: bool) {
        if !HERE.are_there() {
            return Ok(());
        }
        let network = Compiler::new(Options::default().threads(2)).graph(random.graph.clone());
        let network = network.expect("a graph");
        let graph = network.graph();
        let nodes = graph.inputs().iter().copied().chain(graph.outputs().iter().map(|o| o.node));
        let floats = nodes.into_iter().all(|node| graph.node(node).ty.dtype == resnetc::DType::F32);
        if floats && network.clone().compile().is_ok() {
            let weights = if beside { Weights::Beside } else { Weights::Inside };
            check(&network, weights);
        }
    }
}
