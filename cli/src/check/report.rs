//! What a check found, for people and as JSON.

use std::fmt::Write as _;

use resnetc::check::{
    Bisection, Cause, CheckReport, Compared, Difference, FINEST, Finding, Outcome,
};
use resnetc::one_line::path_line;
use serde::Serialize;

use super::args::Args;
use super::reproduce::{Reproduction, Written};
use crate::units::{name, plural, shape};

#[derive(Serialize)]
pub(super) struct Report<'a> {
    model: String,
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_above: Option<&'a str>,
    #[serde(flatten)]
    check: &'a CheckReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bisection: Option<Bisection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reproduction: Option<Reproduction>,
}

/// What is said of values that differ by more than the tolerance because of rounding.
const EXCUSED: &str = "Where rounding explains a larger difference, values cancel, or are divided by \
                       tiny ones: what remains is the rounding of earlier layers.\n";

/// Whether a difference is above the tolerance, but explained by rounding.
fn is_excused(compared: &Compared, check: &CheckReport) -> bool {
    let difference = &compared.difference;
    difference.relative() > check.tolerance && difference.is_explained()
}

impl<'a> Report<'a> {
    pub(super) fn new(
        args: &Args,
        check: &'a CheckReport,
        bisection: Option<Bisection>,
        reproduction: Option<Reproduction>,
    ) -> Self {
        Report {
            model: path_line(&args.model),
            passed: check.passed(),
            first_above: check.first_above().map(|c| c.name.as_str()),
            check,
            bisection,
            reproduction,
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.table(&mut text);
        self.verdict(&mut text);
        if let Some(bisection) = &self.bisection {
            text.push_str(&bisected(bisection));
        }
        text
    }

    fn table(&self, text: &mut String) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            text,
            "{:>9} {:>9} {:>9} {:>9}  layer",
            "max abs", "relative", "ulp", "largest"
        );
        let mut line = |what: &str, c: &Compared| {
            let d = &c.difference;
            let mark = match (d.is_above(self.check.tolerance), is_excused(c, self.check)) {
                (true, _) => "  <-- above the tolerance",
                (false, true) => "  rounding explains it",
                (false, false) => "",
            };
            let _ = writeln!(
                text,
                "{:>9.2e} {:>9.2e} {:>9} {:>9.2e}  {what}{} \"{}\" {}{}{mark}",
                d.max_abs,
                d.relative(),
                units(d),
                d.largest,
                c.op,
                name(&c.name),
                shape(&c.shape),
                classes(c),
            );
        };
        self.check.layers.iter().for_each(|c| line("", c));
        self.check.outputs.iter().for_each(|c| line("output of the network: ", c));
        self.check.passes.iter().for_each(|c| line("change by the passes: ", c));
    }

    fn verdict(&self, text: &mut String) {
        let check = self.check;
        if self.passed {
            let _ = writeln!(
                text,
                "all {} layers and {} outputs within {:.0e} ({})",
                check.layers.len(),
                check.outputs.len(),
                check.tolerance,
                check.isa
            );
            let all = check.layers.iter().chain(&check.outputs).chain(&check.passes);
            if all.filter(|c| is_excused(c, check)).count() > 0 {
                text.push_str(EXCUSED);
            }
        }
        for finding in &check.findings {
            let _ = writeln!(text, "{}", self.say(*finding));
        }
        match &self.reproduction {
            Some(Reproduction::Written(written)) => {
                let _ = writeln!(text, "{}", reproduced(written));
            }
            Some(Reproduction::Refused { error }) => {
                let _ = writeln!(text, "The layer cannot be written: {error}");
            }
            None => {}
        }
    }

    fn say(&self, finding: Finding) -> String {
        match (finding, &self.check.guilty) {
            (Finding::Layer, Some(suspect)) => {
                let c = &suspect.layer;
                format!(
                    "The first wrong layer is {} \"{}\" {}: alone, on the interpreter's values, it differs by {:.2e} \
                     ({} ulp).",
                    c.op,
                    name(&c.name),
                    shape(&c.shape),
                    c.difference.relative(),
                    units(&c.difference),
                )
            }
            (Finding::Layer, None) => "A layer is wrong.".to_owned(),
            (Finding::Carried, _) => {
                "Layers are wrong, but each is right alone: rounding adds up, or a layer writes \
                 wrong values beside its result."
                    .to_owned()
            }
            (Finding::Passes, _) => {
                "The interpreter itself computes different values after the passes: one of them \
                 is wrong, or rounds constants by more than the tolerance."
                    .to_owned()
            }
            (Finding::Places, _) => {
                "Every layer is right, but the network as a whole is not: a value is \
                 overwritten before it is read."
                    .to_owned()
            }
            (Finding::Tolerance, _) => too_fine(self.check.tolerance),
        }
    }
}

