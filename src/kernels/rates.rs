//! What the parts of convolutions cost on a CPU: constants of the cost model, fitted to measured
//! times.
//!
//! The unit is the half cycle of a core, as in [`tiling`](super::tiling). Only ratios matter: they
//! decide between algorithms. `cargo bench --bench costs` measures the times and fits the table;
//! `benches/costs` has the times of the CPUs to which it was fitted.

use crate::codegen::vir::Target;
use crate::host::cpu::Vendor;

/// Costs of the parts of a convolution, and the rate of memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Direct convolution, relative to its multiply-adds alone.
    pub direct: f64,
    /// Reading transformed filters, for each input channel, 16 outputs, element and block of tiles.
    pub filter_read: f64,
    /// Bytes of weights that memory delivers per half cycle while all cores compute.
    pub memory: f64,
    /// The transforms of tiles, relative to their arithmetic, loads and stores.
    pub transform: f64,
    /// A vector operation of the transform of filters.
    pub filter_operation: f64,
    /// Writing a cache line of transformed filters, which do not fit the first-level cache, and
    /// reading it again.
    pub filter_line: f64,
    /// Reading a cache line that another core has written, when many are read at a time.
    pub exchange: f64,
    /// Rereading a cache line that is not in the second-level cache.
    pub far_line: f64,
    /// Handing a region to another thread, and waiting for it.
    pub region: f64,
    /// The part of a core's cache that the transformed tiles of a block may take. Above 1, part of
    /// them comes from the shared cache for every group of outputs, which costs less than reading
    /// all transformed filters for more blocks where these come from memory.
    pub tiles: f64,
    /// Convolution of bytes on tile registers, relative to what its instructions should take.
    pub byte_tiles: f64,
}

/// The CPUs whose code costs the same.
struct Row {
    /// Their vendor.
    vendor: Vendor,
    /// Lanes of their vectors.
    lanes: usize,
    /// The least number of bytes that the cache of a core has. It tells generations of a vendor's
    /// cores apart.
    cache: usize,
    rates: Rates,
}

/// CPUs with tile registers, where tiles compute nearly everything that is large.
const TILES: Rates = Rates {
    direct: 1.12,
    filter_read: 4.0,
    memory: 3.0,
    transform: 1.0,
    filter_operation: 1.5,
    filter_line: 8.5,
    exchange: 100.0,
    far_line: 4.0,
    region: 0.0,
    tiles: 0.75,
    byte_tiles: 1.0,
};

/// The fitted rows, those for larger caches first. A CPU takes the first one that is for it; a CPU
/// that no row is for takes the first one with as many lanes.
const ROWS: [Row; 7] = [
    Row {
        vendor: Vendor::Amd,
        lanes: 8,
        cache: 1 << 20,
        rates: Rates {
            direct: 1.11,
            filter_read: 2.89,
            memory: 8.0,
            transform: 1.01,
            filter_operation: 1.71,
            filter_line: 14.1,
            exchange: 100.0,
            far_line: 4.13,
            region: 10_000.0,
            tiles: 0.75,
            byte_tiles: 1.0,
        },
    },
    Row {
        vendor: Vendor::Amd,
        lanes: 8,
        cache: 0,
        rates: Rates {
            direct: 1.56,
            filter_read: 3.44,
            memory: 5.08,
            transform: 0.989,
            filter_operation: 1.69,
            filter_line: 20.7,
            exchange: 115.0,
            far_line: 4.71,
            region: 9790.0,
            tiles: 2.0,
            byte_tiles: 1.0,
        },
    },
    Row {
        vendor: Vendor::Amd,
        lanes: 4,
        cache: 0,
        rates: Rates {
            direct: 1.2,
            filter_read: 4.18,
            memory: 5.3,
            transform: 0.823,
            filter_operation: 2.47,
            filter_line: 20.9,
            exchange: 127.0,
            far_line: 6.24,
            region: 9790.0,
            tiles: 0.75,
            byte_tiles: 1.0,
        },
    },
    Row {
        vendor: Vendor::Intel,
        lanes: 4,
        cache: 0,
        rates: Rates {
            direct: 1.04,
            filter_read: 3.79,
            memory: 5.13,
            transform: 0.805,
            filter_operation: 0.911,
            filter_line: 4.69,
            exchange: 107.0,
            far_line: 9.41,
            region: 87_200.0,
            tiles: 0.75,
            byte_tiles: 1.0,
        },
    },
    Row {
        vendor: Vendor::Intel,
        lanes: 8,
        cache: 0,
        rates: Rates {
            direct: 1.31,
            filter_read: 3.19,
            memory: 5.42,
            transform: 0.968,
            filter_operation: 1.29,
            filter_line: 7.55,
            exchange: 524.0,
            far_line: 4.0,
            region: 10_400.0,
            tiles: 0.75,
            byte_tiles: 1.0,
        },
    },
    Row {
        vendor: Vendor::Intel,
        lanes: 16,
        cache: 0,
        rates: Rates {
            direct: 1.34,
            filter_read: 4.76,
            memory: 3.47,
            transform: 1.14,
            filter_operation: 1.86,
            filter_line: 16.8,
            exchange: 179.0,
            far_line: 1.63,
            region: 7460.0,
            tiles: 0.75,
            byte_tiles: 1.0,
        },
    },
    Row {
        vendor: Vendor::Amd,
        lanes: 16,
        cache: 0,
        rates: Rates {
            direct: 1.34,
            filter_read: 2.0,
            memory: 12.1,
            transform: 0.968,
            filter_operation: 1.53,
            filter_line: 10.0,
            exchange: 92.7,
            far_line: 4.27,
            region: 7880.0,
            tiles: 0.75,
            byte_tiles: 1.0,
        },
    },
];

impl Rates {
    /// The costs of code for `target` on a vendor's CPUs, where a core has a cache of `cache_bytes`.
    pub fn of(vendor: Vendor, target: Target, cache_bytes: usize) -> Self {
        if target.tiles > 0 {
            return TILES;
        }
        let rows = || ROWS.iter().filter(|row| row.lanes == target.lanes);
        let own = |row: &&Row| row.vendor == vendor && row.cache <= cache_bytes;
        let row = rows().find(own).or(rows().next());
        row.map_or(TILES, |row| row.rates)
    }

    /// Half cycles to read the weights of one input channel and 16 outputs from memory, `bytes`
    /// for each.
    pub(super) fn memory_cost(&self, bytes: f64) -> f64 {
        bytes * 16.0 / self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No row hides a later one: each is what a CPU with just its cache takes.
    #[test]
    fn every_row_is_taken() {
        for row in &ROWS {
            let target = Target { lanes: row.lanes, tiles: 0, ..Target::AVX2 };
            assert_eq!(Rates::of(row.vendor, target, row.cache), row.rates);
        }
    }
}
