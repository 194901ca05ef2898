//! How `classify` interprets its arguments, and that it notes random weights.

use std::fs;

use crate::support::*;

#[test]
fn what_is_no_picture_folder_or_network_stops_the_command_before_it_answers() {
    let folder = folder("arguments");
    let file = |name: &str, contents: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, contents).unwrap();
        text(&path).to_owned()
    };
    let bag = "models/pictures/bag.png";
    let text_file = file("notes.txt", b"a text");
    let drawing = file("drawing", b"<svg xmlns='http://www.w3.org/2000/svg'/>");
    let noise = file("noise.dat", b"\x01\x02\x03");
    let near = text(&folder.join("notes.tx")).to_owned();
    for (argument, error, help) in [
        ("resnett18", "no such", "resnet18"),
        ("restnet50", "no such", "resnet50"),
        ("models/pictures/bagg.pgn", "no such", "models/pictures/bag.png"),
        (&near, "no such", &text_file),
        ("no-such-folder/", "no such", "resnetc zoo list"),
        (&text_file, "a text", ""),
        (&drawing, "an SVG drawing", ""),
        (&noise, "not a picture", ""),
    ] {
        // In either order.
        for args in [["classify", argument, bag], ["classify", bag, argument]] {
            fail(&args, &[argument, error]);
            assert!(stderr(&resnetc(&args)).contains(help), "{}", stderr(&resnetc(&args)));
        }
    }
    for file in ["m.pth", "m.tflite", "missing.onnx", "missing.TOML"] {
        fail(&["classify", file, bag], &[file]);
    }
}

#[test]
fn a_picture_needs_no_extension_of_one() {
    let folder = folder("no_extension");
    let picture = folder.join("upload-17");
    fs::copy("models/pictures/bag.png", &picture).unwrap();
    for name in ["bag.JFIF", "bag.jpe"] {
        fs::copy("tests/pictures/baseline.jpg", folder.join(name)).unwrap();
    }
    let report = json(&["classify", text(&picture), "--json"]);
    assert_eq!(report["pictures"][0]["top"][0]["label"], "bag");
    assert_eq!(
        json(&["classify", text(&folder), "--json"])["pictures"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn random_weights_are_said_to_be_random_by_what_runs_them() {
    let said = |args: &[&str]| {
        let output = resnetc(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stderr(&output)
            .lines()
            .filter(|l| l.contains("are random"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let spec = "../tests/fixtures/resnet_basic_b/spec.toml";
    let io = "../tests/fixtures/resnet_basic_b/io.safetensors";
    for args in [
        &["run", "cifar_resnet20"][..],
        &["run", spec, "--input", io],
        &["classify", "cifar_resnet20", "models/pictures/bag.png"],
        &["check", "cifar_resnet20"],
        &["profile", "cifar_resnet20", "--iters", "1"],
        &["bench", "cifar_resnet20", "--iters", "1"],
        &["bench", "cifar_resnet20", "--iters", "1", "--threads", "1,2"],
    ] {
        let notes = said(args);
        assert_eq!(notes.len(), 1, "{args:?}: {notes:?}");
        assert!(notes[0].starts_with("note: ") && notes[0].contains(args[1]), "{notes:?}");
        assert!(notes[0].contains("--weights"), "{notes:?}");
    }
    let weights = "../tests/fixtures/resnet_basic_b/weights.safetensors";
    for args in [
        &["run", spec, "--weights", weights][..],
        &["run", BUNDLED],
        &["classify"],
        &["info", "cifar_resnet20"],
    ] {
        assert_eq!(said(args), Vec::<String>::new(), "{args:?}");
    }
}
