//! The order of modules, from the table in `ARCHITECTURE.md`, and violations of it.
//!
//! The files of a row import only from rows above it, and no files import each other in a circle,
//! not even a module and its parts: what both need is defined in a separate file. A `lib.rs` or
//! `main.rs` has no row: it declares all modules, and re-exports.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::{Import, Source, imports};

/// A row of the table: the files and folders that its first cell names.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Without `.rs` and without a slash at the end.
    places: Vec<String>,
}

/// The rows of the table in the section "Code map", from the ground up.
pub(crate) fn table(architecture: &str) -> Vec<Row> {
    let section = architecture.split("\n## ").find(|s| s.starts_with("Code map")).unwrap_or("");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let first = |row: &str| row.split('|').nth(1).unwrap_or_default().to_owned();
    let places = |cell: String| {
        let named = cell.split('`').skip(1).step_by(2).filter(|name| !name.starts_with("resnetc"));
        named.map(|name| name.trim_end_matches(".rs").trim_end_matches('/').to_owned()).collect()
    };
    rows.map(|row| Row { places: places(first(row)) }).collect()
}

impl Row {
    fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches(".rs");
        let inside = |place: &String| {
            path.strip_prefix(place.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.places.iter().any(inside)
    }

    fn name(&self) -> String {
        self.places.join(", ")
    }
}

/// The errors in the imports of some files: every sentence names the files.
pub(crate) fn faults(rows: &[Row], sources: &[Source]) -> Vec<String> {
    let imports = imports(sources);
    let mut faults = arrows_down(rows, sources, &imports);
    faults.extend(circles(&imports));
    faults
}

/// Whether a file only declares and re-exports the modules of its crate.
fn is_root(source: &Source) -> bool {
    source.module.len() == 1
}

fn arrows_down(rows: &[Row], sources: &[Source], imports: &[Import]) -> Vec<String> {
    let row = |path: &str| rows.iter().position(|row| row.holds(path));
    let roots: BTreeSet<&str> = sources.iter().filter(|s| is_root(s)).map(|s| &*s.path).collect();
    let unlisted = sources.iter().filter(|s| !is_root(s) && row(&s.path).is_none());
    let mut faults: Vec<String> =
        unlisted.map(|s| format!("{} is in no row of the code map", s.path)).collect();
    for Import { from, to, path } in imports {
        if roots.contains(&from.as_str()) || roots.contains(&to.as_str()) {
            continue;
        }
        if let (Some(low), Some(high)) = (row(from), row(to))
            && high > low
        {
            let (low, high) = (rows[low].name(), rows[high].name());
            faults.push(format!(
                "{from} imports {path} from {to}, but {high} is below {low} in the code map"
            ));
        }
    }
    faults
}

/// Circles of files that import each other, one sentence each.
fn circles(imports: &[Import]) -> Vec<String> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Import { from, to, .. } in imports {
        next.entry(from).or_default().insert(to);
    }
    let mut faults = Vec::new();
    while let Some(circle) = circle(&mut next) {
        faults.push(format!("{} import each other in a circle", circle.join(" -> ")));
        // One arrow less, to find the next one.
        next.entry(circle[0]).or_default().remove(circle[1]);
    }
    faults
}

