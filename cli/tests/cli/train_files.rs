//! `train`: what it leaves when it fails or is stopped, and what it does not replace.

use std::fs;

use resnetc::import::safetensors;

use crate::support::*;
use crate::train::{Place, SPEC, idx};
#[cfg(unix)]
use crate::train::{interrupt, lines};

#[test]
fn what_exists_is_kept_by_a_training_that_fails() {
    let place = Place::new("train_kept");
    place.write("w.safetensors", b"precious");
    place.refuse("w.safetensors", &[], &["w.safetensors", "exists"]);
    let said = place.fail("w.safetensors", &["--force", "--rate", "1e30"]);
    assert!(said.contains("the loss of step") && said.contains("began in"), "{said}");
    assert!(said.contains("[diverged]"), "{said}");
    assert_eq!(place.bytes("w.safetensors"), b"precious");
}

#[test]
fn what_is_not_finite_is_not_written() {
    let place = Place::new("train_finite");
    let log = place.path("run.jsonl");
    // Weights that are not finite, and finite ones whose network has no finite results.
    for (rate, says) in [("1e39", "not finite after step 1;"), ("1e30", "NaN after epoch 1;")] {
        for epochs in ["1", "3"] {
            let more = ["--batch", "48", "--rate", rate, "--epochs", epochs, "--log", text(&log)];
            let said = place.fail("w.safetensors", &more);
            assert!(said.contains(says) && said.contains("[diverged]"), "{said}");
            for file in ["w.safetensors", "w.checkpoint.safetensors", "run.jsonl"] {
                assert!(!place.path(file).exists(), "{file}");
            }
        }
    }
    let spec = resnetc::spec::Spec::from_toml(SPEC).unwrap();
    let mut weights = spec.random_weights(1).unwrap();
    let infinite = resnetc::ir::Tensor::new([8], vec![f32::INFINITY; 8]).unwrap();
    weights.insert("bn1.weight".to_owned(), infinite.into());
    let from = place.path("inf.safetensors");
    safetensors::save(&from, safetensors::named(&weights)).unwrap();
    let says = ["bn1.weight", "not finite before the first step"];
    place.refuse("w.safetensors", &["--from", text(&from)], &says);
}

#[test]
fn only_a_log_is_replaced_by_a_log() {
    let place = Place::new("train_log");
    let log = place.path("notes.md");
    place.write("notes.md", b"precious");
    let more = ["--epochs", "1", "--force", "--log", text(&log)];
    place.refuse("w.safetensors", &more, &["notes.md", "is not the log"]);
    assert_eq!(place.bytes("notes.md"), b"precious");
    let labels = place.path("data/train-labels-idx1-ubyte");
    let more = ["--epochs", "1", "--force", "--log", text(&labels)];
    place.refuse("w.safetensors", &more, &["train-labels", "is not the log"]);
    place.write("run.jsonl", b"");
    for _ in 0..2 {
        let log = place.path("run.jsonl");
        place.train("w.safetensors", &["--epochs", "1", "--force", "--log", text(&log)]);
    }
}

/// One step is all that an epoch has.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_training_after_an_epoch_too() {
    let place = Place::new("train_one_step");
    interrupt(&place, "w.safetensors", &["--batch", "48", "--epochs", "50000"]);
    assert!(place.path("w.checkpoint.safetensors").exists());
}

#[cfg(unix)]
#[test]
fn a_training_goes_on_at_its_own_files_only() {
    let place = Place::new("train_own_files");
    let log = place.path("own.jsonl");
    let recipe = ["--epochs", "5000", "--log", text(&log)];
    interrupt(&place, "w.safetensors", &recipe);
    let refuse = |more: &[&str], says: &[&str]| {
        place.refuse("w.safetensors", &[&["--resume"], more].concat(), says);
        assert!(place.path("w.checkpoint.safetensors").exists());
    };
    place.write("notes.md", b"precious");
    let notes = place.path("notes.md");
    refuse(&["--epochs", "5000", "--log", text(&notes)], &["notes.md", "is not the log"]);
    assert_eq!(place.bytes("notes.md"), b"precious");
    place.write("w.safetensors", b"precious");
    refuse(&recipe, &["w.safetensors", "not the weights"]);
    assert_eq!(place.bytes("w.safetensors"), b"precious");
    fs::remove_file(place.path("w.safetensors")).unwrap();
    // Another picture.
    let images = "data/train-images-idx3-ubyte";
    let old = place.bytes(images);
    let mut new = old.clone();
    *new.last_mut().unwrap() ^= 1;
    place.write(images, &new);
    refuse(&recipe, &["training pictures: 48 (CRC-32"]);
    place.write(images, &old);
    // One bit of the last tensor.
    let mut checkpoint = place.bytes("w.checkpoint.safetensors");
    *checkpoint.last_mut().unwrap() ^= 1;
    place.write("w.checkpoint.safetensors", &checkpoint);
    refuse(&recipe, &["w.checkpoint.safetensors", "changed, or is damaged"]);
}

