//! What a classifier's answers are before and after it is quantized.

use std::path::Path;

use resnetc::{Compiler, Context, Model, Network};
use serde::Serialize;

use super::args::Args;
use super::pictures::Pictures;
use crate::classify::head::{Answer, Head};
use crate::classify::labels;
use crate::classify::picture::Source;
use crate::failure::Failure;
use crate::interpret;

/// How often the first answers are the same, and right.
#[derive(Debug, Serialize)]
pub(super) struct Accuracy {
    pub(super) pictures: usize,
    /// Whether other pictures were used than those of the calibration.
    pub(super) separate: bool,
    /// The same first answer in f32 and quantized.
    pub(super) agree: usize,
    /// Pictures that are named after a class.
    pub(super) labelled: usize,
    pub(super) right_f32: usize,
    pub(super) right_int8: usize,
}

impl Accuracy {
    /// Runs both networks on all pictures; `None` if the network has no answers, and no labels are
    /// given.
    pub(super) fn measure(
        network: &Network,
        quantized: &[u8],
        pictures: Pictures,
        args: &Args,
    ) -> Result<Option<Self>, Failure> {
        let (labels, separate) = (args.labels.as_deref(), args.evaluate.is_some());
        let names = labels.map(labels::read).transpose()?;
        let count = names.as_ref().map(Vec::len);
        let head = match Head::of(network.graph(), pictures.input.batch, count, None) {
            Ok(head) => head,
            Err(failure) if labels.is_some() => return Err(failure),
            Err(_) => return Ok(None),
        };
        let names = match (names, labels) {
            (Some(names), Some(path)) => {
                labels::fit(names, path, head.classes(), head.is_binary())?
            }
            _ => Vec::new(),
        };
        let options = network.options().clone().for_graph();
        let exact = network.clone().compile()?;
        interpret::warn(&exact);
        let mut exact = Side::new(exact)?;
        let mut rounded =
            Side::new(Compiler::new(options).onnx_bytes(quantized, None)?.compile()?)?;
        let mut accuracy =
            Accuracy { pictures: 0, separate, agree: 0, labelled: 0, right_f32: 0, right_int8: 0 };
        pictures.batches("comparing", |sources, values| {
            let exact = exact.answers(&head, values)?;
            let rounded = rounded.answers(&head, values)?;
            for (source, (exact, rounded)) in sources.iter().zip(exact.iter().zip(&rounded)) {
                accuracy.add(truth(source, &names, head.classes()), first(exact), first(rounded));
            }
            Ok(())
        })?;
        Ok(Some(accuracy))
    }

    fn add(&mut self, truth: Option<usize>, exact: Option<usize>, rounded: Option<usize>) {
        self.pictures += 1;
        self.agree += usize::from(exact == rounded && exact.is_some());
        if truth.is_some() {
            self.labelled += 1;
            self.right_f32 += usize::from(exact == truth);
            self.right_int8 += usize::from(rounded == truth);
        }
    }
}

fn first(answer: &Answer) -> Option<usize> {
    answer.order.first().copied().filter(|_| answer.is_number())
}

/// The class after which a picture's folder is named, or the picture itself: by its label, or its
/// number.
fn truth(source: &Source, labels: &[String], classes: usize) -> Option<usize> {
    let folder = source.path().parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let named = |name: &str| labels.iter().position(|label| label == name && !name.is_empty());
    let number = |name: &str| name.parse().ok().filter(|&class: &usize| class < classes);
    let folder_class = folder.and_then(|name| named(name).or_else(|| number(name)));
    folder_class.or_else(|| named(source.stem()))
}

/// A network and the memory of its runs.
struct Side {
    model: Model,
    context: Context,
}

impl Side {
    fn new(model: Model) -> Result<Self, Failure> {
        let context = model.context()?;
        Ok(Side { model, context })
    }

    fn answers(&mut self, head: &Head, values: &[f32]) -> Result<Vec<Answer>, Failure> {
        self.context.write_input(0, values)?;
        self.model.run(&mut self.context)?;
        let output = self.context.output::<f32>(head.index)?;
        Ok(output.chunks_exact(head.values.max(1)).map(|row| head.answer(row)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_a_class_before_a_file_does() {
        let labels = ["cat", "dog", ""].map(str::to_owned);
        let of = |path: &str| truth(&Source::File(path.into()), &labels, 3);
        assert_eq!(of("pets/dog/cat.png"), Some(1));
        assert_eq!(of("pets/cat.png"), Some(0));
        assert_eq!(of("pets/2/x.png"), Some(2));
        assert_eq!(of("pets/3/x.png"), None);
        assert_eq!(of("x/1.png"), None);
        assert_eq!(of("x.png"), None);
    }
}
