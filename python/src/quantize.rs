//! Quantization after training.

use std::path::PathBuf;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use resnetc::one_line::path_line;
use resnetc::quantize::{Method, Quantizer, Report};
use resnetc::{ErrorCode, whole_file};
use serde_json::{Value, json};

use crate::array::Given;
use crate::failure::Failure;
use crate::feed;
use crate::object::object;
use crate::options;
use crate::slot::Slot;
use crate::source::Source;
use crate::work::interruptible;

/// How a network is quantized: the keywords of `resnetc.quantize`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct How {
    method: String,
    percentile: f64,
    bias_correction: bool,
    first_layers: bool,
    last_layers: bool,
    keep: Vec<String>,
    rank: bool,
}

impl How {
    fn quantizer(self) -> PyResult<Quantizer> {
        let method = match &*self.method {
            "minmax" => Method::MinMax,
            "percentile" => Method::Percentile(self.percentile),
            "entropy" => Method::Entropy,
            other => {
                let message = format!(
                    "`method={other:?}`: it must be \"minmax\", \"percentile\" or \"entropy\""
                );
                return Err(PyValueError::new_err(message));
            }
        };
        let quantizer = Quantizer::default().method(method).bias_correction(self.bias_correction);
        let quantizer = quantizer.first_layers(self.first_layers).last_layers(self.last_layers);
        Ok(quantizer.keep(self.keep).rank(self.rank))
    }
}

/// Quantizes a network: see `resnetc.quantize`. Returns the bytes of an ONNX file and a report.
#[pyfunction]
pub(crate) fn quantize<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyAny>,
    folder: Option<PathBuf>,
    samples: &Bound<'py, PyAny>,
    options: &Bound<'py, PyDict>,
    how: How,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyAny>)> {
    let quantizer = how.quantizer()?;
    let given = options::Given::read(options)?;
    let read = Source::read(source, folder)?;
    let (network, quantizer) = interruptible(py, move || {
        let network = read.load(given)?;
        // Before a long list of samples is read.
        quantizer.check(&network)?;
        Ok((network, quantizer))
    })?;
    let slots = Slot::inputs(network.graph());
    let mut runs = Vec::new();
    for sample in samples.try_iter()? {
        runs.push(values(&slots, &sample?)?);
    }
    let (bytes, report) = interruptible(py, move || {
        let quantized = quantizer.quantize(&network, &mut runs)?;
        Ok((quantized.to_onnx()?, json(quantized.report())))
    })?;
    Ok((PyBytes::new(py, &bytes), object(py, &report)?))
}

/// The values of one run: an array, a tuple or list of them, or a dict.
fn values(slots: &[Slot], sample: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<f32>>> {
    let py = sample.py();
    let several = sample.cast::<PyTuple>();
    let arrays = match several {
        Ok(arrays) => arrays.clone(),
        Err(_) => PyTuple::new(py, [sample])?,
    };
    let feed = feed::of_call(slots, &arrays, None)?;
    let values =
        |(slot, value): (&Slot, &Bound<'_, PyAny>)| Ok(Given::new(slot, value)?.values(slot)?);
    slots.iter().zip(&feed).map(values).collect()
}

fn json(report: &Report) -> Value {
    let operators = report.operators.iter().map(|operator| {
        json!({
            "name": operator.name,
            "op": operator.op,
            "weights": operator.weights,
            "own_db": operator.own_db,
            "outputs_db_without": operator.outputs_db_without,
        })
    });
    let floats = report
        .floats
        .iter()
        .map(|float| json!({ "name": float.name, "op": float.op, "reason": float.reason.words() }));
    json!({
        "runs": report.runs,
        "outputs_db": report.outputs_db,
        "outputs_runs": report.outputs_runs,
        "operators": operators.collect::<Vec<_>>(),
        "floats": floats.collect::<Vec<_>>(),
    })
}

/// Writes a file, whole or not at all.
#[pyfunction]
pub(crate) fn write(py: Python<'_>, path: PathBuf, data: PyBackedBytes) -> PyResult<()> {
    let written = py.detach(|| whole_file::write(&path, &data));
    Ok(written.map_err(|reason| {
        let message = format!("{}: writing failed: {reason}", path_line(&path));
        Failure::new(ErrorCode::Io, message)
    })?)
}
