//! `train`: networks from data sets of pictures.

use std::fs;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::{Child, Stdio};

use resnetc::import::safetensors;
use resnetc::spec::Spec;
use serde_json::Value;

use crate::support::*;

pub(crate) const SPEC: &str = r#"
    block = "basic"
    layers = [1, 1]
    channels = [8, 16]
    classes = 2
    shortcut = "A"
    input = { channels = 1, height = 8, width = 8 }
    stem = { channels = 8, kernel = 3, stride = 1, pool = "none" }
"#;

/// A place with a spec and a data set of MNIST's form.
pub(crate) struct Place(PathBuf);

impl Place {
    /// 48 pictures of 8x8 pixels to learn from, and 20 more. Every second one is bright at the left
    /// or at the right, so that its class can be seen, whatever its noise.
    pub(crate) fn new(name: &str) -> Self {
        let place = Place(folder(name));
        fs::create_dir_all(place.path("data")).unwrap();
        for (half, count) in [("train", 48), ("t10k", 20)] {
            let pixel = |i: usize| {
                let (picture, column) = (i / 64, i % 8);
                let is_bright = (column < 4) == (picture % 2 == 0);
                let noise = ((i * 2_654_435_761) >> 7) % 90;
                (noise + if is_bright { 120 } else { 20 }) as u8
            };
            let pictures: Vec<u8> = (0..count * 64).map(pixel).collect();
            let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
            place.write(&format!("data/{half}-images-idx3-ubyte"), &idx(&[count, 8, 8], &pictures));
            place.write(&format!("data/{half}-labels-idx1-ubyte"), &idx(&[count], &labels));
        }
        place.write("net.toml", SPEC.as_bytes());
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The arguments that train its network to weights of this name.
    pub(crate) fn args(&self, weights: &str, more: &[&str]) -> Vec<String> {
        let path = |name: &str| text(&self.path(name)).to_owned();
        let own = ["train".into(), path("net.toml"), "--data".into(), path("data")];
        let to = ["-o".into(), path(weights)];
        let batch = if more.contains(&"--batch") { &[][..] } else { &["--batch", "8"] };
        let more = batch.iter().chain(more).map(|&arg| arg.to_owned());
        own.into_iter().chain(to).chain(more).collect()
    }

    pub(crate) fn train(&self, weights: &str, more: &[&str]) -> String {
        let args = self.args(weights, more);
        succeed(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(crate) fn refuse(&self, weights: &str, more: &[&str], says: &[&str]) {
        let args = self.args(weights, more);
        fail(&args.iter().map(String::as_str).collect::<Vec<_>>(), says);
    }

    /// Begins a training, and waits until it has written a file.
    #[cfg(unix)]
    pub(crate) fn begin(&self, weights: &str, more: &[&str], file: &Path) -> Child {
        let args = self.args(weights, more);
        let mut command = command(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        while !file.exists() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        process
    }

    /// What a training that fails on its way says.
    pub(crate) fn fail(&self, weights: &str, more: &[&str]) -> String {
        let args = self.args(weights, more);
        let output = resnetc(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(!output.status.success(), "{more:?}");
        stderr(&output)
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }
}

/// An array of bytes in MNIST's form.
pub(crate) fn idx(shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let extents = shape.iter().flat_map(|&extent| (extent as u32).to_be_bytes());
    [0, 0, 8, shape.len() as u8].into_iter().chain(extents).chain(bytes.iter().copied()).collect()
}

pub(crate) fn lines(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_network_learns_and_its_weights_are_used() {
    let place = Place::new("train_learns");
    let log = place.path("run.jsonl");
    let more = ["--epochs", "6", "--augment", "none", "--rate", "0.05", "--log", text(&log)];
    let said = place.train("w.safetensors", &more);
    assert!(said.contains("48 training pictures and 20 test pictures of 2 classes"), "{said}");
    assert_eq!(said.matches("\nepoch ").count(), 6, "{said}");
    let lines = lines(&log);
    let steps: Vec<_> = lines.iter().map(|line| line["steps"].as_u64().unwrap()).collect();
    assert_eq!(steps, [6, 12, 18, 24, 30, 36]);
    let loss = |i: usize| lines[i]["train"]["loss"].as_f64().unwrap();
    assert!(loss(5) < 0.5 * loss(0), "{lines:?}");
    assert_eq!(lines[5]["test"]["accuracy"], 1.0, "{lines:?}");
    // The rate falls after half and three quarters of the epochs: in the middle of the fifth.
    let rates: Vec<_> = lines.iter().map(|line| line["rate"].as_f64().unwrap()).collect();
    for (found, expected) in rates.iter().zip([0.05, 0.05, 0.05, 0.005, 0.0005, 0.0005]) {
        assert!((found - expected).abs() < 1e-12, "{rates:?}");
    }
    let (spec, weights) = (place.path("net.toml"), place.path("w.safetensors"));
    succeed(&["check", text(&spec), "--weights", text(&weights)]);
}

#[test]
fn a_seed_gives_the_same_weights_for_any_number_of_threads() {
    let place = Place::new("train_seed");
    place.train("a.safetensors", &["--epochs", "2", "--threads", "1"]);
    place.train("b.safetensors", &["--epochs", "2", "--threads", "2"]);
    place.train("c.safetensors", &["--epochs", "2", "--threads", "2", "--seed", "1"]);
    let net = place.path("net.toml");
    let step = json(&["bench", text(&net), "--train", "--batch", "8", "--iters", "1", "--json"]);
    let less = (step["arena_bytes"].as_u64().unwrap() - 1).to_string();
    place.train("d.safetensors", &["--epochs", "2", "--memory", &less]);
    assert_eq!(place.bytes("a.safetensors"), place.bytes("d.safetensors"));
    place.refuse("e.safetensors", &["--memory", "10kB"], &["[memory-limit]"]);
    assert_eq!(place.bytes("a.safetensors"), place.bytes("b.safetensors"));
    assert_ne!(place.bytes("a.safetensors"), place.bytes("c.safetensors"));
}

#[test]
fn training_goes_on_from_weights_and_leaves_frozen_layers() {
    let place = Place::new("train_from");
    place.train("a.safetensors", &["--epochs", "1"]);
    let from = place.path("a.safetensors");
    let recipe =
        ["--optimizer", "adamw", "--schedule", "cosine", "--warm-up", "1", "--epochs", "2"];
    let more = [&["--from", text(&from), "--freeze", "conv1,bn1,layer1"][..], &recipe].concat();
    place.train("b.safetensors", &more);
    let [a, b] = ["a.safetensors", "b.safetensors"]
        .map(|name| safetensors::load(&place.path(name)).unwrap());
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, tensor) in &a {
        let is_frozen = ["conv1.", "bn1.", "layer1."].iter().any(|layer| name.starts_with(layer));
        assert_eq!(tensor == &b[name], is_frozen, "{name}");
    }
}

/// Weights of a network of five classes, for one of two.
#[test]
fn a_head_of_another_size_is_replaced_on_request() {
    let place = Place::new("train_head");
    let spec = Spec::from_toml(&SPEC.replace("classes = 2", "classes = 5")).unwrap();
    let old = spec.random_weights(1).unwrap();
    safetensors::save(&place.path("old.safetensors"), safetensors::named(&old)).unwrap();
    let from = text(&place.path("old.safetensors")).to_owned();
    let more = ["--epochs", "1", "--from", &from];
    let args = place.args("w.safetensors", &more);
    let output = resnetc(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let said = stderr(&output);
    assert!(said.contains("old.safetensors") && said.contains("fc.weight"), "{said}");
    assert!(said.contains("help: --new-head"), "{said}");
    place.train("w.safetensors", &[&more[..], &["--new-head", "--freeze", "layer1"]].concat());
    let new = safetensors::load(&place.path("w.safetensors")).unwrap();
    assert_eq!(new["fc.weight"].shape(), [2, 16]);
    assert_eq!(new["layer1.0.conv1.weight"], old["layer1.0.conv1.weight"]);
    assert_ne!(new["layer2.0.conv1.weight"], old["layer2.0.conv1.weight"]);
}

#[test]
fn norms_are_in_the_log_and_are_drawn() {
    let place = Place::new("train_norms");
    let log = place.path("run.jsonl");
    place.train("w.safetensors", &["--epochs", "2", "--norms", "--log", text(&log)]);
    for line in lines(&log) {
        let norms = line["norms"].as_array().unwrap();
        let blocks: Vec<_> = norms.iter().map(|norm| norm["block"].as_str().unwrap()).collect();
        assert_eq!(blocks, ["layer1.0", "layer2.0"]);
        assert!(norms.iter().all(|norm| norm["gradient"].as_f64().unwrap() > 0.0), "{line}");
    }
    let svg = place.path("curves.svg");
    succeed(&["curves", text(&log), "-o", text(&svg)]);
    let drawn = fs::read_to_string(&svg).unwrap();
    let count = |class: &str| drawn.matches(&format!("\"{class}\"")).count();
    // In two panels and in all four, and in the legend.
    assert_eq!((count("dashed s0"), count("solid s0")), (2, 4 + 1), "{drawn}");
    assert!(drawn.contains("norm of the gradient there") && !drawn.contains("NaN"), "{drawn}");
    misuse(
        &place.args("v.safetensors", &["--norms"]).iter().map(|a| &**a).collect::<Vec<_>>(),
        "--log",
    );
}

#[test]
fn a_part_of_the_pictures_is_enough() {
    let place = Place::new("train_part");
    let said = place.train("w.safetensors", &["--epochs", "1", "--pictures", "16"]);
    assert!(said.contains("16 training pictures and 20 test pictures"), "{said}");
    let args = place.args("v.safetensors", &["--pictures", "49"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    fail(&args, &["it has 48 training pictures, not 49"]);
}

#[test]
fn what_cannot_be_trained_is_refused_before_anything_is_written() {
    let place = Place::new("train_refused");
    let refuse = |more: &[&str], says: &[&str]| {
        place.refuse("w.safetensors", more, says);
        assert!(!place.path("w.safetensors").exists(), "{more:?}");
    };
    refuse(&["--batch", "49"], &["data", "48 training pictures"]);
    refuse(&["--augment", "crop", "--from", "no.safetensors"], &["no.safetensors"]);
    refuse(&["--momentum", "1"], &["momentum"]);
    refuse(&["--decay", "-1"], &["decay"]);
    refuse(&["--smoothing", "NaN"], &["smoothing"]);
    let from = place.path("empty.safetensors");
    safetensors::save(&from, []).unwrap();
    let args = place.args("w.safetensors", &["--from", text(&from)]);
    let output = resnetc(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let said = stderr(&output);
    assert!(said.contains("empty.safetensors") && said.contains("27 missing"), "{said}");
    place.write("net.toml", SPEC.replace("classes = 2", "classes = 3").as_bytes());
    refuse(&[], &["data", "2 classes", "3"]);
    place.write("net.toml", SPEC.replace("height = 8", "height = 16").as_bytes());
    refuse(&[], &["data", "[1, 8, 8]", "[1, 16, 8]"]);
    place.write("net.toml", SPEC.replace("channels = 1,", "channels = 3,").as_bytes());
    refuse(&[], &["data", "3 channels"]);
    place.write("net.toml", SPEC.as_bytes());
    fs::remove_file(place.path("data/t10k-labels-idx1-ubyte")).unwrap();
    refuse(&[], &["t10k-labels"]);
    let model = place.path("m.onnx");
    succeed(&["zoo", "make", text(&place.path("net.toml")), "-o", text(&model)]);
    let data = place.path("data");
    let weights = place.path("w.safetensors");
    fail(
        &["train", text(&model), "--data", text(&data), "-o", text(&weights)],
        &["m.onnx", "was trained"],
    );
}

#[test]
fn wrong_arguments_are_wrong_usage() {
    let place = Place::new("train_usage");
    for (weights, more) in [
        ("w.bin", &[][..]),
        ("w.safetensors", &["--rate", "0"]),
        ("w.safetensors", &["--rate", "NaN"]),
        ("w.safetensors", &["--warm-up", "30"]),
        ("w.safetensors", &["--freeze", "layer1"]),
        ("w.safetensors", &["--optimizer", "adamw", "--nesterov"]),
        ("w.safetensors", &["--schedule", "cosine", "--drops", "3"]),
        ("w.safetensors", &["--epochs", "0"]),
        ("w.safetensors", &["--resume", "--force"]),
        ("w.safetensors", &["--warm-up", "-1"]),
        ("w.safetensors", &["--numerics", "half"]),
    ] {
        let args = place.args(weights, more);
        let output = resnetc(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{more:?}: {}", stderr(&output));
        assert!(!place.path(weights).exists());
    }
}

/// Begins a training, and presses Ctrl-C.
#[cfg(unix)]
pub(crate) fn interrupt(place: &Place, weights: &str, more: &[&str]) {
    let checkpoint = place.path(weights).with_extension("checkpoint.safetensors");
    let process = place.begin(weights, more, &checkpoint);
    let id = process.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = process.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stopped after step") && said.contains("--resume"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_run_that_was_stopped_goes_on_bit_for_bit() {
    let place = Place::new("train_resume");
    let log = [place.path("a.jsonl"), place.path("b.jsonl")];
    let recipe = ["--epochs", "30", "--batch", "2", "--rate", "0.02"];
    place.train("a.safetensors", &[&recipe[..], &["--log", text(&log[0])]].concat());
    let more = [&recipe[..], &["--log", text(&log[1])]].concat();
    interrupt(&place, "b.safetensors", &more);
    place.refuse("b.safetensors", &more, &["b.checkpoint.safetensors", "was stopped"]);
    place.train("b.safetensors", &[&more[..], &["--resume"]].concat());
    assert_eq!(place.bytes("a.safetensors"), place.bytes("b.safetensors"));
    assert!(!place.path("b.checkpoint.safetensors").exists());
    let [a, b] = log.map(|log| lines(&log));
    for (a, b) in a.iter().zip(&b) {
        for key in ["epoch", "steps", "rate", "train", "test"] {
            assert_eq!(a[key], b[key], "{key}");
        }
    }
    assert_eq!((a.len(), b.len()), (30, 30));
}

#[cfg(unix)]
#[test]
fn a_training_goes_on_only_as_it_began() {
    let place = Place::new("train_otherwise");
    let epochs = ["--epochs", "5000"];
    interrupt(&place, "w.safetensors", &epochs);
    let checkpoint = place.bytes("w.checkpoint.safetensors");
    let refuse = |more: &[&str], says: &[&str]| {
        let more = [&["--resume"], more].concat();
        place.refuse("w.safetensors", &more, &[&["w.checkpoint.safetensors"], says].concat());
        assert_eq!(place.bytes("w.checkpoint.safetensors"), checkpoint);
    };
    refuse(&["--epochs", "6"], &["--epochs 5000, not 6"]);
    refuse(&["--epochs", "5000", "--rate", "0.2"], &["--rate 0.1, not 0.2"]);
    refuse(&["--epochs", "5000", "--batch", "4"], &["--batch 8, not 4"]);
    place.write("net.toml", SPEC.replace("\"A\"", "\"B\"").as_bytes());
    refuse(&epochs, &["another network"]);
    place.write("net.toml", SPEC.as_bytes());
    place.refuse(
        "v.safetensors",
        &["--resume"],
        &["v.checkpoint.safetensors", "nothing to resume"],
    );
    place.write("v.checkpoint.safetensors", &checkpoint[..checkpoint.len() / 2]);
    place.refuse("v.safetensors", &["--resume"], &["v.checkpoint.safetensors"]);
    safetensors::save(&place.path("v.checkpoint.safetensors"), []).unwrap();
    place.refuse("v.safetensors", &["--resume"], &["v.checkpoint.safetensors", "tensors only"]);
}
