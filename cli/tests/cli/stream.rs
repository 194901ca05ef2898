//! `classify` on standard input, on lists, and line by line.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::*;

const BAG: &str = "models/pictures/bag.png";
const COAT: &str = "models/pictures/coat.png";

/// Runs a command with this on standard input.
fn given(args: &[&str], input: &[u8]) -> Output {
    let mut child = command(args);
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    // It may have refused its arguments already.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// A picture's answer without the parts that differ from run to run.
fn answer(picture: &Value) -> (&Value, &Value, &Value) {
    (&picture["file"], &picture["top"], &picture["right"])
}

#[test]
fn a_line_a_picture_says_what_the_document_says() {
    let document = json(&["classify", "--json", "--top", "3"]);
    let output = resnetc(&["classify", "--jsonl", "--top", "3"]);
    let lines = lines(&output);
    let pictures = document["pictures"].as_array().unwrap();
    assert_eq!(lines.len(), pictures.len());
    for (line, picture) in lines.iter().zip(pictures) {
        assert_eq!(answer(line), answer(picture));
    }
    let said = stderr(&output);
    assert!(said.lines().all(is_summary) && said.contains("classified 10 pictures in "), "{said}");
}

#[test]
fn a_picture_comes_from_standard_input() {
    let output = given(&["classify", "-", "--jsonl"], &fs::read(BAG).unwrap());
    assert!(output.status.success(), "{}", stderr(&output));
    let alone = json(&["classify", BAG, "--json"]);
    let lines = lines(&output);
    assert_eq!((lines.len(), &lines[0]["file"]), (1, &Value::from("-")));
    assert_eq!(lines[0]["top"], alone["pictures"][0]["top"]);
    let nothing = given(&["classify", "-"], b"");
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        stderr(&nothing).starts_with("error: -: this is an empty file"),
        "{}",
        stderr(&nothing)
    );
}

#[test]
fn lists_name_pictures_and_folders() {
    let folder = folder("lists");
    let below = folder.join("below");
    fs::create_dir(&below).unwrap();
    fs::copy(COAT, below.join("coat.png")).unwrap();
    let list = folder.join("list");
    let args = ["classify", BAG, "--jsonl", "--files-from"];
    for (end, null) in [("\n", &[][..]), ("\r\n", &[]), ("\0", &["--null"])] {
        let text_of_list = [COAT, "", "no-such.png", text(&below), BAG].join(end);
        fs::write(&list, &text_of_list).unwrap();
        for output in [
            resnetc(&[&args[..], &[text(&list)], null].concat()),
            given(&[&args[..], &["-"], null].concat(), text_of_list.as_bytes()),
        ] {
            assert_eq!(output.status.code(), Some(1), "one is missing");
            let found = lines(&output);
            let files: Vec<&str> = found.iter().map(|l| l["file"].as_str().unwrap()).collect();
            let coat = below.join("coat.png");
            assert_eq!(files, [BAG, COAT, "no-such.png", text(&coat), BAG]);
            assert!(found[2]["error"].as_str().unwrap().contains("no-such.png"), "{found:?}");
            assert!(found.iter().enumerate().all(|(i, l)| i == 2 || l["right"] == true));
            let said = stderr(&output);
            assert!(
                said.contains("classified 4 pictures in ") && said.contains("; 1 cannot be read"),
                "{said}"
            );
        }
    }
    fs::write(&list, "").unwrap();
    let nothing = resnetc(&["classify", "--files-from", text(&list), "--jsonl"]);
    assert!(nothing.status.success() && nothing.stdout.is_empty(), "{}", stderr(&nothing));
    fail(&["classify", "--files-from", text(&below)], &["below", "folder"]);
    fail(&["classify", "--files-from", "no-such-list"], &["no-such-list"]);
    fs::write(&list, [b'x'; 1 << 17]).unwrap();
    let endless = resnetc(&["classify", "--files-from", text(&list)]);
    assert_eq!(endless.status.code(), Some(1));
    assert!(stderr(&endless).contains("a line does not end"), "{}", stderr(&endless));
}

/// A writer of one path at a time gets its answer before the next, even if several pictures make a
/// run.
#[test]
fn answers_come_as_paths_come() {
    for batch in ["1", "4"] {
        let mut child = command(&["classify", "--files-from", "-", "--jsonl", "--batch", batch]);
        let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        let mut paths = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        for path in [BAG, COAT, "no-such.png", BAG] {
            writeln!(paths, "{path}").unwrap();
            let mut line = String::new();
            answers.read_line(&mut line).unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["file"], path);
            assert_eq!(line["error"].is_string(), path == "no-such.png");
        }
        drop(paths);
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }
}

/// A reader that closes the output ends the command at the next answer, even if the list stays
/// open.
#[test]
fn a_closed_output_ends_it_while_the_list_is_open() {
    for form in [&[][..], &["--jsonl"]] {
        let mut child = command(&[&["classify", "--files-from", "-"], form].concat());
        let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut paths = child.stdin.take().unwrap();
        writeln!(paths, "{BAG}").unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        answers.read_line(&mut String::new()).unwrap();
        drop(answers);
        writeln!(paths, "{COAT}").unwrap();
        // The list is held open by `paths`, so only its own decision can end it.
        let deadline = Instant::now() + Duration::from_secs(60);
        while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let ended = child.try_wait().unwrap().is_some();
        drop(paths);
        let output = child.wait_with_output().unwrap();
        assert!(ended && output.status.success(), "{form:?}: {output:?}");
        assert_eq!(stderr(&output), "", "{form:?}");
    }
}

#[test]
fn standard_input_holds_one_thing() {
    for args in [
        &["classify", "-", "-"][..],
        &["classify", "-", "--files-from", "-"],
        &["classify", "--null", BAG],
        &["classify", "--json", "--jsonl"],
        &["classify", "--dataset", ".", "--jsonl"],
        &["classify", "--dataset", ".", "--files-from", "-"],
    ] {
        let output = given(args, b"");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
}
