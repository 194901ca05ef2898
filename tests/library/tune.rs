//! Measured choices of algorithms: the file that keeps them, and compilations that use them. No
//! content of a file makes a compilation fail.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use resnetc::compile::{candidates, machine, schedule};
use resnetc::import::safetensors;
use resnetc::kernels::Algorithm;
use resnetc::kernels::algorithm::ALGORITHMS;
use resnetc::kernels::precision::Precision;
use resnetc::kernels::problem::ConvProblem;
use resnetc::tune::{Cache, MachineKey, Tuned, cache, measure};
use resnetc::{Compiler, Isa, Model, Network, Numerics, Options};

/// A separate, empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tune").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder for the test");
    path
}

fn key() -> MachineKey {
    MachineKey::of(Isa::Baseline, 2)
}

fn cache_of(layers: &BTreeMap<String, cache::Entry>) -> Cache {
    let mut cache = Cache::new(key());
    layers.iter().for_each(|(line, entry)| cache.insert(line, entry.clone()));
    cache
}

fn planted(lines: &[String], algorithm: &str) -> Cache {
    let entry = cache::Entry { algorithm: algorithm.to_owned(), nanoseconds: BTreeMap::new() };
    cache_of(&lines.iter().map(|line| (line.clone(), entry.clone())).collect())
}

/// Layers with any name, with algorithms that exist and others.
fn layers() -> impl Strategy<Value = BTreeMap<String, cache::Entry>> {
    let name = prop_oneof![
        prop::sample::select(&ALGORITHMS[..]).prop_map(|a| a.to_string()),
        any::<String>()
    ];
    let times = prop::collection::btree_map(name.clone(), any::<u64>(), 0..4);
    let entry =
        (name, times).prop_map(|(algorithm, nanoseconds)| cache::Entry { algorithm, nanoseconds });
    prop::collection::btree_map(prop_oneof!["[a-e]", any::<String>()], entry, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_and_nothing_else_is_lost(old in layers(), new in layers()) {
        let file = folder("round_trip").join("c.json");
        cache_of(&old).merge_into(&file).expect("written");
        prop_assert_eq!(Cache::read(&file, &key()).expect("read"), cache_of(&old));
        cache_of(&new).merge_into(&file).expect("written");
        let merged: BTreeMap<_, _> = old.into_iter().chain(new).collect();
        let read = Cache::read(&file, &key()).expect("read");
        prop_assert_eq!(&read, &cache_of(&merged));
        for (line, entry) in &merged {
            prop_assert_eq!(read.tuned().get(line), entry.algorithm.parse().ok());
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), old in layers(), at: prop::sample::Index) {
        let file = folder("bytes").join("c.json");
        fs::write(&file, &bytes).expect("written");
        prop_assert!(Cache::read(&file, &key()).is_err());
        cache_of(&old).merge_into(&file).expect("a damaged file is replaced");
        let mut whole = fs::read(&file).expect("written");
        // With one byte changed, it is still a cache, with another number or name in it, or it is
        // refused.
        let at = at.index(whole.len());
        whole[at] = bytes.first().copied().unwrap_or(b'"');
        fs::write(&file, &whole).expect("written");
        if let Ok(cache) = Cache::read(&file, &key()) {
            cache.tuned();
        }
    }
}

#[test]
fn what_is_no_whole_file_of_this_machine_is_refused() {
    let folder = folder("refused");
    let file = folder.join("c.json");
    let missing = Cache::read(&file, &key()).expect_err("there is none");
    assert!(missing.is_missing, "{missing}");
    let lines = ["conv a".to_owned(), "conv b".to_owned()];
    planted(&lines, "direct").merge_into(&file).expect("written");
    let whole = fs::read(&file).expect("written");
    let cut = folder.join("cut.json");
    // Except for the newline at its end, every byte is needed.
    for len in 0..whole.len() - 1 {
        fs::write(&cut, &whole[..len]).expect("written");
        assert!(Cache::read(&cut, &key()).is_err(), "{len} bytes");
    }
    let large = [&whole[..], &vec![b' '; 4 << 20]].concat();
    let other = MachineKey { threads: 3, ..key() };
    let of_format_9 = String::from_utf8(whole.clone()).expect("JSON");
    let of_format_9 = of_format_9.replace("\"format\": 1", "\"format\": 9");
    for (bytes, key, says) in [
        (&large[..], key(), "too large"),
        (b"{}", key(), "format"),
        (of_format_9.as_bytes(), key(), "its format is 9"),
        (&whole, other, "another CPU"),
    ] {
        fs::write(&cut, bytes).expect("written");
        let refused = Cache::read(&cut, &key).expect_err(says);
        assert!(!refused.is_missing, "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
        assert!(refused.to_string().contains("cut.json"), "{refused}");
    }
    let refused = Cache::read(&folder, &key()).expect_err("a folder");
    assert!(refused.to_string().contains("not a regular file"), "{refused}");
    assert!(planted(&lines, "direct").merge_into(&folder).is_err());
    assert!(cache::prepare(&folder).is_err());
    assert!(cache::prepare(&file.join("below a file")).is_err());
    assert_eq!(fs::read(&file).expect("it stays"), whole);
}

/// Keys that differ from `key()` in one part each.
fn other_keys() -> Vec<(&'static str, MachineKey)> {
    let with_cpu = |name: &str, value: Option<&str>| {
        let mut cpu = key().cpu;
        match value {
            Some(value) => cpu.insert(name.to_owned(), value.to_owned()),
            None => cpu.remove(name),
        };
        MachineKey { cpu, ..key() }
    };
    vec![
        ("another model of CPU", with_cpu("model name", Some("Another CPU"))),
        ("a CPU that says more", with_cpu("CPU variant", Some("0x9"))),
        ("another architecture", with_cpu("architecture", Some("another"))),
        ("a CPU that says less", with_cpu("architecture", None)),
        ("another cache", MachineKey { core_cache_bytes: key().core_cache_bytes * 2, ..key() }),
        ("another instruction set", MachineKey::of(Isa::Avx2, 2)),
        ("more threads", MachineKey::of(Isa::Baseline, 3)),
        ("other weights", MachineKey { precision: Precision::Half, ..key() }),
        ("another release", MachineKey { resnetc: "0.0.1".to_owned(), ..key() }),
        ("other kernels", MachineKey { generator: key().generator + 1, ..key() }),
    ]
}

/// Times that were measured elsewhere are useless: they are not read, and not copied to a file that
/// is written here.
#[test]
fn a_file_of_another_machine_is_refused_and_nothing_of_it_is_kept() {
    let file = folder("elsewhere").join("c.json");
    let entry = |algorithm: &str| cache::Entry {
        algorithm: algorithm.to_owned(),
        nanoseconds: BTreeMap::from([(algorithm.to_owned(), 1)]),
    };
    for (what, other) in other_keys() {
        let mut elsewhere = Cache::new(other.clone());
        elsewhere.insert("conv elsewhere", entry("direct"));
        fs::write(&file, serde_json::to_vec(&elsewhere).expect("JSON")).expect("written");
        assert_eq!(Cache::read(&file, &other).expect("its own file"), elsewhere, "{what}");
        let refused = Cache::read(&file, &key()).expect_err(what);
        assert!(!refused.is_missing && refused.to_string().contains("another CPU"), "{refused}");
        let mut here = Cache::new(key());
        here.insert("conv here", entry("direct"));
        here.clone().merge_into(&file).expect("written");
        assert_eq!(Cache::read(&file, &key()).expect("its own file"), here, "{what}");
    }
}

#[test]
fn writers_at_the_same_time_leave_a_whole_file() {
    let folder = folder("together");
    let file = folder.join("c.json");
    planted(&["start".to_owned()], "direct").merge_into(&file).expect("written");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let file = &file;
            scope.spawn(move || {
                for i in 0..20 {
                    let line = format!("conv {writer} {i}");
                    planted(&[line], "direct").merge_into(file).expect("written");
                    let read = Cache::read(file, &key()).expect("whole at any time");
                    assert!(read.tuned().get("start").is_some());
                }
            });
        }
    });
    assert_eq!(fs::read_dir(&folder).expect("there").count(), 1, "nothing else is left");
}

