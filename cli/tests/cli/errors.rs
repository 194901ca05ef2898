//! Failures: one line with the error, one line with what to do, an exit code, and nothing written.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use resnetc::runtime::pool::{default_threads, most_threads};

use crate::support::*;
use resnetc_testing::host::not_run;

#[test]
fn bad_models_are_refused_in_one_line() {
    let folder = folder("bad_models");
    let fixture = fs::read("../tests/fixtures/resnet_dynamo/model.onnx").unwrap();
    let write = |name: &str, bytes: &[u8]| -> String {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        text(&path).to_owned()
    };
    let whole = fs::read("../tests/fixtures/cifar14_c/model.onnx").unwrap();
    let cases = [
        (write("truncated.onnx", &whole[..whole.len() / 2]), "truncated.onnx"),
        (write("empty.onnx", b""), "empty.onnx"),
        (write("text.onnx", b"This is a text, not a model.\n"), "text.onnx"),
        (write("no_data.onnx", &fixture), "model.onnx.data"),
        (
            write("outside.onnx", &replace(&fixture, b"model.onnx.data", b"../outside.data")),
            "../outside.data",
        ),
        (
            write("key.toml", b"block = \"basic\"\nlayers = [1]\nchannels = [8]\nstrides = 2\n"),
            "strides",
        ),
        (write("broken.json", b"{\"block\": \"basic\""), "broken.json"),
        (text(&folder.join("missing.onnx")).to_owned(), "missing.onnx"),
        (text(&folder).to_owned(), "bad_models"),
        ("resnet5000".to_owned(), "resnet5000"),
    ];
    let out = folder.join("out.npy");
    for (model, says) in &cases {
        let named = Path::new(model).file_name().unwrap().to_str().unwrap();
        for command in ["run", "info", "check", "bench", "dump"] {
            fail(&[command, model], &[named, says]);
        }
        fail(&["run", model, "--output", text(&out)], &[named, says]);
        assert!(!out.exists(), "{model}");
    }
}

/// Replaces all occurrences with something of the same length.
fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - old.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
    }
    bytes
}

#[test]
fn bad_inputs_are_refused_in_one_line_and_nothing_is_written() {
    let folder = folder("bad_inputs");
    let (model, _) = fixture("cifar14_c");
    let (_, other) = fixture("resnet_bottleneck_v15");
    let header = |dict: &str| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        let text = format!("{dict:<117}\n");
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    };
    let huge =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 4000000000, 4000000000), }";
    let ints = "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }";
    let mut int_file = header(ints);
    int_file.extend([0; 8]);
    let files: [(&str, Vec<u8>); 6] = [
        ("huge.npy", header(huge)),
        ("ints.npy", int_file),
        ("text.npy", b"text".to_vec()),
        ("empty.npy", Vec::new()),
        ("text.safetensors", b"a text that is longer than a header".to_vec()),
        ("x.txt", Vec::new()),
    ];
    let out = folder.join("out.npy");
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        fail(&["run", &model, "--input", text(&path), "--output", text(&out)], &[name]);
        fail(&["check", &model, "--input", text(&path)], &[name]);
        fs::remove_file(&path).unwrap();
    }
    let shapes = ["[1, 3, 96, 64]", "[batch, 3, 32, 32]"];
    fail(&["run", &model, "--input", &other, "--output", text(&out)], &shapes);
    fail(&["run", &model, "--input", BUNDLED_IO, "--output", text(&out)], &["[10, 1, 28, 28]"]);
    fail(&["run", &model, "--output", text(&folder.join("no/such/folder.npy"))], &["folder.npy"]);
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[test]
fn a_picture_that_is_no_picture_does_not_stop_the_others() {
    let folder = folder("pictures");
    let bad = folder.join("text.png");
    fs::write(&bad, "a text").unwrap();
    fs::write(folder.join("cut.png"), &fs::read("models/pictures/bag.png").unwrap()[..200])
        .unwrap();
    fs::copy("models/pictures/bag.png", folder.join("bag.png")).unwrap();
    let output = resnetc(&["classify", text(&folder)]);
    assert_eq!(output.status.code(), Some(1));
    let errors = stderr(&output);
    assert_eq!(errors.lines().filter(|l| !is_remark(l)).count(), 2, "{errors}");
    for name in ["cut.png", "text.png"] {
        let about = |l: &str| l.starts_with("error: ") && l.contains(name);
        assert!(errors.lines().any(about), "{errors}");
    }
    assert!(stdout(&output).contains("1 of 1 right"), "{}", stdout(&output));
    let report = resnetc(&["classify", text(&bad), "--json"]);
    let report: Value = serde_json::from_str(&stdout(&report)).unwrap();
    assert!(report["pictures"][0]["error"].as_str().unwrap().contains("text.png"));
}

