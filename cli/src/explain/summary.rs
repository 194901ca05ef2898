//! The summary at the top of `explain`: a few lines that fit on a screen.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use resnetc::compile::{ForGradients, Stages};
use resnetc::ir::Op;
use resnetc::report::explain::Explanation;
use serde::Serialize;

use crate::step;
use crate::units::{bytes, plural};

/// Lines of each list, at most.
const MOST: usize = 5;
/// The width of a screen.
const COLUMNS: usize = 80;

/// The network in figures.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Operators of the description, and steps that run.
    operators: usize,
    steps: usize,
    /// Rewrites that were applied, the most frequent pass first.
    applied: Vec<Count>,
    /// Rewrites that were declined, the most frequent reason first.
    declined: Vec<Count>,
    /// Convolutions by algorithm, the most frequent first.
    algorithms: Vec<Count>,
    arena_bytes: usize,
    arena_lower_bound: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_gradients: Option<ForGradients>,
}

/// How often something occurs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    what: String,
    count: usize,
}

/// Counts equal items, the most frequent first, then by name.
fn counts(items: impl IntoIterator<Item = String>) -> Vec<Count> {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for item in items {
        *counted.entry(item).or_default() += 1;
    }
    let mut counts: Vec<Count> =
        counted.into_iter().map(|(what, count)| Count { what, count }).collect();
    counts.sort_by_key(|c| std::cmp::Reverse(c.count));
    counts
}

impl Summary {
    pub(super) fn of(operators: usize, stages: &Stages, explanation: &Explanation) -> Self {
        let passes = || explanation.passes.iter();
        let algorithm = |node| match stages.graph.node(node).op {
            Op::Conv(_) => Some(stages.choices.algorithm(node).to_string().replace('_', " ")),
            Op::QuantizedConv(_) => {
                let way = stages.quantized_way(node).unwrap_or("direct");
                Some(format!("{way} on bytes"))
            }
            _ => None,
        };
        Summary {
            operators,
            steps: stages.steps().count(),
            applied: counts(passes().flat_map(|p| p.applied.iter().map(|_| p.pass.to_owned()))),
            declined: counts(passes().flat_map(|p| {
                p.declined.iter().map(|miss| format!("{}: {}", p.pass, miss.reason))
            })),
            algorithms: counts(stages.steps().filter_map(algorithm)),
            arena_bytes: stages.plan.peak,
            arena_lower_bound: stages.plan.lower_bound,
            for_gradients: stages.for_gradients,
        }
    }

    /// At most three lists of a few lines, and three more lines.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            text,
            "{} become {}; arena {}, live values need {}",
            plural(self.operators, "operator"),
            plural(self.steps, "step"),
            bytes(self.arena_bytes),
            bytes(self.arena_lower_bound)
        );
        if let Some(found) = &self.for_gradients {
            let _ = writeln!(text, "{}", step::for_gradients(found));
        }
        list(&mut text, "rewrites applied", &self.applied);
        list(&mut text, "rewrites declined", &self.declined);
        list(&mut text, "convolutions", &self.algorithms);
        text.push('\n');
        text
    }
}

/// A text cut to fit after its count in a line of [`COLUMNS`].
fn cut(text: &str) -> String {
    let room = COLUMNS - "  1234  ".len();
    match text.char_indices().nth(room) {
        None => text.to_owned(),
        Some(_) => text.chars().take(room - "...".len()).collect::<String>() + "...",
    }
}

fn list(text: &mut String, title: &str, counts: &[Count]) {
    let total: usize = counts.iter().map(|c| c.count).sum();
    let _ = writeln!(text, "{title}: {total}");
    for Count { what, count } in counts.iter().take(MOST) {
        let _ = writeln!(text, "  {count:>4}  {}", cut(what));
    }
    let rest: usize = counts.iter().skip(MOST).map(|c| c.count).sum();
    if rest > 0 {
        let _ = writeln!(text, "  {rest:>4}  others");
    }
}

#[cfg(test)]
mod tests {
    use resnetc::compile::Values;

    use super::*;

    #[test]
    fn the_most_frequent_stand_first_and_the_rest_is_counted() {
        let items = ["b", "a", "b", "c", "d", "e", "f", "g"].map(str::to_owned);
        let counted = counts(items);
        assert_eq!((counted[0].what.as_str(), counted[0].count), ("b", 2));
        assert!(counted[1..].windows(2).all(|w| w[0].what < w[1].what));
        let mut text = String::new();
        list(&mut text, "things", &counted);
        assert!(
            text.starts_with("things: 8\n     2  b\n") && text.ends_with("     2  others\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1 + MOST + 1);
    }

    #[test]
    fn a_summary_fits_a_screen_whatever_it_counts() {
        let long =
            (0..9).map(|i| Count { what: format!("pass: {}{i}", "ü".repeat(90)), count: 9999 });
        let long: Vec<Count> = long.collect();
        let many = || long.iter().map(|c| Count { what: c.what.clone(), ..*c }).collect();
        let most = Values { count: 99_999, bytes: 999_900_000_000 };
        let summary = Summary {
            operators: 99_999,
            steps: 99_999,
            applied: many(),
            declined: many(),
            algorithms: many(),
            arena_bytes: 999_900_000_000,
            arena_lower_bound: 999_900_000_000,
            for_gradients: Some(ForGradients { kept: most, again: most, macs: u64::MAX }),
        };
        let text = summary.text();
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(text.contains("...\n"));
    }
}
