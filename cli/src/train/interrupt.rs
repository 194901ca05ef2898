//! Ctrl-C: a training stops where it can go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user wants the command to stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes the signal over. The first one is noted; the second ends the process as usual.
    pub(super) fn listen() -> Self {
        let interrupt = Interrupt::default();
        let noted = Arc::clone(&interrupt.0);
        // Without it, the signal ends the process, and the last checkpoint is that of an epoch.
        let _ = ctrlc::set_handler(move || {
            if noted.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED);
            }
        });
        interrupt
    }

    /// Whether the signal came.
    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The exit code of processes that this signal ends.
const INTERRUPTED: i32 = 130;
