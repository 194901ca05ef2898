//! A compiled classifier: batches of prepared pictures in, answers out.

use std::path::Path;
use std::time::{Duration, Instant};

use resnetc::import::{ImportError, ImportErrorKind};
use resnetc::ir::Graph;
use resnetc::{Compiler, Context, Error, Model, Network};

use super::head::Head;
use super::{Args, bundled, labels};
use crate::args::note_random_weights;
use crate::failure::Failure;
use crate::units::{ms, shape};

/// A network that takes pictures and gives one value a class.
pub(super) struct Engine {
    model: Model,
    context: Context,
    /// `[N, C, H, W]`.
    input: [usize; 4],
    head: Head,
    /// One for each class of an answer, if they are known.
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
        let labels = args.labels.as_deref().map(labels::read).transpose()?;
        let count = labels.as_ref().map(Vec::len);
        let head = Head::of(graph, input[0], args.output_name.as_deref(), count, args.activation)?;
        let labels = match (labels, &args.labels) {
            (Some(labels), Some(path)) => {
                Some(labels::fit(labels, path, head.classes(), head.is_binary())?)
            }
            _ => model.is_none().then(bundled::labels),
        };
        let compiled = network.compile()?;
        let context = compiled.context()?;
        Ok(Engine { model: compiled, context, input, head, labels })
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

    pub(super) fn head(&self) -> &Head {
        &self.head
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
        known.filter(|l| !l.is_empty()).cloned().unwrap_or_else(|| format!("class {class}"))
    }

    /// Whether some class has this name.
    pub(super) fn knows(&self, label: &str) -> bool {
        self.labels.as_ref().is_some_and(|l| l.iter().any(|known| known == label))
    }

    /// The answers of up to a batch of pictures, and the time of the run.
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
        let rows = self.context.output(self.head.index)?.chunks_exact(self.head.values);
        Ok((rows.take(pictures.len()).map(|row| self.head.answer(row)).collect(), time))
    }
}

/// A model may have a batch of its own that cannot be changed; then it is that one, unless the user asked for another.
fn own_network(args: &Args, model: &Path, batch: Option<usize>) -> Result<Network, Failure> {
    let load = |batch| Compiler::new(args.common.options(Some(model), batch)).load(model);
    let network = match load(batch) {
        Err(Error::Import(ImportError { kind, .. }))
            if args.common.batch.is_none()
                && matches!(*kind, ImportErrorKind::FixedBatch { .. }) =>
        {
            load(None)?
        }
        loaded => loaded?,
    };
    note_random_weights(model, &network);
    Ok(network)
}

fn bundled_network(args: &Args, batch: Option<usize>) -> Result<Network, Failure> {
    let options = args.common.options(None, batch);
    Ok(Compiler::new(options).onnx_bytes(bundled::MODEL, None)?)
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
