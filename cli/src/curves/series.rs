//! The logs of training runs, by what they are drawn as.

use std::path::{Path, PathBuf};

use resnetc::one_line::name_line;

use crate::failure::Failure;
use crate::train::log::{self, BlockNorms, Line};
use crate::units::plural;

/// What a log is drawn as, and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    name: String,
    files: Vec<PathBuf>,
}

impl Source {
    /// Of `NAME=FILE,FILE`, or of a file, whose name it takes.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, files) = match text.split_once('=') {
            Some((name, files)) => (name.to_owned(), files),
            None => {
                let stem = Path::new(text).file_stem().unwrap_or_default();
                (stem.to_string_lossy().into_owned(), text)
            }
        };
        let files: Vec<PathBuf> = files.split(',').map(PathBuf::from).collect();
        match name.is_empty() || files.iter().any(|file| file.as_os_str().is_empty()) {
            true => Err("expected FILE or NAME=FILE,...".to_owned()),
            false => Ok(Source { name, files }),
        }
    }

    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Reads the logs.
    pub(super) fn read(&self) -> Result<Series, Failure> {
        let runs = self.files.iter().map(|file| log::read(file)).collect::<Result<_, _>>()?;
        let series = Series { name: self.name.clone(), runs };
        match series.points(|_| 0.0).is_empty() {
            true => {
                let what = format!("the logs of {} have no epoch in common", name_line(&self.name));
                Err(Failure::new(what).help("give logs of runs that differ in their seeds alone"))
            }
            false => Ok(series),
        }
    }
}

/// Runs that differ in their seeds alone.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) runs: Vec<Vec<Line>>,
}

/// The runs of a series at an epoch, or at a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Counted from 1.
    pub(super) at: usize,
    pub(super) mean: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Point {
    /// The point of some values, one at least.
    fn of(at: usize, values: &[f64]) -> Self {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let fold = |pick: fn(f64, f64) -> f64| values.iter().copied().fold(mean, pick);
        Point { at, mean, least: fold(f64::min), most: fold(f64::max) }
    }
}

impl Series {
    /// The mean and the range of a figure, for each epoch that all runs have.
    pub(super) fn points(&self, figure: impl Fn(&Line) -> f64) -> Vec<Point> {
        let Some((first, others)) = self.runs.split_first() else { return Vec::new() };
        let point = |line: &Line| {
            let mut values = vec![figure(line)];
            for run in others {
                values.push(figure(run.iter().find(|other| other.epoch == line.epoch)?));
            }
            Some(Point::of(line.epoch, &values))
        };
        first.iter().filter_map(point).collect()
    }

    /// The mean and the range of a norm, for each block, in the last epoch that all runs have.
    pub(super) fn norms(&self, norm: impl Fn(&BlockNorms) -> f64) -> Vec<Point> {
        let last = self.points(|_| 0.0).last().map(|point| point.at);
        let lines = self.runs.iter().filter_map(|run| run.iter().find(|l| Some(l.epoch) == last));
        let norms: Vec<&[BlockNorms]> = lines.map(|line| &line.norms[..]).collect();
        let blocks = norms.iter().map(|norms| norms.len()).min().unwrap_or(0);
        let values =
            |block: usize| norms.iter().map(|norms| norm(&norms[block])).collect::<Vec<f64>>();
        (0..blocks).map(|block| Point::of(block + 1, &values(block))).collect()
    }

    /// What it is, in words.
    pub(super) fn label(&self) -> String {
        let name = name_line(&self.name);
        match self.runs.len() {
            1 => name,
            runs => format!("{name} ({})", plural(runs, "run")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::log::testing::line;

    #[test]
    fn a_source_is_a_file_or_a_name_with_files() {
        let parse = |text: &str| Source::parse(text).map(|s| (s.name, s.files.len()));
        assert_eq!(parse("logs/plain.jsonl"), Ok(("plain".to_owned(), 1)));
        assert_eq!(parse("plain 20=a.jsonl,b.jsonl"), Ok(("plain 20".to_owned(), 2)));
        for wrong in ["", "=a", "a=", "a=b,,c"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn points_are_those_that_all_runs_have() {
        let run = |losses: &[f64]| -> Vec<Line> {
            losses.iter().enumerate().map(|(i, &loss)| line(i + 1, loss)).collect()
        };
        let series =
            Series { name: "a".into(), runs: vec![run(&[3.0, 2.0, 1.0]), run(&[5.0, 1.0])] };
        let points = series.points(|line| line.train.loss);
        let wanted = [
            Point { at: 1, mean: 4.0, least: 3.0, most: 5.0 },
            Point { at: 2, mean: 1.5, least: 1.0, most: 2.0 },
        ];
        assert_eq!(points, wanted);
        assert_eq!(series.label(), "a (2 runs)");
    }
}
