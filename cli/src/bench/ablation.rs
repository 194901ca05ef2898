//! The results of an ablation.

use resnetc::noise::Noise;
use resnetc::profile::share::ShareOf;
use serde::Serialize;

use super::ladder::Group;
use super::report::Subtitle;
use super::timing::Stats;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Ablation {
    #[serde(flatten)]
    pub(super) subtitle: Subtitle,
    /// Of the full network.
    pub(super) gflops: f64,
    pub(super) peak_gflops: f64,
    pub(super) share_of_peak: f64,
    /// What `share_of_peak` is a share of.
    pub(super) share_of: ShareOf,
    /// Reasons not to trust the figures.
    pub(super) noise: Noise,
    /// The largest difference of outputs of variants in the network's own numbers, relative to the
    /// largest value.
    pub(super) difference: f64,
    /// How much of it rounding explains.
    pub(super) tolerance: f64,
    /// Whether all variants were in memory while they were timed, or each was recompiled for each
    /// of its turns.
    pub(super) all_in_memory: bool,
    pub(super) rows: Vec<Row>,
}

/// One level.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) group: Group,
    /// The pass that it adds or leaves out.
    pub(super) pass: Option<&'static str>,
    /// What that pass rewrote: at this level, or in the full network if this level leaves it out.
    pub(super) rewrites: Option<usize>,
    /// The row with the same code, whose figures these are.
    pub(super) same_as: Option<String>,
    /// Why there are no figures.
    pub(super) skipped: Option<String>,
    #[serde(flatten)]
    pub(super) times: Option<Stats>,
    /// Its median divided by that of the full network.
    pub(super) ratio: Option<f64>,
    /// Its median divided by that of the level before.
    pub(super) ratio_before: Option<f64>,
    /// The largest difference of its outputs from the interpreter's, or else from the full
    /// network's, relative to the largest value.
    pub(super) relative_difference: Option<f64>,
    /// How much of it rounding explains; `None` for another network and for the interpreter.
    pub(super) tolerance: Option<f64>,
    #[serde(flatten)]
    pub(super) code: Option<Code>,
}

/// What is known about a compiled level besides its time.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Code {
    pub(super) isa: &'static str,
    pub(super) arena_bytes: usize,
    pub(super) weight_bytes: usize,
    pub(super) moved_bytes: usize,
    /// Regions that a run calls, one after the other and each of them once.
    pub(super) launches: usize,
}
