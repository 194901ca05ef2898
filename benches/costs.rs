//! The cost model of convolutions: measures what it is fitted to, and fits it.
//!
//! Each command can be followed by another folder of recorded times.
//!
//! - `cargo bench --bench costs -- report` prints how much longer networks take with the model's
//!   choices than with the best ones, by the recorded times (`benches/costs`).
//! - `cargo bench --bench costs -- gather` records this CPU's times, with 1 and 2 threads, for each
//!   instruction set that it has. It takes a quarter of an hour for each, in which nothing else
//!   should run. `gather benches/costs baseline` records one instruction set.
//! - `cargo bench --bench costs -- layers` prints the modelled cost of every algorithm for every
//!   layer beside its time.
//! - `cargo bench --bench costs -- fit` fits the rates (`src/kernels/rates.rs`) to the times of each
//!   vendor's CPUs, vector width and size of a core's cache, and prints the rows of the table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use resnetc::isa::ISAS;
use resnetc::kernels::Algorithm;
use resnetc::kernels::problem::ConvProblem;
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
        Some("gather") => gather(&folder, arguments.next().as_deref()),
        Some("fit") => fit(&folder),
        Some("layers") => compare(&folder),
        Some(other) => eprintln!("\"{other}\" is none of report, gather, fit and layers"),
    }
}

/// Records this CPU's times with all of its instruction sets, or with the one of this name.
fn gather(folder: &Path, only: Option<&str>) {
    let is_wanted = |isa: &Isa| only.is_none_or(|only| isa.to_string() == only);
    for isa in ISAS.into_iter().filter(is_wanted).filter(|isa| isa.enable().is_ok()) {
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
    // Arm's CPUs have numbers for who made them and which they are, and nothing in between.
    let names = match key.cpu.contains_key("CPU part") {
        true => ["CPU implementer", "CPU part", "CPU variant"],
        false => ["vendor_id", "cpu family", "model"],
    };
    let [vendor, family, model] = names.map(part);
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

/// Fits the rates of every vendor, vector width and size of a core's cache in the records.
fn fit(folder: &Path) {
    let Data { records, networks } = Data::load(folder);
    let mut groups: BTreeMap<(String, usize, usize), Vec<&Recorded>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.machine.target.tiles == 0) {
        let machine = &record.machine;
        let key = (format!("{:?}", record.vendor), machine.target.lanes, machine.cache_bytes);
        groups.entry(key).or_default().push(record);
    }
    for ((vendor, lanes, cache), records) in groups {
        let loss = |rates: Rates| loss(&records, &networks, rates);
        let tiles = records[0].machine.rates.tiles;
        let expected = Rates { tiles, ..EXPECTED };
        let starts =
            [1.0, 2.0, 4.0].map(|faster| Rates { memory: expected.memory * faster, ..expected });
        let found = starts.map(|start| descend(start, &loss));
        let best = found.into_iter().min_by(|a, b| loss(*a).total_cmp(&loss(*b)));
        let rates = best.unwrap_or(expected);
        println!(
            "Row {{ vendor: Vendor::{vendor}, lanes: {lanes}, cache: {cache}, rates: {rates:?} }},"
        );
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
    tiles: 0.75,
    byte_tiles: 1.0,
};

/// The weight of the squared logarithms of the factors between rates and what is expected of them:
/// where times say little about a rate, it stays plausible.
const PLAUSIBLE: f64 = 0.002;

/// Costs that differ by this fraction are considered equally likely to be chosen, because times
/// vary: the model should not depend on luck.
const SHARPNESS: f64 = 0.02;

/// The weight of the squared excess of a network's time beside the excess: one bad network is worse
/// than several that are a little off.
const WORST: f64 = 40.0;

/// Times and modelled costs of a record's layers, by problem line.
type Compared<'a> = BTreeMap<&'a str, Vec<(Algorithm, f64, f64)>>;

/// How bad rates are: the mean regret of the networks, the mean squared error of the logarithm of
/// costs, and how far they are from what is expected.
fn loss(
    records: &[&Recorded],
    networks: &[(String, BTreeMap<String, usize>)],
    rates: Rates,
) -> f64 {
    let tables: Vec<Compared<'_>> = records.iter().map(|record| compared(record, rates)).collect();
    let choices = choices(records, &tables);
    let judged = records.iter().flat_map(|record| {
        networks.iter().filter_map(|(_, layers)| excess(record, layers, &choices))
    });
    let regret = mean(judged.map(|excess| excess + WORST * excess * excess));
    let error = mean(tables.iter().flat_map(errors));
    let (mut rates, mut expected) = (rates, EXPECTED);
    let pairs = fields(&mut rates).into_iter().zip(fields(&mut expected));
    let strange: f64 = pairs.map(|(rate, expected)| (*rate / *expected).ln().powi(2)).sum();
    regret + ERRORS * error + PLAUSIBLE * strange
}

fn compared(record: &Recorded, rates: Rates) -> Compared<'_> {
    record.layers.keys().map(|line| (line.as_str(), record.compare(line, rates))).collect()
}

/// The mean; 0 of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f64::max(count, 1.0)
}

