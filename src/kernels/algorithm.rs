//! The algorithms for convolutions, and the choice of one for each site.
//!
//! An algorithm is a row of a table and a folder. Its row has its name and makes its plan for a
//! site, or gives the reason why there is none; everything else is in the plan
//! ([`ConvPlan`](super::conv_plan::ConvPlan)).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::conv_plan::{Refusal, SharedPlan};
use super::sink::Machine;
use super::site::Site;
use super::winograd::{Schedule, Tile};
use super::{conv, fixed, winograd};

/// How a convolution is computed: a row of the table. In files it is its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub struct Algorithm(usize);

/// An algorithm: its names, and its plan for a site.
struct Row {
    /// The name in reports, on the command line and in files of measured times.
    name: &'static str,
    /// The name of its family of variants, for readers to whom the variant does not matter.
    family: &'static str,
    /// Whether it does the multiply-adds that an operator is counted with, and no others.
    by_definition: bool,
    /// Whether its weights can be values, which every run packs.
    computed: bool,
    plan: fn(&Site<'_>) -> Result<SharedPlan, Refusal>,
}

/// All algorithms, direct convolution first.
const ROWS: [Row; 9] = [
    Row {
        name: "direct",
        family: "direct",
        by_definition: true,
        computed: true,
        plan: conv::plan::plan,
    },
    Row {
        name: "winograd_f2_tile_blocks",
        family: "winograd",
        by_definition: false,
        computed: true,
        plan: |site| winograd::plan::plan(Tile::Two, Schedule::TileBlocks, site),
    },
    Row {
        name: "winograd_f2_filter_blocks",
        family: "winograd",
        by_definition: false,
        computed: true,
        plan: |site| winograd::plan::plan(Tile::Two, Schedule::FilterBlocks, site),
    },
    Row {
        name: "winograd_f4_tile_blocks",
        family: "winograd",
        by_definition: false,
        computed: true,
        plan: |site| winograd::plan::plan(Tile::Four, Schedule::TileBlocks, site),
    },
    Row {
        name: "winograd_f4_filter_blocks",
        family: "winograd",
        by_definition: false,
        computed: true,
        plan: |site| winograd::plan::plan(Tile::Four, Schedule::FilterBlocks, site),
    },
    Row {
        name: "winograd_f2s2_tile_blocks",
        family: "winograd",
        by_definition: false,
        computed: true,
        plan: |site| winograd::plan::plan(Tile::TwoStrided, Schedule::TileBlocks, site),
    },
    Row {
        name: "winograd_f2s2_filter_blocks",
        family: "winograd",
        by_definition: false,
        computed: true,
        plan: |site| winograd::plan::plan(Tile::TwoStrided, Schedule::FilterBlocks, site),
    },
    Row {
        name: "winograd_f4s2_planar",
        family: "winograd",
        by_definition: false,
        computed: false,
        plan: winograd::planar::plan::plan,
    },
    Row {
        name: "fixed_point",
        family: "fixed_point",
        by_definition: false,
        computed: false,
        plan: fixed::plan::plan,
    },
];

/// All algorithms, direct convolution first.
pub const ALGORITHMS: [Algorithm; ROWS.len()] = {
    let mut all = [Algorithm(0); ROWS.len()];
    let mut row = 0;
    while row < all.len() {
        all[row] = Algorithm(row);
        row += 1;
    }
    all
};

impl Algorithm {
    /// As the operator is defined.
    pub const DIRECT: Algorithm = Algorithm(0);

    /// The name in reports, on the command line and in files of measured times.
    pub fn name(self) -> &'static str {
        ROWS[self.0].name
    }

    /// The name of its family of variants: `winograd` for all tiles and schedules.
    pub fn family(self) -> &'static str {
        ROWS[self.0].family
    }

    /// Whether it does the multiply-adds that an operator is counted with, and no others.
    pub fn is_by_definition(self) -> bool {
        ROWS[self.0].by_definition
    }

    /// Its plan for a site.
    ///
    /// # Errors
    /// The reason, if it cannot compute the site.
    pub fn plan(self, site: &Site<'_>) -> Result<SharedPlan, Refusal> {
        let row = &ROWS[self.0];
        match site.computed && !row.computed {
            true => Err(Refusal::ComputedWeights),
            false => (row.plan)(site),
        }
    }

    /// How long all threads are busy with a site.
    fn busy(self, site: &Site<'_>) -> Result<f64, Refusal> {
        Ok(self.plan(site)?.cost() * site.machine.threads as f64)
    }
}

impl Default for Algorithm {
    fn default() -> Self {
        Algorithm::DIRECT
    }
}

/// An algorithm that was considered for a site: its modelled cost, or why it cannot compute it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Considered {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Its [cost](super::conv_plan::ConvPlan::cost) on one image, times the number of threads,
    /// summed over the numbers of threads for which algorithms are judged.
    pub verdict: Result<f64, Refusal>,
}

/// An algorithm and its plan for one site.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// How it computes the site.
    pub plan: SharedPlan,
}

impl Choice {
    /// Direct convolution, which computes every site.
    pub fn direct(site: &Site<'_>) -> Self {
        Choice { algorithm: Algorithm::DIRECT, plan: conv::plan::direct(site) }
    }

    /// The algorithms that can compute a site, in the order of [`ALGORITHMS`].
    pub fn candidates(site: &Site<'_>) -> Vec<Self> {
        let choice = |algorithm: Algorithm| {
            let plan = algorithm.plan(site).ok()?;
            Some(Choice { algorithm, plan })
        };
        ALGORITHMS.into_iter().filter_map(choice).collect()
    }

    /// The cheapest algorithm for a site according to the model, on this machine or another one, and
    /// all that were considered. It depends neither on the number of threads nor on the number of
    /// images.
    pub fn cheapest(site: &Site<'_>, machine: &Machine) -> (Self, Vec<Considered>) {
        let judged = site.judged(machine);
        let consider = |algorithm: Algorithm| Considered {
            algorithm,
            verdict: judged.iter().map(|site| algorithm.busy(site)).sum(),
        };
        let considered = ALGORITHMS.map(consider).to_vec();
        let costs = considered.iter().filter_map(|c| Some((c.verdict.ok()?, c.algorithm)));
        let best = costs.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, algorithm)| algorithm);
        // An algorithm that can compute one image may refuse the whole batch as too large.
        let able = best.and_then(|algorithm| {
            let plan = algorithm.plan(site).ok()?;
            Some(Choice { algorithm, plan })
        });
        (able.unwrap_or_else(|| Choice::direct(site)), considered)
    }
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Algorithm> for &'static str {
    fn from(algorithm: Algorithm) -> Self {
        algorithm.name()
    }
}

impl TryFrom<String> for Algorithm {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = ALGORITHMS.into_iter().find(|a| a.name() == name);
        known.ok_or_else(|| format!("unknown algorithm \"{name}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_read() {
        for algorithm in ALGORITHMS {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
            assert!(algorithm.name().starts_with(algorithm.family()));
        }
        assert_eq!(Algorithm::DIRECT.name(), "direct");
    }
}
