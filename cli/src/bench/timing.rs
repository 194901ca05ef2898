//! How many times something runs, and statistics of its times.

use std::time::Duration;

use serde::Serialize;

use crate::units::ms;

/// The approximate length of a row of timed runs of a network, if others wait for their turn.
const TURN: Duration = Duration::from_millis(100);
/// The fewest and most runs in a row.
const RUNS: (usize, usize) = (1, 32);
/// The most turns.
const MOST_ROUNDS: usize = 20_000;

/// What the user requested.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) warmup: usize,
    pub(super) iterations: Option<usize>,
    /// The approximate time of all runs, if their number is not given.
    pub(super) budget: Duration,
    /// The fewest rounds, if their number is not given.
    pub(super) least_rounds: usize,
}

/// How many times each variant runs, and in how many rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turns {
    pub(super) rounds: usize,
    /// Timed runs in each round, one number for each variant that takes turns.
    pub(super) runs: Vec<usize>,
}

impl Plan {
    /// The turns, given the time of one run of each variant and the number of uncounted runs at the
    /// beginning of each turn. A number of runs that the user gives is the number of rounds.
    pub(super) fn turns(self, each: &[Duration], untimed: usize) -> Turns {
        if let Some(rounds) = self.iterations {
            return Turns { rounds, runs: vec![1; each.len()] };
        }
        let fit = |room: Duration, one: Duration| {
            (room.as_secs_f64() / one.as_secs_f64().max(1e-9)) as usize
        };
        let runs: Vec<usize> = each.iter().map(|&t| fit(TURN, t).clamp(RUNS.0, RUNS.1)).collect();
        let turn = |(&one, &runs): (&Duration, &usize)| one * (runs + untimed) as u32;
        let round = each.iter().zip(&runs).map(turn).sum();
        Turns { rounds: fit(self.budget, round).clamp(self.least_rounds, MOST_ROUNDS), runs }
    }
}

/// Statistics of single runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Stats {
    pub(super) iterations: usize,
    pub(super) median_ms: f64,
    pub(super) min_ms: f64,
    /// A quarter of the runs took no longer.
    pub(super) q1_ms: f64,
    /// Three quarters of the runs took no longer.
    pub(super) q3_ms: f64,
    pub(super) p90_ms: f64,
}

impl Stats {
    /// The spread of the middle half of the runs, relative to the median.
    pub(super) fn spread(&self) -> f64 {
        match self.median_ms > 0.0 {
            true => (self.q3_ms - self.q1_ms) / self.median_ms,
            false => 0.0,
        }
    }

    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        // The smallest value that at least this share of all values do not exceed.
        let quantile = |share: f64| {
            let rank = (share * times.len() as f64).ceil() as usize;
            times.get(rank.saturating_sub(1)).copied().map_or(0.0, ms)
        };
        Stats {
            iterations: times.len(),
            median_ms: quantile(0.5),
            min_ms: times.first().copied().map_or(0.0, ms),
            q1_ms: quantile(0.25),
            q3_ms: quantile(0.75),
            p90_ms: quantile(0.9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_fill_the_budget_and_slow_ones_run_once() {
        let millis = Duration::from_millis;
        let plan =
            Plan { warmup: 0, iterations: None, budget: Duration::from_secs(10), least_rounds: 5 };
        // 11 runs of 10 ms and 2 of 190 ms are a round.
        let each = [millis(10), millis(190)];
        assert_eq!(plan.turns(&each, 1), Turns { rounds: 20, runs: vec![10, 1] });
        let slow = plan.turns(&[Duration::from_secs(9)], 0);
        assert_eq!(slow, Turns { rounds: 5, runs: vec![1] });
        let given = Plan { iterations: Some(3), ..plan };
        assert_eq!(given.turns(&each, 1), Turns { rounds: 3, runs: vec![1, 1] });
        let nothing = plan.turns(&[Duration::ZERO], 0);
        assert_eq!(nothing, Turns { rounds: MOST_ROUNDS, runs: vec![32] });
    }

    #[test]
    fn quartiles_are_values_that_were_measured() {
        let times = [5, 1, 4, 2, 3].map(Duration::from_millis);
        let stats = Stats::of(times.to_vec());
        let found = [stats.min_ms, stats.q1_ms, stats.median_ms, stats.q3_ms, stats.p90_ms];
        assert_eq!(found, [1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}
