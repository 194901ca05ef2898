//! What an ablation found.

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
    /// What that is a share of.
    pub(super) share_of: ShareOf,
    /// What speaks against the figures.
    pub(super) noise: Noise,
    /// How far outputs may be apart, as a part of the greatest value.
    pub(super) tolerance: f64,
    /// Whether all variants were in memory while they were timed, or each was compiled anew for
    /// each turn.
    pub(super) all_in_memory: bool,
    pub(super) rows: Vec<Row>,
}

/// One level.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) group: Group,
    /// The pass that it is about.
    pub(super) pass: Option<&'static str>,
    /// What that pass rewrote: here, or in the full network if it is left out here.
    pub(super) rewrites: Option<usize>,
    /// The row whose code is the same and whose figures these are.
    pub(super) same_as: Option<String>,
    /// Why there are no figures.
    pub(super) skipped: Option<String>,
    #[serde(flatten)]
    pub(super) times: Option<Stats>,
    /// Its median by that of the full network.
    pub(super) ratio: Option<f64>,
    /// Its median by that of the level before.
    pub(super) ratio_before: Option<f64>,
    /// The greatest difference of its outputs from the interpreter's, or else from the full
    /// network's, as a part of the greatest value.
    pub(super) relative_difference: Option<f64>,
    #[serde(flatten)]
    pub(super) code: Option<Code>,
}

/// What is known of a compiled level beside its time.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Code {
    pub(super) isa: &'static str,
    pub(super) arena_bytes: usize,
    pub(super) weight_bytes: usize,
    pub(super) moved_bytes: usize,
    /// Regions that a run calls one after the other, each of them once.
    pub(super) launches: usize,
}
