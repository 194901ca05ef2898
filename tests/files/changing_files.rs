//! Files that are overwritten in place while they are loaded: the result is one of the files, or an
//! error; never a mixture, and never a signal, which would end this program.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use prost::Message;
use resnetc::import::onnx::proto::{DataLocation, ModelProto, StringStringEntryProto, TensorProto};
use resnetc::import::safetensors;
use resnetc::ir::op::{Conv, Window};
use resnetc::ir::{Graph, Op, Tensor};
use resnetc::spec::Spec;
use resnetc::{Compiler, Error, Network, Options};

/// Loads of a file while it is overwritten.
const LOADS: usize = 60;

/// A separate, empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("changing_files").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder");
    path
}

/// A few convolutions, whose constants are large enough to be read piece by piece; the same for the
/// same seed.
fn network(seed: usize) -> Graph {
    let mut graph = Graph::new();
    let mut value = graph.input("x", [1, 64, 4, 4]);
    for (i, [outputs, inputs, kernel]) in
        [[128, 64, 3], [128, 128, 3], [16, 128, 1]].into_iter().enumerate()
    {
        let shape = [outputs, inputs, kernel, kernel];
        let count = shape.iter().product();
        let weight = |j: usize| ((j * 7919 + i * 31 + seed * 104_729) % 2001) as f32 / 1e4 - 0.1;
        let weights = Tensor::new(shape, (0..count).map(weight).collect()).expect("it fits");
        let weights = graph.constant(format!("w{i}"), weights);
        let conv = Op::Conv(Conv::new(Window::square(kernel, 1, kernel / 2), 1));
        value = graph.add(format!("conv{i}"), conv, &[value, weights]).expect("shapes fit");
    }
    graph.output("y", value);
    graph
}

fn compiler() -> Compiler {
    Compiler::new(Options::default().threads(2))
}

fn loaded(seed: usize) -> Network {
    compiler().graph(network(seed)).expect("the options are about compilation")
}

/// The bits of a network's output for an input.
fn outcome(network: Network) -> Result<Vec<u32>, Error> {
    let model = network.compile()?;
    let mut context = model.context()?;
    let input = context.input_mut::<f32>(0)?;
    input.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 13) as f32 / 8.0 - 0.7);
    model.run(&mut context)?;
    Ok(context.output::<f32>(0)?.iter().map(|x| x.to_bits()).collect())
}

/// A way to overwrite a file.
type Over = fn(&Path, &[u8]);

/// As `cp` does: truncated to nothing, and written in pieces.
fn copied(file: &Path, bytes: &[u8]) {
    let mut file = File::create(file).expect("it is ours");
    bytes.chunks(1 << 16).for_each(|piece| file.write_all(piece).expect("room"));
}

/// Truncated, made longer than it was, and then written.
fn resized(file: &Path, bytes: &[u8]) {
    let mut open = OpenOptions::new().write(true).open(file).expect("it is ours");
    open.set_len(bytes.len() as u64 / 2).expect("it can be shorter");
    std::thread::yield_now();
    open.set_len(0).expect("it can be empty");
    open.rewind().expect("a file");
    open.write_all(bytes).expect("room");
}

/// A new file that takes the name: loads always see a whole file.
fn replaced(file: &Path, bytes: &[u8]) {
    let beside = file.with_extension("new");
    fs::write(&beside, bytes).expect("room");
    fs::rename(beside, file).expect("the same folder");
}

/// Loads repeatedly while `file` alternates between `states`; returns how many loads succeeded.
fn load_while_written(
    file: &Path,
    states: [&[u8]; 2],
    over: Over,
    load: impl Fn() -> Result<Network, Error>,
) -> usize {
    let wanted = states.map(|state| {
        over(file, state);
        load().and_then(outcome).expect("nobody writes")
    });
    assert_ne!(wanted[0], wanted[1], "the states are indistinguishable");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for state in states.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                over(file, state);
                std::thread::yield_now();
            }
        });
        // However this ends, the writer must end too.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _stop = Stop(&stop);
        let loads = (0..LOADS).filter(|_| match load().and_then(outcome) {
            Ok(found) => {
                assert!(wanted.contains(&found), "a mixture of both");
                true
            }
            Err(e) => {
                let name = file.file_name().and_then(|n| n.to_str()).expect("a name");
                assert!(e.to_string().contains(name), "{e}");
                false
            }
        });
        loads.count()
    })
}

