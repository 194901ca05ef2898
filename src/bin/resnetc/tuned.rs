//! Where measured times are, and what a command does with them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use resnetc::Numerics;
use resnetc::tune::{Cache, CacheError, MachineKey, Tuned, cache};

use crate::args::Common;

/// `--tuned off`.
pub(crate) const OFF: &str = "off";

/// The file with measured times.
pub(crate) enum Place {
    /// The user names it.
    Named(PathBuf),
    /// The one for this machine, in the cache folder.
    Cached(PathBuf),
    /// The environment names no cache folder.
    Nowhere,
    /// The user wants none.
    Off,
}

impl Place {
    pub(crate) fn of(common: &Common, machine: &MachineKey) -> Self {
        match (&common.model.tuned, cache::folder()) {
            (Some(word), _) if word == Path::new(OFF) => Place::Off,
            (Some(file), _) => Place::Named(file.clone()),
            (None, Some(folder)) => Place::Cached(folder.join(machine.file_name())),
            (None, None) => Place::Nowhere,
        }
    }
}

/// The machine that a command compiles for; none if the CPU cannot run the code, which the command will say.
pub(crate) fn machine(common: &Common) -> Option<MachineKey> {
    let threads = common.threads.unwrap_or_else(resnetc::runtime::pool::default_threads);
    Some(MachineKey::of(common.model.isa.resolve().ok()?, threads))
}

/// The measured choices of a command, read when they are first asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices(OnceLock<Option<Arc<Tuned>>>);

impl Choices {
    /// The choices. A file that cannot be used costs a warning, and no more.
    pub(crate) fn get(&self, common: &Common) -> Option<Arc<Tuned>> {
        self.0.get_or_init(|| read(common)).clone()
    }
}

fn read(common: &Common) -> Option<Arc<Tuned>> {
    if common.model.numerics == Numerics::Exact {
        return None;
    }
    let machine = machine(common)?;
    let (file, is_named) = match Place::of(common, &machine) {
        Place::Named(file) => (file, true),
        Place::Cached(file) => (file, false),
        Place::Nowhere | Place::Off => return None,
    };
    match Cache::read(&file, &machine) {
        Ok(cache) => Some(Arc::new(cache.tuned())),
        Err(e) if e.is_missing && !is_named => None,
        Err(e) => {
            warn(&e, "measured times are not used");
            None
        }
    }
}

/// One line on stderr.
pub(crate) fn warn(error: &CacheError, consequence: &str) {
    // If stderr is closed, there is nobody to be warned.
    let _ = writeln!(std::io::stderr().lock(), "warning: {error}; {consequence}");
}
