//! The output of a bench.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use resnetc::noise::Noise;
use resnetc::one_line::path_line;
use resnetc::profile::share::ShareOf;
use resnetc::tune::MachineKey;
use resnetc::{Isa, Network, Numerics, Options, PassSelection, Reuse};
use serde::Serialize;

use super::against::Against;
use super::compare::{Compared, Figures};
use super::crowd::Crowd;
use super::layers::{Layers, gflops};
use crate::run::list_phases;
use crate::units::{bytes, count, plural};
use crate::{profile, step};

/// What is timed.
#[derive(Serialize)]
pub(super) struct Subtitle {
    pub(super) model: String,
    pub(super) isa: &'static str,
    pub(super) threads: usize,
    pub(super) batch: usize,
    pub(super) macs: u64,
    /// The system's name of the CPU; empty if it does not say.
    pub(super) cpu: String,
    /// The version of this program.
    pub(super) resnetc: &'static str,
    /// Options of compilation that are not at their defaults.
    pub(super) options: Vec<String>,
}

impl Subtitle {
    pub(super) fn new(model: &Path, network: &Network, isa: Isa, threads: usize) -> Self {
        let graph = network.graph();
        let batch = graph.inputs().first().and_then(|&i| graph.node(i).ty.shape.first().copied());
        Subtitle {
            model: path_line(model),
            isa: isa.name(),
            threads,
            batch: batch.unwrap_or(1),
            cpu: MachineKey::of(isa, threads).cpu.remove("model name").unwrap_or_default(),
            resnetc: env!("CARGO_PKG_VERSION"),
            options: choices(network.options()),
            macs: resnetc::compile::run_macs(graph),
        }
    }

    /// For people, in one line.
    pub(super) fn text(&self) -> String {
        format!(
            "{}: batch {}, {}, {}, {} multiply-adds",
            self.model,
            self.batch,
            self.isa,
            plural(self.threads, "thread"),
            count(self.macs)
        )
    }
}

/// The options of compilation that were chosen, besides the instruction set and the threads.
fn choices(options: &Options) -> Vec<String> {
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let passes = match &options.passes {
        PassSelection::All => None,
        PassSelection::None => Some("no optional passes".to_owned()),
        PassSelection::Without(names) => Some(format!("all passes but {}", list(names))),
        PassSelection::Only(names) => Some(format!("only the passes {}", list(names))),
    };
    let numerics = match options.numerics {
        Numerics::Fast => None,
        Numerics::Portable => Some("portable numerics".to_owned()),
        Numerics::Exact => Some("exact numerics".to_owned()),
        Numerics::Half => Some("16-bit weights".to_owned()),
    };
    let reuse = match options.reuse {
        Reuse::InPlace => None,
        Reuse::Freed => Some("memory used again once it is free".to_owned()),
        Reuse::Never => Some("no memory used twice".to_owned()),
    };
    let memory = options.memory.map(|limit| format!("at most {} of values", bytes(limit)));
    let outputs = (!options.outputs.is_empty()).then(|| options.outputs.join(", "));
    let all = [passes, numerics, reuse, memory, outputs.map(|names| format!("outputs {names}"))];
    all.into_iter().flatten().collect()
}

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) subtitle: Subtitle,
    #[serde(flatten)]
    pub(super) figures: Figures,
    pub(super) gflops: f64,
    peak_gflops: f64,
    share_of_peak: f64,
    /// What `share_of_peak` is a share of.
    share_of: ShareOf,
    /// The most memory of the process that was resident at once, compilation included, where the
    /// system says.
    pub(super) peak_bytes: Option<u64>,
    /// Reasons not to trust the figures.
    pub(super) noise: Option<Noise>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compare: Option<Compared>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) layers: Option<Layers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) concurrency: Option<Crowd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) against: Option<Against>,
}

impl Report {
    pub(super) fn new(
        model: &Path,
        network: &Network,
        figures: Figures,
        (peak, share_of): (f64, ShareOf),
    ) -> Self {
        let compiled = &figures.compiled;
        let subtitle = Subtitle::new(model, network, compiled.isa, compiled.threads);
        let gflops = gflops(subtitle.macs, figures.times.median_ms);
        Report {
            subtitle,
            figures,
            gflops,
            peak_gflops: peak,
            share_of_peak: gflops / peak,
            share_of,
            peak_bytes: None,
            noise: None,
            compare: None,
            layers: None,
            concurrency: None,
            against: None,
        }
    }

    pub(super) fn pictures_per_second(&self) -> f64 {
        match self.figures.times.median_ms > 0.0 {
            true => 1e3 * self.subtitle.batch as f64 / self.figures.times.median_ms,
            false => 0.0,
        }
    }

    /// Lines for what was requested besides the figures.
    pub(super) fn more(&self) -> impl Iterator<Item = String> + '_ {
        let crowd = self.concurrency.iter().map(Crowd::text);
        crowd.chain(self.against.iter().map(Against::text))
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(text, "{}", self.subtitle.text());
        figures(&mut text, &self.figures);
        let _ = writeln!(
            text,
            "speed    {:.1} GFLOP/s, {}",
            self.gflops,
            share_text(self.share_of, self.share_of_peak, self.peak_gflops)
        );
        text.extend(self.more());
        if let Some(compared) = &self.compare {
            let _ = writeln!(text, "\nwithout optional passes, run in turns with the above:");
            figures(&mut text, &compared.unfused);
            let _ = writeln!(
                text,
                "the passes make it {:.2} times as fast; outputs agree to {:.1e}",
                compared.speedup, compared.outputs_relative_difference
            );
        }
        if let Some(layers) = &self.layers {
            let (ms, runs) = (layers.layers_ms, layers.layer_iterations);
            let _ = writeln!(text, "\nlayers: {ms:.3} ms in all, medians of {runs} runs");
            text += &profile::tables(&layers.classes, &layers.layers);
        }
        text
    }
}

/// `61.2 % of the 83.1 GFLOP/s that a multiply-add loop reaches`.
pub(super) fn share_text(of: ShareOf, share: f64, peak: f64) -> String {
    let by = match of {
        ShareOf::Peak => "",
        ShareOf::Direct => "direct convolution at ",
    };
    format!("{:.1} % of {by}the {peak:.1} GFLOP/s that a multiply-add loop reaches", 100.0 * share)
}

fn figures(text: &mut String, figures: &Figures) {
    let (t, compiled) = (&figures.times, &figures.compiled);
    let _ = writeln!(
        text,
        "run      median {:.3} ms, min {:.3}, 90 % within {:.3} ({} runs)",
        t.median_ms, t.min_ms, t.p90_ms, t.iterations
    );
    let phases = list_phases(&compiled.phases);
    let _ = writeln!(text, "compile  {:.1} ms ({phases})", compiled.compile_ms);
    let _ = writeln!(
        text,
        "memory   arena {} and {} per thread, weights {}, code {} ({}, {} kernels{})",
        bytes(compiled.arena_bytes),
        bytes(compiled.thread_bytes),
        bytes(compiled.weight_bytes),
        bytes(compiled.code_bytes),
        plural(compiled.steps, "launch"),
        compiled.kernels,
        match compiled.tuned {
            0 => String::new(),
            layers => format!(", {} tuned", plural(layers, "layer")),
        }
    );
    if let Some(found) = &compiled.for_gradients {
        let _ = writeln!(text, "         {}", step::for_gradients(found));
    }
}
