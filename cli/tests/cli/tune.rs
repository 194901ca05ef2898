//! `resnetc tune`, and the commands that use what it has written.

use std::fs;
use std::path::Path;
use std::process::Output;

use resnetc::tune::{Cache, MachineKey, cache};
use serde_json::Value;

use crate::support::*;

const MODEL: &str = "cifar_resnet20";

/// Runs a command with a separate cache folder.
fn with_cache(folder: &Path, args: &[&str]) -> Output {
    command(args).env("RESNETC_CACHE_DIR", folder).output().unwrap()
}

fn tune(folder: &Path, args: &[&str]) -> Value {
    let output = with_cache(folder, &[&["tune", MODEL, "--json"], args].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).lines().all(is_noise), "no progress where stderr is not a terminal");
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let layers = report["layers"].as_array().unwrap();
    let kept = layers.iter().filter(|l| l["kept"] == true).count();
    assert_eq!(
        kept < layers.len(),
        !stderr(&output).is_empty(),
        "layers that are left out are reported"
    );
    assert_eq!(kept == 0, report["file"].is_null(), "an empty file is not written");
    if let Some(file) = report["file"].as_str() {
        let cache: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(cache["layers"].as_object().unwrap().len(), kept);
    }
    report
}

/// Measures, and puts all layers into the cache, even those that a busy machine leaves out. Returns
/// the file.
fn tune_all(folder: &Path, args: &[&str]) -> (Value, String) {
    let report = tune(folder, args);
    let isa = report["isa"].as_str().unwrap();
    let isa = resnetc::isa::ISAS.into_iter().find(|i| i.name() == isa).unwrap();
    let threads = report["threads"].as_u64().unwrap() as usize;
    let machine = MachineKey::of(isa, threads);
    let file = folder.join(machine.file_name());
    let mut cache = Cache::new(machine);
    for layer in report["layers"].as_array().unwrap() {
        let algorithm = layer["chosen"].as_str().unwrap().to_owned();
        let entry = cache::Entry { algorithm, nanoseconds: Default::default() };
        cache.insert(layer["layer"].as_str().unwrap(), entry);
    }
    cache::prepare(&file).unwrap();
    cache.merge_into(&file).unwrap();
    (report, text(&file).to_owned())
}

/// The programs of the network, which depend on the choice of algorithms.
fn programs(folder: &Path, args: &[&str]) -> (String, String) {
    let output = with_cache(folder, &[&["dump", MODEL, "--stage", "program"], args].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    (stdout(&output), stderr(&output))
}

#[test]
fn other_commands_use_what_was_written() {
    let folder = folder("tune").join("made by the command");
    let (report, file) = tune_all(&folder, &["--threads", "1"]);
    let file = Path::new(&file).to_owned();
    assert_eq!(names(&folder), [file.file_name().unwrap().to_str().unwrap()]);
    let layers = report["layers"].as_array().unwrap();
    assert!(layers.len() >= 6, "{report}");
    for layer in layers {
        let times = layer["microseconds"].as_object().unwrap();
        assert!(times.len() > 1 && times.values().all(|t| t.as_f64().unwrap() > 0.0), "{layer}");
        for choice in ["chosen", "modelled"] {
            assert!(times.contains_key(layer[choice].as_str().unwrap()), "{layer}");
        }
    }
    let uses: u64 = layers.iter().map(|l| l["uses"].as_u64().unwrap()).sum();
    for (place, tuned) in [(text(&file), uses), ("off", 0)] {
        let bench = ["bench", MODEL, "--threads", "1", "--iters", "1", "--json", "--tuned", place];
        assert_eq!(json(&bench)["tuned"], tuned);
    }
    assert!(report["chosen_us"].as_f64() <= report["modelled_us"].as_f64());

    let mut cache: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let written = cache["layers"].as_object_mut().unwrap();
    assert_eq!(written.len(), layers.len());
    written.values_mut().for_each(|l| l["algorithm"] = "direct".into());
    fs::write(&file, cache.to_string()).unwrap();
    let one = ["--threads", "1"];
    let named = ["--threads", "1", "--tuned", text(&file)];
    let direct = programs(Path::new("/no/such/folder"), &named);
    assert!(!direct.0.contains("winograd"), "all layers are direct");
    let off = programs(&folder, &[&one[..], &["--tuned", "off"]].concat());
    assert_ne!(direct, off, "the model would choose Winograd's algorithm somewhere");
    assert_eq!(programs(&folder, &one), direct);
    assert_eq!(programs(Path::new("/no/such/folder"), &one), off);
    // Times on one thread say nothing about two.
    assert_eq!(
        programs(&folder, &["--threads", "2"]),
        programs(&folder, &["--threads", "2", "--tuned", "off"])
    );
}

#[test]
fn people_read_layers_and_the_place() {
    let folder = folder("tune_text");
    let output = with_cache(&folder, &["tune", MODEL]);
    let text = stdout(&output);
    for part in ["conv n1 c16 h32 w32 k16", " us  chosen", "by the model", "written"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let before = names(&folder).len();
    assert_eq!(before, usize::from(text.contains("written to ")), "{text}");
    let left_out = text.lines().filter(|l| l.contains("; left out: ")).count();
    assert_eq!(left_out > 0, stderr(&output).lines().any(is_noise), "{text}");
    let text = stdout(&with_cache(&folder, &["tune", MODEL, "--numerics", "exact"]));
    assert!(text.contains("nothing to choose"), "{text}");
    assert_eq!(names(&folder).len(), before);
    let text = stdout(&with_cache(&folder.join("none"), &["tune", MODEL, "--tuned", "off"]));
    assert!(text.contains("nothing is written"), "{text}");
    assert_eq!(names(&folder).len(), before);
}

#[test]
fn a_damaged_cache_costs_a_warning() {
    let folder = folder("tune_damaged");
    let (_, file) = tune_all(&folder, &[]);
    let off = programs(&folder, &["--tuned", "off"]).0;
    let whole = fs::read(&file).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", b"\xff\xff"] {
        fs::write(&file, damaged).unwrap();
        let (out, warning) = programs(&folder, &[]);
        assert!(warning.starts_with("warning: ") && warning.contains(&file), "{warning}");
        assert_eq!((warning.lines().count(), &out), (1, &off));
    }
    // The command that binds the batch to its input loads the model twice, and warns once.
    let run = with_cache(&folder, &["run", BUNDLED, "--input", BUNDLED_IO]);
    assert_eq!((run.status.code(), stderr(&run).lines().count()), (Some(0), 1));
    let output = with_cache(&folder, &["tune", MODEL]);
    assert!(output.status.success() && stderr(&output).contains("replaced"), "{}", stderr(&output));
    if stdout(&output).contains("written to ") {
        assert_eq!(programs(&folder, &[]).1, "", "the file is valid again");
    }
}

#[test]
fn what_cannot_be_written_is_said_before_the_work() {
    let folder = folder("tune_unwritable");
    let file = folder.join("a file");
    fs::write(&file, "not ours").unwrap();
    let output = with_cache(&file, &["tune", MODEL]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("a file") && stdout(&output).is_empty(),
        "{}",
        stderr(&output)
    );
    // Commands that only read do not mind.
    assert!(with_cache(&file, &["info", MODEL]).status.success());
    fail(
        &["tune", MODEL, "--tuned", text(&file)],
        &["a file", "not a valid file of `resnetc tune`"],
    );
    fail(&["tune", MODEL, "--tuned", text(&folder)], &["tune_unwritable"]);
    fail(&["tune", "resnet5000"], &["resnet5000"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "not ours");
    assert_eq!(names(&folder), ["a file"]);
}
