//! Programs that the system gives no executable memory. It is a setting of a process for good, so a
//! child has it.

use std::process::{Command, Output};

/// What a program does that is denied executable memory; nothing, and a word on the console, where
/// the system does not know how to deny it.
pub fn output(command: &mut Command) -> Option<Output> {
    let output = denied(command);
    if output.is_none() {
        crate::host::not_run(
            "what comes of no executable memory",
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
        // SAFETY: it takes numbers only.
        match unsafe { libc::prctl(libc::PR_SET_MDWE, deny, none, none, none) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the system call that it makes is all that it does.
    unsafe { command.pre_exec(deny) };
    match command.output() {
        Ok(output) => Some(output),
        // Linux before 6.3, and CPUs for which it cannot be set.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => None,
        Err(e) => panic!("{:?}: {e}", command.get_program()),
    }
}
