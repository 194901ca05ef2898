//! `classify` on many pictures, and its picture options: which are refused, and how they are
//! reported.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::*;

/// A folder with the bundled pictures, two more copies in a subfolder, hidden files, and a file
/// that is not a picture.
fn wardrobe(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    let below = folder.join("m/below");
    fs::create_dir_all(&below).unwrap();
    fs::create_dir_all(folder.join(".hidden")).unwrap();
    let mut copies = vec![folder.join(".bag.png"), folder.join(".hidden/bag.png")];
    for picture in names(Path::new("models/pictures")) {
        copies.extend([folder.join(&picture), below.join(&picture)]);
        copies.extend((0..2).map(|i| below.join(format!("{i}-{picture}"))));
    }
    for copy in copies {
        let name = copy.file_name().unwrap().to_str().unwrap();
        let original = name.trim_start_matches(['.', '0', '1', '-']);
        fs::copy(Path::new("models/pictures").join(original), &copy).unwrap();
    }
    fs::write(folder.join("notes.txt"), "no picture").unwrap();
    folder
}

fn files(report: &Value) -> Vec<&str> {
    report["pictures"].as_array().unwrap().iter().map(|p| p["file"].as_str().unwrap()).collect()
}

#[test]
fn folders_are_seen_through_in_order_and_in_batches() {
    let folder = wardrobe("wardrobe");
    let first = "models/pictures/sandal.png";
    let report = json(&["classify", first, text(&folder), "--json"]);
    assert_eq!(report["batch"], 8, "forty pictures and one are many");
    let files = files(&report);
    assert_eq!((files.len(), files[0]), (41, first));
    assert!(files[1..].iter().map(Path::new).is_sorted(), "{files:?}");
    assert!(files.iter().all(|f| !f.contains("/.")), "{files:?}");
    // A picture gets the same answer bit for bit at any place in a batch.
    let alone = json(&["classify", "--json"]);
    let alone = alone["pictures"].as_array().unwrap();
    for picture in report["pictures"].as_array().unwrap() {
        let name = Path::new(picture["file"].as_str().unwrap()).file_name().unwrap();
        let name = name.to_str().unwrap().trim_start_matches(['0', '1', '-']);
        let same = alone.iter().find(|p| p["file"] == name).unwrap();
        assert_eq!(picture["top"], same["top"], "{picture}");
    }
}

#[test]
fn a_model_with_a_batch_of_its_own_keeps_it_if_it_must() {
    let folder = wardrobe("own_batch");
    let (model, _) = fixture("resnet_dynamo");
    let run = ["classify", &model, text(&folder), "--json"];
    let report = json(&run);
    assert_eq!((&report["batch"], files(&report).len()), (&Value::from(8), 40));
    let alone = json(&[&run[..], &["--batch", "1"]].concat());
    assert_eq!(alone["batch"], 1);
    for (i, picture) in report["pictures"].as_array().unwrap().iter().enumerate() {
        assert_eq!(picture["top"], alone["pictures"][i]["top"], "bit for bit in any batch");
    }
    let model = mixing(&folder);
    let run = ["classify", text(&model), text(&folder), "--json"];
    assert_eq!(json(&run)["batch"], 1);
    fail(&[&run[..], &["--batch", "8"]].concat(), &["8", "[1, 3, 64, 64]", "transpose \"turned\""]);
}

#[test]
fn broken_pictures_are_reported_in_their_place() {
    let folder = folder("broken");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let jpeg = fs::read("tests/pictures/baseline.jpg").unwrap();
    let bag = fs::read("models/pictures/bag.png").unwrap();
    // A header that promises 60000 x 60000 pixels, with its checksum.
    let mut huge = bag.clone();
    huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let crc = crc32(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.to_be_bytes());
    let empty = folder.join("empty");
    fs::create_dir(&empty).unwrap();
    let cases = [
        (write("cut.jpg", &jpeg[..jpeg.len() - 30]), "cut short"),
        (write("huge.png", &huge), "60000x60000"),
        (write("huge.ppm", b"P6 4000000000 4000000000 255\n"), "huge.ppm"),
        (write("nothing.png", b""), "an empty file"),
        (write("noise.png", b"\x01\x02\x03"), "known format"),
        (write("text.webp", b"RIFF\x10\0\0\0WEBPVP8 text"), "text.webp"),
        (folder.join("missing.png"), "reading failed"),
        (empty, "no pictures in this folder"),
    ];
    let good = write("bag.png", &bag);
    let mut args = vec!["classify", "--json", text(&good)];
    for (path, _) in &cases {
        args.extend([text(path), text(&good)]);
    }
    let output = resnetc(&args);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let pictures = report["pictures"].as_array().unwrap();
    let errors = stderr(&output);
    let errors: Vec<&str> = errors.lines().filter(|l| !is_remark(l)).collect();
    assert_eq!((pictures.len(), errors.len()), (2 * cases.len() + 1, cases.len()), "{errors:?}");
    for (i, (path, says)) in cases.iter().enumerate() {
        assert_eq!(pictures[2 * i]["right"], true);
        let picture = &pictures[2 * i + 1];
        let error = picture["error"].as_str().unwrap();
        assert_eq!(picture["file"], text(path));
        assert!(error.contains(says) && error.contains(text(path)), "{picture}");
        let code = if error.contains("reading failed") { "io" } else { "picture" };
        assert_eq!(errors[i], format!("error: {error} [{code}]"));
    }
}

