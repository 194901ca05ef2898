//! Which instruction set is asked for, and why it cannot be had.

use std::str::FromStr;

use super::{ISAS, Isa};
use crate::advice::{Advice, OptionName};
use crate::error_code::ErrorCode;
use crate::host::features::Lack;

/// A request for an instruction set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IsaChoice {
    /// The widest that can be used here.
    #[default]
    Auto,
    /// This one, or an error.
    Exactly(Isa),
}

/// The instruction set that was asked for cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", self.what(), IsaError::ADVICE)]
pub struct IsaError {
    /// What was asked for.
    pub isa: Isa,
    /// What it needs that there is not.
    pub lack: Lack,
}

impl IsaError {
    /// What went wrong, by a name that stays the same.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::MissingIsa
    }

    /// What to do about it.
    pub(crate) const ADVICE: Advice =
        Advice::new("leave {} at auto, which takes the widest that there is", &[OptionName::Isa]);

    /// What is wrong, without what to do about it.
    pub(crate) fn what(&self) -> String {
        format!("{} cannot be used here: {}", self.isa, self.lack)
    }
}

impl IsaChoice {
    /// The instruction set that is chosen, as far as that is known without a request. Changes
    /// nothing.
    ///
    /// # Errors
    /// If what was asked for lacks something.
    pub fn resolve(self) -> Result<Isa, IsaError> {
        self.first(|isa| isa.missing().map_or(Ok(()), |lack| Err(IsaError { isa, lack })))
    }

    /// The instruction set to compile for, made usable in this process ([`Isa::enable`]).
    ///
    /// # Errors
    /// If what was asked for lacks something, or the system refuses it.
    pub fn enable(self) -> Result<Isa, IsaError> {
        self.first(Isa::enable)
    }

    fn first(self, usable: impl Fn(Isa) -> Result<(), IsaError>) -> Result<Isa, IsaError> {
        match self {
            IsaChoice::Auto => {
                Ok(ISAS.into_iter().find(|&isa| usable(isa).is_ok()).unwrap_or(Isa::Baseline))
            }
            IsaChoice::Exactly(isa) => usable(isa).map(|()| isa),
        }
    }
}

impl FromStr for IsaChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "auto" {
            return Ok(IsaChoice::Auto);
        }
        let known = ISAS.into_iter().find(|i| i.name() == name).map(IsaChoice::Exactly);
        known.ok_or_else(|| {
            let names = ISAS.map(Isa::name).join(", ");
            format!("unknown instruction set \"{name}\"; there are auto, {names}")
        })
    }
}