/// A log that `--force` replaces is still there until the first epoch is done.
#[cfg(unix)]
#[test]
fn a_run_that_replaces_another_goes_on_too() {
    let place = Place::new("train_replaces");
    let log = place.path("run.jsonl");
    let recipe = ["--epochs", "40", "--batch", "2", "--log", text(&log)];
    place.train("w.safetensors", &recipe);
    let whole = place.bytes("w.safetensors");
    interrupt(&place, "w.safetensors", &[&recipe[..], &["--force"]].concat());
    place.train("w.safetensors", &[&recipe[..], &["--resume"]].concat());
    assert_eq!(place.bytes("w.safetensors"), whole);
    // Weights under the name of a checkpoint are none.
    place.train("v.checkpoint.safetensors", &["--epochs", "1"]);
    let other = place.bytes("v.checkpoint.safetensors");
    let says = ["v.checkpoint.safetensors", "is not a checkpoint"];
    place.refuse("v.safetensors", &["--force"], &says);
    assert_eq!(place.bytes("v.checkpoint.safetensors"), other);
    place.write("v.checkpoint.safetensors", b"");
    place.refuse("v.safetensors", &[], &["v.checkpoint.safetensors", "still going on"]);
    place.train("v.safetensors", &["--epochs", "1", "--force"]);
}

/// A run that another one replaces while it is at work stops, and the other one goes on.
#[cfg(unix)]
#[test]
fn of_two_runs_at_one_place_the_one_with_force_lives() {
    let place = Place::new("train_two");
    let weights = place.path("w.safetensors");
    let first = place.begin("w.safetensors", &["--epochs", "50000"], &weights);
    place.train("v.safetensors", &["--epochs", "3", "--seed", "1"]);
    place.train("w.safetensors", &["--epochs", "3", "--seed", "1", "--force"]);
    assert_eq!(place.bytes("w.safetensors"), place.bytes("v.safetensors"));
    let said = stderr(&first.wait_with_output().unwrap());
    assert!(said.contains("another program has written"), "{said}");
    assert!(!said.contains("the same command with --resume"), "{said}");
}

/// The same command goes on, whatever it began with, and wherever the spec is by now.
#[cfg(unix)]
#[test]
fn a_training_that_began_with_weights_goes_on() {
    let place = Place::new("train_from_resume");
    place.train("a.safetensors", &["--epochs", "1"]);
    let from = place.path("a.safetensors");
    let more = ["--epochs", "60", "--batch", "2", "--from", text(&from), "--freeze", "conv1"];
    let head = [&more[..], &["--new-head"]].concat();
    place.train("b.safetensors", &head);
    interrupt(&place, "c.safetensors", &head);
    fs::remove_file(&from).unwrap();
    fs::rename(place.path("net.toml"), place.path("moved.toml")).unwrap();
    let mut args = place.args("c.safetensors", &[&head[..], &["--resume"]].concat());
    args[1] = text(&place.path("moved.toml")).to_owned();
    succeed(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(place.bytes("b.safetensors"), place.bytes("c.safetensors"));
}

/// Trains while somebody else writes the weights after the first epoch.
#[cfg(unix)]
#[test]
fn what_another_program_writes_meanwhile_is_kept() {
    let place = Place::new("train_meanwhile");
    let weights = place.path("w.safetensors");
    let process = place.begin("w.safetensors", &["--epochs", "50000"], &weights);
    // As another training would, which does not write while this one does.
    let folder = fs::File::open(place.path("")).unwrap();
    folder.lock().unwrap();
    place.write("w.safetensors", b"precious");
    drop(folder);
    let output = process.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("meanwhile") && said.contains("--resume"), "{said}");
    assert_eq!(place.bytes("w.safetensors"), b"precious");
    // A second training at the same place is refused at once.
    place.refuse("w.safetensors", &[], &["w.checkpoint.safetensors", "still going on"]);
}

/// A training whose output nobody reads any more ends after its last epoch.
#[cfg(unix)]
#[test]
fn the_weights_of_a_training_that_is_done_are_written_again() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let place = Place::new("train_done");
    let recipe = ["--epochs", "1", "--batch", "2"];
    let args = place.args("w.safetensors", &recipe);
    let mut command = command(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut first).unwrap();
    process.wait().unwrap();
    let weights = place.bytes("w.safetensors");
    fs::rename(place.path("w.checkpoint.safetensors"), place.path("v.checkpoint.safetensors"))
        .unwrap();
    place.train("v.safetensors", &[&recipe[..], &["--resume"]].concat());
    assert_eq!(place.bytes("v.safetensors"), weights);
    assert!(!place.path("v.checkpoint.safetensors").exists());
}

