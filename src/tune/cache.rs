//! Measured times in a file: one JSON file per machine key, with a line per layer.
//!
//! A file is replaced as a whole, so a reader sees the old one or the new one, whatever else runs
//! or is killed at the time. What another process has added is kept, except for what it adds
//! between reading and replacing: those layers will be measured again, and nothing else is lost.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Layer, MachineKey, Tuned};
use crate::error_code::ErrorCode;
use crate::one_line::{one_line, path_line};
use crate::whole_file;

/// A larger file was not written by resnetc: a layer takes about 300 bytes, and a network has a few
/// dozen layers.
const MOST_BYTES: u64 = 4 << 20;

/// Version of the file format.
const FORMAT: u32 = 1;

/// The measured layers of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    format: u32,
    machine: MachineKey,
    layers: BTreeMap<String, Entry>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Name of the chosen algorithm.
    pub algorithm: String,
    /// Nanoseconds of each algorithm, by name.
    pub nanoseconds: BTreeMap<String, u64>,
}

/// Why a file cannot be used or written. This never prevents compilation.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", path_line(.file), one_line(.reason, 1000))]
pub struct CacheError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
    /// Whether there is no such file, as before the first measurement.
    pub is_missing: bool,
}

/// The folder of caches: `$RESNETC_CACHE_DIR`, or `resnetc` in `$XDG_CACHE_HOME`, or
/// `.cache/resnetc` in the home folder; `None` if the environment sets none of them. Empty
/// variables do not count.
pub fn folder() -> Option<PathBuf> {
    folder_by(&|name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from))
}

fn folder_by(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // As the XDG specification requires, a relative path in its variable is ignored.
    let xdg = || variable("XDG_CACHE_HOME").filter(|p| p.is_absolute());
    let home = || variable("HOME").map(|p| p.join(".cache"));
    variable("RESNETC_CACHE_DIR").or_else(|| Some(xdg().or_else(home)?.join("resnetc")))
}

impl Cache {
    /// A cache without layers.
    pub fn new(machine: MachineKey) -> Self {
        Cache { format: FORMAT, machine, layers: BTreeMap::new() }
    }

    /// The machine on which the layers were measured.
    pub fn machine(&self) -> &MachineKey {
        &self.machine
    }

    /// The layers, each with its problem line.
    pub fn layers(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.layers.iter().map(|(line, entry)| (line.as_str(), entry))
    }

    /// Adds a layer, or replaces its entry.
    pub fn insert(&mut self, line: impl Into<String>, entry: Entry) {
        self.layers.insert(line.into(), entry);
    }

    /// Adds the measured layers whose times can be trusted ([`Layer::is_steady`]).
    pub fn add(&mut self, layers: &[Layer]) {
        for layer in layers.iter().filter(|layer| layer.is_steady()) {
            let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            let times = layer.candidates.iter();
            let times = times.map(|c| (c.algorithm.to_string(), nanoseconds(c.time)));
            let entry =
                Entry { algorithm: layer.chosen().to_string(), nanoseconds: times.collect() };
            self.insert(layer.problem.to_string(), entry);
        }
    }

    /// The choices, except those of algorithms that do not exist.
    pub fn tuned(&self) -> Tuned {
        let layers = self.layers.iter();
        layers.filter_map(|(line, e)| Some((line, e.algorithm.parse().ok()?))).collect()
    }

    /// Reads a file that was written for this machine key.
    ///
    /// # Errors
    /// If there is no such file, or it is damaged, for another machine, or not a cache at all.
    pub fn read(file: &Path, machine: &MachineKey) -> Result<Self, CacheError> {
        let fail = |reason: String| CacheError::new(file, reason);
        let cache = Cache::decode(&bytes(file)?).map_err(fail)?;
        match cache.machine == *machine {
            true => Ok(cache),
            false => Err(fail(
                "it was measured on another CPU, for other threads, another instruction set or other numerics, or by another version"
                    .to_owned(),
            )),
        }
    }

    /// Reads the bytes of a file, whatever machine it was written for.
    ///
    /// # Errors
    /// If they are not a valid cache; the error says why.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let cache: Cache = serde_json::from_slice(bytes)
            .map_err(|e| format!("this is not a valid file of `resnetc tune`: {e}"))?;
        match cache.format {
            FORMAT => Ok(cache),
            other => Err(format!("its format is {other}, not {FORMAT}")),
        }
    }

    /// Adds the other layers in the existing file at this path, if it can be read, and replaces it.
    /// The folder must exist.
    ///
    /// # Errors
    /// If it cannot be written; the old file then stays.
    pub fn merge_into(mut self, file: &Path) -> Result<(), CacheError> {
        let own = self.encode(file)?;
        if let Ok(earlier) = Cache::read(file, &self.machine) {
            for (line, entry) in earlier.layers {
                self.layers.entry(line).or_insert(entry);
            }
        }
        let merged = self.encode(file)?;
        // If the file would be too large, all old layers are dropped, which is very rare.
        let bytes = if merged.len() as u64 > MOST_BYTES { own } else { merged };
        whole_file::write(file, &bytes)
            .map_err(|e| CacheError::new(file, format!("writing failed: {e}")))
    }

    fn encode(&self, file: &Path) -> Result<Vec<u8>, CacheError> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| CacheError::new(file, format!("it cannot be encoded: {e}")))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Creates the file's folder if it does not exist, and checks that the file can be written, so that
/// commands do not do work in vain.
///
/// # Errors
/// If it cannot be written.
pub fn prepare(file: &Path) -> Result<(), CacheError> {
    let fail = |e: std::io::Error| CacheError::new(file, format!("it cannot be written: {e}"));
    if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    if std::fs::metadata(file).is_ok_and(|found| !found.is_file()) {
        return Err(fail(std::io::Error::other("it is not a regular file")));
    }
    whole_file::check_target(file).map_err(fail)
}

impl CacheError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::MeasuredTimes
    }

    fn new(file: &Path, reason: impl Into<String>) -> Self {
        CacheError { file: file.to_owned(), reason: reason.into(), is_missing: false }
    }
}

/// A file's bytes, if it is a regular file of a plausible size.
fn bytes(file: &Path) -> Result<Vec<u8>, CacheError> {
    whole_file::read(file, MOST_BYTES).map_err(|e| CacheError {
        is_missing: e.kind() == ErrorKind::NotFound,
        ..CacheError::new(
            file,
            match e.kind() {
                ErrorKind::FileTooLarge => {
                    format!("it is too large for a file of `resnetc tune`: {e}")
                }
                _ => format!("reading failed: {e}"),
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(variables: &[(&str, &str)]) -> Option<PathBuf> {
        folder_by(&|name| {
            variables.iter().find(|v| v.0 == name).map(|v| PathBuf::from(v.1.to_owned()))
        })
    }

    #[test]
    fn the_first_variable_of_three_names_the_folder() {
        let absolute = std::env::temp_dir();
        let xdg = ("XDG_CACHE_HOME", absolute.to_str().expect("Unicode"));
        let all = [("RESNETC_CACHE_DIR", "own"), xdg, ("HOME", "/home/me")];
        assert_eq!(folder_of(&all), Some("own".into()));
        assert_eq!(folder_of(&all[1..]), Some(absolute.join("resnetc")));
        assert_eq!(folder_of(&all[2..]), Some("/home/me/.cache/resnetc".into()));
        assert_eq!(
            folder_of(&[("XDG_CACHE_HOME", "relative"), all[2]]),
            Some("/home/me/.cache/resnetc".into())
        );
        assert_eq!(folder_of(&[]), None);
    }
}
