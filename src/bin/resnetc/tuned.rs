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
    /// The choices. A file in the cache folder that cannot be used costs a warning, and no more.
    pub(crate) fn get(&self, common: &Common) -> Option<Arc<Tuned>> {
        self.0.get_or_init(|| read(common)).clone()
    }
}

fn read(common: &Common) -> Option<Arc<Tuned>> {
    if common.model.numerics == Numerics::Exact {
        return None;
    }
    let machine = machine(common)?;
    let file = match Place::of(common, &machine) {
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

/// Sees that a file of measured times that the user names can be used.
pub(crate) fn check_named(common: &Common) -> Result<(), CacheError> {
    match machine(common).map(|machine| (Place::of(common, &machine), machine)) {
        Some((Place::Named(file), machine)) => Cache::read(&file, &machine).map(drop),
        _ => Ok(()),
    }
}

/// One line on stderr.
pub(crate) fn warn(error: &CacheError, consequence: &str) {
    // If stderr is closed, there is nobody to be warned.
    let _ = writeln!(std::io::stderr().lock(), "warning: {error}; {consequence}");
}
