//! How much memory constants may take.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use super::limits;

/// The bytes that the constants of a model may take here: [`limits::CONSTANT_BYTES`], or more where
/// the machine has more to spare. A quarter is left for the rest of the model and for other
/// processes.
pub(crate) fn for_constants() -> usize {
    let spare = available().map_or(0, |bytes| bytes - bytes / 4);
    limits::CONSTANT_BYTES.max(usize::try_from(spare).unwrap_or(usize::MAX))
}

/// The memory that the process can still take without forcing others out, as far as the system
/// reports it.
fn available() -> Option<u64> {
    let free = meminfo(&read_to_string("/proc/meminfo").ok()?)?;
    Some(control_groups().into_iter().filter_map(|file| number(&file)).fold(free, u64::min))
}

/// The entry of `/proc/meminfo`, which is in units of 1024 bytes.
fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The files that may hold a limit for this process or its container, of both versions of control
/// groups.
fn control_groups() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut files =
        vec![root.join("memory.max"), root.join("memory").join("memory.limit_in_bytes")];
    let own = read_to_string("/proc/self/cgroup").unwrap_or_default();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controller), Some(group)) = (parts.next(), parts.next()) else { continue };
        let group = group.trim_start_matches('/');
        match controller {
            "" => files.push(root.join(group).join("memory.max")),
            "memory" => files.push(root.join("memory").join(group).join("memory.limit_in_bytes")),
            _ => {}
        }
    }
    files
}

/// The number in a file; `None` where it says `max`.
fn number(file: &Path) -> Option<u64> {
    read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_found_and_is_in_kilobytes() {
        let text = "MemTotal:  200 kB\nMemFree:  1 kB\nMemAvailable:     100 kB\n";
        assert_eq!(meminfo(text), Some(102_400));
        assert_eq!(meminfo("MemAvailable: 18446744073709551615 kB\n"), None);
        assert_eq!(meminfo("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn constants_always_have_what_every_machine_gives_them() {
        assert!(for_constants() >= limits::CONSTANT_BYTES);
    }
}
