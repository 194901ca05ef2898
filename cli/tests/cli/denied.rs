//! Commands on a system that denies executable memory.

use std::process::Output;

use resnetc_testing::denied;
use serde_json::Value;

use crate::support::{command, fixture, is_summary, stderr, stdout};

/// The largest difference between an interpreter in f64 and the results of the network's framework.
const TOLERANCE: f64 = 1e-4;

/// The output of a command under the setting, if the system supports it.
fn denied(args: &[&str]) -> Option<Output> {
    denied::output(&mut command(args))
}

#[test]
fn run_and_classify_interpret_and_say_so() {
    let (model, io) = fixture("resnet_basic_b");
    let run = ["run", &model, "--input", &io, "--json"];
    for (args, warned) in [
        (&run[..], true),
        (&[&run[..], &["--interpret"]].concat(), false),
        (&["classify", "--json"], true),
        (&["classify", "--interpret", "--json"], false),
    ] {
        let Some(output) = denied(args) else { return };
        let said = stderr(&output);
        assert!(output.status.success(), "{args:?}: {said}");
        let said: Vec<&str> = said.lines().filter(|line| !is_summary(line)).collect();
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(report["isa"], "interpreter");
        match (warned, &said[..]) {
            (true, [line]) => {
                assert!(line.starts_with("warning: "), "{line}");
                assert!(line.contains("PR_SET_MDWE") && line.contains("interpreter"), "{line}");
            }
            (false, []) => {}
            _ => panic!("{args:?}: {said:?}"),
        }
        if args[0] == "run" {
            let difference = report["relative_difference"].as_f64().expect("compared");
            assert!(difference <= TOLERANCE, "{difference}");
        }
    }
    let Some(pictures) = denied(&["classify"]) else { return };
    let pictures = stdout(&pictures);
    assert!(pictures.contains("10 of 10 right") && pictures.contains("interpreter"));
}

#[test]
fn doctor_says_which_setting_refuses() {
    let Some(doctor) = denied(&["doctor"]) else { return };
    let said = stdout(&doctor);
    assert!(doctor.status.success(), "{}", stderr(&doctor));
    for part in ["refused: ", "PR_SET_MDWE", "MemoryDenyWriteExecute", "interpreter"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let Some(doctor) = denied(&["doctor", "--json"]) else { return };
    let report: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    assert_eq!(report["executable_memory"]["allowed"], false);
}

#[test]
fn commands_about_code_are_refused_and_others_need_none() {
    let (model, _) = fixture("resnet_basic_b");
    for command in ["info", "explain"] {
        let Some(output) = denied(&[command, &model]) else { return };
        assert!(output.status.success(), "{command} needs no code");
    }
    for command in ["bench", "profile", "check"] {
        let Some(output) = denied(&[command, &model]) else { return };
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(said.starts_with("error: ") && said.contains("PR_SET_MDWE"), "{command}: {said}");
    }
}
