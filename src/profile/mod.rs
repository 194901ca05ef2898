//! What runs of a model cost, as data: serde can serialize every type here.
//!
//! | module | holds |
//! |---|---|
//! | this one | the cost of the steps of a run |
//! | [`share`] | the peak to which a share refers |
//! | [`timeline`] | one run as a timeline |

pub mod share;
pub mod timeline;

pub use crate::runtime::model::StepInfo;
pub use crate::runtime::trace::RunTrace;

use std::time::Instant;

use serde::Serialize;

use crate::error::RunError;
use crate::noise::{Quartiles, median};
use crate::runtime::model::{Context, Model};
use crate::runtime::trace::StepTrace;

use share::ShareOf;

/// Medians over several runs.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// The instruction set.
    pub isa: &'static str,
    /// Threads of a run.
    pub threads: usize,
    /// Runs that were measured.
    pub runs: usize,
    /// Sum of the steps' medians.
    pub milliseconds: f64,
    /// The interquartile range of the runs' times, relative to their median.
    pub spread: f64,
    /// The speed of a loop of multiply-adds on the same threads, in GFLOP/s, as measured by the
    /// caller.
    pub peak_gflops: f64,
    /// The classes of steps, those that take the most time first.
    pub classes: Vec<ClassProfile>,
    /// The steps, in order.
    pub steps: Vec<StepProfile>,
}

/// All steps of a class.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClassProfile {
    /// The class.
    pub class: String,
    /// How many steps.
    pub steps: usize,
    /// Their multiply-adds.
    pub macs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sum of their medians.
    pub median_ms: f64,
    /// As a fraction of the sum of all steps' medians.
    pub share_of_time: f64,
    /// Billions of operations per second.
    pub gflops: f64,
    /// Billions of bytes per second.
    pub gbytes: f64,
    /// GFLOP/s divided by the peak.
    pub share_of_peak: f64,
    /// The peak to which the share refers.
    pub share_of: ShareOf,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct StepProfile {
    /// The node's name.
    pub name: String,
    /// The operator's name.
    pub op: &'static str,
    /// The class of operators that are treated alike.
    pub class: String,
    /// The shape of the result.
    pub shape: Vec<usize>,
    /// The kernel's problem line.
    pub kernel: String,
    /// How it is computed.
    pub algorithm: String,
    /// The accumulators of the kernel's widest tile, as pixels and vectors of outputs, if it has
    /// tiles.
    pub tile: Option<[usize; 2]>,
    /// Multiply-adds according to the definition of the operator.
    pub macs: u64,
    /// Bytes of operands and result according to the definition of the operator.
    pub bytes: u64,
    /// Chunks that run independently.
    pub chunks: u64,
    /// Median of the runs.
    pub median_ms: f64,
    /// The shortest of the runs.
    pub min_ms: f64,
    /// The longest of the runs.
    pub max_ms: f64,
    /// As a fraction of the sum of all steps' medians.
    pub share_of_time: f64,
    /// Billions of operations per second, two for each multiply-add.
    pub gflops: f64,
    /// Billions of bytes per second.
    pub gbytes: f64,
    /// GFLOP/s divided by the peak. Above 1 where an algorithm needs fewer operations than the
    /// definition.
    pub share_of_peak: f64,
    /// The peak to which the share refers.
    pub share_of: ShareOf,
    /// The busiest thread's time divided by the mean of all threads; median of the runs.
    pub imbalance: f64,
}

/// The highest share of the peak among steps that do all counted multiply-adds: above 1 if the peak
/// was measured too low.
pub fn direct_share(steps: &[StepProfile]) -> Option<f64> {
    let direct = steps.iter().filter(|s| s.macs > 0 && s.share_of == ShareOf::Peak);
    direct.map(|s| s.share_of_peak).reduce(f64::max)
}

impl Model {
    /// Measures `runs` runs, at least one, step by step, after one that does not count. Inputs keep
    /// their values. Shares are relative to `peak_gflops`: see
    /// [`peak::measure`](crate::runtime::peak::measure).
    ///
    /// # Errors
    /// If the context belongs to another model.
    pub fn profile(
        &self,
        context: &mut Context,
        runs: usize,
        peak_gflops: f64,
    ) -> Result<Profile, RunError> {
        self.run(context)?;
        let mut samples = vec![Samples::default(); self.steps().len()];
        let runs = runs.max(1);
        let mut whole = Vec::with_capacity(runs);
        for _ in 0..runs {
            let start = Instant::now();
            let trace = self.run_traced(context)?;
            whole.push(start.elapsed());
            samples.iter_mut().zip(&trace.steps).for_each(|(samples, step)| samples.add(step));
        }
        let profile = Profile::of(self, runs, samples, peak_gflops);
        Ok(Profile { spread: Quartiles::of(&whole).spread(), ..profile })
    }
}

