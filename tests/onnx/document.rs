//! `docs/OPERATORS.md` matches the code.

use std::fmt::Write;
use std::path::PathBuf;

use resnetc::import::onnx::{Operator, When, operators};

use crate::refused::{OTHERWISE, Otherwise, REFUSED, is_otherwise};
use crate::{Outcome, all};

/// If set, the test writes the document.
const BLESS: &str = "RESNETC_BLESS";

fn document() -> String {
    let right = all().iter().filter(|(_, _, o)| *o == Outcome::Right).count();
    let otherwise = all().iter().filter(|(name, ..)| is_otherwise(name)).count();
    let standard = operators().iter().filter(|o| o.domain.is_empty()).count();
    let mut text = format!(
        "# ONNX operators\n\n\
         Generated: `RESNETC_BLESS=1 cargo test --test onnx` writes this file from the table of operators and from \
         what came of the standard's tests.\n\n\
         {standard} operators of the ONNX standard are read, versions 7 to 28 of it, and {} of ONNX Runtime's. Of \
         the standard's {} node tests of these operators in float32, **{right}** give its results, interpreted and \
         compiled; {} have other results, and {} are refused with a clear error, for the reasons below.\n\n\
         All arithmetic is float32, and shapes are fixed at compile time. An operator \"between constants\" is \
         arithmetic that is carried out during import, as exporters write for shapes; all others compute at run time, \
         too. Values of other types \
         (float16, bfloat16, float64, integers, bool) are held as the f32 of the same value, at inputs and outputs as \
         well: half precision is computed in f32, and a cast between floats leaves them as they are, so nothing \
         overflows at 65504. Integers are exact up to 2^24.\n\n\
         | operator | since | tests | limits |\n| --- | ---: | ---: | --- |\n",
        operators().len() - standard,
        all().len(),
        otherwise,
        all().len() - right - otherwise,
    );
    for operator in operators() {
        row(&mut text, operator);
    }
    text.push_str("\n## Tests with other results\n\n| reason | tests |\n| --- | --- |\n");
    for Otherwise { reason, cases } in OTHERWISE {
        let names: Vec<String> = cases.iter().map(|c| format!("`{c}`")).collect();
        let _ = writeln!(text, "| {reason} | {} |", names.join(" "));
    }
    text.push_str("\n## Refused tests\n\n| reason | tests |\n| --- | --- |\n");
    for refusal in REFUSED {
        let names: Vec<String> = refusal.cases.iter().map(|c| format!("`{c}`")).collect();
        let _ = writeln!(text, "| {} | {} |", refusal.reason, names.join(" "));
    }
    text
}

fn row(text: &mut String, operator: &Operator) {
    let of = |o: &&(String, &str, Outcome)| operator.domain.is_empty() && o.1 == operator.name;
    let (count, right) = all()
        .iter()
        .filter(of)
        .fold((0, 0), |(n, r), (_, _, o)| (n + 1, r + usize::from(*o == Outcome::Right)));
    let mut limits = Vec::new();
    if operator.when == When::Constants {
        limits.push("between constants".to_owned());
    }
    if !operator.constants.is_empty() {
        let list: Vec<String> = operator.constants.iter().map(usize::to_string).collect();
        let s = if list.len() == 1 { "" } else { "s" };
        limits.push(format!("constant operand{s} {}", list.join(", ")));
    }
    if !operator.limits.is_empty() {
        limits.push(operator.limits.to_owned());
    }
    let domain = match operator.domain {
        "" => String::new(),
        domain => format!(" ({domain})"),
    };
    let tests = match count {
        0 => String::new(),
        n if n == right => n.to_string(),
        n => format!("{right} of {n}"),
    };
    let (name, since) = (operator.name, operator.since);
    let _ = writeln!(text, "| `{name}`{domain} | {since} | {tests} | {} |", limits.join("; "));
}

#[test]
fn the_document_is_what_the_code_says() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATORS.md");
    let text = document();
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(&path, text).expect("the document can be written");
        return;
    }
    let found = std::fs::read_to_string(&path).expect("the document is there");
    assert!(found == text, "docs/OPERATORS.md is out of date; set {BLESS}=1 to write it again");
}
