//! Compiled networks in a folder: they compute the same, are found again, and nothing that is wrong
//! with a file does any harm.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use resnetc::ir::eval::Value;
use resnetc::{CacheUse, Compiler, Isa, IsaChoice, Model, Numerics, Options, PassSelection, cache};
use resnetc_testing::random_graph::random_graph;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "resnetc-cache-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    /// A folder for compiled networks in it.
    fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// The paths of its compiled networks, or of their weights.
    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache()).expect("it is there");
        let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("readable").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == extension));
        paths.sort();
        paths
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes a file so old that its version can be identified.
fn age(file: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    fs::File::options()
        .write(true)
        .open(file)
        .expect("it is there")
        .set_modified(time)
        .expect("ours");
}

fn outputs(model: &Model, inputs: &[Value]) -> Vec<Vec<u32>> {
    let mut context = model.context().expect("memory");
    for (i, value) in inputs.iter().enumerate() {
        let values: Vec<f32> = value.data.iter().map(|&x| x as f32).collect();
        context.input_mut(i).expect("an input").copy_from_slice(&values);
    }
    model.run(&mut context).expect("its own context");
    let bits =
        |i| context.output::<f32>(i).expect("an output").iter().map(|x| x.to_bits()).collect();
    (0..model.outputs().len()).map(bits).collect()
}

fn noise(model: &Model) -> Vec<Value> {
    let value = |(i, port): (usize, &resnetc::Port)| {
        let n = port.shape.iter().product();
        let data = resnetc_testing::running::noise(n, i as u64 + 3);
        Value::new(port.shape.clone(), data.into_iter().map(f64::from).collect())
    };
    model.inputs().iter().enumerate().map(value).collect()
}

fn cached(folder: &Folder, options: Options, name: impl AsRef<Path>) -> Model {
    Compiler::new(options.cache_dir(folder.cache())).compile(name).expect("it compiles")
}

fn used(model: &Model) -> CacheUse {
    model.report().cache.clone().expect("a folder was named")
}

const STORED: CacheUse = CacheUse::Stored { replaced: None };

/// A network that compiles fast.
const SMALL: &str = "tests/fixtures/resnet_basic_b/spec.toml";

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_networks_compute_the_same_from_a_folder(random in random_graph(1..10)) {
        let whole = Compiler::default().graph(random.graph.clone()).expect("a graph");
        // What ONNX cannot express has no bytes to be identified by.
        let Ok(bytes) = whole.to_onnx() else { return Ok(()) };
        let Ok(plain) = Compiler::default().onnx_bytes(&bytes, None) else { return Ok(()) };
        let Ok(plain) = plain.compile() else { return Ok(()) };
        let folder = Folder::new();
        let compiler = Compiler::new(Options::default().cache_dir(folder.cache()));
        let stored = compiler.onnx_bytes(&bytes, None).expect("as before").compile();
        let stored = stored.expect("as before");
        prop_assert_eq!(used(&stored), STORED);
        let found = compiler.onnx_bytes(&bytes, None).expect("as before").compile();
        let found = found.expect("as before");
        prop_assert_eq!(used(&found), CacheUse::Found);
        prop_assert_eq!(found.inputs(), plain.inputs());
        prop_assert_eq!(found.outputs(), plain.outputs());
        prop_assert_eq!(found.steps(), plain.steps());
        let inputs = noise(&plain);
        if plain.inputs().iter().all(|port| port.dtype.is_float()) {
            let expected = outputs(&plain, &inputs);
            prop_assert_eq!(&outputs(&stored, &inputs), &expected);
            prop_assert_eq!(&outputs(&found, &inputs), &expected);
        }
    }
}

