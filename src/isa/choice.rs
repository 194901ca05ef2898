//! Which instruction set is requested, and why it is unavailable.

use std::str::FromStr;

use super::{ISAS, Isa};
use crate::advice::{Advice, OptionName};
use crate::error_code::ErrorCode;
use crate::host::features::Lack;

/// A request for an instruction set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IsaChoice {
    /// The widest that is usable here.
    #[default]
    Auto,
    /// This one, or an error.
    Exactly(Isa),
}

/// The requested instruction set cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", self.what(), IsaError::ADVICE)]
pub struct IsaError {
    /// The requested instruction set.
    pub isa: Isa,
    /// What it needs and this machine lacks.
    pub lack: Lack,
}

impl IsaError {
    /// The error code, which is stable.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::MissingIsa
    }

    /// What to do about it.
    pub(crate) const ADVICE: Advice =
        Advice::new("leave {} at auto, which picks the widest one available", &[OptionName::Isa]);

    /// What is wrong, without what to do about it.
    pub(crate) fn what(&self) -> String {
        format!("{} cannot be used here: {}", self.isa, self.lack)
    }
}

impl IsaChoice {
    /// The instruction set that would be chosen, as far as can be known without requesting it. Has
    /// no side effects.
    ///
    /// # Errors
    /// If the requested instruction set lacks something.
    pub fn resolve(self) -> Result<Isa, IsaError> {
        self.first(|isa| isa.missing().map_or(Ok(()), |lack| Err(IsaError { isa, lack })))
    }

    /// The instruction set to compile for, made usable in this process ([`Isa::enable`]).
    ///
    /// # Errors
    /// If the requested instruction set lacks something, or the system refuses it.
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
            format!("unknown instruction set \"{name}\"; expected one of auto, {names}")
        })
    }
}
