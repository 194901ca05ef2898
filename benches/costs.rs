//! The cost model of convolutions: measures what it is fitted to, and fits it.
//!
//! Each command can be followed by another folder of recorded times.
//!
//! - `cargo bench --bench costs -- report` prints how much longer networks take with the model's choices than
//!   with the best ones, by the recorded times (`benches/costs`).
//! - `cargo bench --bench costs -- gather` records this CPU's times, with 1 and 2 threads, for each
//!   instruction set that it has. It takes some minutes, in which nothing else should run.
//! - `cargo bench --bench costs -- layers` prints the modelled cost of every algorithm for every
//!   layer beside its time.
//! - `cargo bench --bench costs -- fit` fits the rates (`src/kernels/rates.rs`) to the times of each
//!   vendor's CPUs and vector width, and prints the rows of the table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use resnetc::isa::ISAS;
use resnetc::kernels::rates::Rates;
use resnetc::tune::{Cache, MachineKey, measure};
use resnetc::{Isa, IsaChoice, Options};
use resnetc_testing::recorded::{self, Recorded, SUBJECTS, judge, layers};

/// How often a network is measured until the times of all of its layers can be trusted.
const ATTEMPTS: usize = 6;

fn main() {
    // Cargo adds a flag of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let mode = arguments.next();
    let folder = arguments.next().map_or_else(recorded::folder, PathBuf::from);
    match mode.as_deref() {
        None | Some("report") => report(&folder),
        Some("gather") => gather(&folder),
        Some("fit") => fit(&folder),
        Some("layers") => compare(&folder),
        Some(other) => eprintln!("\"{other}\" is none of report, gather, fit and layers"),
    }
}

/// Records this CPU's times.
fn gather(folder: &Path) {
    for isa in ISAS.into_iter().filter(|isa| isa.enable().is_ok()) {
        for threads in [1, 2] {
            let key = MachineKey::of(isa, threads);
            let file = folder.join(format!("{}.json", file_name(&key)));
            let mut cache = Cache::new(key);
            for (name, size) in SUBJECTS {
                record(&mut cache, isa, threads, name, size);
            }
            println!("{}: {} layers", file.display(), cache.layers().count());
            cache.merge_into(&file).expect("the folder can be written");
        }
    }
}

/// `AuthenticAMD-25-17-avx2-t1`
fn file_name(key: &MachineKey) -> String {
    let part = |name: &str| key.cpu.get(name).map_or("unknown", String::as_str);
    let [vendor, family, model] = ["vendor_id", "cpu family", "model"].map(part);
    format!("{vendor}-{family}-{model}-{}-t{}", key.isa, key.threads)
}

/// Adds a network's layers that are not recorded yet.
fn record(cache: &mut Cache, isa: Isa, threads: usize, name: &str, size: [usize; 2]) {
    let wanted = layers(name, size);
    let options = Options::default().isa(IsaChoice::Exactly(isa)).threads(threads);
    let network = recorded::network(name, size, options);
    for _ in 0..ATTEMPTS {
        let missing = wanted.keys().filter(|w| cache.layers().all(|(line, _)| line != *w)).count();
        if missing == 0 {
            return;
        }
        println!("{isa}, {threads} threads, {name} {size:?}: {missing} layers");
        cache.add(&measure(&network, &mut |_, _| {}).expect("it can be compiled"));
    }
}

/// Records with the networks that each covers completely.
struct Data {
    records: Vec<Recorded>,
    networks: Vec<(String, BTreeMap<String, usize>)>,
}

impl Data {
    fn load(folder: &Path) -> Self {
        let subject =
            |(name, [h, w]): (&str, [usize; 2])| (format!("{name} {h}x{w}"), layers(name, [h, w]));
        Data {
            records: recorded::all(folder),
            networks: SUBJECTS.into_iter().map(subject).collect(),
        }
    }
}

/// Prints how good the choices of the model are.
fn report(folder: &Path) {
    let Data { records, networks } = Data::load(folder);
    for (name, records) in recorded::groups(&records) {
        println!("{name}: milliseconds of processor time, for all recorded numbers of threads");
        for (network, layers) in &networks {
            if let Some(verdict) = judge(&records, layers, records[0].machine.rates) {
                let [chosen, best] = [verdict.chosen, verdict.best].map(|ns| ns / 1e6);
                let regret = 100.0 * verdict.regret();
                println!("  {network:26} {chosen:8.3}, best {best:8.3}, {regret:+.1} %");
            }
        }
    }
}

/// Prints modelled costs beside times, each relative to those of direct convolution.
fn compare(folder: &Path) {
    for record in Data::load(folder).records {
        println!("{}", record.name);
        for line in record.layers.keys() {
            println!("  {line}");
            let table = record.compare(line, record.machine.rates);
            let Some(&(_, time, cost)) = table.first() else { continue };
            for (algorithm, t, c) in &table {
                println!("    {:26} time {:.3}, cost {:.3}", algorithm.name(), t / time, c / cost);
            }
        }
    }
}

/// Fits the rates of every vendor and vector width in the records.
fn fit(folder: &Path) {
    let Data { records, networks } = Data::load(folder);
    let mut groups: BTreeMap<(String, usize), Vec<&Recorded>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.machine.target.tiles == 0) {
        let key = (format!("{:?}", record.vendor), record.machine.target.lanes);
        groups.entry(key).or_default().push(record);
    }
    for ((vendor, lanes), records) in groups {
        let loss = |rates: Rates| loss(&records, &networks, rates);
        let starts =
            [1.0, 2.0, 4.0].map(|faster| Rates { memory: EXPECTED.memory * faster, ..EXPECTED });
        let found = starts.map(|start| descend(start, &loss));
        let best = found.into_iter().min_by(|a, b| loss(*a).total_cmp(&loss(*b)));
        let rates = best.unwrap_or(EXPECTED);
        println!("Row {{ vendor: Vendor::{vendor}, lanes: {lanes}, rates: {rates:?} }},");
        println!("// loss {:.4}, before {:.4}", loss(rates), loss(records[0].machine.rates));
    }
}

