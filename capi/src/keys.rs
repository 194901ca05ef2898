//! Options by name: what `resnetc_options_set` accepts, under the names of the command line.

use std::path::PathBuf;

use resnetc::errors::OptionName;
use resnetc::{Engine, Numerics, Options, PassSelection, Reuse};

/// An option that has a name.
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// What its value must be, after "it must be".
    pub(crate) takes: &'static str,
    /// How it is set.
    pub(crate) set: Setter,
}

/// How the value of an option is set.
pub(crate) enum Setter {
    /// From a text.
    Text(fn(&mut Options, &str) -> Result<(), Wrong>),
    /// From a path, which need not be text.
    Path(fn(&mut Options, PathBuf)),
}

/// Why a value is refused.
pub(crate) enum Wrong {
    /// It is not what the option takes.
    Value,
    /// It contradicts what was set before.
    Conflict,
}

const NUMBER: &str = "a whole number, 1 or more";

/// Sizes of inputs.
pub(crate) const SHAPE: Key = Key {
    name: "shape",
    takes: "DIMENSION=N or INPUT=1,3,64,64, one for each name",
    set: Setter::Text(shape),
};

/// All of them, by name.
pub(crate) const KEYS: &[Key] = &[
    Key { name: "batch", takes: NUMBER, set: Setter::Text(batch) },
    Key { name: "cache", takes: "a path", set: Setter::Path(cache) },
    Key { name: "engine", takes: "compiled, interpreted or auto", set: Setter::Text(engine) },
    Key {
        name: "isa",
        takes: "auto or an instruction set, such as avx2 or baseline",
        set: Setter::Text(isa),
    },
    Key { name: "memory", takes: NUMBER, set: Setter::Text(memory) },
    Key {
        name: "no-pass",
        takes: "the name of an optional pass, and not be combined with \"only-pass\"",
        set: Setter::Text(no_pass),
    },
    Key { name: "numerics", takes: "fast, portable, half or exact", set: Setter::Text(numerics) },
    Key {
        name: "only-pass",
        takes: "the name of an optional pass, and not be combined with \"no-pass\"",
        set: Setter::Text(only_pass),
    },
    Key { name: "outputs", takes: "one or more names, with commas", set: Setter::Text(outputs) },
    Key { name: "perf-map", takes: "on or off", set: Setter::Text(perf_map) },
    Key { name: "reuse", takes: "in-place, freed or never", set: Setter::Text(reuse) },
    Key { name: "seed", takes: "a whole number of 64 bits", set: Setter::Text(seed) },
    SHAPE,
    Key { name: "threads", takes: NUMBER, set: Setter::Text(threads) },
    Key { name: "weights", takes: "a path", set: Setter::Path(weights) },
];

/// How an option of the library is called here, for messages.
pub(crate) fn worded(option: OptionName) -> String {
    match option {
        OptionName::Dims | OptionName::Shapes => "option \"shape\"".to_owned(),
        OptionName::Passes => "option \"no-pass\" or \"only-pass\"".to_owned(),
        OptionName::CacheDir => "option \"cache\"".to_owned(),
        OptionName::PerfMap => "option \"perf-map\"".to_owned(),
        other => format!("option \"{}\"", other.field()),
    }
}

/// A number of 1 or more.
fn positive(text: &str) -> Result<usize, Wrong> {
    text.trim().parse().ok().filter(|&n| n > 0).ok_or(Wrong::Value)
}

/// The entry of a table with this name.
fn entry<T: Copy>(table: &[(&str, T)], name: &str) -> Result<T, Wrong> {
    table.iter().find(|(known, _)| *known == name).map(|&(_, value)| value).ok_or(Wrong::Value)
}

fn batch(options: &mut Options, value: &str) -> Result<(), Wrong> {
    options.batch = Some(positive(value)?);
    Ok(())
}

fn cache(options: &mut Options, value: PathBuf) {
    options.cache_dir = Some(value);
}

fn threads(options: &mut Options, value: &str) -> Result<(), Wrong> {
    options.threads = Some(positive(value)?);
    Ok(())
}

