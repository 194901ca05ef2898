//! How long the interpreter will take: a progress bar, and a note beforehand if it is long.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::progress::Progress;

/// Speed is measured for at least this long before the note.
const MEASURE: Duration = Duration::from_secs(1);
/// And for this part of the work, one in this many: speed differs from layer to layer.
const PART: u64 = 200;
/// Work that takes less than this needs no note.
const LONG: Duration = Duration::from_secs(10);

/// The progress of an interpretation.
#[derive(Default)]
pub(super) struct Interpreting {
    bar: Option<Progress>,
    /// When the first node was done, and how much work that was: the network is compiled before
    /// that.
    start: Option<(Instant, u64)>,
    said: bool,
}

impl Interpreting {
    /// Reports how much is done.
    pub(super) fn set(&mut self, done: u64, total: u64) {
        let (start, first) = *self.start.get_or_insert((Instant::now(), done));
        let elapsed = start.elapsed();
        if !self.said && elapsed >= MEASURE && done - first >= total / PART {
            self.said = true;
            if let Some(all) = estimate(elapsed, done - first, total).filter(|&all| all >= LONG) {
                // If stderr is closed, nobody reads the note.
                let _ = writeln!(
                    std::io::stderr().lock(),
                    "note: the interpreter will take about {}",
                    spoken(all)
                );
            }
        }
        self.bar.get_or_insert_with(|| Progress::new("interpreting", total)).set(done);
    }
}

/// The time for all of the work at the present speed.
fn estimate(elapsed: Duration, done: u64, total: u64) -> Option<Duration> {
    let share = done as f64 / total as f64;
    Duration::try_from_secs_f64(elapsed.as_secs_f64() / share).ok()
}

fn spoken(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", (seconds + 30) / 60),
        seconds => format!("{} hours", (seconds + 1800) / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_goes_on_as_the_beginning() {
        let second = Duration::from_secs(1);
        assert_eq!(estimate(second, 1, 90), Some(90 * second));
        assert_eq!(estimate(2 * second, 10, 10), Some(2 * second));
        assert_eq!(estimate(second, 0, 10), None);
        assert_eq!(estimate(second, 0, 0), None);
    }

    #[test]
    fn times_are_told_as_people_would() {
        let spoken = |seconds| spoken(Duration::from_secs(seconds));
        assert_eq!(spoken(45), "45 seconds");
        assert_eq!(spoken(200), "3 minutes");
        assert_eq!(spoken(7100), "118 minutes");
        assert_eq!(spoken(12_000), "3 hours");
    }
}
