//! The memory of the process.

use std::fs;

/// The most memory of the process that was resident at once, in bytes, where the system says
/// (Linux).
pub(super) fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_resident() {
        assert!(peak_bytes().is_some_and(|bytes| bytes > 1 << 16));
    }
}
