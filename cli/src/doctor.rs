//! `resnetc doctor`: what this machine offers.

use std::fmt::Write as _;
use std::time::Duration;

use resnetc::host::caches::core_cache_bytes;
use resnetc::host::executable::{self, Refusal};
use resnetc::isa::{ISAS, Isa, IsaChoice};
use resnetc::noise::{Noise, Watch};
use resnetc::runtime::peak;
use resnetc::runtime::pool::default_threads;
use serde::Serialize;

use crate::args::{threads, warn_of_threads};
use crate::failure::Failure;
use crate::output;
use crate::units::{bytes, plural};

/// Show what this machine offers: instruction sets, threads, cache, and the speed of multiply-adds
///
/// Each speed is measured twice, and the higher one is reported. If the two differ, or other
/// processes interfered, the machine is reported as busy: then no command here measures what it
/// would on a quiet machine. If the CPU has tile registers, permission to use them is requested
/// from the system, as before a network runs on them.
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
    /// Reasons not to trust the speeds; `None` if none was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    noise: Option<Noise>,
}

#[derive(Serialize)]
struct ExecutableMemory {
    allowed: bool,
    /// The system's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The setting that forbids it.
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
    missing: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_gflops_one_thread: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_gflops: Option<f64>,
    /// The same for products of bytes, if there are instructions for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_byte_gops_one_thread: Option<f64>,
}

/// How long each measurement of a peak takes.
const TIME: Duration = Duration::from_millis(60);

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    warn_of_threads(args.threads);
    let threads = args.threads.unwrap_or_else(default_threads);
    let isa = IsaChoice::Auto.enable().map_err(resnetc::Error::from)?;
    let refusal = executable::probe().err();
    let code = refusal.is_none();
    let watch = Watch::start();
    let mut peaks = Vec::new();
    let sets = ISAS.into_iter().map(|isa| examine(isa, threads, code, &mut peaks));
    let sets = sets.collect::<Result<Vec<_>, _>>()?;
    let worst = peaks.iter().copied().min_by(|a, b| agreement(*a).total_cmp(&agreement(*b)));
    let noise = worst.map(|worst| Noise::of(watch.load(), threads, [], Some(worst), None));
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        architecture: std::env::consts::ARCH,
        threads,
        executable_memory: ExecutableMemory::of(refusal.as_ref()),
        l2_bytes: core_cache_bytes(),
        isa: isa.name(),
        instruction_sets: sets,
        noise,
    };
    match args.json {
        true => output::print_json(&report),
        false => output::print(&text(&report)),
    }
}

/// Whether an instruction set can be used, with the system's permission, and how fast it is, if
/// code can run. The two measurements of each speed go to `peaks`.
fn examine(
    isa: Isa,
    threads: usize,
    code: bool,
    peaks: &mut Vec<[f64; 2]>,
) -> Result<IsaReport, Failure> {
    let target = isa.target();
    let mut report = IsaReport {
        name: isa.name(),
        lanes: target.lanes,
        vector_registers: target.vectors,
        missing: isa.enable().err().map(|e| e.lack.to_string()),
        peak_gflops_one_thread: None,
        peak_gflops: None,
        peak_byte_gops_one_thread: None,
    };
    if report.missing.is_none() && code {
        let mut peak = |threads| {
            let twice = [peak::measure(isa, threads, TIME)?, peak::measure(isa, threads, TIME)?];
            let twice = twice.map(|peak| peak.gflops);
            peaks.push(twice);
            Ok::<_, Failure>(twice[0].max(twice[1]))
        };
        report.peak_gflops_one_thread = Some(peak(1)?);
        report.peak_gflops = Some(peak(threads)?);
        let bytes = peak::measure_bytes(isa, 1, TIME)?;
        report.peak_byte_gops_one_thread = bytes.map(|peak| peak.gflops);
    }
    Ok(report)
}

/// The lower of two speeds divided by the higher one.
fn agreement([a, b]: [f64; 2]) -> f64 {
    a.min(b) / a.max(b)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "resnetc {} on {}", report.version, report.architecture);
    let _ = writeln!(text, "threads      {}", report.threads);
    let _ = writeln!(text, "L2 cache     {} per core", bytes(report.l2_bytes));
    let memory = &report.executable_memory;
    if !memory.allowed {
        let reasons = [&memory.reason, &memory.setting].into_iter().flatten().cloned();
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        let _ = writeln!(text, "code         refused: {reasons}");
        let _ = writeln!(
            text,
            "             `run` and `classify` use the interpreter, which is far slower"
        );
    }
    for set in &report.instruction_sets {
        let found = match (&set.missing, set.peak_gflops_one_thread, set.peak_gflops) {
            (None, Some(one), Some(all)) => format!(
                "{one:.1} GFLOP/s on 1 thread, {all:.1} on {}",
                plural(report.threads, "thread")
            ),
            (None, ..) => "available, but no code can be run".to_owned(),
            (Some(missing), ..) => format!("not available: {missing}"),
        };
        let used =
            if set.name == report.isa && memory.allowed { " (used by --isa auto)" } else { "" };
        let _ = writeln!(text, "{:<12} {found}{used}", set.name);
        let (floats, bytes) = (set.peak_gflops_one_thread, set.peak_byte_gops_one_thread);
        if let (Some(floats), Some(bytes)) = (floats, bytes) {
            let times = bytes / floats;
            let _ = writeln!(
                text,
                "{:<12} 8 bits: {bytes:.1} GOP/s on 1 thread, {times:.1} times as many as of f32",
                ""
            );
        }
    }
    if let Some(noise) = &report.noise {
        let _ = writeln!(text, "{:<12} {}", "load", load(noise));
    }
    text
}

/// The load of the machine, in one line.
fn load(noise: &Noise) -> String {
    match noise.is_quiet() {
        true => "quiet: nothing disturbs a measurement".to_owned(),
        false => format!("busy: {}; speeds may be wrong", noise.reasons.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use resnetc::noise::Load;

    use super::*;

    #[test]
    fn a_busy_machine_is_called_busy() {
        let quiet = Load { cpus: 2, others: Some(0.01), waiting: Some(0.5), stolen: Some(0.0) };
        let said = |load, peaks| super::load(&Noise::of(load, 2, [], Some(peaks), None));
        assert_eq!(said(quiet, [100.0, 97.0]), "quiet: nothing disturbs a measurement");
        let halved = said(quiet, [50.0, 100.0]);
        assert_eq!(halved, "busy: the peak changed by 50 % meanwhile; speeds may be wrong");
        let crowded = said(Load { others: Some(1.2), ..quiet }, [100.0, 97.0]);
        assert_eq!(crowded, "busy: other processes used 1.2 of 2 CPUs; speeds may be wrong");
        let pairs = [[100.0, 99.0], [40.0, 50.0], [90.0, 100.0]];
        let worst = pairs.into_iter().min_by(|a, b| agreement(*a).total_cmp(&agreement(*b)));
        assert_eq!(worst, Some([40.0, 50.0]));
    }
}
