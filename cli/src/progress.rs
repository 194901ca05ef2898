//! A progress bar: on a terminal only, and only for work that takes more than a moment.

use std::env;
use std::time::{Duration, Instant};

use console::Term;

/// Work that is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// The bar is drawn no more often than this.
const REDRAW: Duration = Duration::from_millis(50);
/// The longest bar, and the shortest one that is still useful.
const CELLS: (usize, usize) = (40, 5);
/// The width of a terminal that does not report it.
const COLUMNS: u16 = 80;

/// A bar on stderr that appears once the work has taken a second. It goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    work: Work,
    start: Instant,
    done: u64,
    /// What is known of it so far.
    note: Option<String>,
    /// `None` if stderr is not a terminal that can clear a line.
    term: Option<Term>,
    /// When the current line was drawn.
    drawn: Option<Instant>,
    /// When any line was last drawn.
    last: Option<Instant>,
}

/// The name of the work.
#[derive(Clone, Copy, Debug)]
struct Work {
    what: &'static str,
    /// Its total units, if known.
    total: Option<u64>,
    /// Whether units are items that people count.
    is_counted: bool,
}

impl Progress {
    /// A bar over `total` units of work.
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        Progress::of(Work { what, total: Some(total), is_counted: false })
    }

    /// The same with a count and how many units are done a second. The total may be unknown.
    pub(crate) fn counting(what: &'static str, total: Option<u64>) -> Self {
        Progress::of(Work { what, total, is_counted: true })
    }

    fn of(work: Work) -> Self {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let term = Some(Term::stderr()).filter(|term| term.is_term() && !is_dumb);
        Progress { work, start: Instant::now(), done: 0, note: None, term, drawn: None, last: None }
    }

    /// Updates how much is done.
    pub(crate) fn set(&mut self, done: u64) {
        self.done = done;
        self.draw();
    }

    /// Changes what is shown beside the bar, from the next update on.
    pub(crate) fn note(&mut self, note: String) {
        self.note = Some(note);
    }

    /// Runs a function that prints, with the bar out of its way.
    pub(crate) fn aside<R>(&mut self, print: impl FnOnce() -> R) -> R {
        self.clear();
        let printed = print();
        self.draw();
        printed
    }

    fn draw(&mut self) {
        let Some(term) = &self.term else { return };
        let elapsed = self.start.elapsed();
        if elapsed < PATIENCE || self.last.is_some_and(|last| last.elapsed() < REDRAW) {
            return;
        }
        let columns = term.size_checked().map_or(COLUMNS, |(_, columns)| columns);
        let columns = if columns == 0 { COLUMNS } else { columns };
        // The last column stays free: some terminals wrap the line after it.
        let note = self.note.as_deref();
        let line = self.work.line(self.done, note, elapsed, usize::from(columns) - 1);
        // If stderr is closed, nobody sees the bar.
        let _ = term.clear_line().and_then(|()| term.write_str(&line));
        self.drawn = Some(Instant::now());
        self.last = self.drawn;
    }

    fn clear(&mut self) {
        if let (Some(term), Some(_)) = (&self.term, self.drawn.take()) {
            let _ = term.clear_line();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Work {
    /// `classifying 130/300 [####......] 13/s 13s` in this many columns: parts that do not fit are
    /// left out, the bar first.
    fn line(&self, done: u64, note: Option<&str>, elapsed: Duration, columns: usize) -> String {
        let done = self.total.map_or(done, |total| done.min(total));
        let share = self.total.map(|total| done as f64 / total.max(1) as f64);
        let count = match (self.total, self.is_counted) {
            (Some(total), true) => format!("{done}/{total}"),
            (None, _) => done.to_string(),
            (Some(_), false) => format!("{:.0}%", 100.0 * share.unwrap_or_default()),
        };
        let speed = self.is_counted.then(|| rate(done as f64 / elapsed.as_secs_f64()));
        let left = share.filter(|&share| share > 0.0).map(|share| {
            let left = elapsed.as_secs_f64() * (1.0 - share) / share;
            short(left)
        });
        // The first form of the line that fits, with a bar after this many words if there is room
        // for one.
        let (speed, left) = (speed.as_deref(), left.as_deref());
        let kinds: [&[Option<&str>]; 7] = [
            &[Some(self.what), Some(&count), note, speed, left],
            &[Some(&count), note, speed, left],
            &[Some(self.what), Some(&count), speed, left],
            &[Some(&count), speed, left],
            &[Some(&count), speed],
            &[Some(&count)],
            &[],
        ];
        let fits = |words: &Vec<&str>| words.join(" ").len() <= columns;
        let kinds = kinds.iter().map(|kind| kind.iter().copied().flatten().collect::<Vec<&str>>());
        let mut words = kinds.into_iter().find(fits).unwrap_or_default();
        let room = columns.saturating_sub(words.join(" ").len() + " []".len());
        let behind = words.iter().position(|&word| word == count).map(|at| at + 1);
        let bar = match (share, behind) {
            (Some(share), Some(_)) if room >= CELLS.1 => Some(bar(share, room.min(CELLS.0))),
            _ => None,
        };
        if let (Some(at), Some(bar)) = (behind, &bar) {
            words.insert(at, bar);
        }
        words.join(" ")
    }
}

fn bar(share: f64, cells: usize) -> String {
    let full = (share * cells as f64).floor() as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(cells.saturating_sub(full)))
}

fn rate(units: f64) -> String {
    if units < 10.0 { format!("{units:.1}/s") } else { format!("{units:.0}/s") }
}

/// A time that is left, in one unit.
fn short(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0}s"),
        s if s < 6000.0 => format!("{:.0}m", s / 60.0),
        s => format!("{:.0}h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COUNTED: Work = Work { what: "classifying", total: Some(300), is_counted: true };

    #[test]
    fn what_does_not_fit_is_left_out() {
        let line = |columns| COUNTED.line(120, None, Duration::from_secs(4), columns);
        for (columns, wanted) in [
            (79, "classifying 120/300 [################........................] 30/s 6s"),
            (39, "classifying 120/300 [###......] 30/s 6s"),
            (30, "classifying 120/300 30/s 6s"),
            (26, "120/300 [###.....] 30/s 6s"),
            (19, "120/300 30/s 6s"),
            (14, "120/300 30/s"),
            (9, "120/300"),
            (6, ""),
        ] {
            assert_eq!(line(columns), wanted, "in {columns}");
        }
        let noted =
            |columns| COUNTED.line(120, Some("loss 0.512"), Duration::from_secs(4), columns);
        assert_eq!(noted(50), "classifying 120/300 [###......] loss 0.512 30/s 6s");
        assert_eq!(noted(27), "120/300 loss 0.512 30/s 6s");
        assert_eq!(noted(25), "120/300 [##.....] 30/s 6s");
        let share = Work { what: "timing", total: Some(8), is_counted: false };
        assert_eq!(
            share.line(2, None, Duration::from_secs(600), 30),
            "timing 25% [###..........] 30m"
        );
        let open = Work { total: None, ..COUNTED };
        assert_eq!(open.line(7, None, Duration::from_secs(2), 79), "classifying 7 3.5/s");
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_the_terminal(
            total: Option<u64>, done: u64, is_counted: bool, millis in 1u64.., columns in 0usize..200,
            note in prop::option::of("[ -~]{0,60}"),
        ) {
            let work = Work { what: "classifying", total, is_counted };
            let line = work.line(done, note.as_deref(), Duration::from_millis(millis), columns);
            prop_assert!(line.len() <= columns && line.is_ascii(), "{line}");
            let is_noted = note.is_some_and(|note| line.contains(&note));
            prop_assert!(is_noted || !line.contains("inf") && !line.contains("NaN"), "{line}");
        }
    }
}
