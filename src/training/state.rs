//! What training keeps from step to step, and files of it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::import::safetensors::{self, WeightMap};
use crate::import::{ImportError, ImportErrorKind};

/// The entry of a file's metadata with what is not a tensor.
const ENTRY: &str = "resnetc.training";

/// Everything that steps change and read again: parameters, running statistics, and what the
/// optimizer remembers.
#[derive(Clone, Debug)]
pub struct State {
    /// How many steps there were.
    pub steps: u64,
    /// All tensors by name. What an optimizer remembers of a parameter has the parameter's name and
    /// a part after it.
    pub tensors: WeightMap,
}

/// What a file has beside tensors.
#[derive(Serialize, Deserialize)]
struct Entry {
    steps: u64,
    note: String,
    /// Of the number of steps, the note and all tensors: a training must not go on from others.
    digest: String,
}

impl State {
    /// Writes a safetensors file of it and of a note: whatever else is to be known when training goes
    /// on. The file is written whole or not at all; one that exists is replaced.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path, note: &str) -> Result<(), ImportError> {
        let entry = Entry { steps: self.steps, note: note.to_owned(), digest: self.digest(note) };
        let entry = serde_json::to_string(&entry).map_err(|e| {
            let source = std::io::Error::other(e);
            ImportError::from(ImportErrorKind::Io { action: "writing", source }).in_file(path)
        })?;
        safetensors::save_with(path, safetensors::named(&self.tensors), (ENTRY, &entry))
    }

    /// Reads a file that [`State::save`] wrote, and its note.
    ///
    /// # Errors
    /// If the file cannot be read, or is another one.
    pub fn load(path: &Path) -> Result<(Self, String), ImportError> {
        let (tensors, entry) = safetensors::load_with(path, ENTRY)?;
        let other = |reason: &str| {
            let (expected, reason) = ("state of a training", reason.to_owned());
            ImportError::from(ImportErrorKind::Format { expected, reason }).in_file(path)
        };
        let entry = entry.ok_or_else(|| other("it has tensors only"))?;
        let Entry { steps, note, digest } =
            serde_json::from_str(&entry).map_err(|_| other("its metadata is damaged"))?;
        let state = State { steps, tensors };
        match state.digest(&note) == digest {
            true => Ok((state, note)),
            false => Err(other("it was changed, or is damaged")),
        }
    }

    fn digest(&self, note: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        // Each with its length, so that no two states have the same bytes.
        let text = |hasher: &mut blake3::Hasher, text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        };
        hasher.update(&self.steps.to_le_bytes());
        text(&mut hasher, note);
        for (name, tensor) in &self.tensors {
            text(&mut hasher, name);
            text(&mut hasher, &format!("{:?}", tensor.shape()));
            tensor.each_piece(|bytes| {
                hasher.update(bytes);
            });
        }
        hasher.finalize().to_string()
    }
}
