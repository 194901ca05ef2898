//! Where the time goes: layer by layer, class by class.

use std::collections::BTreeSet;

use maud::{Markup, html};
use resnetc::profile::share::ShareOf;

use super::data::{Kind, Report, ReportLayer};
use super::palette::variable;
use super::scale::Scale;
use super::svg::{Plot, bar, figure, legend, percent, px, round, rows, share};
use crate::units::{bytes, count, plural};

/// Height of the skyline.
const HEIGHT: f64 = 220.0;
/// The minimum width of one layer in it.
const LEAST_WIDTH: usize = 5;

pub(crate) fn section(report: &Report) -> Markup {
    let layers = &report.layers;
    let kinds: BTreeSet<Kind> = layers.iter().map(|l| l.kind).collect();
    let total: f64 = layers.iter().map(|l| l.median_ms).sum();
    html! {
        section #layers aria-labelledby="layers-title" {
            h2 #layers-title { "Where the time goes" }
            p {
                (plural(layers.len(), "layer")) " in " (figure(total)) " ms, timed one by one in "
                (plural(report.roofs.layer_runs, "run")) ". The filled part of a bar is the time that its "
                "multiply-adds take at peak; the pale part is what was lost to everything else. Winograd's algorithm "
                "does fewer multiply-adds than are counted, and tile registers a different kind, so theirs is a share of direct "
                "convolution at peak, and the bar may be filled to the top."
            }
            (skyline(layers, report.roofs.gflops))
            (legend(kinds.into_iter()))
            h3 { "By class" }
            (classes(layers))
            h3 { "Layer by layer" }
            (list(layers))
        }
    }
}

/// The time in which a layer's multiply-adds could be done.
fn ideal_ms(layer: &ReportLayer) -> f64 {
    layer.median_ms * layer.share_of_peak.min(1.0)
}

fn skyline(layers: &[ReportLayer], peak: f64) -> Markup {
    let longest = layers.iter().map(|l| l.median_ms).fold(0.0, f64::max);
    let y = Scale::linear((0.0, 1.05 * longest), (HEIGHT, 0.0));
    let width = 100.0 / layers.len().max(1) as f64;
    let content = html! {
        (rows(&y, 4, round))
        @for (i, layer) in layers.iter().enumerate() {
            @let (x, w) = (percent(i as f64 * width), percent(0.82 * width));
            g .layer .(variable(layer.kind)) data-mark {
                title { (tip(layer)) }
                rect .reach x=(x) y="0" width=(w) height=(px(HEIGHT)) {}
                rect .outer x=(x) y=(px(y.at(layer.median_ms))) width=(w)
                    height=(px(HEIGHT - y.at(layer.median_ms))) {}
                rect .inner x=(x) y=(px(y.at(ideal_ms(layer)))) width=(w)
                    height=(px(HEIGHT - y.at(ideal_ms(layer)))) {}
            }
        }
        line .axis x1="0" x2="100%" y1=(px(HEIGHT)) y2=(px(HEIGHT)) {}
        text .tick x="-8" y="-10" text-anchor="end" { "ms" }
        text .tick x="0" y=(px(HEIGHT + 18.0)) { "first layer" }
        text .tick x="100%" y=(px(HEIGHT + 18.0)) text-anchor="end" { "last layer" }
    };
    let description = format!(
        "{}, in the order in which they run, each as high as its time; the longest takes {} ms. The peak is \
         {} GFLOP/s. The table of layers below has all figures.",
        plural(layers.len(), "bar"),
        figure(longest),
        figure(peak)
    );
    Plot {
        id: "skyline",
        label: "Time of each layer",
        description: &description,
        height: HEIGHT,
        least_width: layers.len() * LEAST_WIDTH,
    }
    .draw(&content)
}

/// The tooltip of a layer.
pub(crate) fn tip(layer: &ReportLayer) -> String {
    let work = match layer.macs {
        0 => String::new(),
        macs => format!(
            ", {} multiply-adds at {} GFLOP/s, {}",
            count(macs),
            figure(layer.gflops),
            share_text(layer.share_of, layer.share_of_peak)
        ),
    };
    format!(
        "{}: {}. {}, {} ms ({} of the run){work}, {} of operands and result",
        layer.name,
        layer.line,
        layer.algorithm,
        figure(layer.median_ms),
        share(layer.share_of_time),
        bytes(layer.bytes)
    )
}