/// The checksum of a PNG chunk, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc: u32, &b| (0..8).fold(crc ^ u32::from(b), step))
}

#[test]
fn the_report_says_how_pictures_were_prepared() {
    let picture = "tests/pictures/odd.png";
    let preprocessing = |options: &[&str]| {
        let run = ["classify", "cifar_resnet20", picture, "--json"];
        json(&[&run[..], options].concat())["preprocessing"].clone()
    };
    let caffe = preprocessing(&["--preset", "caffe"]);
    assert_eq!(caffe["channels"], "bgr");
    assert_eq!(caffe["cover"], serde_json::json!([37, 37]), "32 * 256 / 224, rounded");
    assert_eq!(caffe["scale"], 255.0);
    let changed = preprocessing(&[
        "--preset",
        "keras",
        "--resize",
        "40",
        "--interpolation",
        "lanczos",
        "--channels",
        "rgb",
        "--mean",
        "-0.5",
        "--std",
        "1,2,4",
        "--scale",
        "1",
    ]);
    assert_eq!(
        changed,
        serde_json::json!({
            "preset": "keras", "channels": "rgb", "cover": [40, 40], "size": [32, 32],
            "interpolation": "lanczos", "layout": "nchw", "scale": 1.0, "mean": [-0.5, -0.5, -0.5], "std": [1.0, 2.0, 4.0],
        })
    );
    assert!(preprocessing(&["--stretch"])["cover"].is_null());
}

#[test]
fn presets_and_options_that_do_not_fit_are_refused() {
    let picture = "tests/pictures/odd.png";
    let colour = ["classify", "cifar_resnet20", picture];
    let refused = |options: &[&str], says: &[&str]| {
        fail(&[&colour[..], options].concat(), says);
    };
    refused(&["--preset", "fashion-mnist"], &["fashion-mnist", "1 channel", "[1, 3, 32, 32]"]);
    refused(
        &["--preset", "fashion-mnist", "--channels", "rgb"],
        &["fashion-mnist", "28x28", "[1, 3, 32, 32]"],
    );
    refused(&["--channels", "grey"], &["--channels grey makes 1 channel", "[1, 3, 32, 32]"]);
    refused(&["--resize", "31"], &["--resize 31", "[1, 3, 32, 32]"]);
    refused(&["--resize", "4000000000"], &["--resize 4000000000", "[1, 3, 32, 32]"]);
    refused(&["--mean", "0.5,0.5"], &["--mean", "2 numbers", "3 channels"]);
    for options in [
        &["--resize", "40", "--stretch"][..],
        &["--resize", "40", "--crop-pct", "0.9"],
        &["--scale", "255", "--mean", "0"],
        &["--std", "0"],
        &["--mean", "inf"],
        &["--mean", "1e39"],
        &["--crop-pct", "87.5"],
        &["--interpolation", "magic"],
        &["--dataset", "--stretch"],
    ] {
        let output = resnetc(&[&["classify"], options].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}: {}", stderr(&output));
    }
}

/// NaN scores name no class, certainly not the first one.
#[test]
fn an_answer_that_is_no_number_is_an_error() {
    let args = ["classify", "tests/pictures/dot.png", "--mean", "-3e38", "--std", "1e-30"];
    let output = resnetc(&args);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(
        stderr(&output).contains("dot.png: the network gives NaN for it"),
        "{}",
        stderr(&output)
    );
    let output = resnetc(&[&args[..], &["--json"]].concat());
    assert!(stdout(&output).contains("\"error\""), "{}", stdout(&output));
}
