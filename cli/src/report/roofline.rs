//! How far each layer is from what the machine can do (Williams, Waterman and Patterson, "Roofline:
//! An Insightful Visual Performance Model for Multicore Architectures", 2009).

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::data::{Kind, Report, ReportLayer, Roofs};
use super::layers::tip;
use super::scale::Scale;
use super::svg::{Plot, columns, figure, legend, mark, percent, px, round, rows, share, table};
use crate::units::{bytes, plural};

/// Height of the plot.
const HEIGHT: f64 = 360.0;

pub(crate) fn section(report: &Report) -> Markup {
    let drawn: Vec<&ReportLayer> = report.layers.iter().filter(|l| is_drawn(l)).collect();
    let left_out = report.layers.len() - drawn.len();
    let kinds: BTreeSet<Kind> = drawn.iter().map(|l| l.kind).collect();
    let roofs = &report.roofs;
    html! {
        section #roofline aria-labelledby="roofline-title" {
            h2 #roofline-title { "How close to the roof" }
            p {
                "A layer cannot be faster than its multiply-adds (" (figure(roofs.gflops))
                " GFLOP/s in registers) nor, if its data come from memory, faster than memory is read ("
                (figure(roofs.gbytes)) " GB/s of " (bytes(roofs.read_bytes))
                "). Both limits were measured between the runs. Bytes are operands and result, each once. A layer above the "
                "sloping line found data in the caches; a layer above the level line does fewer multiply-adds than direct "
                "convolution, which is what is counted."
                @if left_out > 0 {
                    " " (plural(left_out, "layer")) " without multiply-adds "
                    @if left_out == 1 { "is" } @else { "are" } " not drawn."
                }
            }
            (plot(&drawn, roofs))
            (legend(kinds.into_iter()))
            (table("roofline", &["layer", "class", "flop/byte", "GFLOP/s", "roof GFLOP/s", "of roof"], drawn.iter().map(|l| cells(l, roofs))))
        }
    }
}

fn is_drawn(layer: &ReportLayer) -> bool {
    layer.macs > 0 && layer.gflops > 0.0
}

/// What the machine allows at an intensity.
fn roof(roofs: &Roofs, intensity: f64) -> f64 {
    roofs.gflops.min(roofs.gbytes * intensity)
}

fn cells(layer: &ReportLayer, roofs: &Roofs) -> Vec<String> {
    let roof = roof(roofs, layer.intensity());
    vec![
        layer.name.clone(),
        layer.class.clone(),
        figure(layer.intensity()),
        figure(layer.gflops),
        figure(roof),
        share(layer.gflops / roof.max(f64::MIN_POSITIVE)),
    ]
}

/// The ends of an axis that shows these values, with some margin.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|v| v.is_finite() && *v > 0.0)
        .fold((f64::MAX, 0.0), |(low, high), v| (v.min(low), v.max(high)));
    if high > 0.0 { (low / 1.6, high * 1.6) } else { (1.0, 10.0) }
}

fn plot(layers: &[&ReportLayer], roofs: &Roofs) -> Markup {
    let ridge = roofs.gflops / roofs.gbytes;
    let intensities = || layers.iter().map(|l| l.intensity());
    let speeds = layers.iter().map(|l| l.gflops);
    let across = ends(intensities().chain([ridge]));
    let lowest_roof = roof(roofs, across.0);
    let up = ends(speeds.chain([roofs.gflops, lowest_roof]));
    let (x, y) = (Scale::log(across, (0.0, 100.0)), Scale::log(up, (HEIGHT, 0.0)));
    let at = |intensity: f64| (percent(x.at(intensity)), px(y.at(roof(roofs, intensity))));
    let halfway = (across.0 * ridge).sqrt();
    let ((x0, y0), (x1, y1), (x2, _)) = (at(across.0), at(ridge), at(across.1));
    let content = html! {
        (rows(&y, 7, round))
        (columns(&x, 7, HEIGHT, round))
        line .roof x1=(x0) y1=(y0) x2=(x1) y2=(y1) {}
        line .roof x1=(x1) y1=(y1) x2=(x2) y2=(y1) {}
        // The area left of the ridge and above the slope is free, as only data in a cache is faster
        // than memory.
        text .roof-label x=(percent(x.at(ridge))) dx="-2" y=(px(y.at(roofs.gflops) - 7.0)) text-anchor="end" {
            "multiply-adds"
        }
        text .roof-label x=(percent(x.at(halfway))) dx="12" y=(px(y.at(roof(roofs, halfway)) + 16.0)) { "memory" }
        @for layer in layers {
            (mark(layer.kind, &percent(x.at(layer.intensity())), y.at(layer.gflops), &tip(layer)))
        }
        text .tick x="100%" y=(px(HEIGHT + 38.0)) text-anchor="end" { "flop / byte" }
        text .tick x="-8" y="-10" text-anchor="end" { "GFLOP/s" }
    };
    let description = format!(
        "{} by operations per byte and speed, both on logarithmic axes, below the limits of memory ({} GB/s) and \
         multiply-adds ({} GFLOP/s), which meet at {} operations per byte. The table below has all figures.",
        plural(layers.len(), "layer"),
        figure(roofs.gbytes),
        figure(roofs.gflops),
        figure(ridge)
    );
    Plot {
        id: "roofline-plot",
        label: "Roofline",
        description: &description,
        height: HEIGHT,
        least_width: 260,
    }
    .draw(&content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roof_slopes_up_to_the_ridge() {
        let roofs = Roofs { gflops: 100.0, gbytes: 10.0, read_bytes: 0, layer_runs: 1 };
        assert_eq!([1.0, 10.0, 1000.0].map(|i| roof(&roofs, i)), [10.0, 100.0, 100.0]);
    }

    #[test]
    fn an_axis_without_values_has_ends() {
        assert_eq!(ends([f64::NAN, 0.0].into_iter()), (1.0, 10.0));
        assert_eq!(ends([1.6, 16.0].into_iter()), (1.0, 25.6));
    }
}
