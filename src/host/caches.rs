//! How large the caches of this machine are.

/// Bytes of a core's last private cache (L2), as Linux or the CPU reports it; 512 KiB if neither does.
pub fn core_cache_bytes() -> usize {
    const DEFAULT: usize = 512 * 1024;
    cache_bytes(2).or_else(|| told_by_cpu(2)).unwrap_or(DEFAULT)
}

/// Bytes of the last-level cache, as Linux or the CPU reports it; 16 MiB if neither does.
pub fn last_cache_bytes() -> usize {
    const DEFAULT: usize = 16 << 20;
    let levels = || (2..=4).rev();
    levels().find_map(cache_bytes).or_else(|| levels().find_map(told_by_cpu)).unwrap_or(DEFAULT)
}

/// Linux numbers the caches of a core from 0: L1 data, L1 instructions, then one per level.
fn cache_bytes(index: usize) -> Option<usize> {
    let size = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
    parse_size(std::fs::read_to_string(size).ok()?.trim())
}

/// What the CPU itself tells about the cache of a level.
fn told_by_cpu(level: usize) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    return super::cpuid::cache_bytes(u32::try_from(level).ok()?);
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = level;
        None
    }
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

#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod tests {
    use super::*;

    /// A virtual machine may report one size to the system and another one by its CPU.
    #[test]
    fn the_cpu_tells_of_the_caches_that_the_system_lists() {
        for level in [2, 3] {
            if cache_bytes(level).is_some() {
                assert!(told_by_cpu(level).is_some(), "L{level}");
            }
        }
    }
}
