//! Times the algorithms of each layer of a network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use resnetc_ir::{Graph, Layout};

use crate::compile::{self, candidates, compile, schedule};
use crate::compiler::Network;
use crate::error::Error;
use crate::kernels::Algorithm;
use crate::kernels::problem::ConvProblem;
use crate::noise::{LIMITS, Quartiles};
use crate::options::Options;
use crate::passes::PassSelection;
use crate::runtime::model::{Context, Model};

use super::Tuned;
use super::copies;

/// Time budget for the runs of one candidate.
const BUDGET: Duration = Duration::from_millis(60);

/// The smallest and largest number of counted runs of a candidate.
const RUNS: std::ops::RangeInclusive<usize> = 5..=64;

/// The most bytes that are read between runs: more than caches hold.
const MOST_BYTES: usize = 256 << 20;

/// Bytes of a cache line.
const LINE: usize = 64;

/// How much faster than the cost model's choice another algorithm must be, as a fraction: more than
/// the noise of the times.
const GAIN: f64 = 0.02;

/// How often a layer is timed at most, if its times vary too much.
const ATTEMPTS: usize = 3;

/// How fast an algorithm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The median time of the layer.
    pub time: Duration,
    /// The first and third quartiles of the times.
    pub quartiles: [Duration; 2],
}

impl Candidate {
    fn new(algorithm: Algorithm, times: Quartiles) -> Self {
        Candidate { algorithm, time: times.median, quartiles: [times.low, times.high] }
    }

    /// The interquartile range of its times, relative to the median.
    pub fn spread(&self) -> f64 {
        let [low, high] = self.quartiles;
        Quartiles { low, median: self.time, high }.spread()
    }
}

/// A convolution for which there are several algorithms.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its shapes.
    pub problem: ConvProblem,
    /// How many operators of the network have these shapes.
    pub uses: usize,
    /// The layout of the source.
    pub layout: Layout,
    /// The cost model's choice.
    pub modelled: Algorithm,
    /// The measured candidates, in the order of [`candidates`]; never empty.
    pub candidates: Vec<Candidate>,
}

impl Layer {
    /// The fastest algorithm, or the cost model's choice if that is as fast up to the noise of the
    /// times, so that measuring again gives the same.
    pub fn chosen(&self) -> Algorithm {
        let Some(fastest) = self.candidates.iter().min_by_key(|c| c.time) else {
            return self.modelled;
        };
        let worth = fastest.time.as_secs_f64() * (1.0 + GAIN);
        self.by_model().filter(|m| m.time.as_secs_f64() <= worth).unwrap_or(fastest).algorithm
    }

    fn by_model(&self) -> Option<&Candidate> {
        self.candidates.iter().find(|c| c.algorithm == self.modelled)
    }

    /// The spread of the times that decide: those of the fastest algorithm and of the cost model's
    /// choice.
    pub fn spread(&self) -> f64 {
        let fastest = self.candidates.iter().min_by_key(|c| c.time);
        fastest.into_iter().chain(self.by_model()).map(Candidate::spread).fold(0.0, f64::max)
    }

    /// Whether its times can be trusted. On a busy machine they cannot, and the choice should not
    /// be kept.
    pub fn is_steady(&self) -> bool {
        self.spread() <= LIMITS.spread
    }
}

/// The choices for layers whose times can be trusted.
impl FromIterator<Layer> for Tuned {
    fn from_iter<I: IntoIterator<Item = Layer>>(layers: I) -> Self {
        let steady = layers.into_iter().filter(Layer::is_steady);
        steady.map(|l| (l.problem.to_string(), l.chosen())).collect()
    }
}

