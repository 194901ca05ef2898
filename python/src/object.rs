//! Reports as dicts and lists.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use serde::Serialize;

/// The dicts, lists and numbers that a value is in JSON. Numbers that are not finite are None.
pub(crate) fn object<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let text = serde_json::to_string(value).map_err(|e| PyValueError::new_err(e.to_string()))?;
    py.import(intern!(py, "json"))?.call_method1(intern!(py, "loads"), (text,))
}
