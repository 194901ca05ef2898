//! A compiled classifier: batches of prepared pictures in, probabilities out.

use std::path::Path;
use std::time::{Duration, Instant};

use resnetc::import::{ImportError, ImportErrorKind, onnx};
use resnetc::ir::{Graph, Op};
use resnetc::{Compiler, Context, Error, Model, Network, whole_file};

use super::{Args, bundled};
use crate::failure::Failure;
use crate::units::{ms, shape};

/// A network that takes pictures and gives one value a class.
pub(super) struct Engine {
    model: Model,
    context: Context,
    /// `[N, C, H, W]`.
    input: [usize; 4],
    classes: usize,
    /// Whether the network gives probabilities already.
    normalized: bool,
    labels: Option<Vec<String>>,
}

impl Engine {
    /// Loads and compiles MODEL, or the bundled network, for so many pictures a run if the model allows that; without,
    /// for as many as the model says.
    pub(super) fn new(
        args: &Args,
        model: Option<&Path>,
        batch: Option<usize>,
    ) -> Result<Self, Failure> {
        let network = match model {
            Some(model) => own_network(args, model, batch)?,
            None => bundled_network(args, batch)?,
        };
        let graph = network.graph();
        let input = picture_input(graph)?;
        let classes = classes(graph, input[0])?;
        let labels = labels(args, model.is_none(), classes)?;
        let normalized = ends_in_softmax(graph);
        let model = network.compile()?;
        let context = model.context()?;
        Ok(Engine { model, context, input, classes, normalized, labels })
    }

    /// Pictures in one run.
    pub(super) fn batch(&self) -> usize {
        self.input[0]
    }

    /// `[N, C, H, W]`.
    pub(super) fn input(&self) -> [usize; 4] {
        self.input
    }

    /// `[C, H, W]`.
    pub(super) fn picture_shape(&self) -> [usize; 3] {
        let [_, c, h, w] = self.input;
        [c, h, w]
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    pub(super) fn compile_ms(&self) -> f64 {
        ms(self.model.report().total())
    }

    /// The name of a class.
    pub(super) fn label(&self, class: usize) -> String {
        let known = self.labels.as_ref().and_then(|l| l.get(class));
        known.cloned().unwrap_or_else(|| format!("class {class}"))
    }

    /// Whether some class has this name.
    pub(super) fn knows(&self, label: &str) -> bool {
        self.labels.as_ref().is_some_and(|l| l.iter().any(|known| known == label))
    }

    /// The probabilities of up to a batch of pictures, and the time of the run.
    pub(super) fn run(
        &mut self,
        pictures: &[&[f32]],
    ) -> Result<(Vec<Vec<f32>>, Duration), Failure> {
        let size: usize = self.picture_shape().iter().product();
        let input = self.context.input_mut(0)?;
        input.fill(0.0);
        for (place, picture) in input.chunks_exact_mut(size).zip(pictures) {
            place.copy_from_slice(picture);
        }
        let start = Instant::now();
        self.model.run(&mut self.context)?;
        let time = start.elapsed();
        let rows = self.context.output(0)?.chunks_exact(self.classes).take(pictures.len());
        Ok((
            rows.map(|row| if self.normalized { row.to_vec() } else { softmax(row) }).collect(),
            time,
        ))
    }
}

/// A model may have a batch of its own that cannot be changed; then it is that one, unless the user asked for another.
fn own_network(args: &Args, model: &Path, batch: Option<usize>) -> Result<Network, Failure> {
    let load = |batch| Compiler::new(args.common.options(batch)).load(model);
    match load(batch) {
        Err(Error::Import(ImportError { kind, .. }))
            if args.common.batch.is_none()
                && matches!(*kind, ImportErrorKind::FixedBatch { .. }) =>
        {
            Ok(load(None)?)
        }
        loaded => Ok(loaded?),
    }
}

fn bundled_network(args: &Args, batch: Option<usize>) -> Result<Network, Failure> {
    if args.common.weights.is_some() {
        return Err(Failure::usage("--weights goes with a built-in network or a spec"));
    }
    let options = args.common.options(batch);
    let bindings = onnx::Bindings { batch: options.batch, dims: options.dims.clone() };
    let graph = onnx::parse(bundled::MODEL, None, &bindings)?;
    Ok(Compiler::new(options).graph(graph))
}

fn picture_input(graph: &Graph) -> Result<[usize; 4], Failure> {
    let [input] = *graph.inputs() else {
        let inputs = graph.inputs().len();
        return Err(Failure::new(format!("the model has {inputs} inputs, a classifier has one")));
    };
    match *graph.node(input).ty.shape {
        [n, c @ (1 | 3), h, w] => Ok([n, c, h, w]),
        ref other => Err(Failure::new(format!(
            "the model takes {}; pictures are [N, 1 or 3, height, width]",
            shape(other)
        ))
        .help("prepare the values yourself and use `resnetc run`")),
    }
}

fn classes(graph: &Graph, batch: usize) -> Result<usize, Failure> {
    let Some(output) = graph.outputs().first() else {
        return Err(Failure::new("the model has no output"));
    };
    let ty = &graph.node(output.node).ty;
    match (ty.shape.first(), ty.elements()) {
        (Some(&n), elements) if n == batch && elements > 0 => Ok(elements / batch),
        _ => Err(Failure::new(format!(
            "the model gives {}; a classifier gives [{batch}, classes]",
            shape(&ty.shape)
        ))),
    }
}

/// The longest file of labels that is read: a name of a hundred letters for each of a hundred thousand classes.
const MAX_LABELS: u64 = 10 << 20;

fn labels(args: &Args, bundled: bool, classes: usize) -> Result<Option<Vec<String>>, Failure> {
    let text = match &args.labels {
        Some(path) => {
            let bytes = whole_file::read(path, MAX_LABELS)
                .map_err(|e| Failure::file(path, format!("reading failed: {e}")))?;
            String::from_utf8(bytes).map_err(|_| Failure::file(path, "this is no UTF-8 text"))?
        }
        None if bundled => bundled::LABELS.to_owned(),
        None => return Ok(None),
    };
    let labels: Vec<String> = text.lines().map(|l| l.trim().to_owned()).collect();
    match &args.labels {
        Some(path) if labels.len() != classes => Err(Failure::file(
            path,
            format!("it has {} labels, the model {classes} classes", labels.len()),
        )),
        _ => Ok(Some(labels)),
    }
}

/// Whether the first output is a softmax, seen through operators that only rename or reshape.
fn ends_in_softmax(graph: &Graph) -> bool {
    let mut node = graph.outputs().first().map(|o| o.node);
    while let Some(id) = node {
        match graph.node(id).op {
            Op::Softmax { .. } => return true,
            Op::Identity | Op::Reshape { .. } | Op::Reorder(_) => node = graph.operand(id, 0),
            _ => return false,
        }
    }
    false
}

fn softmax(row: &[f32]) -> Vec<f32> {
    let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = row.iter().map(|&x| f64::from(x - greatest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| (p / sum) as f32).collect()
}