/// Times the algorithms of each distinct layer of a network that has a choice, with the layers in
/// the network's order. `progress` receives the number of candidates that are done, and the total.
/// With numerics that leave no choice there are none
/// ([`Numerics::why_untuned`](crate::Numerics::why_untuned)).
///
/// A layer is timed alone, with weights as far away in the memory hierarchy as in a network.
/// Algorithms take turns, so that a machine that slows down affects all of them. Layers whose times
/// still vary too much are timed again, and the attempt with the smallest spread is kept;
/// [`Layer::is_steady`] says whether it can be trusted.
///
/// # Errors
/// If the network cannot be compiled, or the system refuses memory.
pub fn measure(network: &Network, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Layer>, Error> {
    let options = network.options();
    let mut graph = network.graph().clone();
    schedule(&mut graph, options)?;
    let mut layers = layers(&graph, options)?;
    let distance = Distance::of(&graph);
    drop(graph);
    let total = layers.iter().map(|l| l.candidates.len() as u64).sum();
    let mut done = 0;
    for layer in &mut layers {
        let mut subjects = Vec::new();
        for candidate in &layer.candidates {
            subjects.push(Subject::new(layer, candidate.algorithm, options)?);
            done += 1;
            progress(done, total);
        }
        for attempt in 0..ATTEMPTS {
            let times = take_turns(&mut subjects, &distance)?;
            let candidates = layer.candidates.iter().zip(times);
            let candidates = candidates.map(|(c, times)| Candidate::new(c.algorithm, times));
            let timed = Layer { candidates: candidates.collect(), ..layer.clone() };
            if attempt == 0 || timed.spread() < layer.spread() {
                *layer = timed;
            }
            if layer.is_steady() {
                break;
            }
        }
    }
    Ok(layers)
}

/// The distinct layers with a choice, not yet timed.
fn layers(graph: &Graph, options: &Options) -> Result<Vec<Layer>, Error> {
    if options.numerics.why_untuned().is_some() {
        return Ok(Vec::new());
    }
    let (_, machine) = compile::machine(options)?;
    let modelled = Options { tuned: None, ..options.clone() };
    let modelled = compile::choose(graph, &modelled, &machine);
    let mut layers: Vec<Layer> = Vec::new();
    let mut known = BTreeMap::new();
    for node in graph.topo() {
        let Some(problem) = ConvProblem::of(graph, node) else { continue };
        let able = candidates(graph, node, &machine);
        if able.len() < 2 {
            continue;
        }
        let source = graph.operand(node, 0);
        let at = *known.entry(problem.to_string()).or_insert(layers.len());
        match layers.get_mut(at) {
            Some(layer) => layer.uses += 1,
            None => layers.push(Layer {
                problem,
                uses: 1,
                layout: source.map(|source| graph.node(source).ty.layout).unwrap_or_default(),
                modelled: modelled.algorithm(node),
                candidates: able
                    .into_iter()
                    .map(|choice| Candidate::new(choice.algorithm, Quartiles::default()))
                    .collect(),
            }),
        }
    }
    Ok(layers)
}

/// Copies of a layer, compiled with an algorithm.
struct Subject {
    model: Model,
    context: Context,
    times: Vec<Duration>,
    copies: u32,
}

impl Subject {
    fn new(layer: &Layer, algorithm: Algorithm, options: &Options) -> Result<Self, Error> {
        let problem = &layer.problem;
        let copies = copies::count(problem, layer.layout);
        let graph = copies::graph(problem, layer.layout, copies)?;
        let options = Options {
            passes: PassSelection::None,
            tuned: Some(Arc::new([(problem.to_string(), algorithm)].into_iter().collect())),
            ..options.clone()
        };
        let model = compile(graph, &options)?;
        debug_assert_eq!(model.report().tuned, copies, "{problem} by {algorithm}");
        let mut context = model.context()?;
        for input in 0..model.inputs().len() {
            let values = context.input_mut::<f32>(input)?.iter_mut().enumerate();
            values.for_each(|(i, x)| *x = (i % 97) as f32 / 48.0 - 1.0);
        }
        let times = vec![Duration::ZERO; model.steps().len()];
        Ok(Subject { model, context, times, copies: copies as u32 })
    }

    /// Time of all convolutions of a run, without the operators that feed them.
    fn run(&mut self) -> Result<Duration, Error> {
        self.model.run_timed(&mut self.context, &mut self.times)?;
        let steps = self.model.steps().iter().zip(&self.times);
        Ok(steps.filter(|(step, _)| step.op == "conv").map(|(_, &time)| time).sum())
    }
}

/// The times per convolution of each subject. The first run of each does not count.
fn take_turns(subjects: &mut [Subject], distance: &Distance) -> Result<Vec<Quartiles>, Error> {
    let mut runs = Vec::new();
    for subject in &mut *subjects {
        let one = (distance.cross() + subject.run()?).max(Duration::from_nanos(1));
        let affordable = (BUDGET.as_nanos() / one.as_nanos()) as usize;
        runs.push(affordable.clamp(*RUNS.start(), *RUNS.end()));
    }
    let mut times = vec![Vec::new(); subjects.len()];
    for turn in 0..runs.iter().copied().max().unwrap_or(0) {
        for (i, subject) in subjects.iter_mut().enumerate().filter(|(i, _)| turn < runs[*i]) {
            distance.cross();
            times[i].push(subject.run()?);
        }
    }
    let each = |(times, subject): (Vec<Duration>, &mut Subject)| {
        Quartiles::of(&times).each(subject.copies)
    };
    Ok(times.into_iter().zip(subjects).map(each).collect())
}

/// What a network reads between two reads of the same weights: all of its constants. They evict the
/// weights from the caches, or leave them there if the network is small.
struct Distance {
    memory: Vec<u64>,
}

impl Distance {
    fn of(graph: &Graph) -> Self {
        let constants = graph.nodes().filter_map(|node| graph.constant_of(node));
        let bytes = constants.map(|c| c.elements() * 4).sum::<usize>().min(MOST_BYTES);
        // Not zeros, which the system may map to a single page.
        Distance { memory: vec![1; bytes / size_of::<u64>()] }
    }

    /// Reads all of it, and returns how long that took.
    fn cross(&self) -> Duration {
        let start = Instant::now();
        let lines = self.memory.chunks(LINE / size_of::<u64>());
        std::hint::black_box(lines.fold(0u64, |sum, line| sum.wrapping_add(line[0])));
        start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::algorithm::ALGORITHMS;

    #[test]
    fn the_models_choice_stays_unless_another_is_clearly_faster() {
        let problem = "conv n1 c16 h8 w8 k16 r3 s3 st1x1 p1,1,1,1".parse().expect("a problem");
        let chosen = |micros: [u64; 3]| {
            let candidates = ALGORITHMS.into_iter().zip(micros.map(Duration::from_micros));
            let candidates = candidates
                .map(|(algorithm, time)| Candidate { algorithm, time, quartiles: [time; 2] })
                .collect();
            Layer { problem, uses: 1, layout: Layout::Blocked, modelled: ALGORITHMS[1], candidates }
                .chosen()
        };
        assert_eq!(chosen([2000, 1000, 3000]), ALGORITHMS[1]);
        assert_eq!(chosen([2000, 1019, 1000]), ALGORITHMS[1]);
        assert_eq!(chosen([2000, 1021, 1000]), ALGORITHMS[2]);
        assert_eq!(chosen([900, 1021, 1000]), ALGORITHMS[0]);
    }
    /// Only the times that decide count, and a choice that cannot be trusted is dropped.
    #[test]
    fn a_layer_whose_times_are_far_apart_is_left_out() {
        let problem = "conv n1 c16 h8 w8 k16 r3 s3 st1x1 p1,1,1,1".parse().expect("a problem");
        let layer = |spreads: [u64; 3]| {
            let times = [2000, 1000, 3000].map(Duration::from_micros);
            let candidate = |i: usize| {
                let high = times[i] + times[i] * spreads[i] as u32 / 100;
                Candidate { algorithm: ALGORITHMS[i], time: times[i], quartiles: [times[i], high] }
            };
            let candidates = [0, 1, 2].map(candidate).into();
            Layer { problem, uses: 1, layout: Layout::Blocked, modelled: ALGORITHMS[0], candidates }
        };
        assert!(layer([10, 10, 90]).is_steady(), "the slowest does not matter");
        for noisy in [layer([10, 40, 10]), layer([40, 10, 10])] {
            assert!((noisy.spread() - 0.4).abs() < 1e-9 && !noisy.is_steady());
            let mut cache =
                crate::tune::Cache::new(crate::tune::MachineKey::of(crate::Isa::Baseline, 1));
            cache.add(&[noisy.clone(), layer([0; 3])]);
            assert_eq!(cache.tuned().get(&problem.to_string()), Some(ALGORITHMS[1]));
            assert!([noisy].into_iter().collect::<Tuned>().is_empty());
        }
    }
}
