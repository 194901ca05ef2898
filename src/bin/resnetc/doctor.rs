//! `resnetc doctor`: what this machine offers.

use std::fmt::Write as _;
use std::time::Duration;

use resnetc::cpu::{ISAS, core_cache_bytes};
use resnetc::runtime::executable::{self, Refusal};
use resnetc::runtime::peak;
use resnetc::runtime::pool::default_threads;
use resnetc::{Isa, IsaChoice};
use serde::Serialize;

use crate::args::{threads, warn_of_threads};
use crate::failure::Failure;
use crate::output;
use crate::units::{bytes, plural};

/// Show what this machine offers: instruction sets, threads, cache, and how fast it multiplies and adds
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Threads to measure with [default: as many as the process may use]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    architecture: &'static str,
    threads: usize,
    executable_memory: ExecutableMemory,
    l2_bytes: usize,
    isa: &'static str,
    instruction_sets: Vec<IsaReport>,
}

#[derive(Serialize)]
struct ExecutableMemory {
    allowed: bool,
    /// What the system says.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Which setting it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    setting: Option<String>,
}

impl ExecutableMemory {
    fn of(refusal: Option<&Refusal>) -> Self {
        ExecutableMemory {
            allowed: refusal.is_none(),
            reason: refusal.map(|refusal| refusal.reason.clone()),
            setting: refusal.and_then(|refusal| Some(refusal.setting?.to_string())),
        }
    }
}

#[derive(Serialize)]
struct IsaReport {
    name: &'static str,
    lanes: usize,
    vector_registers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_gflops_one_thread: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_gflops: Option<f64>,
}

/// How long each peak is measured.
const TIME: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    warn_of_threads(args.threads);
    let threads = args.threads.unwrap_or_else(default_threads);
    let isa = IsaChoice::Auto.resolve().map_err(resnetc::Error::from)?;
    let refusal = executable::probe().err();
    let code = refusal.is_none();
    let sets: Result<Vec<_>, _> = ISAS.into_iter().map(|isa| examine(isa, threads, code)).collect();
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        architecture: std::env::consts::ARCH,
        threads,
        executable_memory: ExecutableMemory::of(refusal.as_ref()),
        l2_bytes: core_cache_bytes(),
        isa: isa.name(),
        instruction_sets: sets?,
    };
    match args.json {
        true => output::print_json(&report),
        false => output::print(&text(&report)),
    }
}

/// What there is of an instruction set; how fast it is, if code can run.
fn examine(isa: Isa, threads: usize, code: bool) -> Result<IsaReport, Failure> {
    let target = isa.target();
    let mut report = IsaReport {
        name: isa.name(),
        lanes: target.lanes,
        vector_registers: target.vectors,
        missing: isa.missing(),
        peak_gflops_one_thread: None,
        peak_gflops: None,
    };
    if report.missing.is_none() && code {
        report.peak_gflops_one_thread = Some(peak::measure(isa, 1, TIME)?.gflops);
        report.peak_gflops = Some(peak::measure(isa, threads, TIME)?.gflops);
    }
    Ok(report)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "resnetc {} on {}", report.version, report.architecture);
    let _ = writeln!(text, "threads      {}", report.threads);
    let _ = writeln!(text, "L2 cache     {} a core", bytes(report.l2_bytes));
    let memory = &report.executable_memory;
    if !memory.allowed {
        let reasons = [&memory.reason, &memory.setting].into_iter().flatten().cloned();
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        let _ = writeln!(text, "code         refused: {reasons}");
        let _ = writeln!(text, "             `run` and `classify` use the interpreter, far slower");
    }
    for set in &report.instruction_sets {
        let found = match (set.missing, set.peak_gflops_one_thread, set.peak_gflops) {
            (None, Some(one), Some(all)) => format!(
                "{one:.1} GFLOP/s on 1 thread, {all:.1} on {}",
                plural(report.threads, "thread")
            ),
            (None, ..) => "here, but no code can be run".to_owned(),
            (Some(missing), ..) => format!("not here: the CPU has no {missing}"),
        };
        let used =
            if set.name == report.isa && memory.allowed { " (used by --isa auto)" } else { "" };
        let _ = writeln!(text, "{:<12} {found}{used}", set.name);
    }
    text
}
