//! A compiled classifier: batches of prepared pictures in, answers out.

use std::path::Path;
use std::time::{Duration, Instant};

use resnetc::{Context, Model};

use super::args::Args;
use super::head::{Answer, Head};
use super::input::Input;
use super::{bundled, labels, load};
use crate::cached;
use crate::failure::Failure;
use crate::interpret;
use crate::units::ms;

/// A network that takes pictures and gives one value per class.
pub(super) struct Engine {
    model: Model,
    context: Context,
    input: Input,
    head: Head,
    /// One for each class of an answer, if they are known.
    labels: Option<Vec<String>>,
}

impl Engine {
    /// Loads and compiles MODEL, or the bundled network, with this batch if the model allows it;
    /// without a batch, with the model's.
    pub(super) fn new(
        args: &Args,
        model: Option<&Path>,
        batch: Option<usize>,
    ) -> Result<Self, Failure> {
        let common = args.common();
        let wanted = load::Wanted {
            common: &common,
            pictures: &args.pictures,
            output: args.output_name.as_deref(),
        };
        let mut network = load::load(wanted, model, batch)?;
        let input = Input::of(network.graph(), args.pictures.layout)?;
        let labels = args.labels.as_deref().map(labels::read).transpose()?;
        let count = labels.as_ref().map(Vec::len);
        let mut head = Head::of(network.graph(), input.batch, count, args.activation)?;
        if network.graph().outputs().len() > 1 {
            network = network.with_outputs(vec![head.output.clone()])?;
            head.index = 0;
        }
        let labels = match (labels, &args.labels) {
            (Some(labels), Some(path)) => {
                Some(labels::fit(labels, path, head.classes(), head.is_binary())?)
            }
            _ => model.is_none().then(bundled::labels),
        };
        let compiled = network.compile()?;
        interpret::warn(&compiled);
        cached::remark(&compiled);
        let context = compiled.context()?;
        Ok(Engine { model: compiled, context, input, head, labels })
    }

    /// Images per run.
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
        let input = self.context.input_mut::<f32>(0)?;
        input.fill(0.0);
        for (place, picture) in input.chunks_exact_mut(size).zip(pictures) {
            place.copy_from_slice(picture);
        }
        let start = Instant::now();
        self.model.run(&mut self.context)?;
        let time = start.elapsed();
        let rows = self.context.output::<f32>(self.head.index)?.chunks_exact(self.head.values);
        Ok((rows.take(pictures.len()).map(|row| self.head.answer(row)).collect(), time))
    }
}
