//! Options by name, from keywords.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString};
use resnetc::runtime::pool::default_threads;
use resnetc::tune::{Cache, MachineKey};
use resnetc::{Engine, Numerics, Options, PassSelection, Reuse};

use crate::failure::Failure;

/// Options as they were given, of which no file has been read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    options: Options,
    tuned: Option<PathBuf>,
}

/// An option that has a name.
struct Key {
    name: &'static str,
    /// What its value must be, after "it must be".
    takes: &'static str,
    set: fn(&mut Given, &Bound<'_, PyAny>) -> Result<(), Wrong>,
}

/// Why a value is refused.
enum Wrong {
    /// It is of another type.
    Type,
    /// It is of the right type.
    Value,
}

/// Any failed conversion is one of the type, except for numbers that are out of range.
impl From<PyErr> for Wrong {
    fn from(_: PyErr) -> Self {
        Wrong::Type
    }
}

const NUMBER: &str = "a whole number, 1 or more";

const KEYS: &[Key] = &[
    Key { name: "batch", takes: NUMBER, set: batch },
    Key { name: "cache_dir", takes: "a path", set: cache_dir },
    Key { name: "dims", takes: "a dict from names of dimensions to extents", set: dims },
    Key { name: "engine", takes: "\"compiled\", \"interpreted\" or \"auto\"", set: engine },
    Key { name: "isa", takes: "\"auto\" or one of `resnetc.isas()`", set: isa },
    Key { name: "memory", takes: NUMBER, set: memory },
    Key { name: "no_pass", takes: "names of passes, without `only_pass=`", set: no_pass },
    Key { name: "numerics", takes: "\"fast\", \"half\" or \"exact\"", set: numerics },
    Key { name: "only_pass", takes: "names of passes, without `no_pass=`", set: only_pass },
    Key { name: "outputs", takes: "a name, or a list of names", set: outputs },
    Key { name: "perf_map", takes: "True or False", set: perf_map },
    Key { name: "reuse", takes: "\"in-place\", \"freed\" or \"never\"", set: reuse },
    Key { name: "seed", takes: "a whole number of 64 bits", set: seed },
    Key { name: "shapes", takes: "a dict from names of inputs to shapes", set: shapes },
    Key { name: "threads", takes: NUMBER, set: threads },
    Key { name: "tuned", takes: "a path", set: tuned },
    Key { name: "weights", takes: "a path", set: weights },
];

impl Given {
    /// The options of a dict.
    ///
    /// # Errors
    /// `TypeError` and `ValueError`, which name the option.
    pub(crate) fn read(dict: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut given = Given::default();
        for (name, value) in dict {
            let name: String = name.extract()?;
            let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                return Err(PyTypeError::new_err(format!("there is no option `{name}=`")));
            };
            (key.set)(&mut given, &value).map_err(|wrong| refused(key, &value, &wrong))?;
        }
        Ok(given)
    }

    /// The options of the library, after reading the measured times if a file of them was named.
    pub(crate) fn options(self) -> Result<Options, Failure> {
        let Given { options, tuned } = self;
        let Some(file) = tuned else { return Ok(options) };
        let isa = options.isa.enable().map_err(resnetc::Error::from)?;
        let threads = options.threads.unwrap_or_else(default_threads);
        let precision = options.numerics.precision();
        let machine = MachineKey { precision, ..MachineKey::of(isa, threads) };
        Ok(options.tuned(Arc::new(Cache::read(&file, &machine)?.tuned())))
    }
}

impl Given {
    /// The options with the weights of another model to share.
    pub(crate) fn sharing(self, model: &resnetc::Model) -> Self {
        Given { options: self.options.share(model.clone()), ..self }
    }
}

fn refused(key: &Key, value: &Bound<'_, PyAny>, wrong: &Wrong) -> PyErr {
    let shown = value.repr().map_or_else(|_| "...".to_owned(), |text| text.to_string());
    let message = format!("`{}={shown}`: it must be {}", key.name, key.takes);
    match wrong {
        Wrong::Type => PyTypeError::new_err(message),
        Wrong::Value => PyValueError::new_err(message),
    }
}

