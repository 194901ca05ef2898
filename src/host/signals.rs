//! Signals that end a process where an error of the system call would do.

/// Makes a write beyond the limit on the size of files an error, in the whole process: by default
/// the system also sends a signal, which ends it without a word.
#[cfg(unix)]
pub fn enable() {
    // SAFETY: ignoring a signal installs no handler, so no code runs asynchronously.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// There is no such signal.
#[cfg(not(unix))]
pub fn enable() {}
