//! A progress bar: on a terminal only, and only for what takes more than a moment.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that appears once the work has taken a second. It goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
    shown: bool,
}

impl Progress {
    /// A bar over `total` units of work.
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        Progress::of(what, Some(total), "{msg} {wide_bar} {percent}% {eta}")
    }

    /// The same with a count and how many units are done a second. The total may be unknown.
    pub(crate) fn counting(what: &'static str, total: Option<u64>) -> Self {
        match total {
            Some(_) => Progress::of(what, total, "{msg} {pos}/{len} {wide_bar} {per_sec} {eta}"),
            None => Progress::of(what, total, "{msg} {pos} {per_sec}"),
        }
    }

    fn of(what: &'static str, total: Option<u64>, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Progress { bar, start: Instant::now(), shown: false }
    }

    /// Says how much is done.
    pub(crate) fn set(&mut self, done: u64) {
        if !self.shown && self.start.elapsed() > PATIENCE {
            // Draws nothing where stderr is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.shown = true;
        }
        self.bar.set_position(done);
    }

    /// Does something that prints, with the bar out of its way.
    pub(crate) fn aside<R>(&self, print: impl FnOnce() -> R) -> R {
        self.bar.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
