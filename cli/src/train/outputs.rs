//! The files that a training writes again and again. What somebody else wrote is not replaced.

use std::fs::{File, Metadata, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use resnetc::ErrorCode;
use resnetc::import::safetensors::{self, WeightMap};
use resnetc::training::State;

use super::args::Args;
use super::checkpoint::{self, Checkpoint};
use super::log::{self, Line};
use super::plan::Plan;
use crate::failure::Failure;
use crate::output;

/// The files of a training.
#[derive(Debug)]
pub(super) struct Outputs {
    weights: Output,
    checkpoint: Output,
    log: Option<Output>,
    /// The checksum of a log of another run that may be replaced.
    old_log: Option<u32>,
}

/// A file, and the version of it that may be replaced.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    known: Option<Version>,
    /// Whether the first write replaces whatever is there.
    is_forced: bool,
}

/// What changes whenever a file is replaced or written to, and not with its permissions or further
/// hard links.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    bytes: u64,
    modified: Option<SystemTime>,
    place: Option<[u64; 2]>,
}

impl Outputs {
    /// Refuses files that exist, and places that cannot be written to.
    pub(super) fn open(args: &Args) -> Result<Self, Failure> {
        let reads: Vec<&Path> =
            [Some(&args.model), args.from.as_ref()].into_iter().flatten().map(|p| &**p).collect();
        let own = |path: PathBuf, check: fn(&Path, &[&Path]) -> Result<(), Failure>| {
            check(&path, &reads)?;
            Output::new(path, args.force)
        };
        let weights = own(args.output.clone(), output::check_file)?;
        let checkpoint = own(checkpoint::beside(&args.output), output::check_file)?;
        let log = args.log.clone().map(|log| own(log, output::check_text)).transpose()?;
        let mut outputs = Outputs { weights, checkpoint, log, old_log: None };
        match () {
            () if args.resume => {}
            () if args.force => {
                outputs.check_log(|_| true)?;
                outputs.check_checkpoint()?;
                outputs.old_log = outputs.log.as_ref().and_then(|log| log::checksum(&log.path));
            }
            () => outputs.check_free()?,
        }
        Ok(outputs)
    }

    /// Takes the place, so that nobody else begins here. With `--force`, a run that is at work here
    /// will notice, and stop.
    pub(super) fn claim(&mut self) -> Result<(), Failure> {
        if self.checkpoint.is_forced {
            return Ok(());
        }
        let path = &self.checkpoint.path;
        match File::create_new(path) {
            Ok(_) => {
                self.checkpoint.known = Version::of(path);
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(self.taken()),
            Err(e) => Err(Failure::unwritable(path, e)),
        }
    }

    fn taken(&self) -> Failure {
        let what = "the file is of a run that was stopped, or that is still going on";
        Failure::file(&self.checkpoint.path, what)
            .help("--resume goes on with it; --force begins anew")
            .code(ErrorCode::FileExists)
    }

    /// Checks that the checkpoint may be replaced, if it exists: that it is one. One that is empty is
    /// of a run that was killed when it began.
    fn check_checkpoint(&self) -> Result<(), Failure> {
        let is_own = |path: &Path| State::load(path).is_ok();
        self.checkpoint.check_own("is not a checkpoint", |path| is_empty(path) || is_own(path))
    }

    /// Checks that no file is there.
    fn check_free(&self) -> Result<(), Failure> {
        if self.checkpoint.exists() {
            return Err(self.taken());
        }
        match [Some(&self.weights), self.log.as_ref()].into_iter().flatten().find(|o| o.exists()) {
            Some(there) => Err(Failure::exists(&there.path)),
            None => Ok(()),
        }
    }

    /// Checks that the log may be replaced, if it exists: that it is a log, and a certain one.
    fn check_log(&self, may_go: impl Fn(&[Line]) -> bool) -> Result<(), Failure> {
        let Some(log) = &self.log else { return Ok(()) };
        let is_own = |path: &Path| log::read(path).is_ok_and(|lines| may_go(&lines));
        log.check_own("is not the log of this training", |path| is_empty(path) || is_own(path))
    }

    /// The checkpoint of a run that was stopped. Weights and log, if there are any, must be its own.
    pub(super) fn checkpoint(&mut self, plan: &Plan) -> Result<Checkpoint, Failure> {
        let found = Checkpoint::load(&self.checkpoint.path, plan)?;
        self.check_weights(&found.state)?;
        self.old_log = found.note.old_log;
        let is_old = || {
            let log = self.log.as_ref().and_then(|log| log::checksum(&log.path));
            log.is_some() && log == self.old_log
        };
        let begun = &found.note.lines;
        // It is written before the checkpoint, so it may be a line ahead.
        let is_own = |lines: &[Line]| {
            lines.len() <= begun.len() + 1 && lines.iter().zip(begun).all(|(own, old)| own == old)
        };
        self.check_log(|lines| is_own(lines) || is_old())?;
        Ok(found)
    }

    /// Checks that the weights may be replaced, if they exist: that they are of this network.
    fn check_weights(&self, state: &State) -> Result<(), Failure> {
        let is_own = |weights: WeightMap| {
            let shape = |name| state.tensors.get(name).map(|tensor| tensor.shape());
            weights.iter().all(|(name, tensor)| shape(name) == Some(tensor.shape()))
        };
        self.weights.check_own("has not the weights of this training", |path| {
            safetensors::load(path).is_ok_and(is_own)
        })
    }

    /// The checksum of a log of another run that may be replaced.
    pub(super) fn old_log(&self) -> Option<u32> {
        self.old_log
    }

    /// Whether there is a checkpoint of this run.
    pub(super) fn has_checkpoint(&self) -> bool {
        self.checkpoint.exists() && self.checkpoint.check().is_ok()
    }

    /// Where checkpoints are.
    pub(super) fn checkpoint_file(&self) -> &Path {
        &self.checkpoint.path
    }

    pub(super) fn save_weights(&mut self, weights: &WeightMap) -> Result<(), Failure> {
        let checkpoint = &self.checkpoint;
        self.weights.replace(|path| {
            // Who has the checkpoint has the place.
            checkpoint.check()?;
            Ok(safetensors::save(path, safetensors::named(weights))?)
        })
    }

    /// Writes the log anew, if one is wanted.
    pub(super) fn save_log(&mut self, lines: &[Line]) -> Result<(), Failure> {
        let Some(log) = &mut self.log else { return Ok(()) };
        log.replace(|path| output::write_file(path, log::text(path, lines)?.as_bytes()))
    }

    pub(super) fn save_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        self.checkpoint.replace(|path| checkpoint.save(path))
    }

