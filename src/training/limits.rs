//! Ranges of the numbers of a recipe.

use super::error::TrainingError;
use super::recipe::{Optimizer, Recipe};

/// What a number must be.
#[derive(Clone, Copy)]
enum Range {
    /// At least 0 and below 1.
    Share,
    /// Above 0 and at most 1.
    PositiveShare,
    /// A finite number of at least 0.
    NotNegative,
    /// A finite number above 0.
    Positive,
}

impl Range {
    fn holds(self, value: f64) -> bool {
        match self {
            Range::Share => (0.0..1.0).contains(&value),
            Range::PositiveShare => value > 0.0 && value <= 1.0,
            Range::NotNegative => value >= 0.0 && value.is_finite(),
            Range::Positive => value > 0.0 && value.is_finite(),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Range::Share => "at least 0 and below 1",
            Range::PositiveShare => "above 0 and at most 1",
            Range::NotNegative => "a finite number of at least 0",
            Range::Positive => "a finite number above 0",
        }
    }
}

impl Recipe {
    /// Checks every number.
    ///
    /// # Errors
    /// If one is out of range: the first.
    pub(super) fn check(&self) -> Result<(), TrainingError> {
        if self.batch == 0 {
            return Err(TrainingError::NoImages);
        }
        let mut numbers = vec![
            ("decay", self.decay, Range::NotNegative),
            ("smoothing", self.smoothing, Range::Share),
            ("momentum of normalization", self.momentum, Range::PositiveShare),
        ];
        numbers.extend(match self.optimizer {
            Optimizer::Sgd { momentum, .. } => vec![("momentum", momentum, Range::Share)],
            Optimizer::AdamW { betas: [mean, square], epsilon } => vec![
                ("first beta", mean, Range::Share),
                ("second beta", square, Range::Share),
                ("epsilon", epsilon, Range::Positive),
            ],
        });
        match numbers.into_iter().find(|(_, value, range)| !range.holds(*value)) {
            Some((what, value, range)) => {
                Err(TrainingError::Range { what, value, range: range.text() })
            }
            None => Ok(()),
        }
    }

    /// Checks that every frozen prefix names something that is learned.
    ///
    /// # Errors
    /// If one does not: all of them.
    pub(super) fn check_frozen<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), TrainingError> {
        let names: Vec<&str> = names.collect();
        let is_known = |prefix: &&String| {
            let one = Recipe { frozen: vec![(*prefix).clone()], ..Recipe::new(1) };
            names.iter().any(|name| one.is_frozen(name))
        };
        let unknown: Vec<String> =
            self.frozen.iter().filter(|prefix| !is_known(prefix)).cloned().collect();
        match unknown.is_empty() {
            true => Ok(()),
            false => {
                let mut layers: Vec<String> = Vec::new();
                for name in names {
                    let layer = name.split('.').next().unwrap_or(name).to_owned();
                    if !layers.contains(&layer) {
                        layers.push(layer);
                    }
                }
                Err(TrainingError::UnknownLayer { unknown, layers })
            }
        }
    }
}
