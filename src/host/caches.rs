//! How large the caches of this machine are.

/// Bytes of a core's last private cache (L2), as Linux reports it; 512 KiB if it does not.
pub fn core_cache_bytes() -> usize {
    const DEFAULT: usize = 512 * 1024;
    cache_bytes(2).unwrap_or(DEFAULT)
}

/// Bytes of the last-level cache, as Linux reports it; 16 MiB if it does not.
pub fn last_cache_bytes() -> usize {
    const DEFAULT: usize = 16 << 20;
    (2..=4).rev().find_map(cache_bytes).unwrap_or(DEFAULT)
}

/// Linux numbers the caches of a core from 0: L1 data, L1 instructions, then one per level.
fn cache_bytes(index: usize) -> Option<usize> {
    let size = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
    parse_size(std::fs::read_to_string(size).ok()?.trim())
}

/// `512K`, `1M` or a plain number.
fn parse_size(text: &str) -> Option<usize> {
    let (digits, unit) = match text.strip_suffix('K') {
        Some(digits) => (digits, 1024),
        None => match text.strip_suffix('M') {
            Some(digits) => (digits, 1024 * 1024),
            None => (text, 1),
        },
    };
    digits.parse::<usize>().ok()?.checked_mul(unit).filter(|&n| n > 0)
}