/// The weight of the errors of costs beside the regret of choices.
const ERRORS: f64 = 0.05;

/// Where the fit starts: what the parts should cost by their instructions and the distances that
/// data moves.
const EXPECTED: Rates = Rates {
    direct: 1.1,
    filter_read: 4.0,
    memory: 4.0,
    transform: 1.0,
    filter_operation: 1.5,
    filter_line: 8.5,
    exchange: 100.0,
    far_line: 4.0,
    region: 10_000.0,
};

/// The weight of the squared logarithms of the factors between rates and what is expected of them:
/// where times say little about a rate, it stays plausible.
const PLAUSIBLE: f64 = 0.002;

/// Costs that differ by this fraction are considered equally likely to be chosen, because times
/// vary: the model should not depend on luck.
const SHARPNESS: f64 = 0.02;

/// How bad rates are: the mean regret of the networks, and the mean squared error of the logarithm
/// of costs.
fn loss(
    records: &[&Recorded],
    networks: &[(String, BTreeMap<String, usize>)],
    rates: Rates,
) -> f64 {
    let (mut regret, mut judged) = (0.0, 0.0);
    let (mut error, mut compared) = (0.0, 0.0);
    let lines: BTreeSet<&String> = records.iter().flat_map(|r| r.layers.keys()).collect();
    let mut choices = BTreeMap::new();
    for line in lines {
        let tables: Vec<_> = records
            .iter()
            .filter(|r| r.layers.contains_key(line))
            .map(|r| r.compare(line, rates))
            .collect();
        // The choice is made for one and two threads together.
        let mut busy = BTreeMap::new();
        let owners = records.iter().filter(|r| r.layers.contains_key(line));
        for (record, table) in owners.zip(&tables) {
            for (algorithm, _, cost) in table {
                *busy.entry(*algorithm).or_insert(0.0) += cost * record.machine.threads as f64;
            }
        }
        let least = busy.values().copied().fold(f64::INFINITY, f64::min);
        let share = |cost: f64| (-(cost / least - 1.0) / SHARPNESS).exp();
        let total: f64 = busy.values().map(|&cost| share(cost)).sum();
        let shares: BTreeMap<_, f64> =
            busy.iter().map(|(a, &cost)| (*a, share(cost) / total)).collect();
        choices.insert(line.as_str(), shares);
    }
    for record in records {
        for (_, layers) in networks {
            let expected = layers.iter().map(|(line, &uses)| {
                let (times, shares) = (record.layers.get(line)?, choices.get(line.as_str())?);
                let time: f64 =
                    shares.iter().filter_map(|(a, share)| Some(share * times.get(a)?)).sum();
                let best = times.values().copied().fold(f64::INFINITY, f64::min);
                Some((time * uses as f64, best * uses as f64))
            });
            let Some(sums) = expected.collect::<Option<Vec<_>>>() else { continue };
            let (time, best) = sums.iter().fold((0.0, 0.0), |(t, b), s| (t + s.0, b + s.1));
            let excess: f64 = time / best - 1.0;
            regret += excess + 40.0 * excess * excess;
            judged += 1.0;
        }
        let logs: Vec<f64> = record
            .layers
            .keys()
            .flat_map(|line| record.compare(line, rates).into_iter().map(move |row| (line, row)))
            .map(|(line, (_, time, cost))| {
                let problem: resnetc::kernels::problem::ConvProblem =
                    line.parse().expect("a problem");
                let all = (problem.inputs * problem.outputs.div_ceil(16)) as f64;
                (time / (cost * all)).ln()
            })
            .collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        error += logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>();
        compared += logs.len() as f64;
    }
    let (mut rates, mut expected) = (rates, EXPECTED);
    let pairs = fields(&mut rates).into_iter().zip(fields(&mut expected));
    let strange: f64 = pairs.map(|(rate, expected)| (*rate / *expected).ln().powi(2)).sum();
    regret / f64::max(judged, 1.0) + ERRORS * error / f64::max(compared, 1.0) + PLAUSIBLE * strange
}

/// The rates by themselves.
fn fields(rates: &mut Rates) -> [&mut f64; 9] {
    let Rates {
        direct,
        filter_read,
        memory,
        transform,
        filter_operation,
        filter_line,
        exchange,
        far_line,
        region,
    } = rates;
    [
        direct,
        filter_read,
        memory,
        transform,
        filter_operation,
        filter_line,
        exchange,
        far_line,
        region,
    ]
}

/// Changes one rate at a time by ever smaller factors, as long as that makes the loss smaller.
fn descend(start: Rates, loss: &impl Fn(Rates) -> f64) -> Rates {
    let mut best = (loss(start), start);
    let mut factor = 2.0;
    while factor > 1.01 {
        let before = best.0;
        for index in 0..fields(&mut best.1).len() {
            for change in [factor, 1.0 / factor] {
                let mut rates = best.1;
                let field = &mut *fields(&mut rates)[index];
                *field *= change;
                let found = loss(rates);
                if found < best.0 {
                    best = (found, rates);
                }
            }
        }
        if best.0 > before * 0.9999 {
            factor = f64::sqrt(factor);
        }
    }
    let mut rounded = best.1;
    for field in fields(&mut rounded) {
        let digits = 10f64.powf(2.0 - field.abs().max(1e-9).log10().floor());
        *field = (*field * digits).round() / digits;
    }
    rounded
}
