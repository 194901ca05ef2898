//! Curves over epochs and over blocks, with their axes and legend.

use super::figure::{Anchor, Figure, Ink, Place, Shape, Stroke};
use super::series::{Point, Series};
use crate::report::scale::Scale;
use crate::report::svg::round;
use crate::train::log::{BlockNorms, Line};

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

/// The lines of their curves.
const STROKES: [Stroke; 2] = [Stroke::Dashed, Stroke::Solid];

/// The last line of the legend: what the lines of every series are, and how far to the right that is.
const KEYS: [(f64, Stroke, &str); 2] = [
    (0.0, Stroke::Dashed, "training, while the weights change"),
    (310.0, Stroke::Solid, "test, after the epoch"),
];

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

/// A figure of all panels with its legend.
pub(super) fn figure(series: &[Series]) -> Figure {
    let mut rows = vec![PANELS.map(|panel| panel.draw(series))];
    if has_norms(series) {
        rows.push(NORM_PANELS.map(|panel| panel.draw(series)));
    }
    let (column, row) = (LEFT + PLOT.0 + RIGHT, TOP + PLOT.1 + BOTTOM);
    let legend = row * rows.len() as f64;
    let height = legend + ROW * (series.len() + 1) as f64 + 8.0;
    let mut figure = Figure { width: column * PANELS.len() as f64, height, shapes: Vec::new() };
    for (r, panels) in rows.into_iter().enumerate() {
        for (c, panel) in panels.into_iter().enumerate() {
            figure.place((LEFT + c as f64 * column, TOP + r as f64 * row), panel);
        }
    }
    for (i, one) in series.iter().enumerate() {
        let entry = entry(Stroke::Solid, Ink::Series(i), one.label());
        figure.place((LEFT, legend + ROW * i as f64), entry);
    }
    for (left, stroke, what) in KEYS {
        let entry = entry(stroke, Ink::Key, what.to_owned());
        figure.place((LEFT + left, legend + ROW * series.len() as f64), entry);
    }
    figure
}

/// A line of the legend: what stands for what.
fn entry(stroke: Stroke, ink: Ink, text: String) -> Vec<Shape> {
    vec![
        Shape::Line { stroke, ink, places: vec![(0.0, 6.0), (28.0, 6.0)] },
        Shape::Text { at: (38.0, 10.0), anchor: Anchor::Start, text },
    ]
}

impl Panel {
    /// The points of a series' curves, for training and for test pictures.
    pub(super) fn points(&self, series: &Series) -> [Vec<Point>; 2] {
        self.figures.map(|figure| series.points(figure))
    }

    fn draw(&self, series: &[Series]) -> Vec<Shape> {
        let curves = series.iter().map(|one| STROKES.into_iter().zip(self.points(one)).collect());
        let curves: Vec<Vec<_>> = curves.collect();
        let most = all(&curves).map(|point| point.most).fold(0.0, f64::max);
        axes(self.title, "epoch", &curves, &Scale::linear((0.0, most), (PLOT.1, 0.0)))
    }
}

impl NormPanel {
    fn draw(&self, series: &[Series]) -> Vec<Shape> {
        let curve = |one: &Series| {
            // A logarithm has no place for 0.
            let points = one.norms(self.norm).into_iter().filter(|point| point.least > 0.0);
            vec![(Stroke::Solid, points.collect())]
        };
        let curves: Vec<Vec<_>> = series.iter().map(curve).collect();
        let least = all(&curves).map(|point| point.least).fold(f64::INFINITY, f64::min);
        let most = all(&curves).map(|point| point.most).fold(0.0, f64::max);
        let range = if least < most { (least, most) } else { (1.0, 10.0) };
        axes(self.title, "block", &curves, &Scale::log(range, (PLOT.1, 0.0)))
    }
}

/// The curves of a series in a panel.
type Curves = Vec<(Stroke, Vec<Point>)>;

fn all(curves: &[Curves]) -> impl Iterator<Item = &Point> {
    curves.iter().flatten().flat_map(|(_, points)| points)
}

/// Curves with axes, from the upper left corner of the plot on.
fn axes(title: &str, along: &str, curves: &[Curves], y: &Scale) -> Vec<Shape> {
    let last = all(curves).map(|point| point.at).max().unwrap_or(1);
    let x = Scale::linear((1.0, last as f64), (0.0, PLOT.0));
    let text = |at, anchor, text: String| Shape::Text { at, anchor, text };
    let mut shapes = vec![text((0.0, -14.0), Anchor::Start, title.to_owned())];
    for tick in y.ticks(6) {
        let places = vec![(0.0, tick.at), (PLOT.0, tick.at)];
        shapes.push(Shape::Line { stroke: Stroke::Hairline, ink: Ink::Grid, places });
        shapes.push(text((-8.0, tick.at + 4.0), Anchor::End, round(tick.value)));
    }
    for tick in x.ticks(6).iter().filter(|tick| tick.value.fract() == 0.0) {
        shapes.push(text((tick.at, PLOT.1 + 18.0), Anchor::Middle, round(tick.value)));
    }
    shapes.push(text((PLOT.0, PLOT.1 + 36.0), Anchor::End, along.to_owned()));
    for (i, curves) in curves.iter().enumerate() {
        let ink = Ink::Series(i);
        for (stroke, points) in curves {
            if points.iter().any(|point| point.least < point.most) {
                shapes.push(Shape::Area { ink, outline: band(points, &x, y) });
            }
            let means = places(points.iter().map(|p| (p.at, p.mean)), &x, y).collect();
            shapes.push(Shape::Line { stroke: *stroke, ink, places: visible(means) });
        }
    }
    shapes
}

/// A single place is no line, so it gets a short one.
fn visible(places: Vec<Place>) -> Vec<Place> {
    match places[..] {
        [(x, y)] => vec![(x - 3.0, y), (x + 3.0, y)],
        _ => places,
    }
}

/// The outline of what lies between the least and the most.
fn band(points: &[Point], x: &Scale, y: &Scale) -> Vec<Place> {
    let there = points.iter().map(|p| (p.at, p.least));
    let back = points.iter().rev().map(|p| (p.at, p.most));
    places(there.chain(back), x, y).collect()
}

fn places(
    points: impl Iterator<Item = (usize, f64)>,
    x: &Scale,
    y: &Scale,
) -> impl Iterator<Item = Place> {
    points.map(|(at, value)| (x.at(at as f64), y.at(value)))
}
