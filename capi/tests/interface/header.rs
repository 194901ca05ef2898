//! The header, which is generated from the sources.

use std::path::Path;

/// The sources, in the order of the header.
const SOURCES: [&str; 12] = [
    "version", "status", "error", "isa", "options", "port", "model", "load", "resize", "transfer",
    "context", "once",
];

fn header() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("it is valid");
    let builder =
        SOURCES.iter().fold(cbindgen::Builder::new().with_config(config), |builder, name| {
            builder.with_src(root.join("src").join(name).with_extension("rs"))
        });
    let mut bytes = Vec::new();
    builder.generate().expect("the sources can be parsed").write(&mut bytes);
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_header_is_what_the_sources_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/resnetc.h");
    if std::env::var_os("RESNETC_BLESS").is_some() {
        std::fs::write(&path, header()).expect("it can be written");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let command = "RESNETC_BLESS=1 cargo test -p resnetc-capi --test interface header";
    assert!(stored == header(), "include/resnetc.h is not what the sources say; {command}");
}

/// Every exported function is declared: a source that the list above lacks would be missed.
#[test]
fn no_function_is_left_out() {
    let header = header();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut functions = 0;
    for entry in std::fs::read_dir(folder).expect("it is there") {
        let text = std::fs::read_to_string(entry.expect("readable").path()).expect("UTF-8");
        for line in text.lines().filter_map(|line| line.split_once("extern \"C\" fn ")) {
            let name = line.1.split('(').next().unwrap_or_default();
            assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
            functions += 1;
        }
    }
    assert!(functions > 25, "{functions} functions were found");
}