#[test]
fn reports_are_those_of_the_compilation() {
    let folder = Folder::new();
    let stored = cached(&folder, Options::default(), SMALL);
    let found = cached(&folder, Options::default(), SMALL);
    assert_eq!((used(&stored), used(&found)), (STORED, CacheUse::Found));
    let text = |model: &Model| {
        let json = |value: serde_json::Result<String>| value.expect("plain data");
        [
            json(serde_json::to_string(model.plan())),
            json(serde_json::to_string(&model.explain())),
            json(serde_json::to_string(model.kernels())),
            json(serde_json::to_string(model.convolutions())),
        ]
    };
    for (stored, found) in text(&stored).iter().zip(text(&found)) {
        let at = stored.bytes().zip(found.bytes()).position(|(a, b)| a != b);
        let near = at.map(|at| [stored, &found].map(|text| &text[at.saturating_sub(80)..][..120]));
        assert!(*stored == found, "{near:?}");
    }
    let listed = cache::list(&folder.cache()).expect("our folder");
    let [listed] = &listed[..] else { panic!("one network: {listed:?}") };
    let network = listed.network.as_ref().expect("it is whole");
    assert!(network.is_current && network.isa == found.report().isa.name(), "{network:?}");
    assert_eq!(network.inputs, [("input".to_owned(), found.inputs()[0].shape.clone())]);
    assert_eq!(cache::clear(&folder.cache()).expect("our folder").networks, 1);
    assert_eq!(fs::read_dir(folder.cache()).expect("it is there").count(), 0);
    // Its weights were mapped, and still are.
    assert_eq!(outputs(&stored, &noise(&stored)), outputs(&found, &noise(&found)));
    assert_eq!(used(&cached(&folder, Options::default(), SMALL)), STORED);
}

#[test]
fn every_option_that_changes_the_code_is_in_the_key() {
    let folder = Folder::new();
    let all = Options::default;
    let weights = "tests/fixtures/resnet_basic_b/weights.safetensors";
    let variants = [
        all(),
        all().threads(1),
        all().threads(3),
        all().batch(2),
        all().seed(5),
        all().weights(Some(weights.into())),
        all().numerics(Numerics::Exact),
        all().numerics(Numerics::Half),
        all().isa(IsaChoice::Exactly(Isa::Baseline)),
        all().passes(PassSelection::None),
        all().reuse(resnetc::Reuse::Never),
        all().memory(1 << 30),
        all().outputs(vec!["layer1".to_owned()]),
    ];
    let two = all().thread_count().expect("a number") == 1;
    for (i, options) in variants.iter().enumerate() {
        let expected = if two && i == 1 { CacheUse::Found } else { STORED };
        assert_eq!(used(&cached(&folder, options.clone(), SMALL)), expected, "{options:?}");
    }
    for options in variants {
        let found = cached(&folder, options.clone(), SMALL);
        assert_eq!(used(&found), CacheUse::Found, "{options:?}");
        let plain = Compiler::new(options).compile(SMALL).expect("it compiles");
        assert_eq!(outputs(&found, &noise(&found)), outputs(&plain, &noise(&plain)));
    }
}

#[test]
fn a_changed_file_is_another_network() {
    let folder = Folder::new();
    let file = folder.0.join("net.onnx");
    let write = |seed: u64| {
        let network = Compiler::new(Options::default().seed(seed)).load(SMALL).expect("a network");
        fs::write(&file, network.to_onnx().expect("it can be written")).expect("our folder");
    };
    let open = || cached(&folder, Options::default(), &file);
    write(1);
    let first = open();
    assert_eq!(used(&first), STORED);
    assert_eq!(used(&open()), CacheUse::Found);
    // The same length and, to the file system, the same time of the last change.
    let time = file.metadata().and_then(|m| m.modified()).expect("the system tells");
    write(2);
    fs::File::options().write(true).open(&file).and_then(|f| f.set_modified(time)).expect("ours");
    let second = open();
    assert_eq!(used(&second), STORED);
    assert_ne!(outputs(&first, &noise(&first)), outputs(&second, &noise(&second)));
    write(1);
    assert_eq!(used(&open()), CacheUse::Found);
    age(&file, 60);
    assert_eq!(used(&open()), CacheUse::Found);
    // A copy elsewhere has the same contents.
    let copy = folder.0.join("copy.onnx");
    fs::copy(&file, &copy).expect("our folder");
    assert_eq!(used(&cached(&folder, Options::default(), &copy)), CacheUse::Found);
}

