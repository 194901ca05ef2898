//! Codes of errors: one name each, which is in `docs/ERRORS.md`, and which the errors of every module
//! have.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use resnetc::errors::{Fault, RunError};
use resnetc::spec::Spec;
use resnetc::{Array, Compiler, DType, Error, ErrorCode, Options, PassSelection};

/// `docs/ERRORS.md`.
fn document() -> String {
    let mut text = String::from(
        "# Errors\n\n\
         Generated: `RESNETC_BLESS=1 cargo test --test library` writes this file from the table in `src/error_code.rs`.\n\n\
         Every error of the library has a code, `Error::code()`, and the command line prints it in brackets at the end of \
         the message. Codes stay, messages may become better ones. Wrong usage of the command line (exit code 2) has no \
         code, except where an option has no effect or contradicts another one.\n",
    );
    for (fault, title) in [
        (Fault::File, "What is wrong with a file"),
        (Fault::Call, "What is wrong with a call, an option or a size"),
        (Fault::Machine, "What the machine or the system lacks"),
        (Fault::Bug, "Bugs, which we would like to hear of"),
    ] {
        write!(text, "\n## {title}\n\n| code | means |\n|---|---|\n").expect("a string");
        for code in ErrorCode::ALL.iter().filter(|code| code.fault() == fault) {
            writeln!(text, "| `{code}` | {} |", code.meaning()).expect("a string");
        }
    }
    text
}

#[test]
fn the_document_has_all_of_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ERRORS.md");
    if std::env::var_os("RESNETC_BLESS").is_some() {
        std::fs::write(&path, document()).expect("it can be written");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == document(), "bless docs/ERRORS.md: it is not what the table says");
}

#[test]
fn a_name_is_one_codes_and_plain() {
    let names: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), ErrorCode::ALL.len());
    for code in ErrorCode::ALL {
        let name = code.name();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
        assert!(code.meaning().ends_with('.'), "{name}");
        assert_eq!(code.to_string(), name);
    }
}

fn code_of<T>(result: Result<T, Error>) -> ErrorCode {
    match result {
        Ok(_) => panic!("it should fail"),
        Err(error) => error.code(),
    }
}

#[test]
fn errors_have_the_code_of_what_went_wrong() {
    let load = |options: Options, model: &str| Compiler::new(options).load(model);
    let default = Options::default;
    let bundled = "cli/models/resnet20-fashion-mnist.onnx";
    let bytes = |bytes: &[u8]| Compiler::new(default()).onnx_bytes(bytes, None);
    for (result, code) in [
        (load(default(), "resnet51"), ErrorCode::UnknownModel),
        (load(default(), "no such file.onnx"), ErrorCode::Io),
        (load(default(), "no such file.toml"), ErrorCode::Io),
        (bytes(b"PK\x03\x04"), ErrorCode::Format),
        (load(default().seed(1), bundled), ErrorCode::NoEffect),
        (load(default().dims([("none".to_owned(), 1)]), bundled), ErrorCode::UnknownDimension),
        (load(default().outputs(vec!["none".to_owned()]), bundled), ErrorCode::UnknownOutput),
        (load(default().weights(Some("none".into())), "resnet18"), ErrorCode::Io),
        (
            Spec::from_toml("block =")
                .map_err(Error::from)
                .and_then(|s| Compiler::default().spec(&s)),
            ErrorCode::SpecSyntax,
        ),
    ] {
        assert_eq!(code_of(result), code);
    }
    let network = Compiler::default().load(bundled).expect("bundled");
    let compile = |options| network.with_options(options).compile();
    let without = |name: &str| PassSelection::Without([name.to_owned()].into());
    for (options, code) in [
        (default().threads(0), ErrorCode::ThreadCount),
        (default().passes(without("none")), ErrorCode::UnknownPass),
        (default().passes(without("layout")), ErrorCode::RequiredPass),
    ] {
        assert_eq!(code_of(compile(options)), code);
    }
    let array = Array::new(DType::U8, [1], vec![255]).expect("one byte");
    assert_eq!(array.values(DType::I8).expect_err("too large").code(), ErrorCode::ArrayElement);
    assert_eq!(RunError::ForeignContext.code(), ErrorCode::ForeignContext);
    assert_eq!(Error::from(RunError::ForeignContext).code(), ErrorCode::ForeignContext);
}
