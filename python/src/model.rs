//! Compiled networks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyMapping, PyTuple};
use pyo3::{IntoPyObjectExt, intern};
use resnetc::one_line::{name_line, path_line};
use resnetc::profile::Profile;
use resnetc::runtime::peak;
use resnetc::{Context, Error, ErrorCode, whole_file};
use serde_json::json;

use crate::array::{self, Given};
use crate::failure::Failure;
use crate::feed::{self, Feed};
use crate::guard::caught;
use crate::object::object;
use crate::options;
use crate::pool::Pool;
use crate::slot::{Port, Slot, tuple};
use crate::source::{Size, Source};
use crate::work::interruptible;

/// A compiled network. Call it with arrays, and it returns arrays:
///
///     y = model(x)                  # one input, one output
///     y = model(x1, x2)             # several inputs, in the order of `model.inputs`
///     y = model({"a": x1, "b": x2}) # or by name, also as keywords
///
/// With one output the result is an array, with several it is a dict from their names to arrays.
///
/// Arrays must have the shape and the dtype of the input: other dtypes are a TypeError, other
/// shapes a ValueError. A C-contiguous array is copied once, into the memory of the run; any other
/// one is made contiguous first.
///
/// Immutable. Any number of threads may call it at once, and the interpreter's lock is released
/// during a run. Models survive `os.fork`, and can be pickled: that keeps what they were compiled
/// from, and loading compiles it again.
#[pyclass(frozen, weakref, module = "resnetc")]
pub(crate) struct Model {
    model: resnetc::Model,
    pool: Pool,
    inputs: Vec<Slot>,
    outputs: Vec<Slot>,
    source: Arc<Source>,
    /// What it was made from, for pickling: the source and the folder of `load`, and its options.
    origin: [Py<PyAny>; 2],
    options: Py<PyDict>,
}

/// Loads and compiles a network: see `resnetc.compile`.
#[pyfunction]
pub(crate) fn load(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    folder: Option<PathBuf>,
    options: &Bound<'_, PyDict>,
) -> PyResult<Model> {
    let given = options::Given::read(options)?;
    let read = Source::read(source, folder)?;
    let origin = match read.path() {
        Some(path) => path.as_os_str().into_py_any(py)?,
        None => source.clone().unbind(),
    };
    let origin = [origin, read.folder().map(Path::as_os_str).into_py_any(py)?];
    let read = Arc::new(read);
    let source = Arc::clone(&read);
    let model = interruptible(py, move || read.compile(given))?;
    Ok(Model::new(model, source, origin, options.copy()?.unbind()))
}

impl Model {
    fn new(
        model: resnetc::Model,
        source: Arc<Source>,
        origin: [Py<PyAny>; 2],
        options: Py<PyDict>,
    ) -> Self {
        let slots = |ports: &[resnetc::Port]| ports.iter().map(Slot::from).collect();
        let (inputs, outputs) = (slots(model.inputs()), slots(model.outputs()));
        Model { model, pool: Pool::default(), inputs, outputs, source, origin, options }
    }

    /// Compiles it for another size, with options that say so.
    fn resized(&self, py: Python<'_>, size: Size) -> PyResult<Model> {
        let options = self.options.bind(py).copy()?;
        let shapes = PyDict::new(py);
        if let Some(given) = options.get_item(intern!(py, "shapes"))? {
            shapes.update(given.cast::<PyMapping>()?)?;
        }
        match &size {
            Size::Batch(images) => {
                options.set_item(intern!(py, "batch"), images)?;
                for (name, shape) in shapes.copy()? {
                    let mut shape: Vec<usize> = shape.extract()?;
                    shape.iter_mut().take(1).for_each(|first| *first = *images);
                    shapes.set_item(name, shape)?;
                }
            }
            Size::Shapes(given) => {
                if options.contains(intern!(py, "batch"))? {
                    options.del_item(intern!(py, "batch"))?;
                }
                given.iter().try_for_each(|(name, shape)| shapes.set_item(name, shape))?;
            }
        }
        if !shapes.is_empty() {
            options.set_item(intern!(py, "shapes"), shapes)?;
        }
        let given = options::Given::read(&options)?;
        let (source, model) = (self.source.clone(), self.model.clone());
        let resized = interruptible(py, move || source.resize(given, &size, &model))?;
        let origin = [0, 1].map(|i| self.origin[i].clone_ref(py));
        Ok(Model::new(resized, self.source.clone(), origin, options.unbind()))
    }

    /// Runs it on a value for each input.
    fn compute<'py>(&self, py: Python<'py>, feed: &Feed<'py>) -> PyResult<Feed<'py>> {
        let given = self.given(feed)?;
        // A context with which something fails is not taken back.
        let mut context = self.pool.take(py, &self.model).map_err(Failure::from)?;
        self.write(&mut context, &given)?;
        py.detach(|| caught(|| Ok(self.model.run(&mut context)?)))?;
        let read = |(i, slot)| Ok(array::output(py, slot, &context, i)?.into_any());
        let outputs = self.outputs.iter().enumerate().map(read).collect::<PyResult<_>>()?;
        self.pool.put(py, context);
        Ok(outputs)
    }

