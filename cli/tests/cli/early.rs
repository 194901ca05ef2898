//! What is refused before the work: lists with missing entries, and outputs that cannot be written.

use std::fs;

use crate::support::*;

const NAMED: &str = "cifar_resnet20";

#[test]
fn lists_with_missing_entries_are_wrong_usage() {
    for (args, says) in [
        (&["run", NAMED, "--shape", "input=1,,3"][..], "an extent is missing"),
        (&["run", NAMED, "--shape", "input=1,3,32,32,"], "an extent is missing"),
        (&["run", NAMED, "--shape", "input=,"], "an extent is missing"),
        (&["run", NAMED, "--shape", "input=[1,]"], "an extent is missing"),
        (&["run", NAMED, "--shape", "input="], "a number is missing"),
        (&["run", NAMED, "--outputs", "a,,b"], "a name is missing"),
        (&["run", NAMED, "--outputs", "output,"], "a name is missing"),
        (&["run", NAMED, "--outputs", ""], "a name is missing"),
        (&["run", NAMED, "--threads", "1,"], "'--threads <N>'"),
        (&["bench", NAMED, "--threads", "1,"], "a number is missing"),
        (&["bench", NAMED, "--batch", "1,,2"], "a number is missing"),
        (&["classify", "--mean", "1,,2"], "it must be a number"),
        (&["classify", "--std", "1,"], "it must be a number"),
        (&["classify", "--size", "224x"], "a number is missing"),
    ] {
        let output = resnetc(args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
        assert_eq!(stdout(&output), "", "{args:?}");
    }
    // Brackets with nothing in them are a shape, that of a scalar.
    fail(&["run", NAMED, "--shape", "input=[]"], &["[batch, 3, 32, 32], but [] was given"]);
    succeed(&["run", NAMED, "--shape", "input=[1, 3, 32, 32]", "--outputs", "output"]);
}

#[test]
fn what_cannot_be_written_is_refused_before_the_work() {
    let folder = folder("early");
    let at = |name: &str| text(&folder.join(name)).to_owned();
    fs::write(at("file"), "keep").unwrap();
    fs::create_dir(at("used")).unwrap();
    for (args, says) in [
        (vec!["run", NAMED, "--output-dir", "file"], "it is not a folder"),
        (vec!["run", NAMED, "--output-dir", "file/x"], "Not a directory"),
        (vec!["run", NAMED, "--output", "none/x.npy"], "there is no folder"),
        (vec!["run", NAMED, "--output", "file/x.npy"], "Not a directory"),
        (vec!["dump", NAMED, "-o", "none/x.txt"], "there is no folder"),
        (vec!["report", NAMED, "-o", "none/x.html"], "there is no folder"),
        (vec!["profile", NAMED, "--trace", "none/x.json"], "there is no folder"),
        (vec!["bench", NAMED, "--threads", "1,2", "--csv", "none/x.csv"], "there is no folder"),
        (vec!["check", NAMED, "--reproduce", "none/x"], "there is no folder"),
        (vec!["check", NAMED, "--reproduce", "used"], "it already exists"),
        (vec!["zoo", "make", NAMED, "-o", "none/x.onnx"], "there is no folder"),
        (vec!["quantize", NAMED, "--calibrate", "used", "-o", "none/x.onnx"], "there is no folder"),
        (vec!["tune", NAMED, "--tuned", "file/x.json"], "Not a directory"),
    ] {
        let output = command(&[]).args(&args).current_dir(&folder).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(says), "{args:?}: {said}");
        assert!(said.lines().next().unwrap().ends_with(']'), "{args:?}: no code in {said}");
        assert_eq!(stdout(&output), "", "{args:?}");
        assert_eq!(names(&folder), ["file", "used"], "{args:?}");
    }
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "keep");

    // The names of the files in a folder are known once the network is.
    fs::create_dir(at("used/output.npy")).unwrap();
    let refused = resnetc(&["run", NAMED, "--output-dir", &at("used")]);
    let said = stderr(&refused);
    assert!(said.contains("output.npy: it cannot be written: it is a folder [io]"), "{said}");
    assert_eq!(stdout(&refused), "");
    fs::remove_dir(at("used/output.npy")).unwrap();
    succeed(&["run", NAMED, "--output-dir", &at("used/new/er")]);
    assert_eq!(names(&folder.join("used/new/er")), ["output.npy"]);
}
