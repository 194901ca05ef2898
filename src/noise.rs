//! Whether a measurement can be trusted: how much its times vary, and what else the machine did
//! meanwhile.
//!
//! [`Watch`] reads what the system reports; everything else is arithmetic on figures, without a
//! clock.

use std::fs;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The limits beyond which a measurement is doubted. None of them is exact, so exceeding one only
/// gives a warning and a reason to measure again. Readers of the figures look for differences of
/// about a tenth: whatever blurs those is noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The largest spread of the middle half of the times (interquartile range), as a fraction of
    /// the median.
    pub spread: f64,
    /// The smallest ratio of the lower to the higher of two measurements of the same speed.
    pub agreement: f64,
    /// The most CPUs that other processes may keep busy: a desktop's idle noise.
    pub others: f64,
    /// The largest fraction of the time in which some task waits for a CPU. It counts only together
    /// with `others`, because the threads of a run wait for each other, too.
    pub waiting: f64,
    /// The most CPUs that a hypervisor may take away. Lower than `others`: there is no telling
    /// which thread it stops, and all threads of a run wait for that one.
    pub stolen: f64,
    /// The highest fraction of the peak that direct convolution may reach. A loop of multiply-adds
    /// is faster than any kernel made of them, so a fraction above 1, plus a little for the clock's
    /// rounding, shows that the loop was disturbed.
    pub above_peak: f64,
}

/// The limits of everything here, and of [`tune`](crate::tune).
pub const LIMITS: Limits = Limits {
    spread: 0.15,
    agreement: 0.9,
    others: 0.1,
    waiting: 0.1,
    stolen: 0.05,
    above_peak: 1.05,
};

/// Quartiles of times; each is a measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quartiles {
    /// A quarter of the times are no longer than this.
    pub low: Duration,
    /// Half of the times are no longer than this.
    pub median: Duration,
    /// Three quarters of the times are no longer than this.
    pub high: Duration,
}

impl Quartiles {
    /// The quartiles of times in any order; zeros if there are none.
    pub fn of(times: &[Duration]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        Quartiles {
            low: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            high: quantile(&sorted, 0.75),
        }
    }

    /// How far the middle half of the times is apart, as a part of the median.
    pub fn spread(&self) -> f64 {
        ratio((self.high - self.low).as_secs_f64(), self.median.as_secs_f64())
    }

    /// All divided by a number of equal parts.
    #[must_use]
    pub fn each(self, parts: u32) -> Self {
        let parts = parts.max(1);
        Quartiles { low: self.low / parts, median: self.median / parts, high: self.high / parts }
    }
}

/// The smallest of the sorted times such that at least `share` of all times do not exceed it.
pub fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The middle one of sorted values, or the mean of the middle two; 0 if there are none.
pub fn median(values: &[f64]) -> f64 {
    match (values.get(values.len() / 2), values.len()) {
        (Some(&upper), n) if n % 2 == 0 => (values[n / 2 - 1] + upper) / 2.0,
        (Some(&middle), _) => middle,
        (None, _) => 0.0,
    }
}

/// What else the machine did during a measurement. What the system does not report is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Load {
    /// CPUs of the machine.
    pub cpus: usize,
    /// CPUs that other processes kept busy, on average.
    pub others: Option<f64>,
    /// The fraction of the time in which some task was ready to run and waited for a CPU.
    pub waiting: Option<f64>,
    /// CPUs that the hypervisor gave to others, on average.
    pub stolen: Option<f64>,
}

/// Totals that the system keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    cpus: usize,
    /// CPU time of all processes.
    busy: Option<Duration>,
    stolen: Option<Duration>,
    /// CPU time of this process.
    own: Option<Duration>,
    /// Time in which some task waited.
    waited: Option<Duration>,
}

/// Observes the machine from its start on.
#[derive(Debug)]
pub struct Watch {
    start: Instant,
    sums: Sums,
}

