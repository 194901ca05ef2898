//! Parts that plots share: marks, legends, the frame of a plot, and figures for people.

use maud::{Markup, PreEscaped, html};

use super::data::Kind;
use super::palette::variable;
use super::scale::Scale;

/// Longer texts are cut: names come from files, and one may be as long as the file.
const LONGEST: usize = 160;

/// A position along the width of a plot, which is as wide as the page allows.
pub(crate) fn percent(value: f64) -> String {
    format!("{value:.3}%")
}

/// A position or length in pixels.
pub(crate) fn px(value: f64) -> String {
    format!("{value:.1}")
}

/// The id of the shape that marks a kind.
fn shape(kind: Kind) -> String {
    format!("mark-{}", variable(kind))
}

/// The outline of a kind's mark: some ten pixels around the origin. No two kinds have the same.
fn outline(kind: Kind) -> &'static str {
    match kind {
        Kind::Pointwise => "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z",
        Kind::ThreeByThree => "M-4.5 -4.5H4.5V4.5H-4.5Z",
        Kind::OtherConv => "M0 -6.5L6.5 0L0 6.5L-6.5 0Z",
        Kind::Product => "M0 -6L6 5H-6Z",
        Kind::Pool => "M0 6L-6 -5H6Z",
        Kind::Elementwise => "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
        Kind::Movement => "M-6 -2.5H1V-6L6.5 0L1 6V2.5H-6Z",
    }
}

/// The shapes, to be placed once on a page.
pub(crate) fn shapes() -> Markup {
    html! {
        svg .shapes width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                @for kind in Kind::ALL {
                    path id=(shape(kind)) d=(outline(kind)) {}
                }
                path id="mark-alias" d="M0 0L8 5L0 10Z" {}
                pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse"
                    patternTransform="rotate(45)" {
                    line .hatch x1="0" y1="0" x2="0" y2="6" {}
                }
            }
        }
    }
}

/// The mark of a kind, at a place in a plot.
pub(crate) fn mark(kind: Kind, x: &str, y: f64, tip: &str) -> Markup {
    html! {
        use .mark .(variable(kind)) data-mark href={ "#" (shape(kind)) } x=(x) y=(px(y)) {
            title { (tip) }
        }
    }
}

/// Kinds with their colours and marks.
pub(crate) fn legend(kinds: impl Iterator<Item = Kind>) -> Markup {
    html! {
        ul .legend {
            @for kind in kinds {
                li {
                    svg .key.(variable(kind)) width="16" height="16" viewBox="-8 -8 16 16"
                        aria-hidden="true" {
                        use .mark href={ "#" (shape(kind)) } {}
                    }
                    (kind.name())
                }
            }
        }
    }
}

/// A plot that also works with the keyboard: once it has the focus, the arrow keys go from mark to
/// mark. A plot that needs more than the width of a phone is scrolled rather than squeezed below
/// `least_width`.
pub(crate) struct Plot<'a> {
    pub(crate) id: &'a str,
    /// A short name of the plot.
    pub(crate) label: &'a str,
    /// A description of the plot.
    pub(crate) description: &'a str,
    pub(crate) height: f64,
    pub(crate) least_width: usize,
}

impl Plot<'_> {
    pub(crate) fn draw(&self, content: &Markup) -> Markup {
        let Plot { id, label, description, height, least_width } = self;
        html! {
            div .scroll tabindex="0" role="group" aria-label={ (label) ", marks by arrow keys" } data-plot=(id) {
                div .field style={ "min-width:" (least_width) "px" } {
                    svg .plot width="100%" height=(px(*height)) role="img" aria-label=(label)
                        aria-describedby={ (id) "-description" } {
                        desc id={ (id) "-description" } { (description) }
                        (content)
                    }
                }
            }
        }
    }
}

/// Horizontal lines with labels to their left.
pub(crate) fn rows(scale: &Scale, count: usize, label: impl Fn(f64) -> String) -> Markup {
    html! {
        @for tick in scale.ticks(count) {
            line .grid x1="0" x2="100%" y1=(px(tick.at)) y2=(px(tick.at)) {}
            text .tick x="-8" y=(px(tick.at + 4.0)) text-anchor="end" { (label(tick.value)) }
        }
    }
}