/// A damaged test picture is found after the steps of the first epoch, which are not lost.
#[cfg(unix)]
#[test]
fn the_steps_before_an_unreadable_picture_are_kept() {
    let place = Place::new("train_damaged");
    let picture = |folder: &str, name: usize, grey: u8| {
        fs::create_dir_all(place.path(folder)).unwrap();
        let pixel = |x: u32, y: u32| image::Luma([grey.wrapping_add((7 * x + 3 * y) as u8)]);
        let file = place.path(&format!("{folder}/{name}.png"));
        image::GrayImage::from_fn(8, 8, pixel).save(&file).unwrap();
        file
    };
    let mut last = None;
    for i in 0..8 {
        picture("pictures/train/dark", i, 10 + i as u8);
        picture("pictures/train/light", i, 150 + i as u8);
        last = Some(picture("pictures/val/dark", i, 20 + i as u8));
        picture("pictures/val/light", i, 160 + i as u8);
    }
    let train = |weights: &str, more: &[&str]| {
        let mut args = place.args(weights, &[&["--epochs", "2"], more].concat());
        args[3] = text(&place.path("pictures")).to_owned();
        resnetc(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let whole = place.path("whole.jsonl");
    let more = ["--norms", "--log", text(&whole)];
    assert!(train("whole.safetensors", &more).status.success());
    let last = last.unwrap();
    let png = fs::read(&last).unwrap();
    let mut damaged = png.clone();
    damaged.truncate(png.len() / 2);
    fs::write(&last, damaged).unwrap();
    let log = place.path("run.jsonl");
    let more = ["--norms", "--log", text(&log)];
    let said = stderr(&train("w.safetensors", &more));
    assert!(said.contains("7.png") && said.contains("after step 2: the same command"), "{said}");
    assert!(!said.contains("has the weights"), "{said}");
    fs::write(&last, png).unwrap();
    let output = train("w.safetensors", &[&more[..], &["--resume"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let first = &lines(&log)[0];
    assert_eq!(first["norms"].as_array().unwrap().len(), 2, "{first}");
    assert!(first["images_per_second"].as_f64().unwrap() > 0.0, "{first}");
    assert_eq!(place.bytes("w.safetensors"), place.bytes("whole.safetensors"));
    let rates: Vec<f64> = lines(&log).iter().map(|line| line["rate"].as_f64().unwrap()).collect();
    assert_eq!(rates, [0.1, 0.001]);
}

#[test]
fn messages_name_what_is_wrong_and_options_that_exist() {
    let place = Place::new("train_messages");
    let labels: Vec<u8> = (0..48).map(|i| if i == 31 { 9 } else { i % 2 }).collect();
    let file = "data/train-labels-idx1-ubyte";
    let good = place.bytes(file);
    place.write(file, &idx(&[48], &labels));
    let says = ["class 2", "the largest label is 9, of training picture 31"];
    let refuse = |more: &[&str], says: &[&str]| {
        let said = place.fail("w.safetensors", more);
        for says in says {
            assert!(said.contains(says), "{says}: {said}");
        }
        assert!(!place.path("w.checkpoint.safetensors").exists());
    };
    refuse(&[], &says);
    place.write(file, &good);
    place.train("a.safetensors", &["--epochs", "1"]);
    let from = place.path("a.safetensors");
    let from = ["--from", text(&from)];
    refuse(&[&from[..], &["--freeze", "bn1.running_mean"]].concat(), &["bn1.running_mean"]);
    refuse(&[&from[..], &["--new-head", "--freeze", "fc"]].concat(), &["--freeze", "--new-head"]);
    for half in ["train", "t10k"] {
        let count = if half == "train" { 48 } else { 20 };
        let images = format!("data/{half}-images-idx3-ubyte");
        place.write(&images, &idx(&[count, 4, 4], &vec![7; count * 16]));
    }
    place.write("net.toml", SPEC.replace("= 8, width = 8", "= 4, width = 4").as_bytes());
    refuse(&[], &["the same value in all pictures", "nothing to learn"]);
    let mut pictures = vec![7; 48 * 16];
    pictures[0] = 8;
    place.write("data/train-images-idx3-ubyte", &idx(&[48, 4, 4], &pictures));
    refuse(&[], &["--augment none"]);
}
