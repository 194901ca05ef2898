//! Options by name, for errors about an option. The library shows them as fields of `Options`, the
//! command line as flags; an error carries the name, and whoever shows the error words it.

use std::fmt;

/// An option of [`Options`](crate::Options).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OptionName {
    /// What runs the network: machine code or the interpreter.
    Engine,
    /// The instruction set.
    Isa,
    /// Number of threads of a run.
    Threads,
    /// Threads that several models share.
    Pool,
    /// How much rounding is allowed.
    Numerics,
    /// Images in one run.
    Batch,
    /// Extents of symbolic dimensions.
    Dims,
    /// Shapes of inputs.
    Shapes,
    /// Which outputs are computed.
    Outputs,
    /// A file of weights.
    Weights,
    /// The seed of random weights.
    Seed,
    /// Which optional passes run.
    Passes,
    /// Which values may share memory.
    Reuse,
    /// How much memory values may take.
    Memory,
    /// A model whose packed weights serve others.
    Share,
    /// A folder of compiled networks.
    CacheDir,
    /// Whether the code's symbols are written for `perf`.
    PerfMap,
    /// Algorithms chosen by measured times.
    Tuned,
}

impl OptionName {
    /// The name of the field in [`Options`](crate::Options).
    pub fn field(self) -> &'static str {
        match self {
            OptionName::Engine => "engine",
            OptionName::Isa => "isa",
            OptionName::Threads => "threads",
            OptionName::Pool => "pool",
            OptionName::Numerics => "numerics",
            OptionName::Batch => "batch",
            OptionName::Dims => "dims",
            OptionName::Shapes => "shapes",
            OptionName::Outputs => "outputs",
            OptionName::Weights => "weights",
            OptionName::Seed => "seed",
            OptionName::Passes => "passes",
            OptionName::Reuse => "reuse",
            OptionName::Memory => "memory",
            OptionName::Share => "share",
            OptionName::CacheDir => "cache_dir",
            OptionName::PerfMap => "perf_map",
            OptionName::Tuned => "tuned",
        }
    }
}

/// As the library calls it: `Options::weights`.
impl fmt::Display for OptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Options::{}", self.field())
    }
}

/// An option that was set and has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEffect {
    /// The option.
    pub option: OptionName,
    /// Why it has no effect: a clause without the option's name.
    pub reason: &'static str,
}

impl fmt::Display for NoEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has no effect: {}", self.option, self.reason)
    }
}

/// What to do about an error: a sentence with placeholders for the names of options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Each `{}` stands for an option.
    text: &'static str,
    options: &'static [OptionName],
}

impl Advice {
    /// Advice in which the options replace each `{}`, in this order.
    pub const fn new(text: &'static str, options: &'static [OptionName]) -> Self {
        Advice { text, options }
    }

    /// Advice that names no option.
    pub const fn plain(text: &'static str) -> Self {
        Advice::new(text, &[])
    }

    /// The sentence, with each option worded by `name`.
    pub fn worded(&self, name: &dyn Fn(OptionName) -> String) -> String {
        let mut options = self.options.iter();
        let mut parts = self.text.split("{}");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text.push_str(&options.next().map(|&option| name(option)).unwrap_or_default());
            text.push_str(part);
        }
        text
    }
}

/// As the library words it.
impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.worded(&|option| option.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_their_own_words() {
        let advice =
            Advice::new("give it a size by {} or {}", &[OptionName::Batch, OptionName::Dims]);
        assert_eq!(advice.to_string(), "give it a size by Options::batch or Options::dims");
        let other = |option: OptionName| format!("<{}>", option.field());
        assert_eq!(advice.worded(&other), "give it a size by <batch> or <dims>");
        assert_eq!(Advice::plain("copy it again").to_string(), "copy it again");
    }
}