    /// Removes the checkpoint.
    pub(super) fn remove_checkpoint(&mut self) {
        if self.checkpoint.check().is_ok() {
            // What remains is in the way of the next training, and no loss.
            let _ = std::fs::remove_file(&self.checkpoint.path);
        }
    }
}

impl Output {
    /// A file that may be replaced as it is now.
    fn new(path: PathBuf, is_forced: bool) -> Result<Self, Failure> {
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(Failure::unwritable(&path, "it is not a regular file"));
        }
        let known = Version::of(&path);
        Ok(Output { path, known, is_forced })
    }

    fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// Refuses a file that exists and `is` not what this one would replace.
    fn check_own(&self, what: &str, is: impl FnOnce(&Path) -> bool) -> Result<(), Failure> {
        match !self.exists() || is(&self.path) {
            true => Ok(()),
            false => Err(Failure::file(&self.path, format!("the file exists, and {what}"))
                .help("move it to another place, or give the output another name")
                .code(ErrorCode::FileExists)),
        }
    }

    /// Checks that nobody else has written the file.
    fn check(&self) -> Result<(), Failure> {
        let found = Version::of(&self.path);
        match self.is_forced || found.is_none() || found == self.known {
            true => Ok(()),
            false => Err(Failure::file(
                &self.path,
                "another program has written this file meanwhile, so it is not replaced",
            )
            .help("give each run a name of its own with --output; if no other run writes it, --resume goes on")
            .code(ErrorCode::FileExists)),
        }
    }

    fn replace(&mut self, write: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
        let _lock = lock(&self.path);
        self.check()?;
        write(&self.path)?;
        self.known = Version::of(&self.path);
        self.is_forced = false;
        Ok(())
    }
}

impl Version {
    /// That of the file at a path, if there is one.
    fn of(path: &Path) -> Option<Self> {
        let found = path.metadata().ok()?;
        Some(Version { bytes: found.len(), modified: found.modified().ok(), place: place(&found) })
    }
}

/// Keeps other runs from writing between a check and what follows it, while it is held. Where a
/// system cannot do that, or somebody holds the lock for long, there is none.
fn lock(file: &Path) -> Option<File> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).ok()?;
    for _ in 0..100 {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

fn is_empty(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.len() == 0)
}

/// The device and the number of a file, where systems have them.
#[cfg(unix)]
fn place(found: &Metadata) -> Option<[u64; 2]> {
    use std::os::unix::fs::MetadataExt;
    Some([found.dev(), found.ino()])
}

#[cfg(not(unix))]
fn place(_: &Metadata) -> Option<[u64; 2]> {
    None
}
