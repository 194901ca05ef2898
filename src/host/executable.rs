//! Whether the system lets this process have executable memory, and which setting refuses it.

use std::fmt;

use super::code_memory::CodeMemory;

/// The system does not allow this process executable memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The system's error message.
    pub reason: String,
    /// The setting that refuses it, if it can be determined.
    pub setting: Option<Setting>,
}

/// A setting that refuses executable memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `PR_SET_MDWE` of the process or of one that started it.
    DenyWriteExecute,
    /// SELinux.
    Selinux,
    /// A seccomp filter of system calls.
    Seccomp,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Setting::DenyWriteExecute => {
                "PR_SET_MDWE is set for this process (in systemd: MemoryDenyWriteExecute=)"
            }
            Setting::Selinux => "SELinux is enforcing (its permission is `execmem`)",
            Setting::Seccomp => {
                "a seccomp filter is set for this process (in systemd: MemoryDenyWriteExecute=)"
            }
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the system does not allow executable memory: {}", self.reason)?;
        self.setting.map_or(Ok(()), |setting| write!(f, "; {setting}"))
    }
}

/// Requests executable memory the way compiled code does: writes it first, then makes it
/// executable.
///
/// # Errors
/// If the system refuses.
pub fn probe() -> Result<(), Refusal> {
    let made = CodeMemory::new(1).and_then(|mut memory| memory.publish());
    made.map_err(|e| Refusal { reason: e.to_string(), setting: setting() })
}

/// The setting that most likely refused; the most certain ones are checked first.
#[cfg(target_os = "linux")]
fn setting() -> Option<Setting> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    if denies_write_execute() {
        return Some(Setting::DenyWriteExecute);
    }
    if read("/sys/fs/selinux/enforce").trim() == "1" {
        return Some(Setting::Selinux);
    }
    /// The seccomp mode in which a filter decides.
    const FILTER: &str = "2";
    let status = read("/proc/self/status");
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    (mode.map(str::trim) == Some(FILTER)).then_some(Setting::Seccomp)
}

#[cfg(not(target_os = "linux"))]
fn setting() -> Option<Setting> {
    None
}

#[cfg(target_os = "linux")]
fn denies_write_execute() -> bool {
    let none: libc::c_ulong = 0;
    // SAFETY: the call is a query; a system that does not know it returns an error.
    let flags = unsafe { libc::prctl(libc::PR_GET_MDWE, none, none, none, none) };
    flags > 0
}