    fn given<'py>(&self, feed: &Feed<'py>) -> PyResult<Vec<Given<'py>>> {
        let inputs = self.inputs.iter().zip(feed);
        inputs.map(|(slot, value)| Given::new(slot, value)).collect()
    }

    fn write(&self, context: &mut Context, given: &[Given<'_>]) -> Result<(), Failure> {
        let mut inputs = self.inputs.iter().zip(given).enumerate();
        inputs.try_for_each(|(i, (slot, given))| given.write(slot, context, i))
    }

    /// The outputs by name.
    fn named<'py>(&self, py: Python<'py>, outputs: Feed<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (slot, output) in self.outputs.iter().zip(outputs) {
            dict.set_item(&slot.name, output)?;
        }
        Ok(dict)
    }
}

#[pymethods]
impl Model {
    #[pyo3(signature = (*arrays, **named))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        arrays: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut outputs = self.compute(py, &feed::of_call(&self.inputs, arrays, named)?)?;
        match (outputs.len(), outputs.pop()) {
            (1, Some(output)) => Ok(output),
            (_, last) => {
                outputs.extend(last);
                Ok(self.named(py, outputs)?.into_any())
            }
        }
    }

    /// Runs it on a dict from the names of inputs to arrays; returns a dict from the names of
    /// outputs to arrays, however many there are.
    fn run<'py>(
        &self,
        py: Python<'py>,
        inputs: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let outputs = self.compute(py, &feed::of_dict(&self.inputs, inputs)?)?;
        self.named(py, outputs)
    }

    /// The inputs, a list of `resnetc.Port`: name, shape, dtype.
    #[getter]
    fn inputs(&self) -> Vec<Port> {
        self.inputs.iter().map(Port::from).collect()
    }

    /// The outputs, a list of `resnetc.Port`.
    #[getter]
    fn outputs(&self) -> Vec<Port> {
        self.outputs.iter().map(Port::from).collect()
    }

    /// Sizes and facts, a dict: `threads` of a run, `isa` (the instruction set, None if it is
    /// interpreted), `interpreted`, `random_weights`, `compile_seconds` without reading the file,
    /// `phases` (the seconds of each part of it), and bytes: `arena_bytes` and `thread_bytes` (for each thread) of each run that
    /// is in progress at once, `weight_bytes` and `code_bytes` of the model, `shared_bytes` of the
    /// weights that other models have, too. `cache` is "found" or "stored" with `cache_dir=`, or why
    /// it was not stored.
    #[getter]
    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let report = self.model.report();
        let phases = report.phases.iter().map(|(name, time)| (*name, time.as_secs_f64()));
        let facts = json!({
            "threads": self.model.threads(),
            "isa": report.interpreted.is_none().then(|| report.isa.name()),
            "interpreted": report.interpreted.is_some(),
            "random_weights": self.model.random_weights().is_some(),
            "cache": report.cache.as_ref().map(ToString::to_string),
            "shared_bytes": report.shared_bytes,
            "compile_seconds": report.total().as_secs_f64(),
            "phases": phases.collect::<BTreeMap<_, _>>(),
            "arena_bytes": report.arena_bytes,
            "thread_bytes": report.thread_bytes,
            "weight_bytes": report.weight_bytes,
            "code_bytes": report.code_bytes,
        });
        object(py, &facts)
    }

    /// The same network for `images` images in a run. Weights that are packed alike are in memory
    /// once. The file is read again, and must not have changed.
    fn with_batch(&self, py: Python<'_>, images: &Bound<'_, PyAny>) -> PyResult<Model> {
        let count: Option<usize> = images.extract().ok().filter(|&count| count > 0);
        let Some(count) = count else {
            let message = format!("images is {images}: it must be a whole number, 1 or more");
            return Err(match images.is_instance_of::<PyInt>() {
                true => PyValueError::new_err(message),
                false => PyTypeError::new_err(message),
            });
        };
        self.resized(py, Size::Batch(count))
    }

    /// The same network for an input of another shape, batch included; with several inputs, a dict
    /// from their names to shapes. A file may fix the sizes of its inputs: it must be exported with
    /// symbolic ones. The sizes of a spec's images are in the spec.
    fn with_input(&self, py: Python<'_>, shape: &Bound<'_, PyAny>) -> PyResult<Model> {
        let shapes = match (shape.cast::<PyDict>(), &self.inputs[..]) {
            (Ok(dict), _) => {
                let pairs =
                    dict.iter().map(|(name, shape)| Ok((name.extract()?, shape.extract()?)));
                pairs.collect::<PyResult<Vec<_>>>()?
            }
            (Err(_), [input]) => vec![(input.name.clone(), shape.extract()?)],
            (Err(_), inputs) => {
                let error = Error::ManyInputs { inputs: inputs.len() };
                return Err(Failure::from(error).into());
            }
        };
        self.resized(py, Size::Shapes(shapes))
    }

    /// What the compiler did, a dict: `passes`, with the rewrites that each applied and nearly
    /// applied; `convolutions`, with the algorithm of each and why not another one; `kernels`.
    fn explain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let report = json!({
            "passes": self.model.explain().passes,
            "convolutions": self.model.convolutions(),
            "kernels": self.model.kernels(),
        });
        object(py, &report)
    }

    /// The memory plan, a dict: where every value is in the arena, and from which step to which.
    fn plan<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        object(py, self.model.plan())
    }

    /// Measures what each step of a run costs, a dict: `steps`, in order; `classes` of steps that
    /// are alike; medians of `runs` runs, shares of the machine's peak, which is measured, too.
    ///
    /// Arrays are given as in a call; without any, inputs are all zeros.
    #[pyo3(signature = (*arrays, runs = 20, **named))]
    fn profile<'py>(
        &self,
        py: Python<'py>,
        arrays: &Bound<'py, PyTuple>,
        runs: usize,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut context = self.model.context().map_err(Failure::from)?;
        if !arrays.is_empty() || named.is_some() {
            let feed = feed::of_call(&self.inputs, arrays, named)?;
            self.write(&mut context, &self.given(&feed)?)?;
        }
        let model = self.model.clone();
        let profile = interruptible(py, move || measure(&model, &mut context, runs))?;
        object(py, &profile)
    }

    /// Writes a page about the network on this machine, one HTML file: the gain of each
    /// optimization, times by layer, roofline, memory plan, graphs. Measures for about ten seconds,
    /// or `runs` times; an existing file is replaced.
    #[pyo3(signature = (path, runs = None))]
    fn report(&self, py: Python<'_>, path: PathBuf, runs: Option<usize>) -> PyResult<()> {
        let given = options::Given::read(self.options.bind(py))?;
        let source = Arc::clone(&self.source);
        whole_file::check_target(&path).map_err(|e| unwritable(&path, &e))?;
        interruptible(py, move || {
            let network = source.load(given)?;
            let page = resnetc_cli::report_page(&network, &source.label(), runs);
            let page = page.map_err(|(message, code)| Failure::new(code, message))?;
            whole_file::write(&path, page.as_bytes()).map_err(|e| unwritable(&path, &e))
        })
    }

    /// Frees the memory of runs that are not in progress. The next runs allocate it again.
    fn trim(&self, py: Python<'_>) {
        self.pool.trim(py);
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let slots = |slots: &[Slot]| {
            let slot =
                |s: &Slot| format!("{}: {}{}", name_line(&s.name), s.offered(), tuple(&s.shape));
            slots.iter().map(slot).collect::<Vec<_>>().join(", ")
        };
        let source = self.origin[0].bind(py);
        let source = match &*self.source {
            Source::Named(_) => name_line(&source.to_string()),
            Source::Bytes(..) => "bytes".to_owned(),
            Source::Spec(_) => "spec".to_owned(),
        };
        let (inputs, outputs) = (slots(&self.inputs), slots(&self.outputs));
        let report = self.model.report();
        let engine = match report.interpreted {
            Some(_) => "interpreted".to_owned(),
            None => format!("{}, threads={}", report.isa, self.model.threads()),
        };
        format!("<resnetc.Model {source} ({inputs}) -> ({outputs}), {engine}>")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let load = py.import(intern!(py, "resnetc._native"))?.getattr(intern!(py, "load"))?;
        let [source, folder] = &self.origin;
        (load, (source, folder, &self.options)).into_pyobject(py)
    }

    /// Itself: it never changes.
    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Itself: it never changes.
    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }
}

fn unwritable(path: &Path, reason: &std::io::Error) -> Failure {
    let message = format!("{}: it cannot be written: {reason}", path_line(path));
    Failure::new(ErrorCode::Io, message)
}

/// A profile between two measurements of the machine's peak.
fn measure(model: &resnetc::Model, context: &mut Context, runs: usize) -> Result<Profile, Failure> {
    const PEAK_TIME: Duration = Duration::from_millis(150);
    let report = model.report();
    let peak = || match report.interpreted {
        Some(_) => Ok(0.0),
        None => peak::measure(report.isa, model.threads(), PEAK_TIME).map(|peak| peak.gflops),
    };
    let before = peak()?;
    let profile = model.profile(context, runs, before).map_err(Error::from)?;
    Ok(profile.against(peak()?.max(before)))
}