/// What happens to a file of the folder.
#[derive(Clone, Debug)]
enum Damage {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    More(Vec<u8>),
    Gone,
}

fn damage() -> impl Strategy<Value = Damage> {
    use prop::sample::Index;
    prop_oneof![
        6 => (any::<Index>(), 1..=255u8).prop_map(|(at, change)| Damage::Byte(at, change)),
        2 => any::<Index>().prop_map(Damage::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..64).prop_map(Damage::More),
        1 => Just(Damage::Gone),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_replaced(is_weights: bool, damage in damage()) {
        let folder = Folder::new();
        let plain = Compiler::default().compile(SMALL).expect("it compiles");
        cached(&folder, Options::default(), SMALL);
        let extension = if is_weights { "weights" } else { "net" };
        let file = folder.files(extension).pop().expect("one was written");
        let mut bytes = fs::read(&file).expect("it is there");
        // Between blocks of weights are bytes that nothing reads.
        let mut matters = !is_weights;
        match &damage {
            Damage::Byte(at, change) => {
                let at = at.index(bytes.len());
                bytes[at] ^= change;
            }
            Damage::Cut(at) => {
                bytes.truncate(at.index(bytes.len()));
                matters = true;
            }
            Damage::More(more) => bytes.extend(more),
            Damage::Gone => matters = true,
        }
        fs::remove_file(&file).expect("our folder");
        if !matches!(damage, Damage::Gone) {
            fs::write(&file, bytes).expect("our folder");
        }
        let again = cached(&folder, Options::default(), SMALL);
        match used(&again) {
            CacheUse::Stored { replaced } => {
                let is_gone = matches!(damage, Damage::Gone) && !is_weights;
                prop_assert_eq!(replaced.is_none(), is_gone, "{:?}", replaced);
                if let Some(reason) = replaced {
                    let name = file.file_name().expect("a file").to_string_lossy();
                    prop_assert!(reason.contains(&*name), "{}", reason);
                }
            }
            CacheUse::Found => prop_assert!(!matters),
            CacheUse::NotStored { reason } => prop_assert!(false, "{}", reason),
        }
        prop_assert_eq!(outputs(&again, &noise(&again)), outputs(&plain, &noise(&plain)));
        prop_assert_eq!(used(&cached(&folder, Options::default(), SMALL)), CacheUse::Found);
    }
}

#[cfg(unix)]
#[test]
fn what_others_may_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let folder = Folder::new();
    let open = || cached(&folder, Options::default(), SMALL);
    open();
    for extension in ["net", "weights"] {
        for loose in [0o620, 0o602] {
            let file = folder.files(extension).pop().expect("one was written");
            mode(&file, loose);
            let again = open();
            let CacheUse::Stored { replaced: Some(reason) } = used(&again) else {
                panic!("{:?}", used(&again))
            };
            assert!(reason.contains("other users may write to"), "{reason}");
            assert_eq!(used(&open()), CacheUse::Found);
        }
        // A link to a file of ours, which could lead elsewhere later.
        let file = folder.files(extension).pop().expect("one was written");
        let elsewhere = folder.0.join("elsewhere");
        fs::rename(&file, &elsewhere).expect("our folder");
        std::os::unix::fs::symlink(&elsewhere, &file).expect("our folder");
        let again = open();
        assert!(
            matches!(used(&again), CacheUse::Stored { replaced: Some(_) }),
            "{:?}",
            used(&again)
        );
        assert_eq!(used(&open()), CacheUse::Found);
    }
    mode(&folder.cache(), 0o777);
    let model = open();
    let CacheUse::NotStored { reason } = used(&model) else { panic!("{:?}", used(&model)) };
    assert!(reason.contains("other users may write to"), "{reason}");
    assert!(cache::list(&folder.cache()).is_err() && cache::clear(&folder.cache()).is_err());
    assert!(!folder.files("net").is_empty());
    mode(&folder.cache(), 0o700);
    assert_eq!(used(&open()), CacheUse::Found);
}