/// A number within the range of a type.
fn number<T>(value: &Bound<'_, PyAny>) -> Result<T, Wrong>
where
    T: for<'a, 'py> FromPyObject<'a, 'py>,
{
    let out_of_range = value.is_instance_of::<PyInt>();
    value.extract().map_err(|_| if out_of_range { Wrong::Value } else { Wrong::Type })
}

/// One name, or several.
fn names(value: &Bound<'_, PyAny>) -> Result<Vec<String>, Wrong> {
    match value.cast::<PyString>() {
        Ok(name) => Ok(vec![name.extract()?]),
        Err(_) => value.try_iter()?.map(|name| Ok(name?.extract::<String>()?)).collect(),
    }
}

/// The entry of a table with this name.
fn entry<T: Copy>(table: &[(&str, T)], name: &Bound<'_, PyAny>) -> Result<T, Wrong> {
    let name: String = name.extract()?;
    table.iter().find(|(known, _)| *known == name).map(|&(_, value)| value).ok_or(Wrong::Value)
}

/// A dict from names.
fn table<T>(
    value: &Bound<'_, PyAny>,
    entry: impl Fn(&Bound<'_, PyAny>) -> Result<T, Wrong>,
) -> Result<BTreeMap<String, T>, Wrong> {
    let dict = value.cast::<PyDict>().map_err(|_| Wrong::Type)?;
    dict.iter().map(|(name, value)| Ok((name.extract::<String>()?, entry(&value)?))).collect()
}

fn batch(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.batch = Some(number(value)?);
    Ok(())
}

fn cache_dir(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.cache_dir = Some(value.extract()?);
    Ok(())
}

fn threads(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.threads = Some(number(value)?);
    Ok(())
}

fn seed(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.seed = number(value)?;
    Ok(())
}

fn dims(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.dims = table(value, number::<usize>)?;
    Ok(())
}

fn shapes(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    let shape = |shape: &Bound<'_, PyAny>| shape.try_iter()?.map(|n| number(&n?)).collect();
    given.options.shapes = table(value, shape)?;
    Ok(())
}

fn outputs(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.outputs = names(value)?;
    Ok(())
}

fn engine(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    const ENGINES: &[(&str, Engine)] = &[
        ("compiled", Engine::Compiled),
        ("interpreted", Engine::Interpreted),
        ("auto", Engine::Auto),
    ];
    given.options.engine = entry(ENGINES, value)?;
    Ok(())
}

fn isa(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.isa = value.extract::<String>()?.parse().map_err(|_| Wrong::Value)?;
    Ok(())
}

fn numerics(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.numerics = entry(&Numerics::ALL, value)?;
    Ok(())
}

fn reuse(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    const REUSES: &[(&str, Reuse)] =
        &[("in-place", Reuse::InPlace), ("freed", Reuse::Freed), ("never", Reuse::Never)];
    given.options.reuse = entry(REUSES, value)?;
    Ok(())
}

fn memory(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.memory = Some(number(value)?);
    Ok(())
}

fn no_pass(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    select(given, PassSelection::without(names(value)?))
}

fn only_pass(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    select(given, PassSelection::only(names(value)?))
}

fn select(given: &mut Given, passes: PassSelection) -> Result<(), Wrong> {
    if given.options.passes != PassSelection::All {
        return Err(Wrong::Value);
    }
    given.options.passes = passes;
    Ok(())
}

fn perf_map(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.perf_map = value.extract()?;
    Ok(())
}

fn tuned(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.tuned = Some(value.extract()?);
    Ok(())
}

fn weights(given: &mut Given, value: &Bound<'_, PyAny>) -> Result<(), Wrong> {
    given.options.weights = Some(value.extract()?);
    Ok(())
}
