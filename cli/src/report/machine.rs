//! Where and how it was measured.

use maud::{Markup, html};

use super::data::{Report, ReportMachine};
use super::svg::figure;
use crate::units::{bytes, plural};

impl ReportMachine {
    /// The usual name of the CPU, if the system reports it.
    pub(crate) fn cpu_name(&self) -> Option<&str> {
        let found = self.cpu.iter().find(|(what, _)| what == "model name");
        found.map(|(_, name)| name.as_str()).filter(|name| !name.is_empty())
    }
}

pub(crate) fn section(report: &Report) -> Markup {
    let (machine, run, full) = (&report.machine, &report.run, report.full());
    let build = if machine.debug { " (a debug build)" } else { "" };
    let rows = [
        ("resnetc", format!("{}{build}", machine.resnetc)),
        ("measured", format!("{} UTC", machine.date)),
        ("command", machine.command.join(" ")),
        ("system", machine.os.to_owned()),
        ("instruction set", run.isa.to_owned()),
        ("threads", plural(run.threads, "thread")),
        ("cache per core", bytes(machine.core_cache_bytes)),
        ("last cache", bytes(machine.last_cache_bytes)),
        ("multiply-adds", format!("{} GFLOP/s", figure(report.roofs.gflops))),
        ("reading memory", format!("{} GB/s", figure(report.roofs.gbytes))),
        ("compiled in", format!("{} ms", figure(full.compile_ms))),
        ("packed weights", bytes(full.weight_bytes)),
        ("machine code", bytes(full.code_bytes)),
    ];
    html! {
        section #machine aria-labelledby="machine-title" {
            h2 #machine-title { "Machine and versions" }
            dl .facts {
                @for (what, value) in rows { dt { (what) } dd { (value) } }
                @for (what, value) in &machine.cpu { dt { "CPU: " (what) } dd { (value) } }
            }
        }
    }
}