const NAME: &str = "resnet_basic_b";

/// Error allowed relative to the largest output: as in `tests/networks.rs`, for fast numerics.
const TOLERANCE: f64 = 1e-5;

fn network(numerics: Numerics, tuned: Option<Tuned>) -> Network {
    let options =
        Options::default().threads(1).numerics(numerics).batch(batch()).tuned(tuned.map(Arc::new));
    Compiler::new(options).load(fixture()).expect("a fixture")
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(NAME).join("model.onnx")
}

fn io() -> safetensors::WeightMap {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(NAME);
    safetensors::load(&file.join("io.safetensors")).expect("a fixture")
}

fn batch() -> usize {
    io()["input"].shape()[0]
}

/// The problem lines of all convolutions, and the algorithms that can compute them.
fn lines() -> Vec<(String, Vec<Algorithm>)> {
    let network = network(Numerics::Fast, None);
    let mut graph = network.graph().clone();
    schedule(&mut graph, network.options()).expect("a fixture");
    let (_, machine) = machine(network.options()).expect("this machine has the instructions");
    let able = |node| {
        candidates(&graph, node, &machine).into_iter().map(|choice| choice.algorithm).collect()
    };
    let line = |node| Some((ConvProblem::of(&graph, node)?.to_string(), able(node)));
    graph.topo().into_iter().filter_map(line).collect()
}

fn kernels(model: &Model) -> Vec<&str> {
    model.steps().iter().map(|s| s.kernel.as_str()).collect()
}

