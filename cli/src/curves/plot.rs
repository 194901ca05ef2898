//! Curves over epochs and over blocks, as SVG.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::series::{Point, Series};
use crate::report::scale::Scale;
use crate::report::svg::{px, round};
use crate::train::log::{BlockNorms, Line};

/// Colours of series in light and in dark: those of Okabe and Ito ("Color Universal Design", 2008),
/// darkened or lightened until lines stand out from their ground.
pub(super) const COLOURS: [(&str, &str); 8] = [
    ("#0072b2", "#56b4e9"),
    ("#c04a00", "#f0843c"),
    ("#007a5a", "#33c297"),
    ("#a8447f", "#e08bbd"),
    ("#8a6d00", "#e6c029"),
    ("#4a4a4a", "#b8b8b8"),
    ("#5b3fb0", "#a996f2"),
    ("#8f1d1d", "#f07070"),
];

/// A panel of a figure about epochs.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// The figure of the steps of an epoch, and that of the test pictures after it.
    figures: [fn(&Line) -> f64; 2],
}

pub(super) const PANELS: [Panel; 2] = [
    Panel {
        title: "error, %",
        figures: [
            |line| 100.0 * (1.0 - line.train.accuracy),
            |line| 100.0 * (1.0 - line.test.accuracy),
        ],
    },
    Panel { title: "loss", figures: [|line| line.train.loss, |line| line.test.loss] },
];

/// A panel about the blocks.
#[derive(Clone, Copy)]
struct NormPanel {
    title: &'static str,
    norm: fn(&BlockNorms) -> f64,
}

const NORM_PANELS: [NormPanel; 2] = [
    NormPanel { title: "norm of the values after a block", norm: |norms| norms.value },
    NormPanel { title: "norm of the gradient there", norm: |norms| norms.gradient },
];

/// Which pictures a curve is of.
pub(super) const HALVES: [&str; 2] = ["training", "test"];

/// Sizes in pixels: of a panel's plot, what is left of and around it, and of a line of the legend.
const PLOT: (f64, f64) = (440.0, 300.0);
const LEFT: f64 = 56.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
const RIGHT: f64 = 16.0;
const ROW: f64 = 22.0;

/// Whether norms are drawn.
pub(super) fn has_norms(series: &[Series]) -> bool {
    series.iter().any(|one| !one.norms(|norms| norms.value).is_empty())
}

/// A figure of all panels with its legend, as a file of its own or within a page.
pub(super) fn figure(series: &[Series]) -> Markup {
    let mut rows = vec![PANELS.map(|panel| panel.draw(series))];
    if has_norms(series) {
        rows.push(NORM_PANELS.map(|panel| panel.draw(series)));
    }
    let width = PANELS.len() as f64 * (LEFT + PLOT.0 + RIGHT);
    let row = TOP + PLOT.1 + BOTTOM;
    let legend = row * rows.len() as f64;
    let height = legend + ROW * (series.len() + 1) as f64 + 8.0;
    let view = format!("0 0 {} {}", px(width), px(height));
    let left = |column: usize| px(LEFT + column as f64 * (LEFT + PLOT.0 + RIGHT));
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(view) width=(px(width)) height=(px(height)) role="img"
            aria-label="Error and loss by epoch" {
            style { (maud::PreEscaped(style())) }
            rect .ground width="100%" height="100%" {}
            @for (r, panels) in rows.iter().enumerate() {
                @for (c, panel) in panels.iter().enumerate() {
                    g transform={ "translate(" (left(c)) " " (px(TOP + r as f64 * row)) ")" } { (panel) }
                }
            }
            g transform={ "translate(" (px(LEFT)) " " (px(legend)) ")" } {
                @for (i, one) in series.iter().enumerate() {
                    g transform={ "translate(0 " (px(ROW * i as f64)) ")" } {
                        line .test.{ "s" (i) } x1="0" x2="28" y1="6" y2="6" {}
                        text x="38" y="10" { (one.label()) }
                    }
                }
                g transform={ "translate(0 " (px(ROW * series.len() as f64)) ")" } {
                    line .training.key x1="0" x2="28" y1="6" y2="6" {}
                    text x="38" y="10" { "training, while the weights change" }
                    line .test.key x1="300" x2="328" y1="6" y2="6" {}
                    text x="338" y="10" { "test, after the epoch" }
                }
            }
        }
    }
}