/// Some circle, with its first file repeated at the end. Files that are in no circle are removed
/// along the way.
fn circle<'a>(next: &mut BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    loop {
        let open: BTreeSet<&str> =
            next.iter().filter(|(_, to)| !to.is_empty()).map(|(&from, _)| from).collect();
        let before: usize = next.values().map(BTreeSet::len).sum();
        next.values_mut().for_each(|to| to.retain(|file| open.contains(file)));
        if next.values().map(BTreeSet::len).sum::<usize>() == before {
            break;
        }
    }
    let mut way = vec![*next.iter().find(|(_, to)| !to.is_empty())?.0];
    loop {
        let last = *way.last()?;
        let to = *next.get(last)?.first()?;
        if let Some(start) = way.iter().position(|&file| file == to) {
            way.drain(..start);
            way.push(to);
            return Some(way);
        }
        way.push(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# A\n\n## Code map\n\nWords.\n\n| module | purpose |\n|---|---|\n| `ir/` (`resnetc-ir`) | x |\n\
                         | `src/low`, `src/word.rs` | `src/high` |\n| `src/high.rs` | x |\n\n## Next\n\n| `src/none` |\n";

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let source = |&(path, text): &(&str, &str)| match path.starts_with("ir/") {
            true => Source::of("resnetc_ir", "ir/src", path, text),
            false => Source::of("resnetc", "src", path, text),
        };
        faults(&table(TABLE), &files.iter().map(source).collect::<Vec<_>>())
    }

    const LIB: (&str, &str) =
        ("src/lib.rs", "pub mod low; pub mod high; pub mod word; pub use high::High;");

    #[test]
    fn an_arrow_against_the_order_names_both_files() {
        let down = "src/low/a.rs imports crate::high::High from src/high.rs, but src/high is below src/low, src/word in the code map";
        let high = ("src/high.rs", "pub struct High;");
        let low = |text| [LIB, ("src/low/mod.rs", "mod a;"), ("src/low/a.rs", text), high];
        for text in [
            "use crate::high::High;",
            "fn f() { let _ = crate::high::High; }",
            "use crate::{high::{self, High as H}};",
        ] {
            let found = found(&low(text));
            assert!(found.iter().any(|fault| fault.starts_with(&down[..12])), "{text}: {found:?}");
            assert!(
                found.iter().all(|f| f.contains("src/high.rs, but src/high is below")),
                "{found:?}"
            );
        }
        assert_eq!(found(&low("use crate::high::High;")), [down]);
        // Through the root of the crate, and through a module that is in scope.
        assert_eq!(found(&low("use crate::High;")), [down.replace("high::High", "High")]);
        assert_eq!(found(&low("use super::super::high; fn f() { high::g() }")).len(), 2);
    }

    #[test]
    fn what_is_no_import_is_none() {
        let high = ("src/high.rs", "use crate::low::Low; use resnetc_ir::Graph;");
        let ir = ("ir/src/lib.rs", "pub struct Graph;");
        for text in [
            "//! See [`crate::high::High`].\n/* crate::high::High */ pub struct Low;",
            "const S: &str = \"crate::high::High\"; const R: &str = r#\"\" crate::high::High\"#; const Q: char = '\"'; // \"",
            "#[cfg(test)] mod tests { use crate::high::High; fn f() { { } } } pub struct Low;",
            "use std::high::High; struct high; fn f<'a>(x: &'a str) { other::high() }",
        ] {
            assert_eq!(found(&[LIB, ("src/low/mod.rs", text), high, ir]), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_circle_names_its_files() {
        let files = |a, b| {
            [
                ("src/low/mod.rs", "pub mod a; mod b; pub use b::B; pub struct Both;"),
                ("src/low/a.rs", a),
                ("src/low/b.rs", b),
            ]
        };
        let circle = ["src/low/a.rs -> src/low/b.rs -> src/low/a.rs import each other in a circle"];
        assert_eq!(found(&files("use super::b::B;", "use super::a::A;")), circle);
        // A name is followed to the file that defines it.
        assert_eq!(found(&files("use super::B;", "fn f() { super::a::A::new() }")), circle);
        assert_eq!(found(&files("use crate::low::*;", "use super::a::A;")), [""; 0]);
        // Re-exporting the parts of a module does not count as importing from them; calling them
        // does.
        assert_eq!(found(&files("use super::{B, Both};", "use super::Both;")), [""; 0]);
        let calls = ("src/low/mod.rs", "pub mod a; fn f() { a::g() } pub struct Both;");
        let circle = "src/low/a.rs -> src/low/mod.rs -> src/low/a.rs import each other in a circle";
        let part = |text| [calls, ("src/low/a.rs", text)];
        assert_eq!(found(&part("use super::Both;")), [circle]);
        // A restricted visibility names a module without importing from it.
        assert_eq!(found(&part("pub(in crate::low) fn g() {}")), [""; 0]);
    }

    #[test]
    fn a_file_without_a_row_is_named() {
        assert_eq!(
            found(&[LIB, ("src/attic.rs", "")]),
            ["src/attic.rs is in no row of the code map"]
        );
    }
}