fn seed(options: &mut Options, value: &str) -> Result<(), Wrong> {
    options.seed = value.trim().parse().map_err(|_| Wrong::Value)?;
    Ok(())
}

fn engine(options: &mut Options, value: &str) -> Result<(), Wrong> {
    const ENGINES: &[(&str, Engine)] = &[
        ("compiled", Engine::Compiled),
        ("interpreted", Engine::Interpreted),
        ("auto", Engine::Auto),
    ];
    options.engine = entry(ENGINES, value)?;
    Ok(())
}

fn isa(options: &mut Options, value: &str) -> Result<(), Wrong> {
    options.isa = value.parse().map_err(|_| Wrong::Value)?;
    Ok(())
}

fn numerics(options: &mut Options, value: &str) -> Result<(), Wrong> {
    options.numerics = entry(&Numerics::ALL, value)?;
    Ok(())
}

fn perf_map(options: &mut Options, value: &str) -> Result<(), Wrong> {
    options.perf_map = entry(&[("on", true), ("off", false)], value)?;
    Ok(())
}

fn reuse(options: &mut Options, value: &str) -> Result<(), Wrong> {
    const REUSES: &[(&str, Reuse)] =
        &[("in-place", Reuse::InPlace), ("freed", Reuse::Freed), ("never", Reuse::Never)];
    options.reuse = entry(REUSES, value)?;
    Ok(())
}

fn memory(options: &mut Options, value: &str) -> Result<(), Wrong> {
    options.memory = Some(positive(value)?);
    Ok(())
}

fn outputs(options: &mut Options, value: &str) -> Result<(), Wrong> {
    let names: Vec<String> = value.split(',').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        return Err(Wrong::Value);
    }
    options.outputs = names;
    Ok(())
}

fn no_pass(options: &mut Options, value: &str) -> Result<(), Wrong> {
    match &mut options.passes {
        PassSelection::Without(names) => _ = names.insert(value.to_owned()),
        PassSelection::All => options.passes = PassSelection::without([value]),
        PassSelection::None | PassSelection::Only(_) => return Err(Wrong::Conflict),
    }
    Ok(())
}

fn only_pass(options: &mut Options, value: &str) -> Result<(), Wrong> {
    match &mut options.passes {
        PassSelection::Only(names) => _ = names.insert(value.to_owned()),
        PassSelection::All => options.passes = PassSelection::only([value]),
        PassSelection::None | PassSelection::Without(_) => return Err(Wrong::Conflict),
    }
    Ok(())
}

fn weights(options: &mut Options, file: PathBuf) {
    options.weights = Some(file);
}

/// The extent of a dimension, `batch=4`, or the shape of an input, `input=1,3,64,64`. Brackets
/// make a shape of a single number, or of none.
fn shape(options: &mut Options, value: &str) -> Result<(), Wrong> {
    let (name, size) = value.rsplit_once('=').ok_or(Wrong::Value)?;
    if name.is_empty() {
        return Err(Wrong::Value);
    }
    let list = size.trim().strip_prefix('[').and_then(|list| list.strip_suffix(']'));
    if list.is_none() && !size.contains(',') {
        return size_of(options, name, positive(size)?);
    }
    let list = list.unwrap_or(size);
    let extents = list.split(',').filter(|_| !list.is_empty());
    shape_of(options, name, extents.map(positive).collect::<Result<_, _>>()?)
}

fn size_of(options: &mut Options, name: &str, extent: usize) -> Result<(), Wrong> {
    is_new(options, name)?;
    options.dims.insert(name.to_owned(), extent);
    Ok(())
}

/// Sets the shape of an input.
pub(crate) fn shape_of(options: &mut Options, name: &str, shape: Vec<usize>) -> Result<(), Wrong> {
    is_new(options, name)?;
    options.shapes.insert(name.to_owned(), shape);
    Ok(())
}

fn is_new(options: &Options, name: &str) -> Result<(), Wrong> {
    match options.dims.contains_key(name) || options.shapes.contains_key(name) {
        true => Err(Wrong::Conflict),
        false => Ok(()),
    }
}