impl Watch {
    /// Starts observing.
    pub fn start() -> Self {
        Watch { start: Instant::now(), sums: Sums::now() }
    }

    /// What the machine did since the start.
    pub fn load(&self) -> Load {
        Load::between(&self.sums, &Sums::now(), self.start.elapsed())
    }
}

impl Sums {
    /// As Linux reports them; all are `None` on other systems.
    fn now() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        Sums::parse(&read("/proc/stat"), &read("/proc/self/stat"), &read("/proc/pressure/cpu"))
    }

    fn parse(stat: &str, own: &str, pressure: &str) -> Self {
        let (busy, stolen) = match all(stat) {
            Some((busy, stolen)) => (Some(busy), Some(stolen)),
            None => (None, None),
        };
        let is_cpu = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
        Sums {
            cpus: stat.lines().filter(is_cpu).count(),
            busy,
            stolen,
            own: own_time(own),
            waited: waited(pressure),
        }
    }
}

/// Time as in Linux's files, in hundredths of a second on all architectures.
fn ticks(text: &str) -> Option<Duration> {
    Some(Duration::from_millis(text.parse::<u64>().ok()?.checked_mul(10)?))
}

/// From `/proc/stat`: busy time and stolen time of all CPUs. Fields: user, nice, system, idle,
/// iowait, irq, softirq, steal.
fn all(stat: &str) -> Option<(Duration, Duration)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<Duration> = line.split_whitespace().map_while(ticks).collect();
    let busy = [0, 1, 2, 5, 6].iter().map(|&i| fields.get(i).copied().unwrap_or_default()).sum();
    (fields.len() >= 4).then(|| (busy, fields.get(7).copied().unwrap_or_default()))
}

/// From `/proc/self/stat`: user and system time, the 14th and 15th fields. The second field, the
/// program's name, is in parentheses and may contain anything.
fn own_time(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(ticks(fields.next()?)? + ticks(fields.next()?)?)
}

/// From `/proc/pressure/cpu`: the total in microseconds at the end of the line `some`.
fn waited(pressure: &str) -> Option<Duration> {
    let line = pressure.lines().find(|line| line.starts_with("some "))?;
    let total = line.split_whitespace().find_map(|word| word.strip_prefix("total="))?;
    Some(Duration::from_micros(total.parse().ok()?))
}

impl Load {
    fn between(before: &Sums, after: &Sums, elapsed: Duration) -> Self {
        let grown = |of: fn(&Sums) -> Option<Duration>| {
            Some(of(after)?.saturating_sub(of(before)?).as_secs_f64())
        };
        let part = |seconds: f64| ratio(seconds, elapsed.as_secs_f64());
        let others = grown(|s| s.busy).zip(grown(|s| s.own)).map(|(all, own)| (all - own).max(0.0));
        Load {
            cpus: after.cpus,
            others: others.map(part),
            waiting: grown(|s| s.waited).map(part),
            stolen: grown(|s| s.stolen).map(part),
        }
    }

    /// Whether other processes used CPUs that a run on `threads` threads needs. That the run's own
    /// threads wait for each other is not a sign of it.
    fn is_contended(&self, threads: usize) -> bool {
        let Some(others) = self.others.filter(|&cpus| cpus > LIMITS.others) else { return false };
        match self.waiting {
            Some(waiting) => waiting > LIMITS.waiting,
            None => others + threads as f64 > self.cpus as f64 + LIMITS.others,
        }
    }
}

/// The evidence against a measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Noise {
    /// The spread of the middle half of the times, as a fraction of the median: the largest of
    /// everything that was timed.
    pub spread: f64,
    /// The lower of the two measurements of the peak, divided by the higher one.
    pub peaks: Option<f64>,
    /// The highest fraction of the peak that direct convolution reached.
    pub above_peak: Option<f64>,
    /// What else the machine did.
    #[serde(flatten)]
    pub load: Load,
    /// How many times everything was measured to get this.
    pub attempts: usize,
    /// Why the figures may be off, each as a clause; none on a quiet machine.
    pub reasons: Vec<String>,
}