/// Layers that kernels treat alike.
struct Class<'a> {
    name: &'a str,
    kind: Kind,
    layers: usize,
    ms: f64,
    ideal_ms: f64,
    share_of_time: f64,
    macs: u64,
    share_of: ShareOf,
}

fn by_class(layers: &[ReportLayer]) -> Vec<Class<'_>> {
    let mut classes: Vec<Class<'_>> = Vec::new();
    for layer in layers {
        let at = classes.iter().position(|c| c.name == layer.class).unwrap_or_else(|| {
            let (name, kind) = (layer.class.as_str(), layer.kind);
            classes.push(Class {
                name,
                kind,
                layers: 0,
                ms: 0.0,
                ideal_ms: 0.0,
                share_of_time: 0.0,
                macs: 0,
                share_of: ShareOf::default(),
            });
            classes.len() - 1
        });
        let class = &mut classes[at];
        class.layers += 1;
        class.ms += layer.median_ms;
        class.ideal_ms += layer.median_ms * layer.share_of_peak;
        class.share_of_time += layer.share_of_time;
        class.macs += layer.macs;
        class.share_of = ShareOf::all([class.share_of, layer.share_of]);
    }
    classes.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    classes
}

fn classes(layers: &[ReportLayer]) -> Markup {
    let classes = by_class(layers);
    let longest = classes.first().map_or(1.0, |c| c.ms).max(f64::MIN_POSITIVE);
    html! {
        div .scroll tabindex="0" role="group" aria-label="Classes, by arrow keys" data-plot="classes" {
            ol .levels {
                @for class in &classes {
                    @let reached = class.ideal_ms / class.ms.max(f64::MIN_POSITIVE);
                    @let tip = format!(
                        "{}: {} in {} ms, {} of the run, {}", class.name, plural(class.layers, "layer"),
                        figure(class.ms), share(class.share_of_time), peak_text(class.macs, class.share_of, reached)
                    );
                    li data-mark {
                        span .name { (class.name) span .note { " " (plural(class.layers, "layer")) } }
                        (bar(class.ms / longest, Some(class.ideal_ms.min(class.ms) / longest), variable(class.kind), &tip))
                        span .ms { (figure(class.ms)) span .unit { " ms" } }
                        span .gain { (share(class.share_of_time)) }
                    }
                }
            }
        }
    }
}

fn peak_text(macs: u64, of: ShareOf, reached: f64) -> String {
    match macs {
        0 => "no multiply-adds".to_owned(),
        _ => share_text(of, reached),
    }
}

/// `61 % of peak`, `146 % of direct`.
fn share_text(of: ShareOf, reached: f64) -> String {
    format!("{} of {}", share(reached), of.name())
}

fn list(layers: &[ReportLayer]) -> Markup {
    let longest = layers.iter().map(|l| l.median_ms).fold(f64::MIN_POSITIVE, f64::max);
    html! {
        div .scroll.tall tabindex="0" role="group" aria-label="Layers" {
            table .layers {
                caption { "Layers in the order in which they run" }
                thead {
                    tr {
                        th scope="col" { "layer" }
                        th scope="col" { "time" }
                        th .number scope="col" { "ms" }
                        th .number scope="col" { "speed" }
                        th scope="col" { "algorithm" }
                        th .number scope="col" { "GFLOP/s" }
                        th .number scope="col" { "moved" }
                        th scope="col" { "problem" }
                    }
                }
                tbody { @for layer in layers { (line(layer, longest)) } }
            }
        }
    }
}

fn line(layer: &ReportLayer, longest: f64) -> Markup {
    let has_work = layer.macs > 0;
    html! {
        tr {
            th .name scope="row" { (layer.name) }
            td .time {
                (bar(layer.median_ms / longest, Some(ideal_ms(layer) / longest), variable(layer.kind), &tip(layer)))
            }
            td .number { (figure(layer.median_ms)) }
            td .number { @if has_work { (share_text(layer.share_of, layer.share_of_peak)) } @else { "\u{2013}" } }
            td { (layer.algorithm) }
            td .number { @if has_work { (figure(layer.gflops)) } @else { "\u{2013}" } }
            td .number { (bytes(layer.bytes)) }
            td .problem { (layer.line) }
        }
    }
}
