//! The rules that a test can see (`ARCHITECTURE.md`, "Invariants").

mod imports;
mod order;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the repository: its path from the root, and its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder exists") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path
                    .strip_prefix(root())
                    .unwrap_or(Path::new(""))
                    .to_string_lossy()
                    .replace('\\', "/");
                files.push((name, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has no sources");
    files.sort();
    files
}

fn library() -> Vec<(String, String)> {
    [sources("src"), sources("ir/src")].concat()
}

fn command_line() -> Vec<(String, String)> {
    sources("cli/src")
}

fn c_interface() -> Vec<(String, String)> {
    sources("capi/src")
}

fn python_package() -> Vec<(String, String)> {
    sources("python/src")
}

/// Lines of code that contain `word`; comments do not count.
fn lines_with<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter(|l| !l.trim_start().starts_with("//") && l.contains(word)).collect()
}

#[test]
fn petgraph_is_known_to_one_file() {
    for (name, text) in [library(), command_line()].concat() {
        let found = lines_with(&text, "petgraph");
        assert!(found.is_empty() || name == "ir/src/graph.rs", "{name}: {found:?}");
    }
}

#[test]
fn the_ir_does_no_io_and_knows_no_cpu() {
    for (name, text) in sources("ir/src") {
        for word in ["std::fs", "std::net", "std::env", "println!", "target_arch", "unsafe "] {
            assert!(lines_with(&text, word).is_empty(), "{name} uses {word}");
        }
    }
}

#[test]
fn codegen_never_sees_the_ir() {
    for (name, text) in sources("src/codegen") {
        assert!(lines_with(&text, "resnetc_ir").is_empty(), "{name}");
        assert!(lines_with(&text, "crate::kernels").is_empty(), "{name}");
    }
}

#[test]
fn meaning_depends_on_nothing_that_executes() {
    for folder in ["src/passes", "src/import", "src/export", "src/spec"] {
        for (name, text) in sources(folder) {
            for word in ["crate::codegen", "crate::kernels", "crate::plan", "crate::runtime"] {
                assert!(lines_with(&text, word).is_empty(), "{name} uses {word}");
            }
        }
    }
}

#[test]
fn unsafe_stays_in_code_memory_runtime_host_and_foreign_memory() {
    for (name, text) in [library(), command_line(), c_interface(), python_package()].concat() {
        let folders = ["src/runtime/", "src/host/", "capi/src/"];
        let files = ["src/codegen/code.rs", "python/src/array.rs"];
        let allowed =
            files.contains(&&*name) || folders.iter().any(|folder| name.starts_with(folder));
        let found = lines_with(&text, "unsafe {").len() + lines_with(&text, "unsafe impl").len();
        assert!(found == 0 || allowed, "{name} has {found} unsafe blocks");
        let reasons = text.lines().filter(|l| l.contains("// SAFETY:")).count();
        assert!(reasons >= found, "{name}: {found} unsafe blocks, {reasons} reasons");
    }
}

#[test]
fn the_library_prints_nothing_and_leaves_nothing_open() {
    for (name, text) in [library(), c_interface(), python_package()].concat() {
        for word in ["println!(", "eprintln!(", "print!(", "dbg!(", "todo!(", "unimplemented!("] {
            assert!(lines_with(&text, word).is_empty(), "{name} uses {word}");
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let tests = ["tests", "ir/tests", "cli/tests", "capi/tests", "testing/src", "benches"];
    let tests: Vec<_> = tests.into_iter().flat_map(sources).collect();
    let code = [library(), command_line(), c_interface(), python_package()].concat();
    for (name, text) in [code, tests].concat() {
        assert!(text.starts_with("//!"), "{name} does not begin with its purpose");
        let lines = text.lines().count();
        assert!(lines <= 700, "{name} has {lines} lines: is it one concept?");
    }
}

/// CPU features are checked in one place, which reports on the console what is not tested without
/// them.
#[test]
fn tests_that_are_not_run_say_so() {
    let allowed = ["testing/src/host.rs", "cli/tests/cli/errors.rs", "tests/tidy/main.rs"];
    let tests = ["tests", "ir/tests", "cli/tests", "capi/tests", "testing/src"];
    for (name, text) in tests.into_iter().flat_map(sources) {
        for word in [".missing()", ".enable()", "is_x86_feature_detected!", "not run:"] {
            let found = lines_with(&text, word);
            assert!(found.is_empty() || allowed.contains(&&*name), "{name}: {found:?}");
        }
    }
}

/// `thiserror` treats a field that is called `source`, or marked so, as the cause; a message that
/// also shows it would repeat it where all causes are printed.
#[test]
fn no_error_shows_what_it_gives_as_its_cause() {
    for (name, text) in [library(), command_line()].concat() {
        let mut message = "";
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[error(") {
                message = line;
            }
            let is_cause = line.contains("#[from]") || line.contains("#[source]");
            let shows = (message.contains("{0") && is_cause) || message.contains("{source");
            assert!(!shows, "{name}: {message} repeats its cause");
            if line.starts_with('}') {
                message = "";
            }
        }
    }
}

/// Flags are the command line's words; the library has options. Other programs have flags, too.
#[test]
fn the_library_speaks_of_options_and_not_of_flags() {
    let is_flag = |word: &str| {
        let letters = word.strip_prefix("--").unwrap_or_default();
        letters.starts_with(|c: char| c.is_ascii_lowercase())
    };
    for (name, text) in library() {
        let lines = lines_with(&text, "--").into_iter().filter(|line| !line.contains("tf2onnx"));
        for line in lines {
            let quoted: String = line.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ");
            let mut words = quoted.split(|c: char| c.is_whitespace() || "`(".contains(c));
            assert!(!words.any(is_flag), "{name}: {line}");
        }
    }
}

/// The crates, and where their sources are.
const CRATES: [(&str, &str); 6] = [
    ("resnetc_ir", "ir/src"),
    ("resnetc", "src"),
    ("resnetc_cli", "cli/src"),
    ("resnetc_capi", "capi/src"),
    ("resnetc_testing", "testing/src"),
    ("_native", "python/src"),
];

/// See `order.rs` for the rule.
#[test]
fn imports_go_up_the_code_map_and_in_no_circle() {
    let files = CRATES.into_iter().flat_map(|(name, folder)| {
        let files = sources(folder).into_iter();
        files.map(move |(path, text)| imports::Source::of(name, folder, &path, &text))
    });
    let files: Vec<_> = files.collect();
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it is there");
    let rows = order::table(&architecture);
    let faults = order::faults(&rows, &files);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // The table was found, and so were the imports.
    assert!(rows.len() > 20 && imports::imports(&files).len() > 1000);
}