impl Noise {
    /// Judges a measurement on `threads` threads: the spreads of what was timed, the peaks that
    /// were measured before and after, and the fraction of the peak that direct convolution
    /// reached, as far as these are known.
    pub fn of(
        load: Load,
        threads: usize,
        spreads: impl IntoIterator<Item = f64>,
        peaks: Option<[f64; 2]>,
        direct: Option<f64>,
    ) -> Self {
        let peaks = peaks.map(|[a, b]| ratio(a.min(b), a.max(b)));
        let spread = spreads.into_iter().fold(0.0, f64::max);
        let mut noise =
            Noise { spread, peaks, above_peak: direct, load, attempts: 1, reasons: Vec::new() };
        noise.reasons = noise.judge(threads);
        noise
    }

    fn judge(&self, threads: usize) -> Vec<String> {
        let mut reasons = Vec::new();
        let load = &self.load;
        if let Some(others) = load.others.filter(|_| load.is_contended(threads)) {
            reasons.push(format!("other processes used {others:.1} of {} CPUs", load.cpus));
        }
        if let Some(stolen) = load.stolen.filter(|&cpus| cpus > LIMITS.stolen) {
            reasons.push(format!("the hypervisor took {stolen:.1} CPUs"));
        }
        if self.spread > LIMITS.spread {
            let percent = 100.0 * self.spread;
            reasons
                .push(format!("the middle half of the times spans {percent:.0} % of the median"));
        }
        if let Some(peaks) = self.peaks.filter(|&ratio| ratio < LIMITS.agreement) {
            let percent = 100.0 * (1.0 - peaks);
            reasons.push(format!("the peak changed by {percent:.0} % meanwhile"));
        }
        if let Some(share) = self.above_peak.filter(|&share| share > LIMITS.above_peak) {
            let percent = 100.0 * share;
            reasons
                .push(format!("a layer reached {percent:.0} % of the peak, which is too low then"));
        }
        reasons
    }