/// Says that this tolerance is too fine for a verdict.
pub(super) fn too_fine(tolerance: f64) -> String {
    format!(
        "The tolerance {tolerance:.0e} is below {FINEST:.0e}, the precision of an f32: a larger difference is \
         not an error."
    )
}

fn classes(c: &Compared) -> String {
    let Some(classes) = &c.classes else { return String::new() };
    let rows = classes.rows;
    format!(", top-1 {} of {rows} and top-5 {} of {rows} the same", classes.top1, classes.top5)
}

/// Units in the last place: halves matter while there are few.
fn units(difference: &Difference) -> String {
    match difference.ulp() {
        ulp if ulp < 1e4 => format!("{ulp:.1}"),
        ulp => format!("{ulp:.1e}"),
    }
}

fn reproduced(written: &Written) -> String {
    let folder = path_line(&written.folder);
    let files = written.files.join(", ");
    match written.reproduces {
        true => {
            format!("It is written to {folder}: {files}. To reproduce it:\n  {}", written.command)
        }
        false => format!(
            "It is written to {folder}: {files}. On its own it is right, because it is compiled differently there."
        ),
    }
}

fn bisected(bisection: &Bisection) -> String {
    let patches = plural(bisection.patches, "rewrite");
    let mut text = match &bisection.outcome {
        Outcome::TooFine => too_fine(bisection.tolerance) + "\n",
        Outcome::Agrees => format!("The outputs are right with all {patches}.\n"),
        Outcome::Always { meaning, cause } => format!(
            "The outputs are wrong even with none of the {patches} of optional passes: {}.\n",
            blame(*cause, "a required pass", meaning)
        ),
        Outcome::Patch(patch) => {
            let mut text = format!(
                "The outputs are wrong from rewrite {} of {} on: pass {}, \"{}\".\n  compiled, they differ by {:.2e} with it, \
                 {:.2e} without\n",
                patch.number,
                bisection.patches,
                patch.pass,
                patch.label,
                patch.compiled.relative(),
                patch.compiled_without.relative(),
            );
            let before = patch.before.iter().map(|node| ('-', node));
            for (sign, node) in before.chain(patch.after.iter().map(|node| ('+', node))) {
                let _ = writeln!(text, "  {sign} {node}");
            }
            text + &format!("  {}\n", blame(patch.cause, "the rewrite", &patch.meaning))
        }
    };
    let tried: Vec<String> = bisection.tried.iter().map(|t| t.patches.to_string()).collect();
    let _ = writeln!(text, "  rewrites tried: {}", tried.join(", "));
    text
}

fn blame(cause: Cause, who: &str, meaning: &Difference) -> String {
    let off = meaning.relative();
    match cause {
        Cause::Pass => format!(
            "{who} changes what the network means (the interpreter differs by {off:.2e} on its graph)"
        ),
        Cause::Kernel => format!(
            "the passes are right (the interpreter differs by {off:.2e} on their graph), the compiled code is not"
        ),
    }
}
