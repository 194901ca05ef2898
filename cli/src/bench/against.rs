//! `bench --against`: compares the figures with those of an earlier run.

use std::path::{Path, PathBuf};

use resnetc::one_line::path_line;
use resnetc::{ErrorCode, whole_file};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::units;

/// A report is a few kB, or some hundred kB with layers.
const MOST_BYTES: u64 = 64 << 20;

/// The parts of a report that are compared.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Earlier {
    model: String,
    macs: u64,
    isa: String,
    threads: usize,
    batch: usize,
    median_ms: f64,
    #[serde(default)]
    cpu: String,
    #[serde(default)]
    resnetc: String,
    /// `None` in files of versions that did not report it.
    #[serde(default)]
    options: Option<Vec<String>>,
    /// Layers whose algorithms were measured.
    #[serde(default)]
    tuned: usize,
    #[serde(default)]
    noise: Option<Noise>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Noise {
    reasons: Vec<String>,
}

/// A file of one report or of several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Saved {
    One(Box<Earlier>),
    Sweep { rows: Vec<Earlier> },
}

/// A comparison of this run with an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Against {
    #[serde(serialize_with = "crate::output::serialize_path")]
    pub(super) file: PathBuf,
    /// The median of the earlier run.
    pub(super) median_ms: f64,
    /// The median of this run divided by the earlier one: below 1 if this run is faster.
    pub(super) ratio: f64,
    /// What was not the same, so that the ratio is not a fair comparison; empty if everything was.
    pub(super) differs: Vec<String>,
}

/// Reads what `bench --json` printed.
pub(super) fn read(file: &Path) -> Result<Vec<Earlier>, Failure> {
    let bytes = whole_file::read(file, MOST_BYTES).map_err(|e| Failure::unreadable(file, e))?;
    let wrong = |what: &str| {
        Failure::file(file, what)
            .code(ErrorCode::Format)
            .help("save an earlier run by `resnetc bench MODEL --json > FILE`, without --ablate")
    };
    let runs = match serde_json::from_slice(&bytes) {
        Ok(Saved::One(one)) => vec![*one],
        Ok(Saved::Sweep { rows }) => rows,
        Err(_) => return Err(wrong("this is not the output of `resnetc bench --json`")),
    };
    match runs.iter().all(|run| run.median_ms > 0.0) {
        true if !runs.is_empty() => Ok(runs),
        true => Err(wrong("it contains no run")),
        false => Err(wrong("a median_ms in it is not positive")),
    }
}

/// The earlier run with the same threads and batch, or the only one if there is just one.
pub(super) fn of(file: &Path, saved: &[Earlier], now: &Earlier) -> Option<Against> {
    let same = |then: &&Earlier| (then.threads, then.batch) == (now.threads, now.batch);
    let sole = || if let [one] = saved { Some(one) } else { None };
    let then = saved.iter().find(same).or_else(sole)?;
    let number = |n: usize| n.to_string();
    let options = |run: &Earlier, other: &Earlier| {
        let known = run.options.as_deref().filter(|_| other.options.is_some());
        known.map_or(String::new(), |options| match options {
            [] => "the defaults".to_owned(),
            some => some.join("; "),
        })
    };
    let facts = [
        ("model", then.model.clone(), now.model.clone()),
        ("multiply-adds", then.macs.to_string(), now.macs.to_string()),
        ("CPU", then.cpu.clone(), now.cpu.clone()),
        ("instruction set", then.isa.clone(), now.isa.clone()),
        ("threads", number(then.threads), number(now.threads)),
        ("batch", number(then.batch), number(now.batch)),
        ("options", options(then, now), options(now, then)),
        ("layers with measured algorithms", number(then.tuned), number(now.tuned)),
        ("resnetc", then.resnetc.clone(), now.resnetc.clone()),
    ];
    let mut differs: Vec<String> = facts
        .into_iter()
        .filter(|(_, then, now)| then != now)
        .map(|(what, then, now)| format!("{what}: {then} then, {now} now"))
        .collect();
    let noisy = |run: &Earlier| run.noise.as_ref().is_some_and(|noise| !noise.reasons.is_empty());
    differs.extend(noisy(then).then(|| "the machine was busy then".to_owned()));
    differs.extend(noisy(now).then(|| "the machine is busy now".to_owned()));
    let ratio = now.median_ms / then.median_ms;
    Some(Against { file: file.to_owned(), median_ms: then.median_ms, ratio, differs })
}

impl Against {
    /// For people: one line, and another for each difference.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "against  {}: median {:.3} ms then, {:.3} times as long now\n",
            path_line(&self.file),
            self.median_ms,
            self.ratio
        );
        for difference in &self.differs {
            // The file may say anything.
            text += &format!("         not the same: {}\n", units::name(difference));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(threads: usize, median_ms: f64) -> Earlier {
        Earlier {
            model: "m".to_owned(),
            macs: 10,
            isa: "avx2".to_owned(),
            threads,
            batch: 1,
            median_ms,
            cpu: "a CPU".to_owned(),
            resnetc: "0.1.0".to_owned(),
            options: Some(Vec::new()),
            tuned: 0,
            noise: None,
        }
    }

    #[test]
    fn the_run_of_the_same_size_is_compared_and_what_differs_is_said() {
        let file = Path::new("then.json");
        let saved = [run(1, 4.0), run(2, 8.0)];
        let same = of(file, &saved, &run(2, 6.0)).expect("there is one");
        assert_eq!((same.median_ms, same.ratio), (8.0, 0.75));
        assert!(same.differs.is_empty() && same.text().contains("0.750 times as long now"));
        assert_eq!(of(file, &saved, &run(4, 6.0)), None, "which one is meant?");
        let busy = Some(Noise { reasons: vec!["busy".to_owned()] });
        let other = Earlier {
            cpu: "another".to_owned(),
            isa: "amx".to_owned(),
            options: Some(vec!["exact numerics".to_owned()]),
            tuned: 3,
            noise: busy,
            ..run(4, 1.0)
        };
        let found = of(file, &saved[..1], &other).expect("the only one");
        let expected = [
            "CPU: a CPU then, another now",
            "instruction set: avx2 then, amx now",
            "threads: 1 then, 4 now",
            "options: the defaults then, exact numerics now",
            "layers with measured algorithms: 0 then, 3 now",
            "the machine is busy now",
        ];
        assert_eq!(found.differs, expected);
        // A value that a file of an older version lacks is not a difference.
        let old = Earlier { options: None, ..run(1, 4.0) };
        assert!(of(file, &[old], &run(1, 2.0)).expect("the same").differs.is_empty());
        assert!(expected.iter().all(|line| found.text().contains(line)));
    }
}
