//! A page with curves and their figures: one file, which needs nothing else.

use maud::{DOCTYPE, html};

use super::plot::{HALVES, PANELS, figure, has_norms};
use super::series::{Point, Series};
use super::svg;
use crate::report::page::head;

/// Renders a page.
pub(super) fn render(series: &[Series]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head("Training curves \u{2013} resnetc", env!("CARGO_PKG_VERSION")))
            body {
                main {
                    h1 { "Training curves" }
                    p {
                        "Dashed: training pictures, while the weights change. Solid: test pictures, after the epoch. "
                        "Where a curve is the mean of several runs, a band is their range."
                        @if has_norms(series) {
                            " Below, by the number of the block, the norm of an image's values after the block, and that of the "
                            "gradient of its loss with respect to them, both in the last step of the last epoch, as root mean squares over the batch."
                        }
                    }
                    div .scroll tabindex="0" role="group" aria-label="Curves" { (svg::draw(&figure(series))) }
                    h2 { "After the last epoch" }
                    div .scroll tabindex="0" role="group" aria-label="Figures" {
                        table {
                            thead { tr {
                                th scope="col" { "curve" }
                                th scope="col" { "epochs" }
                                @for panel in PANELS { @for half in HALVES {
                                    th .number scope="col" { (half) " " (panel.title) }
                                } }
                                th .number scope="col" { "pictures/s" }
                            } }
                            tbody { @for one in series { (row(one)) } }
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn row(series: &Series) -> maud::Markup {
    let last = |points: &Vec<Point>| points.last().copied();
    let figures = PANELS.map(|panel| panel.points(series).each_ref().map(last));
    let epochs = figures[0][0].map_or(0, |point| point.at);
    let speed = series.points(|line| line.images_per_second);
    let speed = speed.iter().map(|point| point.mean).sum::<f64>() / speed.len().max(1) as f64;
    html! {
        tr {
            th .name scope="row" { (series.label()) }
            td { (epochs) }
            @for figure in figures.as_flattened() {
                td .number { @if let Some(point) = figure { (range(point)) } }
            }
            td .number { (format!("{speed:.0}")) }
        }
    }
}

/// `8.99 (8.71 to 9.20)`, or the mean alone where there is no range.
fn range(point: &Point) -> String {
    let Point { mean, least, most, .. } = point;
    match least < most {
        true => format!("{mean:.3} ({least:.3} to {most:.3})"),
        false => format!("{mean:.3}"),
    }
}
