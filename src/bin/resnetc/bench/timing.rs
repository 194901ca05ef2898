//! How often something is run, and what its times come to.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::Subject;
use crate::failure::Failure;
use crate::units::ms;

/// Timed runs fill about this, if their number is not given.
const BUDGET: Duration = Duration::from_secs(2);
/// The fewest and most timed runs, if their number is not given.
const ITERATIONS: (usize, usize) = (10, 20_000);

/// What the user asked for.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) warmup: usize,
    pub(super) iterations: Option<usize>,
}

impl Plan {
    /// The number of timed runs, if one takes `time`.
    pub(super) fn iterations(self, time: Duration) -> usize {
        let wanted = BUDGET.as_secs_f64() / time.as_secs_f64().max(1e-9);
        self.iterations.unwrap_or((wanted as usize).clamp(ITERATIONS.0, ITERATIONS.1))
    }
}

/// Statistics of single runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Stats {
    pub(super) iterations: usize,
    pub(super) median_ms: f64,
    pub(super) min_ms: f64,
    pub(super) p90_ms: f64,
}

impl Stats {
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        // The smallest value that at least this share of all values does not exceed.
        let quantile = |share: f64| {
            let rank = (share * times.len() as f64).ceil() as usize;
            times.get(rank.saturating_sub(1)).copied().map_or(0.0, ms)
        };
        Stats {
            iterations: times.len(),
            median_ms: quantile(0.5),
            min_ms: times.first().copied().map_or(0.0, ms),
            p90_ms: quantile(0.9),
        }
    }
}

/// Warms up, then times single runs.
pub(super) fn measure(subject: &mut Subject, plan: Plan) -> Result<Stats, Failure> {
    let one = warm_up(subject, plan)?;
    let times: Result<Vec<_>, _> = (0..plan.iterations(one)).map(|_| time(subject)).collect();
    Ok(Stats::of(times?))
}

/// Runs untimed, and gives the time of one more run, for an estimate.
pub(super) fn warm_up(subject: &mut Subject, plan: Plan) -> Result<Duration, Failure> {
    for _ in 0..plan.warmup {
        subject.run()?;
    }
    time(subject)
}

/// One timed run.
pub(super) fn time(subject: &mut Subject) -> Result<Duration, Failure> {
    let start = Instant::now();
    subject.run()?;
    Ok(start.elapsed())
}