fn assert_right(model: &Model) {
    let io = io();
    let mut cx = model.context().expect("memory for an arena");
    cx.input_mut(0).expect("one input").copy_from_slice(io["input"].data());
    model.run(&mut cx).expect("its own context");
    let expected = io["output"].data().iter().map(|&x| f64::from(x));
    let off = resnetc::check::Difference::of(cx.output::<f32>(0).expect("one output"), expected);
    assert!(off.largest > 1e-3 && off.relative() <= TOLERANCE, "{off:?}");
}

#[test]
fn a_compilation_uses_what_a_file_says() {
    let file = folder("used").join("c.json");
    let lines = lines();
    let all: Vec<String> = lines.iter().map(|l| l.0.clone()).collect();
    let direct = network(Numerics::Exact, None).compile().expect("compiles");
    let mut seen = vec![kernels(&direct).join("\n")];
    // Only some CPUs have tiles.
    let tiles = resnetc_testing::host::runs(Isa::Amx);
    let known = || ALGORITHMS.into_iter().filter(|&a| tiles || a.name() != "fixed_point");
    for algorithm in known() {
        planted(&all, &algorithm.to_string()).merge_into(&file).expect("written");
        let tuned = Cache::read(&file, &key()).expect("read").tuned();
        let model = network(Numerics::Fast, Some(tuned)).compile().expect("compiles");
        let able = lines.iter().filter(|l| l.1.contains(&algorithm)).count();
        assert!(able > 0, "{algorithm}");
        assert_eq!(model.report().tuned, able, "{algorithm}");
        assert_right(&model);
        match algorithm {
            Algorithm::DIRECT => assert_eq!(kernels(&model), kernels(&direct)),
            _ => seen.push(kernels(&model).join("\n")),
        }
    }
    assert_eq!(seen.len(), known().count());
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), known().count(), "two algorithms give the same code");
}

#[test]
fn what_cannot_be_done_is_ignored() {
    let lines = lines();
    let winograd = ALGORITHMS[1];
    let others = lines.iter().filter(|l| !l.1.contains(&winograd));
    let others: Vec<String> = others.map(|l| l.0.clone()).collect();
    assert!(!others.is_empty(), "Winograd's algorithm can compute every layer");
    let able: Vec<String> = lines.iter().filter(|l| l.1.len() > 1).map(|l| l.0.clone()).collect();
    let plain = network(Numerics::Fast, None).compile().expect("compiles");
    let impossible = planted(&others, &winograd.to_string()).tuned();
    let unknown = planted(&able, "magic").tuned();
    assert!(!impossible.is_empty() && unknown.is_empty());
    for tuned in [impossible, unknown] {
        let model = network(Numerics::Fast, Some(tuned)).compile().expect("compiles");
        assert_eq!((model.report().tuned, kernels(&model)), (0, kernels(&plain)));
    }
    let winograd = planted(&able, &winograd.to_string()).tuned();
    let options = Options::default().numerics(Numerics::Exact).tuned(Some(Arc::new(winograd)));
    let refused =
        Compiler::new(options).load(fixture()).expect_err("exact numerics have no choice");
    assert!(refused.to_string().starts_with("Options::tuned has no effect"), "{refused}");
}

#[test]
fn every_layer_with_a_choice_is_measured_once() {
    let network = network(Numerics::Fast, None);
    let mut told = Vec::new();
    let layers = measure(&network, &mut |done, total| told.push((done, total))).expect("measures");
    let mut expected = lines();
    expected.retain(|l| l.1.len() > 1);
    assert_eq!(layers.iter().map(|l| l.uses).sum::<usize>(), expected.len());
    let mut distinct: Vec<String> = layers.iter().map(|l| l.problem.to_string()).collect();
    distinct.sort();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    expected.dedup();
    assert_eq!(distinct, expected.iter().map(|l| l.0.clone()).collect::<Vec<_>>());
    for layer in &layers {
        let measured: Vec<Algorithm> = layer.candidates.iter().map(|c| c.algorithm).collect();
        let line = layer.problem.to_string();
        assert!(expected.contains(&(line.clone(), measured.clone())), "{line}: {measured:?}");
        assert!(measured.contains(&layer.modelled), "{line}");
        assert!(measured.contains(&layer.chosen()), "{line}");
        for candidate in &layer.candidates {
            assert!(candidate.time > Duration::ZERO && candidate.time < Duration::MAX, "{line}");
        }
    }
    let total = layers.iter().map(|l| l.candidates.len() as u64).sum::<u64>();
    assert_eq!(told, (1..=total).map(|done| (done, total)).collect::<Vec<_>>());
    let mut cache = Cache::new(key());
    cache.add(&layers);
    assert_eq!(cache.tuned(), layers.iter().cloned().collect());
    let model = self::network(Numerics::Fast, Some(cache.tuned())).compile().expect("compiles");
    let kept = layers.iter().filter(|layer| layer.is_steady());
    assert_eq!(model.report().tuned, kept.map(|l| l.uses).sum::<usize>());
    assert_right(&model);
    let exact = self::network(Numerics::Exact, None);
    assert_eq!(measure(&exact, &mut |_, _| ()).expect("nothing to do"), []);
}
