//! Programs in other languages: the examples, compiled against the installed header and libraries.
//!
//! What this machine lacks (a compiler, Python) is printed as not run.
#![cfg(unix)]

mod expected;
mod installed;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use expected::{numbers, pictures, scores};
use installed::{Installed, file};
use resnetc_testing::host::not_run;
use tools::{C, CXX, Language, Linking, program};

fn bundled() -> PathBuf {
    file("../cli/models/resnet20-fashion-mnist.onnx")
}

/// What a command prints.
fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status}\n{stderr}");
    String::from_utf8(stdout).expect("UTF-8")
}

/// Compiles an example in every way that this machine can link it, and runs each program on the
/// bundled network.
fn each(language: &Language, example: &str, check: impl Fn(&str)) {
    let Some(compiler) = language.compiler() else { return };
    let installed = Installed::new(example);
    for linking in Linking::ALL {
        if !linking.works(&compiler, language, installed.root()) {
            continue;
        }
        let program = program(&compiler, language, example, linking, &installed);
        check(&printed(Command::new(&program).arg(bundled())));
        std::fs::remove_file(&program).expect("it is ours");
    }
}

#[test]
fn a_program_in_c_prints_what_the_library_computes() {
    each(&C, "classify", |output| assert_eq!(numbers(output), scores()));
}

#[test]
fn a_program_with_threads_prints_what_the_library_computes() {
    each(&C, "threads", |output| assert_eq!(numbers(output), pictures()));
}

#[test]
fn a_program_in_cpp_prints_what_the_library_computes() {
    each(&CXX, "wrapper", |output| assert_eq!(numbers(output), scores()));
}

#[test]
fn errors_have_the_same_numbers_and_codes_in_c() {
    let expected = [
        "2 unknown-model",
        "4 io",
        "2 unknown-option",
        "2 option-value",
        "no error",
        "2 no-effect",
        "3 format",
        "1 null-argument",
        "1 null-argument",
        "no error",
        "2 input-length",
        "2 port-count",
    ];
    each(&C, "errors", |output| {
        let lines = output.lines().filter(|line| !line.starts_with(' '));
        let found = lines.map(|line| line.split(':').next().unwrap_or_default());
        assert_eq!(found.collect::<Vec<_>>(), expected, "{output}");
    });
}

#[test]
fn the_header_is_valid_in_older_and_newer_languages() {
    let header = file("include/resnetc.h");
    for (language, standards) in
        [(&C, &["c99", "c11", "c17", "c2x"][..]), (&CXX, &["c++11", "c++14", "c++17", "c++20"])]
    {
        let Some(compiler) = language.compiler() else { continue };
        for standard in standards {
            let mut command = Command::new(&compiler);
            command.arg(format!("-std={standard}")).args(["-fsyntax-only", "-x", language.name]);
            command.args(["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Werror"]);
            if !tools::accepts(&compiler, standard, language) {
                not_run(&format!("the header in {standard}"), "the compiler does not know it");
                continue;
            }
            // A file that includes it: the compiler warns about a header as the main file.
            let main = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{standard}.txt"));
            let text =
                format!("#include \"{}\"\nint main(void) {{ return 0; }}\n", header.display());
            std::fs::write(&main, text).expect("it can be written");
            printed(command.arg(&main));
        }
    }
}

#[test]
fn python_needs_nothing_but_the_shared_library() {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    if let Err(e) = Command::new(&python).arg("--version").output() {
        return not_run("the example in Python", &format!("{}: {e}", python.display()));
    }
    let installed = Installed::new("python");
    let mut command = Command::new(python);
    command.arg("-B").arg(file("examples/ctypes_run.py"));
    command.arg(installed.shared()).arg(bundled());
    assert_eq!(numbers(&printed(&mut command)), scores());
}
