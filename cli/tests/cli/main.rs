//! The command line, from outside: answers, files, exit codes, error lines.

mod arguments;
mod arrays;
mod bench;
mod cached;
mod check;
mod classify;
mod computed;
mod curves;
mod denied;
mod dump;
mod early;
mod errors;
mod export;
mod figures;
mod folders;
mod heads;
mod hostile;
mod insight;
mod memory;
mod names;
mod numerics;
mod outputs;
mod quantize;
mod report;
mod step;
mod stream;
mod support;
mod sweep;
mod train;
mod train_files;
mod tune;

use std::fs;

use support::*;

#[test]
fn the_bundled_pictures_are_all_named_right() {
    let report = json(&["classify", "--json"]);
    let pictures = report["pictures"].as_array().unwrap();
    assert_eq!(pictures.len(), 10);
    for picture in pictures {
        assert_eq!(picture["right"], true, "{picture}");
        assert!(picture["top"][0]["probability"].as_f64().unwrap() > 0.5, "{picture}");
    }
    let lines = succeed(&["classify"]);
    assert_eq!(lines.matches("  right\n").count(), 10, "{lines}");
    assert!(lines.contains("10 of 10 right"), "{lines}");
}

#[test]
fn a_folder_and_a_model_file_give_the_same_as_the_bundled() {
    let own = json(&[
        "classify",
        BUNDLED,
        "models/pictures",
        "--preset",
        "fashion-mnist",
        "--labels",
        "models/fashion-mnist-labels.txt",
        "--batch",
        "4",
        "--json",
    ]);
    let own = own["pictures"].as_array().unwrap();
    assert_eq!(own.len(), 10);
    assert!(own.iter().all(|p| p["right"] == true), "{own:?}");
    assert_eq!(own[0]["file"], "models/pictures/ankle-boot.png");
    assert_eq!(own[0]["top"].as_array().unwrap().len(), 5);
    let bundled = json(&["classify", "--json"]);
    assert_eq!(own[0]["top"][0], bundled["pictures"][9]["top"][0], "bit for bit in any batch");
}

#[test]
fn a_picture_of_another_size_is_scaled() {
    let answer = json(&["classify", "resnet18", "models/pictures/bag.png", "--top", "3", "--json"]);
    let top = answer["pictures"][0]["top"].as_array().unwrap();
    assert_eq!(top.len(), 3);
    assert!(top[0]["label"].as_str().unwrap().starts_with("class "));
}

#[test]
fn a_run_gives_what_pytorch_gives() {
    for (name, isa) in [
        ("cifar14_c", "auto"),
        ("resnet_dynamo", "auto"),
        ("resnet_bottleneck_v15", "baseline"),
        ("resnetv2_preact", "auto"),
    ] {
        let (model, io) = fixture(name);
        let report = json(&["run", &model, "--input", &io, "--isa", isa, "--json"]);
        let off = report["relative_difference"].as_f64().unwrap();
        assert!(off < 1e-5, "{name}: {off}");
    }
}

#[test]
fn a_spec_takes_its_weights_from_a_file() {
    let folder = "../tests/fixtures/resnet_basic_b";
    let (spec, weights) = (format!("{folder}/spec.toml"), format!("{folder}/weights.safetensors"));
    let io = format!("{folder}/io.safetensors");
    let report = json(&["run", &spec, "--weights", &weights, "--input", &io, "--json"]);
    assert!(report["relative_difference"].as_f64().unwrap() < 1e-5, "{report}");
}

#[test]
fn the_inputs_first_axis_is_the_batch() {
    let report = json(&["run", BUNDLED, "--input", BUNDLED_IO, "--json"]);
    assert_eq!(report["outputs"][0]["shape"], serde_json::json!([10, 10]));
    assert!(report["relative_difference"].as_f64().unwrap() < 1e-5, "{report}");
    // Also where the file has a different batch.
    let (model, _) = fixture("resnet_dynamo");
    let (_, io) = fixture("resnet_basic_b");
    let report = json(&["run", &model, "--input", &io, "--json"]);
    assert_eq!(report["outputs"][0]["shape"], serde_json::json!([2, 10]));
    let report = json(&["run", &model, "--batch", "7", "--json"]);
    assert_eq!(report["outputs"][0]["shape"], serde_json::json!([7, 10]));
}

