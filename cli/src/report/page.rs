//! The page: one file, which needs nothing else.

use maud::{DOCTYPE, Markup, html};

use super::data::Report;
use super::svg::{raw, shapes};
use super::{fusions, graphs, headline, ladder, layers, machine, memory, palette, roofline};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("marks.js");

/// One section: its anchor, its title in the list of sections, and the function that draws it.
type Section = (&'static str, &'static str, fn(&Report) -> Markup);

const SECTIONS: [Section; 7] = [
    ("ladder", "Optimizations", ladder::section),
    ("layers", "Layers", layers::section),
    ("roofline", "Roofline", roofline::section),
    ("memory", "Memory", memory::section),
    ("graphs", "Graph", graphs::section),
    ("fusions", "Fusions", fusions::section),
    ("machine", "Machine", machine::section),
];

/// The head of a page.
pub(crate) fn head(title: &str, version: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="generator" content={ "resnetc " (version) };
            title { (title) }
            // An empty icon: otherwise a browser requests one.
            link rel="icon" href="data:,";
            style { (palette::css()) (raw(STYLE)) }
        }
    }
}

/// Renders a report.
pub(crate) fn render(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(&format!("{} \u{2013} resnetc report", report.model), report.machine.resnetc))
            body {
                (shapes())
                main {
                    (headline::section(report))
                    nav aria-label="Sections" {
                        ul { @for (id, name, _) in SECTIONS { li { a href={ "#" (id) } { (name) } } } }
                    }
                    @for (_, _, section) in SECTIONS { (section(report)) }
                }
                output #readout aria-live="polite" hidden {}
                script { (raw(SCRIPT)) }
            }
        }
    };
    page.into_string()
}
