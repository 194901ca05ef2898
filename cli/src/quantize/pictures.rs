//! Pictures to calibrate with: prepared as for `classify`, on threads, each time that they are read.

use std::path::Path;
use std::sync::Arc;

use image::DynamicImage;
use resnetc::quantize::{QuantizeError, Run, Samples, Stage};
use resnetc::runtime::pool::default_threads;
use resnetc::{ErrorCode, Network};

use super::args::Args;
use super::progress::{Comparing, verb};
use crate::classify::ahead::{Taken, in_order};
use crate::classify::folder;
use crate::classify::input::Input;
use crate::classify::picture::Source;
use crate::classify::preparation::Preparation;
use crate::classify::preset::usual_preset;
use crate::failure::Failure;
use crate::progress::Progress;

/// This many pictures beyond the next batch may be ready.
const AHEAD: usize = 16;

/// The pictures of a folder, or one picture; with a limit, some of them, spread evenly.
pub(super) fn sources(path: &Path, limit: Option<usize>) -> Result<Vec<Source>, Failure> {
    if !path.exists() {
        return Err(nothing(path, "there is no such folder"));
    }
    let sources = folder::expand(path);
    if let [Source::Refused(folder, reason)] = &sources[..] {
        return Err(nothing(folder, reason));
    }
    Ok(spread(sources, limit))
}

fn nothing(path: &Path, reason: &str) -> Failure {
    Failure::file(path, reason).code(ErrorCode::NoSamples)
}

/// At most so many items, spread evenly.
pub(super) fn spread<T>(items: Vec<T>, limit: Option<usize>) -> Vec<T> {
    let (count, kept) = (items.len(), limit.unwrap_or(usize::MAX).min(items.len()));
    let is_kept = |i: usize| (i + 1) * kept / count > i * kept / count;
    items.into_iter().enumerate().filter(|&(i, _)| is_kept(i)).map(|(_, item)| item).collect()
}

/// Pictures, and how they become the values of a network's input.
pub(super) struct Pictures {
    pub(super) sources: Vec<Source>,
    preparation: Arc<Preparation>,
    pub(super) input: Input,
    threads: usize,
    comparing: Comparing,
}

impl Pictures {
    pub(super) fn new(
        network: &Network,
        args: &Args,
        sources: Vec<Source>,
    ) -> Result<Self, Failure> {
        let input = Input::of(network.graph(), args.pictures.layout)?;
        let preparation = Preparation::new(&args.pictures, usual_preset(Some(&args.model)), input)?;
        let threads = network.options().threads.unwrap_or_else(default_threads);
        Ok(Pictures {
            sources,
            preparation: Arc::new(preparation),
            input,
            threads,
            comparing: Comparing::default(),
        })
    }

    /// Passes the pictures on in batches: the values of a batch, and how many pictures it has. The
    /// places that the last batch leaves free have its pictures again.
    pub(super) fn batches(
        &self,
        what: &'static str,
        mut take: impl FnMut(&[Source], &[f32]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut bar = Progress::counting(what, Some(self.sources.len() as u64));
        let (batch, picture) = (self.input.batch, self.input.picture());
        let preparation = Arc::clone(&self.preparation);
        let prepare =
            move |source: &Source| source.read().map(|read: DynamicImage| preparation.values(read));
        let mut waiting: Vec<Source> = Vec::new();
        let mut values: Vec<f32> = Vec::new();
        let mut done = 0;
        let sources = self.sources.clone().into_iter();
        in_order(sources, self.threads, batch + AHEAD, prepare, |taken| {
            let Taken::Made(source, made) = taken else { return Ok(()) };
            let broke_off = |_| {
                let reason = "the picture is damaged: its data cannot be decoded";
                Err(Failure::file(source.path(), reason).code(ErrorCode::Picture))
            };
            values.extend(made.unwrap_or_else(broke_off)?);
            waiting.push(source);
            done += 1;
            if waiting.len() == batch || done == self.sources.len() {
                values.resize(waiting.len() * picture, 0.0);
                let own = values.len();
                for i in own..batch * picture {
                    values.push(values[i % own]);
                }
                take(&waiting, &values)?;
                bar.set(done as u64);
                waiting.clear();
                values.clear();
            }
            Ok(())
        })
    }
}

impl Samples for Pictures {
    type Error = Failure;

    fn each(&mut self, stage: Stage, run: Run<'_>) -> Result<(), Failure> {
        self.batches(verb(stage), |sources, values| {
            run(&[values]).map_err(|error| match (&error, sources) {
                (QuantizeError::NotFinite { op, name, value, .. }, [source]) => {
                    let name = resnetc::one_line::name_line(name);
                    let reason =
                        format!("{op} \"{name}\" is {value} for this picture, so it has no range");
                    Failure::file(source.path(), reason).code(error.code())
                }
                _ => error.into(),
            })
        })
    }

    fn progress(&mut self, _: Stage, done: usize, total: usize) {
        self.comparing.show(done, total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_takes_from_everywhere() {
        let of = |limit| spread((0..10).collect(), limit);
        assert_eq!(of(None), (0..10).collect::<Vec<_>>());
        assert_eq!(of(Some(20)), (0..10).collect::<Vec<_>>());
        assert_eq!(of(Some(3)), [3, 6, 9]);
        assert_eq!(of(Some(1)), [9]);
        assert!(spread(Vec::<usize>::new(), Some(3)).is_empty());
        for limit in 1..10 {
            assert_eq!(of(Some(limit)).len(), limit);
        }
    }
}