    /// Whether there is no evidence against it.
    pub fn is_quiet(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The weight of the evidence against it: above 1 if there is any. For choosing among repeated
    /// measurements.
    fn weight(&self) -> f64 {
        let load = self.load;
        let peaks = self.peaks.map_or(0.0, |ratio| (1.0 - ratio) / (1.0 - LIMITS.agreement));
        let above = self.above_peak.map_or(0.0, |share| (share - 1.0) / (LIMITS.above_peak - 1.0));
        let waiting = load.waiting.map_or(0.0, |part| part / LIMITS.waiting);
        let stolen = load.stolen.map_or(0.0, |cpus| cpus / LIMITS.stolen);
        [self.spread / LIMITS.spread, peaks, above, waiting, stolen].into_iter().fold(0.0, f64::max)
    }

    /// A warning for people, in a sentence; `None` on a quiet machine.
    pub fn warning(&self) -> Option<String> {
        let times = match self.attempts {
            1 => String::new(),
            n => format!(", also the {} time", ordinal(n)),
        };
        (!self.is_quiet()).then(|| {
            format!("the machine was busy{times}: {}; figures may be off", self.reasons.join(", "))
        })
    }
}

fn ordinal(n: usize) -> String {
    match n {
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        n => format!("{n}th"),
    }
}

/// Measures until there is no evidence against the measurement, at most `attempts` times, and
/// returns the best.
///
/// # Errors
/// If a measurement fails.
pub fn steadily<T, E>(
    attempts: usize,
    mut measure: impl FnMut() -> Result<(T, Noise), E>,
) -> Result<(T, Noise), E> {
    let mut best = measure()?;
    let mut made = 1;
    while made < attempts && !best.1.is_quiet() {
        let again = measure()?;
        made += 1;
        if again.1.is_quiet() || again.1.weight() < best.1.weight() {
            best = again;
        }
    }
    best.1.attempts = made;
    Ok(best)
}

/// `a / b`; 0 if `b` is not above 0.
fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAT: &str = "cpu  100 10 50 1000 5 2 3 40 0 0\ncpu0 50 5 25 500 2 1 1 20 0 0\ncpu1 50 5 25 500 3 1 2 20 0 0\n\
                        intr 1 2 3\n";
    const OWN: &str = "77 (a ) name (of) S 1 77 77 0 -1 4194304 101 0 0 0 30 12 5 6 20 0 1 0 117826 3133440 374\n";
    const PRESSURE: &str = "some avg10=75.76 avg60=40.07 avg300=27.26 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn files_of_linux_are_read() {
        let sums = Sums::parse(STAT, OWN, PRESSURE);
        assert_eq!(sums.cpus, 2);
        assert_eq!(sums.busy, Some(millis(1650)), "all but idle, iowait and steal");
        assert_eq!(sums.stolen, Some(millis(400)));
        assert_eq!(sums.own, Some(millis(420)), "user and system");
        assert_eq!(sums.waited, Some(millis(2500)));
    }

    #[test]
    fn what_is_not_told_is_not_known() {
        assert_eq!(Sums::parse("", "", ""), Sums::default());
        let odd = Sums::parse("cpu  a b c\ncpu0 1\n", "no parenthesis", "some total=x\n");
        assert_eq!((odd.busy, odd.own, odd.waited), (None, None, None));
        let load = Load::between(&Sums::default(), &Sums::default(), millis(1000));
        assert_eq!((load.others, load.waiting, load.stolen), (None, None, None));
        assert!(Noise::of(load, 2, [0.0], None, None).is_quiet());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(stat: String, own: String, pressure: String) {
            let sums = Sums::parse(&stat, &own, &pressure);
            prop_assert!(Load::between(&sums, &sums, Duration::ZERO).others.is_none_or(|o| o == 0.0));
        }

        #[test]
        fn the_spread_is_that_of_the_middle_half(mut times in prop::collection::vec(1u64..1000, 1..40)) {
            let found = Quartiles::of(&times.iter().map(|&t| millis(t)).collect::<Vec<_>>());
            times.sort_unstable();
            let n = times.len();
            for (value, parts) in [(found.low, 1), (found.median, 2), (found.high, 3)] {
                let below = times.iter().filter(|&&t| millis(t) <= value).count();
                let under = times.iter().filter(|&&t| millis(t) < value).count();
                prop_assert!(4 * below >= parts * n && 4 * under < parts * n);
            }
            let expected = (found.high - found.low).as_secs_f64() / found.median.as_secs_f64();
            prop_assert!((found.spread() - expected).abs() < 1e-12);
        }
    }

    /// Totals after a second in which all processes used `all` ms more, this one `own` of it, and
    /// tasks waited.
    fn second(all: u64, own: u64, waited: Option<u64>) -> Load {
        let sums = |busy, own, waited: Option<u64>| Sums {
            cpus: 2,
            busy: Some(millis(busy)),
            stolen: Some(Duration::ZERO),
            own: Some(millis(own)),
            waited: waited.map(millis),
        };
        let before = sums(5000, 300, waited.map(|_| 40));
        let after = sums(5000 + all, 300 + own, waited.map(|w| 40 + w));
        Load::between(&before, &after, millis(1000))
    }

    #[test]
    fn what_others_do_counts_where_it_is_in_the_way() {
        let busy = |load: Load, threads| load.is_contended(threads);
        let others = second(1900, 900, Some(400)).others.expect("it is told");
        assert!((others - 1.0).abs() < 1e-9, "{others}");
        assert!(busy(second(1900, 900, Some(400)), 2));
        assert!(!busy(second(1900, 1890, Some(400)), 4), "threads that wait for each other");
        assert!(!busy(second(1500, 900, Some(20)), 1), "there is a CPU for everyone");
        assert!(busy(second(2000, 1000, None), 2), "without pressure, by counting CPUs");
        assert!(!busy(second(1900, 990, None), 1));
    }

    #[test]
    fn each_sign_is_a_reason() {
        let quiet = second(1010, 1000, Some(1));
        let noise = |load, spread, peaks, direct| Noise::of(load, 2, [0.01, spread], peaks, direct);
        let calm = noise(quiet, 0.02, Some([100.0, 97.0]), Some(0.9));
        assert_eq!((calm.warning(), calm.spread), (None, 0.02));
        let stolen = Load { stolen: Some(0.4), ..quiet };
        for (noise, says) in [
            (
                noise(second(1900, 700, Some(300)), 0.0, None, None),
                "other processes used 1.2 of 2 CPUs",
            ),
            (noise(stolen, 0.0, None, None), "the hypervisor took 0.4 CPUs"),
            (
                noise(quiet, 0.4, None, None),
                "the middle half of the times spans 40 % of the median",
            ),
            (noise(quiet, 0.0, Some([50.0, 100.0]), None), "the peak changed by 50 %"),
            (noise(quiet, 0.0, Some([100.0, 50.0]), None), "the peak changed by 50 %"),
            (noise(quiet, 0.0, None, Some(4.97)), "a layer reached 497 % of the peak"),
        ] {
            assert_eq!(noise.reasons.len(), 1, "{noise:?}");
            let warning = noise.warning().expect("it is noisy");
            assert!(warning.contains(says) && noise.weight() > 1.0, "{warning}");
        }
        assert!(calm.weight() <= 1.0);
    }

    proptest! {
        /// A measurement is doubted for what exceeds a limit, and for nothing else.
        #[test]
        fn what_is_within_the_limits_is_quiet(
            parts in prop::collection::vec(0.0f64..2.0, 6), threads in 1usize..8,
        ) {
            let [spread, peaks, above, others, waiting, stolen] = parts[..] else { unreachable!() };
            let load = Load {
                cpus: 8,
                others: Some(others * LIMITS.others),
                waiting: Some(waiting * LIMITS.waiting),
                stolen: Some(stolen * LIMITS.stolen),
            };
            let lower = 1.0 - peaks * (1.0 - LIMITS.agreement);
            let direct = above * LIMITS.above_peak;
            let noise =
                Noise::of(load, threads, [spread * LIMITS.spread], Some([70.0, 70.0 * lower]), Some(direct));
            let beyond = [spread, peaks, above, stolen, others.min(waiting)];
            // Exactly at a limit the last bit decides.
            prop_assume!(beyond.iter().all(|part| (part - 1.0).abs() > 1e-9));
            prop_assert_eq!(noise.reasons.len(), beyond.iter().filter(|&&part| part > 1.0).count());
            prop_assert_eq!(noise.warning().is_none(), noise.is_quiet());
        }
    }

    #[test]
    fn what_is_noisy_is_measured_again_and_the_best_is_kept() {
        let made = |spreads: &[f64], attempts| {
            let mut left = spreads.iter().enumerate();
            let measure = || {
                let (i, &spread) = left.next().expect("no more than was asked for");
                Ok::<_, ()>((i, Noise::of(Load::default(), 1, [spread], None, None)))
            };
            let (kept, noise) = steadily(attempts, measure).expect("it never fails");
            (kept, noise.attempts, noise.is_quiet())
        };
        assert_eq!(made(&[0.01], 3), (0, 1, true));
        assert_eq!(made(&[0.5, 0.02], 3), (1, 2, true));
        assert_eq!(made(&[0.5, 0.3, 0.4], 3), (1, 3, false));
        assert_eq!(made(&[0.5], 1), (0, 1, false));
        let failed = steadily(3, || Err::<((), Noise), _>("no memory"));
        assert_eq!(failed.expect_err("it fails"), "no memory");
    }
}
