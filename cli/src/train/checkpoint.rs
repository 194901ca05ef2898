//! What a run that was stopped needs to go on.

use std::path::{Path, PathBuf};

use resnetc::ErrorCode;
use resnetc::training::State;
use serde::{Deserialize, Serialize};

use super::evaluate::Tally;
use super::log::{BlockNorms, Line};
use super::plan::Plan;
use crate::failure::Failure;

/// A place in a training: everything that the steps which follow depend on.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) state: State,
    pub(super) note: Note,
}

/// What is not the state of the steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    /// What must be the same to go on.
    pub(super) plan: Plan,
    /// The epoch that has begun.
    pub(super) part: Part,
    /// The epochs that are done.
    pub(super) lines: Vec<Line>,
    /// The checksum of a log of another run, which this one was told to replace.
    pub(super) old_log: Option<u32>,
}

/// What the steps of an epoch have found so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) tally: Tally,
    /// How long they took.
    pub(super) seconds: f64,
    /// The norms of the last step of the epoch.
    pub(super) norms: Vec<BlockNorms>,
}

/// The place of the file: beside the weights.
pub(super) fn beside(weights: &Path) -> PathBuf {
    weights.with_extension("checkpoint.safetensors")
}

impl Checkpoint {
    /// Writes it, whole or not at all.
    pub(super) fn save(&self, file: &Path) -> Result<(), Failure> {
        let note = serde_json::to_string(&self.note)
            .map_err(|e| Failure::file(file, format!("writing failed: {e}")))?;
        Ok(self.state.save(file, &note)?)
    }

    /// Reads the one of a training, and checks that it goes on as it began.
    pub(super) fn load(file: &Path, plan: &Plan) -> Result<Self, Failure> {
        if !file.exists() {
            return Err(Failure::file(
                file,
                "there is no such file, so there is nothing to resume",
            )
            .help("without --resume, the training begins")
            .code(ErrorCode::Io));
        }
        let (state, note) = State::load(file)?;
        let note: Note = serde_json::from_str(&note).map_err(|_| {
            Failure::file(file, "this is the state of a training that another program wrote")
                .code(ErrorCode::Format)
        })?;
        match plan.differs(&note.plan) {
            None => Ok(Checkpoint { state, note }),
            Some(how) => Err(Failure::file(file, format!("the training was begun with {how}"))
                .help("give the arguments that it was begun with")
                .code(ErrorCode::OtherState)),
        }
    }
}