#[test]
fn an_onnx_file() {
    let file = folder("onnx").join("model.onnx");
    let states = [1, 2].map(|seed| loaded(seed).to_onnx().expect("it fits"));
    let states = states.each_ref().map(|s| &s[..]);
    for over in [copied, resized] {
        load_while_written(&file, states, over, || compiler().load(&file));
    }
    let well = load_while_written(&file, states, replaced, || compiler().load(&file));
    assert_eq!(well, LOADS, "replacing a file under its name does no harm");
}

/// The model, with its large constants in a separate file, and that file.
fn external(seed: usize) -> (Vec<u8>, Vec<u8>) {
    let bytes = loaded(seed).to_onnx().expect("it fits");
    let mut model = ModelProto::decode(&bytes[..]).expect("what we wrote");
    let mut data = Vec::new();
    for tensor in &mut model.graph.as_mut().expect("a graph").initializer {
        move_out(tensor, &mut data);
    }
    (model.encode_to_vec(), data)
}

fn move_out(tensor: &mut TensorProto, data: &mut Vec<u8>) {
    let Some(raw) = tensor.raw_data.take_if(|raw| raw.len() > 1000) else { return };
    let entry = |key: &str, value: String| StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value),
    };
    tensor.external_data = vec![
        entry("location", "model.data".to_owned()),
        entry("offset", data.len().to_string()),
        entry("length", raw.len().to_string()),
    ];
    tensor.data_location = Some(DataLocation::External as i32);
    data.extend_from_slice(&raw);
}

#[test]
fn a_file_of_constants_beside_it() {
    let folder = folder("external");
    let [one, other] = [1, 2].map(external);
    assert!(one.0 == other.0 && one.1 != other.1);
    let (model, data) = (folder.join("model.onnx"), folder.join("model.data"));
    fs::write(&model, &one.0).expect("room");
    for over in [copied, resized, replaced] {
        load_while_written(&data, [&one.1, &other.1], over, || compiler().load(&model));
    }
}

#[test]
fn a_file_of_weights() {
    const SPEC: &str = "block = \"basic\"\nlayers = [1]\nchannels = [64]\nclasses = 10\n";
    let folder = folder("weights");
    let file = folder.join("weights.safetensors");
    let spec = Spec::from_toml(SPEC).expect("a spec");
    let states = [1, 2].map(|seed| {
        let weights = spec.random_weights(seed).expect("it has some");
        safetensors::save(&file, safetensors::named(&weights)).expect("room");
        fs::read(&file).expect("it is there")
    });
    let compiler = Compiler::new(Options::default().threads(2).weights(Some(file.clone())));
    for over in [copied, resized] {
        load_while_written(&file, states.each_ref().map(|s| &s[..]), over, || compiler.spec(&spec));
    }
}

/// The contents of a graph are already read, so later changes of the files do not matter.
#[test]
fn files_may_go_once_they_are_loaded() {
    let folder = folder("gone");
    let (model, data) = (folder.join("model.onnx"), folder.join("model.data"));
    let (bytes, constants) = external(1);
    let whole = outcome(loaded(1)).expect("it compiles");
    fs::write(&model, bytes).expect("room");
    fs::write(&data, constants).expect("room");
    let network = compiler().load(&model).expect("nobody writes");
    File::create(&data).expect("it is ours");
    File::create(&model).expect("it is ours");
    assert_eq!(outcome(network).expect("it was loaded"), whole);
}
