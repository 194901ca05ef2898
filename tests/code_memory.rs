//! Code is freed with the last model or context that uses it. Alone in its binary, since it counts
//! the mappings of the whole process.
#![cfg(target_os = "linux")]

use std::path::PathBuf;

use resnetc::{Compiler, Options};

/// Executable mappings that belong to no file.
fn code_mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    maps.lines().filter(|l| l.contains("r-xp 00000000 00:00 0") && !l.contains('[')).count()
}

#[test]
fn code_is_freed_with_the_last_user_and_never_writable() {
    let before = code_mappings();
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plain20/model.onnx");
    let compiler = Compiler::new(Options::default().threads(1));
    let model = compiler.load(file).expect("fixture").compile().expect("compiles");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    assert!(code_mappings() > before);
    assert!(!maps.lines().any(|l| l.split(' ').nth(1).is_some_and(|p| p.contains("wx"))), "{maps}");
    let clone = model.clone();
    let cx = clone.context().expect("memory");
    drop((model, clone));
    assert!(code_mappings() > before, "the context still needs the code");
    drop(cx);
    assert_eq!(code_mappings(), before);
}