/// How likely each algorithm is chosen for each layer, by the processor time for all recorded
/// numbers of threads.
fn choices<'a>(
    records: &[&Recorded],
    tables: &[Compared<'a>],
) -> BTreeMap<&'a str, BTreeMap<Algorithm, f64>> {
    let mut busy: BTreeMap<&str, BTreeMap<Algorithm, f64>> = BTreeMap::new();
    for (record, table) in records.iter().zip(tables) {
        let threads = record.machine.threads as f64;
        for (line, algorithm, cost) in
            table.iter().flat_map(|(line, rows)| rows.iter().map(move |(a, _, c)| (*line, *a, *c)))
        {
            *busy.entry(line).or_default().entry(algorithm).or_default() += cost * threads;
        }
    }
    for costs in busy.values_mut() {
        let least = costs.values().copied().fold(f64::INFINITY, f64::min);
        let share = |cost: f64| (-(cost / least - 1.0) / SHARPNESS).exp();
        let total: f64 = costs.values().map(|&cost| share(cost)).sum();
        costs.values_mut().for_each(|cost| *cost = share(*cost) / total);
    }
    busy
}

/// How much longer than at best a network's layers take with these choices, relative to the best;
/// `None` if not all of them are recorded.
fn excess(
    record: &Recorded,
    layers: &BTreeMap<String, usize>,
    choices: &BTreeMap<&str, BTreeMap<Algorithm, f64>>,
) -> Option<f64> {
    let (mut time, mut best) = (0.0, 0.0);
    for (line, &uses) in layers {
        let (times, shares) = (record.layers.get(line)?, choices.get(line.as_str())?);
        let chosen = shares.iter().filter_map(|(a, share)| Some(share * times.get(a)?));
        time += uses as f64 * chosen.sum::<f64>();
        best += uses as f64 * times.values().copied().fold(f64::INFINITY, f64::min);
    }
    Some(time / best - 1.0)
}

/// The squared errors of the logarithms of a record's costs. Costs have no unit, so only their
/// ratios count; they are for one input channel and 16 outputs.
fn errors(table: &Compared<'_>) -> Vec<f64> {
    let ratios = table.iter().flat_map(|(line, rows)| {
        let problem: ConvProblem = line.parse().expect("a problem");
        let all = (problem.inputs * problem.outputs.div_ceil(16)) as f64;
        rows.iter().map(move |(_, time, cost)| (time / (cost * all)).ln())
    });
    let ratios: Vec<f64> = ratios.collect();
    let center = mean(ratios.iter().copied());
    ratios.into_iter().map(|ratio| (ratio - center).powi(2)).collect()
}

/// The rates that are fitted, by themselves.
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
        tiles: _,
        byte_tiles: _,
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