#[test]
fn results_are_written_in_both_formats_and_read_again() {
    let folder = folder("results");
    let (npy, safetensors) = (folder.join("out.npy"), folder.join("out.safetensors"));
    let all = folder.join("all");
    let run = ["run", BUNDLED, "--input", BUNDLED_IO, "--output"];
    succeed(&[&run[..], &[text(&npy)]].concat());
    succeed(&[&run[..], &[text(&safetensors), "--output-dir", text(&all)]].concat());
    let values = npy_values(&npy);
    assert_eq!(values.len(), 100);
    let tensors = resnetc::import::safetensors::load(&safetensors).unwrap();
    assert_eq!(tensors.values().next().unwrap().data(), values);
    let file = all.join(&names(&all)[0]);
    assert_eq!(npy_values(&file), values);
    assert_eq!(names(&folder), ["all", "out.npy", "out.safetensors"]);
    // The logits are not a picture; the error comes after reading them.
    fail(&["run", BUNDLED, "--input", text(&npy)], &["out.npy", "[10, 10]", "[batch, 1, 28, 28]"]);
}

#[test]
fn info_knows_the_papers_figures() {
    let info = json(&["info", "cifar_resnet20", "--json"]);
    assert_eq!(info["parameters"], 269_722);
    assert_eq!(info["operators"]["conv"], 19);
    assert!(info["compiled"]["steps"].as_u64() < info["unfused"]["steps"].as_u64());
    assert_eq!(info["outputs"][0]["shape"], serde_json::json!([1, 10]));
    assert!(succeed(&["info", "cifar_resnet20"]).contains("269722"));
}

#[test]
fn passes_and_doctor_describe_themselves() {
    let passes = json(&["passes", "--json"]);
    assert!(passes.as_array().unwrap().iter().any(|p| p["name"] == "fold_batch_norm"));
    assert!(succeed(&["passes"]).contains("fuse_residual"));
    let doctor = json(&["doctor", "--json", "--threads", "2"]);
    let sets = doctor["instruction_sets"].as_array().unwrap();
    assert_eq!(sets.len(), resnetc::isa::ISAS.len());
    assert!(sets[sets.len() - 1]["peak_gflops"].as_f64().unwrap() > 0.0);
    let noise = &doctor["noise"];
    let agreement = noise["peaks"].as_f64().unwrap();
    assert!(agreement > 0.0 && agreement <= 1.0, "{noise}");
    // The text follows from such reasons.
    let said = succeed(&["doctor", "--threads", "1"]);
    let load = said.lines().find(|line| line.starts_with("load ")).unwrap();
    assert!(load.contains(" quiet: ") || load.contains(" busy: "), "{load}");
}

#[test]
fn the_zoo_is_listed_and_written() {
    let list = json(&["zoo", "list", "--json"]);
    let entry = list.as_array().unwrap().iter().find(|n| n["name"] == "resnet18").unwrap();
    assert_eq!(entry["parameters"], 11_689_512);
    assert!(succeed(&["zoo", "list"]).lines().any(|l| l.starts_with("cifar_resnet20 ")));
    let folder = folder("zoo");
    let path = folder.join("m.onnx");
    let file = text(&path);
    let make = ["zoo", "make", "cifar_resnet20", "-o", file, "--batch", "2", "--seed", "4"];
    let report = json(&[&make[..], &["--json"]].concat());
    let bytes = fs::read(&path).unwrap();
    assert_eq!(report["bytes"].as_u64(), Some(bytes.len() as u64));
    fail(&make, &["m.onnx", "exists"]);
    succeed(&[&make[..], &["--force"]].concat());
    assert!(fs::read(&path).unwrap() == bytes, "the same seed gives the same bytes");
    let outputs = [file, "cifar_resnet20"].map(|model| {
        let out = folder.join("y.npy");
        succeed(&["run", model, "--batch", "2", "--seed", "4", "--output", text(&out)]);
        npy_values(&out)
    });
    assert_eq!(outputs[0], outputs[1], "the same network, from a file and by its name");
    assert_eq!(names(&folder), ["m.onnx", "y.npy"]);
}

#[test]
fn trained_weights_go_into_the_file() {
    let fixture = "../tests/fixtures/resnet_bottleneck_v15";
    let path = folder("zoo_weights").join("m.onnx");
    let (spec, weights) =
        (format!("{fixture}/spec.toml"), format!("{fixture}/weights.safetensors"));
    succeed(&["zoo", "make", &spec, "--weights", &weights, "--output", text(&path)]);
    let report =
        json(&["run", text(&path), "--input", &format!("{fixture}/io.safetensors"), "--json"]);
    assert!(report["relative_difference"].as_f64().unwrap() < 1e-5, "{report}");
}
