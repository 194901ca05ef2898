//! Which code belongs to which line of its program.

use proptest::prelude::*;
use resnetc::codegen::listing::{interleave, lines};
use resnetc::codegen::machine::{Cranelift, Scratch};
use resnetc::codegen::vir::*;
use resnetc::codegen::{a64, clif, x64};
use resnetc_testing::cases::cases;

use super::programs::case;

/// The mnemonic that the code of a line begins with, if it is one specific instruction.
fn mnemonic(line: &str) -> Option<&'static str> {
    let names = [
        (" = load ", "vmovups"),
        ("store ", "vmovups"),
        (" += v", "vfmadd231ps"),
        (" = add ", "vaddps"),
        (" = mul ", "vmulps"),
        ("prefetch ", "prefetcht1"),
    ];
    names.into_iter().find(|(part, _)| line.contains(part)).map(|(_, name)| name)
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![Just(Target::V128), Just(Target::AVX2), Just(Target::AVX512)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_stands_in_front_of_its_code(case in target().prop_flat_map(case)) {
        let encoded = x64::encode(&case.program).unwrap();
        let texts = lines(&case.program);
        prop_assert!(encoded.lines.iter().map(|l| l.line).eq(0..texts.len()), "each once, in order");
        prop_assert!(encoded.lines.is_sorted_by_key(|l| l.offset));
        let code = x64::disassemble(&encoded.bytes[..encoded.code]);
        for place in &encoded.lines {
            prop_assert!(code.iter().any(|(offset, _)| *offset == place.offset), "{place:?}");
        }
        let listing = interleave(code.iter().cloned(), &case.program, &encoded.lines);
        prop_assert_eq!(listing.len(), code.len() + texts.len());
        for pair in listing.windows(2) {
            if let Some((_, line)) = pair[0].split_once("; ")
                && let Some(name) = mnemonic(line)
            {
                let said = pair[1].split_whitespace().nth(1);
                prop_assert_eq!(said, Some(name), "{} | {}", pair[0], pair[1]);
            }
        }
    }

    #[test]
    fn cranelift_gives_the_same_code_with_lines_and_without(case in case(Target::V128)) {
        let cranelift = Cranelift::host().unwrap();
        let mut scratch = Scratch::new();
        let mut compile = |keep| clif::compile(&cranelift, &mut scratch, &case.program, keep).unwrap();
        let (with, without) = (compile(true), compile(false));
        prop_assert_eq!(&with.bytes, &without.bytes);
        prop_assert!(without.lines.is_empty());
        let texts = lines(&case.program);
        prop_assert!(with.lines.is_sorted_by_key(|l| l.offset));
        prop_assert!(with.lines.iter().all(|l| l.line < texts.len() && l.offset < with.code));
        // Every store has code.
        for (line, text) in texts.iter().enumerate() {
            let is_store = text.trim_start().starts_with("store");
            prop_assert!(!is_store || with.lines.iter().any(|l| l.line == line), "{text}");
        }
    }
}

#[test]
fn a_loop_that_is_not_entered_has_lines_and_no_code() {
    let body = vec![
        Inst::Loop { count: Count::Fixed(0), body: vec![Inst::Copy { dst: V(0), src: V(1) }; 3] },
        Inst::MultiplyAdd { acc: V(0), a: V(1), b: V(2) },
    ];
    let program =
        |target| Program { name: "p".into(), target, args: 0, pointers: 0, body: body.clone() };
    let encoded = [
        x64::encode(&program(Target::V128)),
        x64::encode(&program(Target::AVX2)),
        a64::encode(&program(Target::NEON)),
    ];
    for encoded in encoded.map(Result::unwrap) {
        assert_eq!(encoded.lines.iter().map(|l| l.line).collect::<Vec<_>>(), [0, 5]);
    }
    let program = program(Target::V128);
    assert_eq!(lines(&program).len(), 6);
    let cranelift = Cranelift::host().unwrap();
    let compiled = clif::compile(&cranelift, &mut Scratch::new(), &program, true).unwrap();
    assert!(compiled.lines.iter().all(|l| l.line == 5), "{:?}", compiled.lines);
}
