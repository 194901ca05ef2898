//! Every reason in the code of the passes is given for some graph of the tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Files of `src/passes` that are no pass, and whose texts are no reasons.
const MACHINERY: &[&str] = &[
    "driver",
    "error",
    "measure",
    "mod",
    "near_misses",
    "origins",
    "pass",
    "permute",
    "remarks",
    "selection",
];

/// Files that several passes use.
const SHARED: &[&str] = &["affine", "weighted"];

/// Labels of patches, where the code around them does not show that they are labels.
const LABELS: &[&str] = &[
    "compute {} and {} together",
    "copy the next value of {name}",
    "fold {} into {}",
    "fold {n} operators up to {} into {}",
];

/// Reasons that no graph can have, since shapes are checked before: the passes rather decline than
/// panic.
const UNREACHABLE: &[&str] =
    &["the weights do not fit their shape", "a bias does not fit its shape"];

/// The texts in a file's code that may be reasons, which are sentences.
fn texts(code: &str) -> Vec<String> {
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join("\n");
    let parts: Vec<&str> = code.split('"').collect();
    let mut found = Vec::new();
    for pair in parts.chunks_exact(2) {
        let (before, text) = (pair[0].trim_end(), pair[1]);
        let labels = ["doc:", "Patch::new(format!(", "label = format!("];
        if text.contains(' ') && !labels.iter().any(|label| before.ends_with(label)) {
            found.push(text.to_owned());
        }
    }
    found.retain(|text| !LABELS.contains(&text.as_str()));
    found
}

/// Whether a text that was printed is one of the code, with values in place of its braces.
fn is_made_from(said: &str, text: &str) -> bool {
    let mut rest = said;
    text.split('{').all(|part| {
        let fixed = part.split_once('}').map_or(part, |(_, fixed)| fixed);
        let at = rest.find(fixed);
        at.is_some_and(|at| {
            rest = &rest[at + fixed.len()..];
            true
        })
    })
}

/// The reasons in the code that were not among those that each pass gave.
pub(super) fn missing(said: &BTreeMap<&str, BTreeSet<String>>) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/passes");
    let mut files = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the passes") {
            let path = entry.expect("readable").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut missing = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&folder).expect("it is in the folder");
        let first = inside.iter().next().and_then(|name| name.to_str()).expect("a plain name");
        let pass = first.strip_suffix(".rs").unwrap_or(first);
        if MACHINERY.contains(&pass) {
            continue;
        }
        let is_said = |text: &String| {
            let passes = said.iter().filter(|(name, _)| **name == pass || SHARED.contains(&pass));
            passes.flat_map(|(_, said)| said).any(|said| is_made_from(said, text))
        };
        let code = fs::read_to_string(&file).expect("readable");
        for text in texts(&code) {
            if !UNREACHABLE.contains(&text.as_str()) && !is_said(&text) {
                missing.push(format!("{pass}: \"{text}\""));
            }
        }
    }
    missing.sort();
    missing
}

#[test]
fn reasons_are_found_in_code() {
    let code = r#"
        pub const PASS: Pass = Pass { name: "a", doc: "does a thing" };
        let label = format!("merge {} with {}", a, b); // "not this one"
        near.note(graph, node, format!("{} has two users", a));
        check(holds, "it is not so")?;
        #[cfg(test)] mod tests { "nor this one" }"#;
    assert_eq!(texts(code), ["{} has two users", "it is not so"]);
    assert!(is_made_from("conv c has two users", "{} has two users"));
    assert!(!is_made_from("conv c has an activation", "{} has two users"));
}
