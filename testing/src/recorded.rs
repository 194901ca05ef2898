//! Measured times of convolutions on several CPUs, and how good the cost model's choices are by
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use resnetc::host::cpu::Vendor;
use resnetc::ir::Layout;
use resnetc::isa::ISAS;
use resnetc::kernels::Algorithm;
use resnetc::kernels::algorithm::{ALGORITHMS, Choice};
use resnetc::kernels::problem::ConvProblem;
use resnetc::kernels::rates::Rates;
use resnetc::kernels::sink::Machine;
use resnetc::kernels::site::{Shapes, Site};
use resnetc::spec::Spec;
use resnetc::tune::Cache;
use resnetc::{Compiler, Network, Options, compile};

/// The networks whose layers are recorded: a built-in network and the height and width of its
/// input.
pub const SUBJECTS: [(&str, [usize; 2]); 9] = [
    ("resnet18", [224, 224]),
    ("resnet34", [224, 224]),
    ("resnet50", [224, 224]),
    ("resnet152", [224, 224]),
    ("wide_resnet50_2", [224, 224]),
    ("wrn_16_8", [32, 32]),
    ("cifar_resnet20", [32, 32]),
    ("resnet18", [320, 320]),
    ("resnet34", [65, 97]),
];

/// A network of the list, for images of a size.
pub fn network(name: &str, [height, width]: [usize; 2], options: Options) -> Network {
    let mut spec = Spec::builtin(name).expect("built in");
    (spec.input.height, spec.input.width) = (height, width);
    Compiler::new(options).spec(&spec).expect("a valid size")
}

/// The layers of a network for which there is more than one algorithm on every CPU, and how many
/// operators each is.
pub fn layers(name: &str, size: [usize; 2]) -> BTreeMap<String, usize> {
    let network = network(name, size, Options::default());
    let mut graph = network.graph().clone();
    compile::schedule(&mut graph, network.options()).expect("passes");
    let problems = graph.topo().into_iter().filter_map(|node| ConvProblem::of(&graph, node));
    let machine = Machine::new(ISAS[ISAS.len() - 1].target(), 1, 1 << 20, Vendor::Other);
    let mut layers = BTreeMap::new();
    for problem in problems.filter(|p| Choice::candidates(&site(p, machine)).len() > 1) {
        *layers.entry(problem.to_string()).or_default() += 1;
    }
    layers
}

/// The times that were measured on one CPU, with one instruction set and number of threads.
pub struct Recorded {
    /// The file's name.
    pub name: String,
    /// The machine, with the fitted rates.
    pub machine: Machine,
    /// The CPU's vendor.
    pub vendor: Vendor,
    /// Nanoseconds of each algorithm for each layer.
    pub layers: BTreeMap<String, BTreeMap<Algorithm, f64>>,
}

/// The repository's folder of recorded times.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/costs")
}

/// Everything that is recorded in a folder.
pub fn all(folder: &Path) -> Vec<Recorded> {
    let files = std::fs::read_dir(folder).expect("the folder exists");
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("readable").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Recorded {
    let cache = Cache::decode(&std::fs::read(file).expect("readable")).expect("recorded times");
    let key = cache.machine();
    let isa = ISAS.into_iter().find(|isa| isa.name() == key.isa).expect("an instruction set");
    let vendor = Vendor::of(&key.cpu);
    let times = |nanoseconds: &BTreeMap<String, u64>| {
        let time = |(name, &time): (&String, &u64)| Some((name.parse().ok()?, time as f64));
        nanoseconds.iter().filter_map(time).collect()
    };
    Recorded {
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        machine: Machine::new(isa.target(), key.threads, key.core_cache_bytes, vendor),
        vendor,
        layers: cache.layers().map(|(line, e)| (line.to_owned(), times(&e.nanoseconds))).collect(),
    }
}

/// A layer in the layout that networks have inside.
pub fn site(problem: &ConvProblem, machine: Machine) -> Site<'static> {
    let ConvProblem { batch, inputs, size, outputs, conv, .. } = *problem;
    let [rows, columns] = problem.result_size();
    let dst = [batch, outputs, rows, columns];
    let shapes = Shapes {
        layout: Layout::Blocked,
        src: [batch, inputs, size[0], size[1]],
        residual: conv.residual.map(|_| dst),
        projected: None,
        dst,
    };
    Site { conv, weights: &[], computed: false, shapes, machine }
}

/// A network's times on a CPU: the sums over its layers and over the numbers of threads, each time
/// multiplied by the number of threads that are busy.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Nanoseconds with the model's choices.
    pub chosen: f64,
    /// Nanoseconds with the algorithms for which the sums are the least. A choice does not depend on
    /// the number of threads, because results must not.
    pub best: f64,
}

impl Verdict {
    /// How much longer the model's choices take, relative to the best ones.
    pub fn regret(&self) -> f64 {
        self.chosen / self.best - 1.0
    }
}

/// Judges the choices of a model with these rates for a network's layers, by the records of one CPU
/// and instruction set. Layers for which there was only one algorithm when the records were made
/// count on neither side; `None` if any other is missing.
pub fn judge(
    records: &[&Recorded],
    layers: &BTreeMap<String, usize>,
    rates: Rates,
) -> Option<Verdict> {
    let mut verdict = Verdict { chosen: 0.0, best: 0.0 };
    let machine = Machine { rates, ..records.first()?.machine };
    let known: BTreeSet<Algorithm> =
        records.iter().flat_map(|r| r.layers.values().flat_map(BTreeMap::keys)).copied().collect();
    for (line, &uses) in layers {
        let problem: ConvProblem = line.parse().expect("a problem");
        let site = site(&problem, machine);
        let candidates = Choice::candidates(&site).into_iter();
        if candidates.filter(|c| known.contains(&c.algorithm)).count() < 2 {
            continue;
        }
        let mut busy: BTreeMap<Algorithm, f64> = BTreeMap::new();
        for record in records {
            for (&algorithm, &time) in record.layers.get(line)? {
                *busy.entry(algorithm).or_default() += time * record.machine.threads as f64;
            }
        }
        let (choice, _) = Choice::cheapest(&site, &site.machine);
        verdict.chosen += uses as f64 * busy.get(&choice.algorithm)?;
        verdict.best += uses as f64 * busy.values().copied().fold(f64::INFINITY, f64::min);
    }
    Some(verdict)
}

/// The records of each CPU and instruction set, under the name that their files have in common.
pub fn groups(records: &[Recorded]) -> BTreeMap<&str, Vec<&Recorded>> {
    let mut groups: BTreeMap<&str, Vec<&Recorded>> = BTreeMap::new();
    for record in records {
        let common = record.name.rsplit_once("-t").map_or(&*record.name, |(common, _)| common);
        groups.entry(common).or_default().push(record);
    }
    groups
}

impl Recorded {
    /// The recorded times of a layer beside its modelled costs, for every algorithm.
    pub fn compare(&self, line: &str, rates: Rates) -> Vec<(Algorithm, f64, f64)> {
        let problem: ConvProblem = line.parse().expect("a problem");
        let site = site(&problem, Machine { rates, ..self.machine });
        let times = &self.layers[line];
        let row = |algorithm: Algorithm| {
            Some((algorithm, *times.get(&algorithm)?, algorithm.plan(&site).ok()?.cost()))
        };
        ALGORITHMS.into_iter().filter_map(row).collect()
    }
}
