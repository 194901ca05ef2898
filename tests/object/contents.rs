//! Objects for every target, read without a linker.

use object::{BinaryFormat, Object, ObjectSection, ObjectSymbol, SectionKind};
use resnetc::object::{Export, ExportTarget, Exported, Weights, export};
use resnetc::{Compiler, ErrorCode, Options};

const BUNDLED: &str = "cli/models/resnet20-fashion-mnist.onnx";

fn exported(target: ExportTarget, weights: Weights) -> Exported {
    let network = Compiler::new(Options::default()).load(BUNDLED).expect("it is bundled");
    let how = Export { target, weights, name: "fashion".to_owned() };
    export(&network, &how).expect("it can be exported")
}

#[test]
fn an_object_defines_two_functions_and_needs_nothing() {
    for target in ExportTarget::all() {
        for weights in [Weights::Inside, Weights::Beside] {
            let exported = exported(target, weights);
            let file = object::File::parse(&*exported.object).expect("an object");
            let undefined: Vec<_> = file.symbols().filter(|s| s.is_undefined()).collect();
            let named = undefined.iter().filter(|s| !s.name().expect("a name").is_empty());
            assert_eq!(named.count(), 0, "{target}: {undefined:?}");
            // What Mach-O puts before the names of C.
            let prefix = if file.format() == BinaryFormat::MachO { "_" } else { "" };
            let mut public: Vec<&str> = file
                .symbols()
                .filter(|s| s.is_global())
                .map(|s| s.name().expect("UTF-8").strip_prefix(prefix).expect("a name of C"))
                .collect();
            public.sort_unstable();
            assert_eq!(public, ["fashion_run", "fashion_run_parallel"], "{target}");
            let constants = file.sections().filter(|s| s.kind() == SectionKind::ReadOnlyData);
            let largest = constants.map(|s| s.size()).max().unwrap_or(0);
            let inside = weights == Weights::Inside;
            assert_eq!(largest >= exported.weight_bytes as u64, inside, "{target}");
            assert_eq!(exported.weights.is_some(), !inside, "{target}");
            let writable = file.sections().filter(|s| s.kind() == SectionKind::Data);
            assert_eq!(writable.map(|s| s.size()).sum::<u64>(), 0, "{target}: it keeps nothing");
            let stack = file.section_by_name(".note.GNU-stack").is_some();
            let is_elf = file.format() == BinaryFormat::Elf;
            assert_eq!(stack, is_elf, "{target}: the stack need not be executable");
        }
    }
}

#[test]
fn the_same_network_is_the_same_object() {
    for target in ExportTarget::all() {
        let [a, b] = [(); 2].map(|()| exported(target, Weights::Inside));
        assert!(a.object == b.object, "{target}");
        assert_eq!((&a.header, &a.main), (&b.header, &b.main));
    }
}

#[test]
fn a_name_is_an_identifier() {
    let network = Compiler::new(Options::default()).load(BUNDLED).expect("it is bundled");
    for name in ["stdint", "MATH", "", "1net", "net-1", "net.o", "n\u{e4}t", "a b", &"n".repeat(49)]
    {
        let how = Export { name: name.to_owned(), ..Export::default() };
        let error = export(&network, &how).expect_err(name);
        assert_eq!(error.code(), ErrorCode::OptionValue, "{name}");
    }
}
