//! Figures as SVG, which takes light or dark from who looks at it.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use super::figure::{AREA_OPACITY, Anchor, Figure, Ink, Place, Shape, Stroke};
use crate::report::svg::px;

/// Draws a figure, as a file of its own or within a page.
pub(super) fn draw(figure: &Figure) -> Markup {
    let (width, height) = (px(figure.width), px(figure.height));
    html! {
        svg .curves xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (height) }
            width=(width) height=(height) role="img" aria-label="Curves by epoch" {
            style { (PreEscaped(style())) }
            rect .(class(Ink::Ground)) width="100%" height="100%" {}
            @for shape in &figure.shapes { (drawn(shape)) }
        }
    }
}

fn drawn(shape: &Shape) -> Markup {
    html! {
        @match shape {
            Shape::Line { stroke, ink, places } => {
                polyline .(form(*stroke)).(class(*ink)) points=(points(places)) {}
            }
            Shape::Area { ink, outline } => {
                polygon .(class(*ink)) points=(points(outline)) {}
            }
            Shape::Text { at: (x, y), anchor, text } => {
                text .(class(Ink::Text)) x=(px(*x)) y=(px(*y)) text-anchor=(end(*anchor)) { (text) }
            }
        }
    }
}

/// Rules for this figure alone: a page has others.
fn style() -> String {
    let mut style = format!(
        ".curves text{{font:13px system-ui,sans-serif;fill:currentColor}}\
         .curves rect{{fill:currentColor}}\
         .curves polygon{{fill:currentColor;fill-opacity:{AREA_OPACITY}}}\
         .curves polyline{{fill:none;stroke:currentColor}}"
    );
    // Writing to a string cannot fail.
    for stroke in Stroke::ALL {
        let _ = write!(style, ".curves .{}{{stroke-width:{}", form(stroke), stroke.width());
        if let Some([dash, gap]) = stroke.dashes() {
            let _ = write!(style, ";stroke-dasharray:{dash} {gap}");
        }
        style.push('}');
    }
    let mut dark = String::new();
    for ink in Ink::all() {
        let (class, (light, in_dark)) = (class(ink), ink.colour());
        let _ = write!(style, ".curves .{class}{{color:#{light:06x}}}");
        let _ = write!(dark, ".curves .{class}{{color:#{in_dark:06x}}}");
    }
    format!("{style}@media(prefers-color-scheme:dark){{{dark}}}")
}

fn class(ink: Ink) -> String {
    match ink {
        Ink::Ground => "ground".to_owned(),
        Ink::Text => "ink".to_owned(),
        Ink::Grid => "grid".to_owned(),
        Ink::Key => "key".to_owned(),
        Ink::Series(series) => format!("s{series}"),
    }
}

fn form(stroke: Stroke) -> &'static str {
    match stroke {
        Stroke::Hairline => "hairline",
        Stroke::Solid => "solid",
        Stroke::Dashed => "dashed",
    }
}

fn end(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    }
}

fn points(places: &[Place]) -> String {
    let place = |&(x, y): &Place| format!("{},{}", px(x), px(y));
    places.iter().map(place).collect::<Vec<_>>().join(" ")
}
