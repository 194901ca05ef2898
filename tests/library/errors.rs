//! Error messages. A program that prints an error with all of its causes, as `anyhow` does with
//! `{:#}`, must not print anything twice.

use std::error::Error as StdError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use resnetc::advice::{Advice, NoEffect, OptionName};
use resnetc::check::{Check, CheckError};
use resnetc::codegen::emulate::EmulateError;
use resnetc::codegen::error::CodegenError;
use resnetc::codegen::vir::OverBudget;
use resnetc::export::ExportError;
use resnetc::import::{ImportError, ImportErrorKind, onnx, safetensors};
use resnetc::ir::eval::{EvalError, eval};
use resnetc::ir::infer::TypeError;
use resnetc::ir::text::parse;
use resnetc::ir::verify::{VerifyError, VerifyErrors};
use resnetc::ir::{Graph, GraphError, Op, Patch, PatchError};
use resnetc::kernels::KernelError;
use resnetc::passes::PassError;
use resnetc::spec::{SpecError, SpecErrorKind};
use resnetc::tune::Cache;
use resnetc::tune::MachineKey;
use resnetc::{Compiler, Error, Isa, Options, RunError};

/// An error and all of its causes, in order.
fn links(error: &dyn StdError) -> Vec<String> {
    let mut links = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        links.push(error.to_string());
        cause = error.source();
    }
    links
}

fn says_nothing_twice(error: &dyn StdError) {
    let links = links(error);
    for (i, link) in links.iter().enumerate() {
        assert!(!link.trim().is_empty(), "{links:?}");
        for cause in &links[i + 1..] {
            assert!(!link.contains(cause.as_str()), "\"{cause}\" is twice in {links:#?}");
        }
    }
}

fn io_error() -> io::Error {
    io::Error::other("the disk is on fire")
}

fn type_error() -> TypeError {
    TypeError("shapes differ".to_owned())
}

fn graph_error() -> GraphError {
    GraphError { name: "sum".to_owned(), op: "add", reason: type_error() }
}

fn patch_error() -> PatchError {
    PatchError::Type { label: "fold".to_owned(), error: graph_error() }
}

fn verify_errors() -> VerifyErrors {
    VerifyErrors(vec![VerifyError {
        invariant: 1,
        location: "%1 add \"sum\"".to_owned(),
        message: "it depends on itself".to_owned(),
    }])
}

fn import_error(file: &Path) -> ImportError {
    onnx::load(file, &onnx::Bindings::default()).expect_err("there is no such file")
}

fn path() -> PathBuf {
    PathBuf::from("/no/such/folder/model.onnx")
}

/// All errors that hold another one.
fn wrapping() -> Vec<Box<dyn StdError>> {
    let budget =
        || KernelError::Budget { kernel: "conv".to_owned(), source: OverBudget::Vectors(16) };
    let malformed =
        || CodegenError::Malformed { program: "conv".to_owned(), what: "it has no end" };
    let patch = || PassError::Patch { pass: "cse", source: patch_error() };
    let invalid =
        || PassError::Invalid { pass: "cse", patch: "fold".to_owned(), source: verify_errors() };
    let spec_io = || SpecError::from(SpecErrorKind::Io(io_error()));
    let export_io = || ExportError::Io { file: path(), error: io_error() };
    let run = || RunError::NoSuchInput { index: 1, inputs: 1 };
    let built = || SpecError::from(SpecErrorKind::Graph(graph_error()));
    vec![
        Box::new(graph_error()),
        Box::new(patch_error()),
        Box::new(verify_errors()),
        Box::new(ImportErrorKind::Io { action: "reading", source: io_error() }),
        Box::new(import_error(&path())),
        Box::new(spec_io()),
        Box::new(built()),
        Box::new(export_io()),
        Box::new(budget()),
        Box::new(patch()),
        Box::new(invalid()),
        Box::new(EmulateError::Program(malformed())),
        Box::new(Error::from(import_error(&path()))),
        Box::new(Error::from(spec_io())),
        Box::new(Error::from(built())),
        Box::new(Error::from(export_io())),
        Box::new(Error::from(budget())),
        Box::new(Error::from(patch())),
        Box::new(Error::from(invalid())),
        Box::new(Error::from(malformed())),
        Box::new(Error::from(run())),
        Box::new(Error::Tune(graph_error())),
        Box::new(CheckError::from(Error::from(budget()))),
        Box::new(CheckError::from(run())),
        Box::new(CheckError::Eval(EvalError::Invalid("an input is missing".to_owned()))),
        Box::new(CheckError::Expose(graph_error())),
        Box::new(CheckError::Layout(patch_error())),
    ]
}

