//! Many contexts of a model running at once: throughput, and the latency of a single run.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use resnetc::noise::quantile;
use resnetc::{Error, Model, Network};
use serde::Serialize;

use crate::failure::Failure;
use crate::inputs;
use crate::units::ms;

/// How long all contexts run, if the number of runs is not given.
const BUDGET: Duration = Duration::from_secs(2);

/// The figures of many contexts at once.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Crowd {
    /// Contexts that run at once, each on its own thread of the caller.
    pub(super) contexts: usize,
    /// Runs of all contexts together.
    pub(super) runs: usize,
    /// From the start of the first run to the end of the last.
    pub(super) seconds: f64,
    pub(super) pictures_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p90_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

impl Crowd {
    /// Statistics of the times of all runs.
    fn of(contexts: usize, batch: usize, mut times: Vec<Duration>, whole: Duration) -> Self {
        times.sort_unstable();
        let seconds = whole.as_secs_f64();
        Crowd {
            contexts,
            runs: times.len(),
            seconds,
            pictures_per_second: (times.len() * batch) as f64 / seconds.max(1e-9),
            p50_ms: ms(quantile(&times, 0.5)),
            p90_ms: ms(quantile(&times, 0.9)),
            p99_ms: ms(quantile(&times, 0.99)),
            max_ms: ms(quantile(&times, 1.0)),
        }
    }

    /// For people, in one line.
    pub(super) fn text(&self) -> String {
        format!(
            "at once  {} contexts: {:.1} images/s; p50 {:.3} ms, p90 {:.3}, p99 {:.3}, max {:.3} ({} runs)\n",
            self.contexts,
            self.pictures_per_second,
            self.p50_ms,
            self.p90_ms,
            self.p99_ms,
            self.max_ms,
            self.runs
        )
    }
}

/// Runs this many contexts at once, each `iterations` times, or all for about two seconds. Each
/// makes one uncounted run first.
pub(super) fn measure(
    network: &Network,
    model: &Model,
    seed: u64,
    contexts: usize,
    iterations: Option<usize>,
) -> Result<Crowd, Failure> {
    let values = inputs::steady(network, seed)?;
    let mut all = Vec::with_capacity(contexts);
    for _ in 0..contexts {
        let mut context = model.context()?;
        for (i, tensor) in values.iter().enumerate() {
            context.input_mut(i)?.copy_from_slice(tensor.data());
        }
        model.run(&mut context)?;
        all.push(context);
    }
    // Locked until all threads exist; then it says whether they run.
    let gate = RwLock::new(false);
    let (times, whole) = std::thread::scope(|scope| {
        let mut opened = gate.write().unwrap_or_else(PoisonError::into_inner);
        let run = |mut context| {
            let gate = &gate;
            std::thread::Builder::new().spawn_scoped(scope, move || {
                if !*gate.read().unwrap_or_else(PoisonError::into_inner) {
                    return Ok(Vec::new());
                }
                let (begin, mut times) = (Instant::now(), Vec::new());
                loop {
                    let one = Instant::now();
                    model.run(&mut context)?;
                    times.push(one.elapsed());
                    let is_done = match iterations {
                        Some(runs) => times.len() >= runs,
                        None => begin.elapsed() >= BUDGET,
                    };
                    if is_done {
                        return Ok::<_, resnetc::RunError>(times);
                    }
                }
            })
        };
        let handles: Result<Vec<_>, _> = all.into_iter().map(run).collect();
        *opened = handles.is_ok();
        let start = Instant::now();
        drop(opened);
        let refused =
            |e: std::io::Error| Error::Thread { threads: contexts, reason: e.to_string() };
        let joined = handles.map_err(refused)?.into_iter().map(|handle| {
            handle.join().map_err(|_| Failure::new("a thread that ran a context panicked"))
        });
        let times = joined.collect::<Result<Vec<_>, _>>()?;
        Ok::<_, Failure>((times, start.elapsed()))
    })?;
    let times = times.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    let batch = model.inputs().first().and_then(|port| port.shape.first().copied()).unwrap_or(1);
    Ok(Crowd::of(contexts, batch, times, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_times_that_were_measured() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let crowd = Crowd::of(4, 2, times, Duration::from_secs(10));
        assert_eq!((crowd.contexts, crowd.runs), (4, 200));
        assert_eq!(
            [crowd.p50_ms, crowd.p90_ms, crowd.p99_ms, crowd.max_ms],
            [100.0, 180.0, 198.0, 200.0]
        );
        assert!((crowd.pictures_per_second - 40.0).abs() < 1e-9);
    }
}