/// The times of one step in each run.
#[derive(Clone, Debug, Default)]
struct Samples {
    milliseconds: Vec<f64>,
    imbalances: Vec<f64>,
}

impl Samples {
    fn add(&mut self, step: &StepTrace) {
        self.milliseconds.push((step.end - step.start).as_secs_f64() * 1e3);
        self.imbalances.push(step.imbalance());
    }
}

impl Profile {
    /// The same profile with shares of another peak, in GFLOP/s.
    #[must_use]
    pub fn against(mut self, peak_gflops: f64) -> Self {
        self.peak_gflops = peak_gflops;
        for step in &mut self.steps {
            step.share_of_peak = ratio(step.gflops, peak_gflops);
        }
        for class in &mut self.classes {
            class.share_of_peak = ratio(class.gflops, peak_gflops);
        }
        self
    }

    fn of(model: &Model, runs: usize, samples: Vec<Samples>, peak_gflops: f64) -> Self {
        let steps = model.steps().iter().zip(samples);
        let mut steps: Vec<StepProfile> =
            steps.map(|(info, samples)| StepProfile::of(info, samples, peak_gflops)).collect();
        let milliseconds = steps.iter().map(|s| s.median_ms).sum();
        for step in &mut steps {
            step.share_of_time = ratio(step.median_ms, milliseconds);
        }
        Profile {
            isa: model.report().isa.name(),
            threads: model.threads(),
            runs,
            milliseconds,
            spread: 0.0,
            peak_gflops,
            classes: classes(&steps, peak_gflops),
            steps,
        }
    }
}

fn classes(steps: &[StepProfile], peak_gflops: f64) -> Vec<ClassProfile> {
    let mut classes: Vec<ClassProfile> = Vec::new();
    for step in steps {
        let known = classes.iter().position(|c| c.class == step.class);
        let at = known.unwrap_or_else(|| {
            classes.push(ClassProfile { class: step.class.clone(), ..ClassProfile::default() });
            classes.len() - 1
        });
        let class = &mut classes[at];
        class.steps += 1;
        class.macs += step.macs;
        class.bytes += step.bytes;
        class.median_ms += step.median_ms;
        class.share_of_time += step.share_of_time;
        class.share_of = ShareOf::all([class.share_of, step.share_of]);
    }
    for class in &mut classes {
        class.gflops = ratio(2.0 * class.macs as f64, class.median_ms * 1e6);
        class.gbytes = ratio(class.bytes as f64, class.median_ms * 1e6);
        class.share_of_peak = ratio(class.gflops, peak_gflops);
    }
    classes.sort_by(|a, b| b.median_ms.total_cmp(&a.median_ms));
    classes
}

impl StepProfile {
    fn of(info: &StepInfo, samples: Samples, peak_gflops: f64) -> Self {
        let (times, imbalances) = (sorted(samples.milliseconds), sorted(samples.imbalances));
        let median_ms = median(&times);
        let gflops = ratio(2.0 * info.macs as f64, median_ms * 1e6);
        StepProfile {
            name: info.name.clone(),
            op: info.op,
            class: info.class.clone(),
            shape: info.shape.clone(),
            kernel: info.kernel.clone(),
            algorithm: info.algorithm.to_string(),
            tile: info.tile,
            macs: info.macs,
            bytes: info.bytes,
            chunks: info.chunks,
            median_ms,
            min_ms: times.first().copied().unwrap_or(0.0),
            max_ms: times.last().copied().unwrap_or(0.0),
            share_of_time: 0.0,
            gflops,
            gbytes: ratio(info.bytes as f64, median_ms * 1e6),
            share_of_peak: ratio(gflops, peak_gflops),
            share_of: ShareOf::of(info.op, info.algorithm),
            imbalance: median(&imbalances),
        }
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// 0 if the divisor is 0.
fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}
