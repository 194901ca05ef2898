//! Formats figures for people.

use std::time::Duration;

use resnetc::one_line::one_line;

/// Milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// `12.3 MB`, in powers of 1000.
pub(crate) fn bytes(bytes: usize) -> String {
    scaled(bytes as f64, &BYTES, |value| value)
}

/// A size of at least so many bytes, which the option `--memory` takes.
pub(crate) fn bytes_at_least(bytes: usize) -> String {
    scaled(bytes as f64, &BYTES, f64::ceil)
}

const BYTES: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];

/// `1.82 G`, in powers of 1000.
pub(crate) fn count(count: u64) -> String {
    scaled(count as f64, &["", "k", "M", "G", "T"], |value| value).trim_end().to_owned()
}

/// A value in the largest unit of which there is one; `round` is applied in units of the last digit.
fn scaled(mut value: f64, units: &[&str], round: fn(f64) -> f64) -> String {
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = match (unit, value) {
        (0, _) => 0,
        (_, v) if v < 10.0 => 2,
        _ => 1,
    };
    let last = 10f64.powi(digits as i32);
    let value = round(value * last) / last;
    format!("{value:.digits$} {}", units[unit])
}

/// `[1, 3, 224, 224]`.
pub(crate) fn shape(shape: &[usize]) -> String {
    format!("{shape:?}")
}

/// A name from a file, on one line.
pub(crate) fn name(name: &str) -> String {
    /// The most characters that are shown; exporters write names of some hundred.
    const LONGEST: usize = 400;
    one_line(name, LONGEST)
}

/// `1 thread`, `2 threads`, `2 launches`, `2 classes`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    let ending = match noun.ends_with("ch") || noun.ends_with("ss") {
        _ if count == 1 => "",
        true => "es",
        false => "s",
    };
    format!("{count} {noun}{ending}")
}
