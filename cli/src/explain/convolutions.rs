//! How convolutions are computed, and what ruled out other algorithms.

use std::fmt::Write as _;

use resnetc::report::convolutions::{ChosenConvolution, Verdict};

use crate::units::plural;

/// The distinct convolutions in the network's order: the algorithm of each, what the others would
/// cost, and why some cannot compute it.
pub(super) fn text(convolutions: &[ChosenConvolution]) -> String {
    let mut text = String::new();
    if convolutions.is_empty() {
        return text;
    }
    // Writing to a string cannot fail, here and below.
    let _ =
        writeln!(text, "\nalgorithms: cost in half cycles for one input channel and 16 outputs");
    for (layer, uses) in distinct(convolutions) {
        let cost = layer.considered.iter().find(|v| v.algorithm == layer.algorithm);
        let cost = cost.and_then(|v| v.cost).map_or(String::new(), |c| format!(", cost {c:.0}"));
        let uses = plural(uses, "convolution");
        let bits = format!(", {}-bit weights", layer.weight_bits);
        let _ = writeln!(text, "{}\n  {} ({uses}{cost}{bits})", layer.problem, layer.algorithm);
        for other in layer.considered.iter().filter(|v| v.algorithm != layer.algorithm) {
            if let Some(cost) = other.cost {
                let _ = writeln!(text, "  - {}: cost {cost:.0}", other.algorithm);
            }
        }
        for (family, refusal) in refusals(&layer.considered) {
            let _ = writeln!(text, "  - {family}: {refusal}");
        }
    }
    text
}

/// Convolutions with the same problem line that are computed alike, and their number.
fn distinct(convolutions: &[ChosenConvolution]) -> Vec<(&ChosenConvolution, usize)> {
    let mut distinct: Vec<(&ChosenConvolution, usize)> = Vec::new();
    for layer in convolutions {
        let known = |(other, _): &&mut (&ChosenConvolution, usize)| {
            other.problem == layer.problem
                && other.considered == layer.considered
                && other.weight_bits == layer.weight_bits
        };
        match distinct.iter_mut().find(known) {
            Some((_, uses)) => *uses += 1,
            None => distinct.push((layer, 1)),
        }
    }
    distinct
}

/// Why algorithms cannot compute it; only once if all variants have the same reason.
fn refusals(considered: &[Verdict]) -> Vec<(&str, &str)> {
    let mut refusals = Vec::new();
    for verdict in considered {
        let Some(refusal) = verdict.refusal.as_deref() else { continue };
        let others = considered.iter().filter(|v| v.family == verdict.family);
        let is_shared = others.clone().all(|v| v.refusal.as_deref() == Some(refusal));
        let name = if is_shared { verdict.family } else { verdict.algorithm };
        if !refusals.contains(&(name, refusal)) {
            refusals.push((name, refusal));
        }
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(algorithm: &'static str, family: &'static str, cost: Option<f64>) -> Verdict {
        let refusal = cost.is_none().then(|| "stride 2".to_owned());
        Verdict { algorithm, family, cost, refusal }
    }

    #[test]
    fn a_reason_that_variants_share_is_told_once() {
        let considered = vec![
            verdict("direct", "direct", Some(1234.0)),
            verdict("winograd_a", "winograd", None),
            verdict("winograd_b", "winograd", None),
            verdict("other_a", "other", Some(2000.0)),
            verdict("other_b", "other", None),
        ];
        let layer = ChosenConvolution {
            name: "a".to_owned(),
            problem: "conv n1".to_owned(),
            algorithm: "direct",
            weight_bits: 32,
            considered,
        };
        let text = text(&[layer.clone(), ChosenConvolution { name: "b".to_owned(), ..layer }]);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let expected = [
            "conv n1",
            "  direct (2 convolutions, cost 1234, 32-bit weights)",
            "  - other_a: cost 2000",
            "  - winograd: stride 2",
            "  - other_b: stride 2",
        ];
        assert_eq!(lines, expected);
    }
}