#[test]
fn a_folder_that_cannot_be_used_does_not_prevent_compilation() {
    let folder = Folder::new();
    fs::write(folder.cache(), "a file").expect("our folder");
    let model = cached(&folder, Options::default(), SMALL);
    let CacheUse::NotStored { reason } = used(&model) else { panic!("{:?}", used(&model)) };
    assert!(reason.contains("cache"), "{reason}");
    outputs(&model, &noise(&model));
}

#[test]
fn threads_that_compile_the_same_network_do_not_disturb_each_other() {
    let folder = Folder::new();
    let plain = Compiler::default().compile(SMALL).expect("it compiles");
    let expected = outputs(&plain, &noise(&plain));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..4 {
                    let model = cached(&folder, Options::default(), SMALL);
                    assert_eq!(outputs(&model, &noise(&model)), expected);
                    let _ = cache::clear(&folder.cache());
                }
            });
        }
    });
}

/// Names that are nearly those of the folder's files.
fn foreign() -> [String; 6] {
    let hex = "0123456789abcdef0123456789abcdef";
    [
        "net.weights".to_owned(),
        format!("{hex}{hex}.weights"),
        format!("{hex}.net"),
        format!("{hex}-{hex}.backup.net"),
        format!("{}.memo", hex.to_uppercase()),
        "01234567-89ab-cdef-0123-456789abcdef.weights".to_owned(),
    ]
}

#[test]
fn files_of_others_stay() {
    let folder = Folder::new();
    cached(&folder, Options::default(), SMALL);
    for name in foreign() {
        fs::write(folder.cache().join(&name), "mine").expect("our folder");
        age(&folder.cache().join(&name), 3600);
    }
    // Replacing a network removes weights without users.
    let net =
        folder.files("net").into_iter().max_by_key(|file| file.metadata().map_or(0, |m| m.len()));
    let net = net.expect("one was written");
    fs::remove_file(&net).expect("our folder");
    fs::write(&net, "damaged").expect("our folder");
    let again = cached(&folder, Options::default(), SMALL);
    assert!(matches!(used(&again), CacheUse::Stored { replaced: Some(_) }), "{:?}", used(&again));
    assert_eq!(cache::clear(&folder.cache()).expect("it is ours").networks, 1);
    let left = fs::read_dir(folder.cache()).expect("it is there").count();
    assert_eq!(left, foreign().len());
}

#[test]
fn what_killed_processes_leave_is_removed() {
    let folder = Folder::new();
    cached(&folder, Options::default(), SMALL);
    let [old, new] =
        ["old", "new"].map(|name| folder.cache().join(format!(".resnetc-1-{name}.tmp")));
    fs::write(&old, "half").and_then(|()| fs::write(&new, "half")).expect("our folder");
    age(&old, 3600);
    cache::clear(&folder.cache()).expect("it is ours");
    assert!(!old.exists() && new.exists(), "another process may be writing the new one");
}

#[test]
fn clearing_goes_on_where_a_file_cannot_be_removed() {
    let folder = Folder::new();
    cached(&folder, Options::default(), SMALL);
    let hex = "0123456789abcdef0123456789abcdef";
    let stubborn = folder.cache().join(format!("{hex}-{hex}.net"));
    fs::create_dir(&stubborn).expect("our folder");
    let failed = cache::clear(&folder.cache()).expect_err("a folder is no file");
    assert!(failed.contains(hex), "{failed}");
    assert_eq!(fs::read_dir(folder.cache()).expect("it is there").count(), 1);
}

#[test]
fn a_damaged_memo_is_not_used() {
    let folder = Folder::new();
    let file = folder.0.join("model.onnx");
    fs::copy("tests/fixtures/resnet_basic_b/model.onnx", &file).expect("our folder");
    // Until its version can be told from later ones.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(used(&cached(&folder, Options::default(), &file)), STORED);
    let memo = folder.files("memo").pop().expect("one was written");
    let mut text = fs::read_to_string(&memo).expect("it is text");
    let at = text.find("\"digest\":\"").expect("it has a digest") + 10;
    let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
    text.replace_range(at..=at, other);
    fs::remove_file(&memo).and_then(|()| fs::write(&memo, text)).expect("our folder");
    assert_eq!(used(&cached(&folder, Options::default(), &file)), CacheUse::Found);
}
