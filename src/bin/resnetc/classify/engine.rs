//! A compiled classifier: batches of prepared pictures in, answers out.

use std::path::Path;
use std::time::{Duration, Instant};

use resnetc::import::{ImportError, ImportErrorKind, UnboundDim};
use resnetc::{Compiler, Context, Error, Model, Network, Options};

use super::head::{Answer, Head};
use super::input::{self, Input};
use super::{Args, bundled, labels, usual_preset};
use crate::args::note_random_weights;
use crate::failure::Failure;
use crate::interpret;
use crate::units::ms;

/// A network that takes pictures and gives one value a class.
pub(super) struct Engine {
    model: Model,
    context: Context,
    input: Input,
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
        let input = Input::of(graph, args.pictures.layout)?;
        let labels = args.labels.as_deref().map(labels::read).transpose()?;
        let count = labels.as_ref().map(Vec::len);
        let head =
            Head::of(graph, input.batch, args.output_name.as_deref(), count, args.activation)?;
        let labels = match (labels, &args.labels) {
            (Some(labels), Some(path)) => {
                Some(labels::fit(labels, path, head.classes(), head.is_binary())?)
            }
            _ => model.is_none().then(bundled::labels),
        };
        let compiled = network.compile()?;
        interpret::warn(&compiled);
        let context = compiled.context()?;
        Ok(Engine { model: compiled, context, input, head, labels })
    }

    /// Pictures in one run.
    pub(super) fn batch(&self) -> usize {
        self.input.batch
    }

    pub(super) fn input(&self) -> Input {
        self.input
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
    pub(super) fn run(&mut self, pictures: &[&[f32]]) -> Result<(Vec<Answer>, Duration), Failure> {
        let size = self.input.picture();
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

/// A model may have a batch of its own that cannot be changed; then it is that one, unless the user asked for another. It
/// may leave channels, height and width open; then they are the usual ones.
fn own_network(args: &Args, model: &Path, batch: Option<usize>) -> Result<Network, Failure> {
    let mut options = args.options(Some(model), batch);
    let load = |options: &mut Options| -> Result<Result<Network, Error>, Failure> {
        let loaded = Compiler::new(options.clone()).load(model);
        let usual = args.pictures.usual(usual_preset(Some(model)))?;
        let sizes = open_axes(&loaded).map(|dims| input::sizes(dims, args.pictures.layout, usual));
        let Some(Some(sizes)) = sizes else { return Ok(loaded) };
        options.dims.extend(sizes);
        Ok(Compiler::new(options.clone()).load(model))
    };
    let network = match load(&mut options)? {
        Err(Error::Import(ImportError { kind, .. }))
            if args.common.batch.is_none()
                && matches!(*kind, ImportErrorKind::FixedBatch { .. }) =>
        {
            options.batch = None;
            load(&mut options)??
        }
        loaded => loaded?,
    };
    note_random_weights(model, &network);
    Ok(network)
}

/// The axes that have no size yet, if that is why a network was not loaded.
fn open_axes(loaded: &Result<Network, Error>) -> Option<&[UnboundDim]> {
    let Err(Error::Import(error)) = loaded else { return None };
    match &*error.kind {
        ImportErrorKind::UnboundDims { dims, .. } => Some(dims),
        _ => None,
    }
}

fn bundled_network(args: &Args, batch: Option<usize>) -> Result<Network, Failure> {
    let options = args.options(None, batch);
    Ok(Compiler::new(options).onnx_bytes(bundled::MODEL, None)?)
}
