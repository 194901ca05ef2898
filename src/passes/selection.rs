//! Which of the optional passes run.

use std::collections::BTreeSet;

use super::{Need, PassError, PipelineStep, pipeline};

/// A choice among the optional passes; the required ones always run. A name selects every step of
/// the pipeline that runs its pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PassSelection {
    /// All of them.
    #[default]
    All,
    /// None: the baseline against which optimizations are measured.
    None,
    /// All except these.
    Without(BTreeSet<String>),
    /// Only these.
    Only(BTreeSet<String>),
}

impl PassSelection {
    /// All passes except these.
    pub fn without<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        PassSelection::Without(names.into_iter().map(Into::into).collect())
    }

    /// Only these passes.
    pub fn only<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        PassSelection::Only(names.into_iter().map(Into::into).collect())
    }

    /// Checks that every name is that of an optional pass.
    ///
    /// # Errors
    /// If a name is unknown, or that of a required pass.
    pub fn check(&self) -> Result<(), PassError> {
        let (PassSelection::Without(names) | PassSelection::Only(names)) = self else {
            return Ok(());
        };
        for name in names {
            let is_known = pipeline().iter().any(|step| step.pass.name == name);
            let (name, valid) = (name.clone(), optional_names());
            match (valid.contains(&name.as_str()), is_known) {
                (true, _) => {}
                (false, true) => return Err(PassError::Required { name, valid }),
                (false, false) => return Err(PassError::Unknown { name, valid }),
            }
        }
        Ok(())
    }

    /// Whether a step of the pipeline is to run.
    pub fn wants(&self, step: &PipelineStep) -> bool {
        let name = step.pass.name;
        step.need == Need::Required
            || match self {
                PassSelection::All => true,
                PassSelection::None => false,
                PassSelection::Without(names) => !names.contains(name),
                PassSelection::Only(names) => names.contains(name),
            }
    }
}

/// The names of the optional passes in the order in which they first run, each once.
pub fn optional_names() -> Vec<&'static str> {
    let mut names = Vec::new();
    for step in pipeline().iter().filter(|step| step.need == Need::Optional) {
        if !names.contains(&step.pass.name) {
            names.push(step.pass.name);
        }
    }
    names
}
