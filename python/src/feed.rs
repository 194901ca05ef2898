//! Which array is for which input.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use resnetc::one_line::name_line;

use crate::slot::{Slot, names};

/// A value for each input.
pub(crate) type Feed<'py> = Vec<Bound<'py, PyAny>>;

/// The values of a call: one for each input in order, by keywords, or a single dict.
///
/// # Errors
/// `TypeError` if there are too many, or two for one input; `ValueError` if there is no input of a
/// name, or one has no value.
pub(crate) fn of_call<'py>(
    slots: &[Slot],
    arrays: &Bound<'py, PyTuple>,
    named: Option<&Bound<'py, PyDict>>,
) -> PyResult<Feed<'py>> {
    if let (1, None) = (arrays.len(), named)
        && let Ok(dict) = arrays.get_item(0)?.cast::<PyDict>()
    {
        return of_dict(slots, dict);
    }
    if arrays.len() > slots.len() {
        let (count, known) = (slots.len(), names(slots));
        let noun = if count == 1 { "input" } else { "inputs" };
        let given = arrays.len();
        let message =
            format!("the model has {count} {noun} ({known}), but {given} arrays were given");
        return Err(PyTypeError::new_err(message));
    }
    let mut feed: Vec<_> = arrays.iter().map(Some).collect();
    feed.resize(slots.len(), None);
    if let Some(named) = named {
        fill(&mut feed, slots, named)?;
    }
    complete(feed, slots)
}

/// The values of a dict from names of inputs.
///
/// # Errors
/// As [`of_call`].
pub(crate) fn of_dict<'py>(slots: &[Slot], dict: &Bound<'py, PyDict>) -> PyResult<Feed<'py>> {
    let mut feed = vec![None; slots.len()];
    fill(&mut feed, slots, dict)?;
    complete(feed, slots)
}

fn fill<'py>(
    feed: &mut [Option<Bound<'py, PyAny>>],
    slots: &[Slot],
    dict: &Bound<'py, PyDict>,
) -> PyResult<()> {
    for (name, value) in dict {
        let name: String = name.extract()?;
        let Some(index) = slots.iter().position(|slot| slot.name == name) else {
            let (name, known) = (name_line(&name), names(slots));
            let message = format!("the model has no input \"{name}\"; it has {known}");
            return Err(PyValueError::new_err(message));
        };
        if feed[index].replace(value).is_some() {
            return Err(PyTypeError::new_err(format!("{} is given twice", slots[index].input())));
        }
    }
    Ok(())
}

fn complete<'py>(feed: Vec<Option<Bound<'py, PyAny>>>, slots: &[Slot]) -> PyResult<Feed<'py>> {
    let missing = slots.iter().zip(&feed).filter(|(_, value)| value.is_none());
    let missing: Vec<Slot> = missing.map(|(slot, _)| slot.clone()).collect();
    match missing.is_empty() {
        true => Ok(feed.into_iter().flatten().collect()),
        false => Err(PyValueError::new_err(format!("no array is given for {}", names(&missing)))),
    }
}