#[test]
fn no_cause_is_repeated() {
    for error in wrapping() {
        says_nothing_twice(error.as_ref());
    }
}

/// The same for errors as they occur.
#[test]
fn errors_of_calls_repeat_nothing() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("errors");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for the test");
    let write = |name: &str, text: &[u8]| {
        let file = folder.join(name);
        fs::write(&file, text).expect("written");
        file
    };
    let load = |file: &Path| Compiler::default().load(file).expect_err("no network");
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 2]);
    let mut errors: Vec<Box<dyn StdError>> = vec![
        Box::new(load(&folder.join("none.onnx"))),
        Box::new(load(&folder.join("none.toml"))),
        Box::new(load(&folder.join("none.xyz"))),
        Box::new(load(&write("bad.onnx", b"no model"))),
        Box::new(load(&write("bad.toml", b"block = 3\nlayers"))),
        Box::new(load(&write("odd.toml", b"block = \"basic\"\nlayers = []\nchannels = []\n"))),
        Box::new(safetensors::load(&folder.join("none.safetensors")).expect_err("no file")),
        Box::new(
            safetensors::load(&write("bad.safetensors", b"no weights at all"))
                .expect_err("no weights"),
        ),
        Box::new(Cache::read(&folder, &MachineKey::of(Isa::Baseline, 1)).expect_err("a folder")),
        Box::new(graph.clone().add("s", Op::Softmax { axis: 7 }, &[x]).expect_err("no axis 7")),
        Box::new(eval(&graph, &[]).expect_err("no input")),
    ];
    let mut patch = Patch::new("wrong");
    patch.add("s", Op::Softmax { axis: 7 }, &[x.into()]);
    errors.push(Box::new(graph.apply(patch).expect_err("no axis 7")));
    let network = Compiler::default().load("cifar_resnet20").expect("built in");
    errors.push(Box::new(Check::new(&network, &[]).expect_err("no inputs")));
    let options = Options::default().batch(1).seed(1);
    let refused = Compiler::new(options).graph(network.graph().clone());
    errors.push(Box::new(refused.expect_err("two options for nothing")));
    for error in errors {
        says_nothing_twice(error.as_ref());
    }
    fs::remove_dir_all(&folder).expect("removed");
}

/// A message is complete: what is wrong, and what to do.
#[test]
fn what_and_advice_make_the_message() {
    let error = Error::from(import_error(&path()));
    assert_eq!((error.what(), error.advice()), (error.to_string(), None));
    // The system's own words, which differ between systems.
    let missing = fs::metadata(path()).expect_err("there is no such file").to_string();
    assert!(error.to_string().contains(&missing), "{error}");
    let kind = ImportErrorKind::UnboundDims { dims: Vec::new(), shapeless: Vec::new() };
    let error = Error::from(ImportError::from(kind));
    let advice: Advice = error.advice().expect("a dimension can be given");
    assert_eq!(error.to_string(), format!("{}; {advice}", error.what()));
    assert!(advice.to_string().contains(&OptionName::Dims.to_string()), "{advice}");
    let worded = advice.worded(&|_| "--shape".to_owned());
    assert!(worded.contains("--shape") && !worded.contains("Options::"), "{worded}");
    let one = NoEffect { option: OptionName::Seed, reason: "nothing is random" };
    assert_eq!(one.to_string(), "Options::seed has no effect: nothing is random");
}

#[test]
fn all_operators_that_cannot_be_compiled_are_listed_with_the_file() {
    let text = r#"
        %0 = input : f32[1, 4, 6, 7] "x"
        %1 = convert(%0) to=i32 "a"
        %2 = convert(%1) to=f32 "b"
        output "y" = %2"#;
    let mut graph = parse(text).expect("a graph");
    graph.set_file("model.onnx");
    let network = Compiler::new(Options::default()).graph(graph).expect("a network");
    let error = network.compile().expect_err("integers are not compiled");
    let text = error.to_string();
    assert!(matches!(error, Error::NotCompiled(_)), "{text}");
    assert!(text.starts_with("model.onnx: 2 operators cannot be compiled"), "{text}");
    assert!(text.contains("convert \"a\"") && text.contains("convert \"b\""), "{text}");
}