fn style() -> String {
    let mut style = String::from(
        "text{font:13px system-ui,sans-serif;fill:#586067}.ground{fill:#fff}\
         .grid{stroke:#e2dfd8}line,polyline{fill:none;stroke-width:2}.grid{stroke-width:1}\
         .training{stroke-dasharray:5 4;stroke-width:1.5}.band{stroke:none;fill-opacity:.14}\
         .key{stroke:#586067}",
    );
    let mut dark = String::from(
        "text{fill:#a3abb1}.ground{fill:#121517}.grid{stroke:#2d3337}.key{stroke:#a3abb1}",
    );
    for (i, (light, in_dark)) in COLOURS.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(style, ".s{i}{{stroke:{light}}}.band.s{i}{{fill:{light};stroke:none}}");
        let _ = write!(dark, ".s{i}{{stroke:{in_dark}}}.band.s{i}{{fill:{in_dark};stroke:none}}");
    }
    format!("{style}@media(prefers-color-scheme:dark){{{dark}}}")
}

impl Panel {
    /// The points of a series' curves, for training and for test pictures.
    pub(super) fn points(&self, series: &Series) -> [Vec<Point>; 2] {
        self.figures.map(|figure| series.points(figure))
    }

    fn draw(&self, series: &[Series]) -> Markup {
        let curves = series.iter().map(|one| HALVES.into_iter().zip(self.points(one)).collect());
        let curves: Vec<Vec<_>> = curves.collect();
        let most = all(&curves).map(|point| point.most).fold(0.0, f64::max);
        axes(self.title, "epoch", &curves, &Scale::linear((0.0, most), (PLOT.1, 0.0)))
    }
}

impl NormPanel {
    fn draw(&self, series: &[Series]) -> Markup {
        let curve = |one: &Series| {
            // A logarithm has no place for 0.
            let points = one.norms(self.norm).into_iter().filter(|point| point.least > 0.0);
            vec![("test", points.collect())]
        };
        let curves: Vec<Vec<_>> = series.iter().map(curve).collect();
        let least = all(&curves).map(|point| point.least).fold(f64::INFINITY, f64::min);
        let most = all(&curves).map(|point| point.most).fold(0.0, f64::max);
        let range = if least < most { (least, most) } else { (1.0, 10.0) };
        axes(self.title, "block", &curves, &Scale::log(range, (PLOT.1, 0.0)))
    }
}

/// The curves of a series in a panel, each with the class of its line.
type Curves = Vec<(&'static str, Vec<Point>)>;

fn all(curves: &[Curves]) -> impl Iterator<Item = &Point> {
    curves.iter().flatten().flat_map(|(_, points)| points)
}

/// Curves with axes.
fn axes(title: &str, along: &str, curves: &[Curves], y: &Scale) -> Markup {
    let last = all(curves).map(|point| point.at).max().unwrap_or(1);
    let x = Scale::linear((1.0, last as f64), (0.0, PLOT.0));
    html! {
        text x="0" y="-14" { (title) }
        @for tick in y.ticks(6) {
            line .grid x1="0" x2=(px(PLOT.0)) y1=(px(tick.at)) y2=(px(tick.at)) {}
            text x="-8" y=(px(tick.at + 4.0)) text-anchor="end" { (round(tick.value)) }
        }
        @for tick in x.ticks(6).iter().filter(|tick| tick.value.fract() == 0.0) {
            text x=(px(tick.at)) y=(px(PLOT.1 + 18.0)) text-anchor="middle" { (round(tick.value)) }
        }
        text x=(px(PLOT.0)) y=(px(PLOT.1 + 36.0)) text-anchor="end" { (along) }
        @for (i, curves) in curves.iter().enumerate() {
            @for (class, points) in curves {
                @if points.iter().any(|point| point.least < point.most) {
                    polygon .band.{ "s" (i) } points=(band(points, &x, y)) {}
                }
                polyline .(class).{ "s" (i) } points=(places(points.iter().map(|p| (p.at, p.mean)), &x, y)) {}
            }
        }
    }
}

/// The outline of what lies between the least and the most.
fn band(points: &[Point], x: &Scale, y: &Scale) -> String {
    let there = points.iter().map(|p| (p.at, p.least));
    let back = points.iter().rev().map(|p| (p.at, p.most));
    places(there.chain(back), x, y)
}

fn places(points: impl Iterator<Item = (usize, f64)>, x: &Scale, y: &Scale) -> String {
    let place =
        |(epoch, value): (usize, f64)| format!("{},{}", px(x.at(epoch as f64)), px(y.at(value)));
    points.map(place).collect::<Vec<_>>().join(" ")
}