/// Vertical lines with labels below; the scale is in percent.
pub(crate) fn columns(
    scale: &Scale,
    count: usize,
    height: f64,
    label: impl Fn(f64) -> String,
) -> Markup {
    html! {
        @for tick in scale.ticks(count) {
            line .grid x1=(percent(tick.at)) x2=(percent(tick.at)) y1="0" y2=(px(height)) {}
            text .tick x=(percent(tick.at)) y=(px(height + 18.0)) text-anchor="middle" {
                (label(tick.value))
            }
        }
    }
}

/// A bar of a share of the width, in its own box.
pub(crate) fn bar(share: f64, inner: Option<f64>, class: &str, tip: &str) -> Markup {
    let width = |share: f64| percent(100.0 * share.clamp(0.0, 1.0));
    html! {
        svg .bar .(class) width="100%" height="14" aria-hidden="true" {
            title { (tip) }
            rect .outer width=(width(share)) height="14" rx="2" {}
            @if let Some(inner) = inner {
                rect .inner width=(width(inner)) height="14" rx="2" {}
            }
        }
    }
}

/// A table with the data of a plot, folded away.
pub(crate) fn table(
    caption: &str,
    heads: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Markup {
    html! {
        details .data {
            summary { "Table: " (caption) }
            div .scroll tabindex="0" role="group" aria-label={ "Table: " (caption) } {
                table {
                    caption { (caption) }
                    thead { tr { @for head in heads { th scope="col" { (head) } } } }
                    tbody {
                        @for row in rows {
                            tr { @for cell in row { td { (cell) } } }
                        }
                    }
                }
            }
        }
    }
}

/// Script or style: our own text, which must not be escaped.
pub(crate) fn raw(text: &str) -> PreEscaped<&str> {
    PreEscaped(text)
}

/// A text cut to a length that can be shown, without control characters and characters that change
/// the direction of the text around them.
pub(crate) fn short(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    let shown = |c: char| if steers(c) { char::REPLACEMENT_CHARACTER } else { c };
    let mut short: String = text.chars().take(LONGEST).map(shown).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('\u{2026}');
    }
    short
}

/// Three significant digits.
pub(crate) fn figure(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        v if v >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// A round value on an axis.
pub(crate) fn round(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => return format!("{value:e}"),
        size if size < 1e-3 && size > 0.0 => return format!("{value:.0e}"),
        _ => {}
    }
    let text = figure(value);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A share in percent.
pub(crate) fn share(value: f64) -> String {
    let percent = 100.0 * value;
    if percent >= 10.0 || percent == 0.0 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// `1 x 3 x 224 x 224`.
pub(crate) fn extents(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" \u{d7} ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn kinds_differ_in_shape_and_not_only_in_colour() {
        let outlines: BTreeSet<_> = Kind::ALL.into_iter().map(outline).collect();
        assert_eq!(outlines.len(), Kind::ALL.len());
    }

    #[test]
    fn figures_have_three_digits() {
        let found = [0.0, 0.01234, 0.1234, 1.234, 12.34, 123.4].map(figure);
        assert_eq!(found, ["0", "0.0123", "0.123", "1.23", "12.3", "123"]);
        assert_eq!([0.0, 0.2, 10.0, 2.5].map(round), ["0", "0.2", "10", "2.5"]);
        assert_eq!([5e5, 1e6, 1.5e9, 2e-5].map(round), ["500000", "1e6", "1.5e9", "2e-5"]);
        assert_eq!([0.0, 0.012, 0.34].map(share), ["0 %", "1.2 %", "34 %"]);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let long = "\u{e9}".repeat(1000);
        assert_eq!(short(&long).chars().count(), LONGEST + 1);
        assert_eq!(short("conv1\0\u{202e}"), "conv1\u{fffd}\u{fffd}");
    }
}
