//! Where measured times are stored, and how commands use them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use resnetc::tune::{Cache, CacheError, MachineKey, Tuned, cache};
use resnetc::{IsaChoice, Numerics};

/// `--tuned off`.
pub(crate) const OFF: &str = "off";

/// A command's options about measured times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// `--tuned`.
    pub(crate) tuned: Option<&'a Path>,
    pub(crate) isa: IsaChoice,
    pub(crate) threads: Option<usize>,
    pub(crate) numerics: Numerics,
}

impl Wish<'_> {
    /// The machine that the command compiles for; `None` if the CPU cannot run the code, which the
    /// command will report.
    pub(crate) fn machine(self) -> Option<MachineKey> {
        let threads = self.threads.unwrap_or_else(resnetc::runtime::pool::default_threads);
        let precision = self.numerics.precision();
        Some(MachineKey { precision, ..MachineKey::of(self.isa.enable().ok()?, threads) })
    }
}

/// The file with measured times.
pub(crate) enum Place {
    /// A file that the user names.
    Named(PathBuf),
    /// The one for this machine, in the cache folder.
    Cached(PathBuf),
    /// No file: the environment names no cache folder.
    Nowhere,
    /// No file: the user wants none.
    Off,
}

impl Place {
    pub(crate) fn of(tuned: Option<&Path>, machine: &MachineKey) -> Self {
        match (tuned, cache::folder()) {
            (Some(word), _) if word == Path::new(OFF) => Place::Off,
            (Some(file), _) => Place::Named(file.to_owned()),
            (None, Some(folder)) => Place::Cached(folder.join(machine.file_name())),
            (None, None) => Place::Nowhere,
        }
    }
}

/// The measured choices of a command, read when they are first needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices(OnceLock<Option<Arc<Tuned>>>);

impl Choices {
    /// The choices. A file in the cache folder that cannot be used only causes a warning.
    pub(crate) fn get(&self, wish: Wish<'_>) -> Option<Arc<Tuned>> {
        self.0.get_or_init(|| read(wish)).clone()
    }

    /// Reads the file that the user names, which must exist and be valid.
    pub(crate) fn check_named(&self, wish: Wish<'_>) -> Result<(), CacheError> {
        let Some(machine) = wish.machine() else { return Ok(()) };
        if let Place::Named(file) = Place::of(wish.tuned, &machine) {
            let tuned = Cache::read(&file, &machine)?.tuned();
            self.0.get_or_init(|| Some(Arc::new(tuned)));
        }
        Ok(())
    }
}

fn read(wish: Wish<'_>) -> Option<Arc<Tuned>> {
    if wish.numerics.why_untuned().is_some() {
        return None;
    }
    let machine = wish.machine()?;
    let file = match Place::of(wish.tuned, &machine) {
        Place::Named(file) | Place::Cached(file) => file,
        Place::Nowhere | Place::Off => return None,
    };
    match Cache::read(&file, &machine) {
        Ok(cache) => Some(Arc::new(cache.tuned())),
        Err(e) if e.is_missing => None,
        Err(e) => {
            warn(&e, "measured times are not used");
            None
        }
    }
}

/// One line on stderr.
pub(crate) fn warn(error: &CacheError, consequence: &str) {
    // If stderr is closed, nobody reads the warning.
    let _ = writeln!(std::io::stderr().lock(), "warning: {error}; {consequence}");
}