#[test]
fn wrong_requests_fail_with_a_hint() {
    fail(&["bench", "cifar_resnet20", "--no-pass", "magic"], &["magic"]);
    fail(&["bench", "cifar_resnet20", "--no-pass", "layout"], &["layout", "required"]);
    fail(&["classify", "--preset", "sepia"], &["sepia"]);
    fail(&["classify", "--preset", "torchvision"], &["torchvision", "[1, 1, 28, 28]"]);
    fail(&["classify", "--dataset", "/no/such/folder"], &["/no/such/folder"]);
    fail(&["classify", "--labels", "LICENSE-none"], &["LICENSE-none"]);
    fail(&["dump", "cifar_resnet20", "--node", "no such node"], &["no such node"]);
    let nowhere = folder("zoo_nowhere").join("no/m.onnx");
    fail(&["zoo", "make", "cifar_resnet20", "-o", text(&nowhere)], &["m.onnx"]);
    let somewhere = folder("zoo_somewhere").join("m.onnx");
    fail(&["zoo", "make", "resnet5000", "-o", text(&somewhere)], &["resnet5000"]);
    let (model, _) = fixture("resnet_dynamo");
    fail(
        &["run", &model, "--shape", "input.2=32"],
        &["model.onnx", "32", "axis 2 of input \"input\" is 64"],
    );
    let mixing = mixing(&folder("wrong_batch"));
    let named = ["mixing.onnx", "7", "input \"x\"", "transpose \"turned\""];
    fail(&["run", text(&mixing), "--batch", "7"], &named);
    fail(&["run", &model, "--input", BUNDLED_IO], &["[1, 3, 64, 64]", "[10, 1, 28, 28]"]);
    let lacking =
        resnetc::isa::ISAS.into_iter().filter_map(|isa| Some((isa, isa.missing()?.to_string())));
    let lacking: Vec<_> = lacking.collect();
    if lacking.is_empty() {
        not_run("the refusal of code that this CPU cannot run", "this machine lacks none");
    }
    for (isa, missing) in lacking {
        fail(&["run", "cifar_resnet20", "--isa", isa.name()], &[&missing]);
        fail(&["classify", "--isa", isa.name()], &[&missing]);
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for args in [
        &["run"][..],
        &["frobnicate"],
        &["run", "cifar_resnet20", "--isa", "sse9"],
        &["run", "cifar_resnet20", "--batch", "0"],
        &["run", "cifar_resnet20", "--threads", "none"],
        &["run", "cifar_resnet20", "--threads", "0"],
        &["run", "cifar_resnet20", "--interpret", "--threads", "1"],
        &["classify", "--interpret", "--isa", "baseline"],
        &["run", "cifar_resnet20", "--threads", "20000"],
        &["doctor", "--threads", "20000"],
        &["run", "cifar_resnet20", "--shape", "width"],
        &["run", "cifar_resnet20", "--output", "out.png"],
        &["bench", "cifar_resnet20", "--unfused", "--compare"],
        &["bench", "cifar_resnet20", "--unfused", "--no-pass", "cse"],
        &["bench", "cifar_resnet20", "--no-pass", "cse", "--only-pass", "cse"],
        &["bench", "cifar_resnet20", "--ablate", "--compare"],
        &["bench", "cifar_resnet20", "--ablate", "--only-pass", "cse"],
        &["bench", "cifar_resnet20", "--csv", "rows.csv"],
        &["bench", "cifar_resnet20", "--reuse", "always"],
        &["classify", "resnet18", "resnet50"],
        &["classify", "resnet18"],
        &["classify", "x.png", "--dataset"],
        &["dump", "cifar_resnet20", "--stage", "soup"],
        &["zoo", "make", "cifar_resnet20"],
        &["zoo", "make", "cifar_resnet20", "-o", "m.bin"],
        &["zoo", "make", "models/resnet20-fashion-mnist.onnx", "-o", "m.onnx"],
        &["zoo", "make", "cifar_resnet20", "-o", "m.onnx", "--seed", "1", "--weights", "w"],
        &[],
    ] {
        let output = resnetc(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

/// The option, and the command that it is given to.
#[test]
fn an_option_without_effect_is_an_error_that_names_it() {
    const NAMED: &str = "cifar_resnet20";
    let spec = "../tests/fixtures/resnet_basic_b/spec.toml";
    let weights = "../tests/fixtures/resnet_basic_b/weights.safetensors";
    let cases: &[(&str, &[&str])] = &[
        ("--weights", &["run", BUNDLED, "--weights", weights]),
        ("--weights", &["classify", "--weights", weights]),
        ("--shape", &["run", NAMED, "--shape", "height=64"]),
        ("--shape", &["info", spec, "--shape", "height=64"]),
        ("--seed", &["info", BUNDLED, "--seed", "1"]),
        ("--seed", &["info", spec, "--weights", weights, "--seed", "1"]),
        ("--seed", &["dump", BUNDLED, "--seed", "0"]),
        ("--seed", &["explain", BUNDLED, "--seed", "1"]),
        ("--seed", &["tune", BUNDLED, "--seed", "1"]),
        ("--seed", &["run", BUNDLED, "--input", BUNDLED_IO, "--seed", "1"]),
        ("--seed", &["check", BUNDLED, "--input", BUNDLED_IO, "--seed", "1"]),
        ("--seed", &["classify", "--seed", "1"]),
        ("--tuned", &["run", NAMED, "--numerics", "exact", "--tuned", "times.json"]),
        ("--tuned", &["tune", NAMED, "--numerics", "exact", "--tuned", "times.json"]),
        ("--tuned", &["report", NAMED, "--json", "--tuned", "times.json"]),
        ("--tuned", &["bench", NAMED, "--ablate", "--tuned", "times.json"]),
        ("--unfused", &["report", NAMED, "--json", "--unfused"]),
        ("--perf-map", &["info", NAMED, "--perf-map"]),
        ("--perf-map", &["explain", NAMED, "--perf-map"]),
        ("--perf-map", &["dump", NAMED, "--perf-map"]),
        ("--threads", &["dump", NAMED, "--threads", "2"]),
        ("--isa", &["dump", NAMED, "--stage", "fused", "--isa", "baseline"]),
        ("--numerics", &["dump", NAMED, "--stage", "dot", "--numerics", "exact"]),
        ("--reuse", &["dump", NAMED, "--stage", "scheduled", "--reuse", "never"]),
        ("--memory", &["dump", NAMED, "--stage", "fused", "--memory", "1GB"]),
        ("--memory", &["report", NAMED, "--json", "--memory", "1GB"]),
        ("--memory", &["bench", NAMED, "--ablate", "--memory", "1GB"]),
        ("--memory", &["check", NAMED, "--memory", "1GB"]),
        ("--memory", &["tune", NAMED, "--memory", "1GB"]),
        ("--no-pass", &["dump", NAMED, "--stage", "graph", "--no-pass", "cse"]),
        ("--only-pass", &["dump", NAMED, "--stage", "graph", "--only-pass", "cse"]),
    ];
    for (flag, args) in cases {
        let output = resnetc(args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.starts_with(&format!("error: {flag} has no effect: ")), "{args:?}: {said}");
        assert!(said.lines().next().unwrap().ends_with(" [no-effect]"), "{args:?}: {said}");
        assert!(said.ends_with(&format!("help: leave out {flag}\n")), "{args:?}: {said}");
        assert_eq!(stdout(&output), "", "{args:?}");
    }
    // Flags that need another flag, or exclude one.
    for args in [
        &["bench", NAMED, "--hold", "10"][..],
        &["bench", NAMED, "--csv", "x.csv"],
        &["bench", NAMED, "--interpreter"],
        &["run", NAMED, "--shape", "n=1", "--shape", "n=2"],
        &["dump", NAMED, "--stage", "dot", "--node", "x"],
    ] {
        assert_eq!(resnetc(args).status.code(), Some(2), "{args:?}");
    }
    fail(&["run", BUNDLED, "--shape", "heihgt=3"], &["heihgt"]);
    // Where they have an effect, they are accepted.
    succeed(&["run", BUNDLED, "--seed", "1"]);
    succeed(&["run", NAMED, "--numerics", "exact", "--tuned", "off"]);
    assert_ne!(
        succeed(&["dump", NAMED, "--seed", "1"]),
        succeed(&["dump", NAMED, "--seed", "2"]),
        "the seed determines the weights"
    );
}

#[test]
fn threads_have_a_limit_and_should_have_a_cpu_each() {
    let most = most_threads();
    let refused = resnetc(&["run", "cifar_resnet20", "--threads", &(most + 1).to_string()]);
    let said = stderr(&refused);
    assert!(said.contains("--threads") && said.contains(&format!("{most} threads")), "{said}");
    let threads = default_threads() + 1;
    if threads > most {
        return not_run(
            "the warning of too many threads",
            "this machine has as many CPUs as a run has threads",
        );
    }
    let file = folder("threads").join("y.npy");
    let model = fixture("resnet_basic_b").0;
    // It is loaded twice, since its batch is that of the input.
    for command in [&["run", &model, "--output", text(&file)][..], &["info", &model]] {
        let output = resnetc(&[command, &["--threads", &threads.to_string()]].concat());
        let said = stderr(&output);
        assert!(output.status.success(), "{said}");
        let says = format!("{FEW_CPUS}{threads}: this process may use {}", threads - 1);
        let warnings = said.lines().filter(|line| line.starts_with("warning: ")).count();
        assert!(said.starts_with(&says) && warnings == 1, "{said}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (model, _) = fixture("resnet_basic_b");
    let mut child = command(&["dump", &model, "--stage", "program"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

/// Every kind of wrong file and of contradiction has a code of its own.
#[test]
fn files_and_contradictions_have_codes() {
    let folder = folder("codes");
    let at = |name: &str| text(&folder.join(name)).to_owned();
    let npy = |name: &str, descr: &str, shape: &str, data: usize| {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(vec![0; data]);
        fs::write(folder.join(name), bytes).unwrap();
    };
    npy("complex.npy", "<c8", "(1,)", 8);
    npy("text.npy", "<U1", "(1,)", 4);
    npy("zero.npy", "<f4", "(0, 3, 32, 32)", 0);
    npy("flat.npy", "<f4", "(2,)", 8);
    fs::write(folder.join("noise.npy"), "noise").unwrap();
    fs::write(folder.join("noise.npz"), "noise").unwrap();
    fs::write(folder.join("noise.png"), "noise").unwrap();
    fs::write(folder.join("none.txt"), "").unwrap();
    fs::write(folder.join("three.txt"), "a\nb\nc\n").unwrap();
    let bag = fs::read("models/pictures/bag.png").unwrap();
    fs::write(folder.join("cut.png"), &bag[..bag.len() - 200]).unwrap();
    let (model, io) = fixture("cifar14_c");
    let run = |file: &str| vec!["run".to_owned(), model.clone(), "--input".to_owned(), at(file)];
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for (args, code, says) in [
        (run("complex.npy"), "element-type", "complex.npy"),
        (run("text.npy"), "element-type", "text.npy"),
        (run("zero.npy"), "given-shape", "zero.npy: input"),
        (run("flat.npy"), "given-shape", "flat.npy"),
        (run("noise.npy"), "format", "noise.npy"),
        (run("noise.npz"), "format", "noise.npz"),
        (run("missing.npy"), "io", "missing.npy"),
        (run("three.txt"), "format", "three.txt"),
        (words(&format!("run {model} --input {BUNDLED_IO}:x")), "format", "io.safetensors:x"),
        (words(&format!("run {model} --input {io} --shape input=1,3,8,8")), "conflict", "8, 8"),
        (words(&format!("run {model} --outputs output,output")), "conflict", "requested twice"),
        (words("run resnet18 --batch 99999999"), "limit", "value \"input\" of shape [99999999"),
        (words(&format!("classify --labels {}", at("none.txt"))), "labels", "none.txt"),
        (words(&format!("classify --labels {}", at("three.txt"))), "labels", "three.txt"),
        (words(&format!("classify --labels {}", at("no.txt"))), "io", "no.txt"),
        (words(&format!("classify {}", at("noise.png"))), "picture", "noise.png"),
        (
            words(&format!("classify {}", at("cut.png"))),
            "picture",
            "cut.png: the picture is damaged",
        ),
        (words(&format!("classify {}", at("no.png"))), "io", "no.png"),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = resnetc(&args);
        let said = stderr(&output);
        assert!(!output.status.success(), "{args:?}");
        let line = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(line.ends_with(&format!(" [{code}]")), "{args:?}: {said}");
        assert!(line.contains(says), "{args:?}: {said}");
    }
    // Negative numbers are values, not options.
    for args in [["--batch", "-1"], ["--seed", "-1"], ["--threads", "-2"]] {
        let output = resnetc(&[&["run", "cifar_resnet20"], &args[..]].concat());
        let said = stderr(&output);
        assert!(said.contains("it must be a whole number") && !said.contains("tip:"), "{said}");
    }
}

/// An error of the library has its code at the end of the message, and the code is in the document.
#[test]
fn codes_of_the_library_stand_at_the_end() {
    let document = fs::read_to_string("../docs/ERRORS.md").unwrap();
    for (args, code) in [
        (&["info", "resnet51"][..], "unknown-model"),
        (&["info", "none.onnx"], "io"),
        (&["run", BUNDLED, "--seed", "1", "--outputs", "none"], "unknown-output"),
        (&["info", "resnet18", "--shape", "x=1"], "no-effect"),
        (&["info", "resnet18", "--no-pass", "none"], "unknown-pass"),
    ] {
        let output = resnetc(args);
        let said = stderr(&output);
        let message = said.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(message.ends_with(&format!(" [{code}]")), "{args:?}: {said}");
        assert!(document.contains(&format!("| `{code}` | ")), "{code}");
    }
}
