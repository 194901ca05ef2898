//! Runs programs without permission for executable memory. The setting is permanent for a process,
//! so it applies to a child.

use std::process::{Command, Output};

/// The output of a program that is denied executable memory; `None`, and a line on the console, if
/// the system cannot deny it.
pub fn output(command: &mut Command) -> Option<Output> {
    let output = denied(command);
    if output.is_none() {
        crate::host::not_run(
            "the behaviour without executable memory",
            "this system has no PR_SET_MDWE",
        );
    }
    output
}

#[cfg(not(target_os = "linux"))]
fn denied(_: &mut Command) -> Option<Output> {
    None
}

#[cfg(target_os = "linux")]
fn denied(command: &mut Command) -> Option<Output> {
    use std::os::unix::process::CommandExt;

    let deny = || {
        let (deny, none) = (libc::c_ulong::from(libc::PR_MDWE_REFUSE_EXEC_GAIN), 0);
        // SAFETY: it takes only numbers.
        match unsafe { libc::prctl(libc::PR_SET_MDWE, deny, none, none, none) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: it only makes a system call.
    unsafe { command.pre_exec(deny) };
    match command.output() {
        Ok(output) => Some(output),
        // Linux before 6.3, and CPUs that do not support the setting.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => None,
        Err(e) => panic!("{:?}: {e}", command.get_program()),
    }
}
