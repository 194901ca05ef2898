//! Steps of training, one after another.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use resnetc_ir::Tensor;
use resnetc_ir::eval::EvalError;
use resnetc_ir::memory::copied;

use super::error::TrainingError;
use super::names;
use super::norms::Norms;
use super::recipe::{Optimizer, Recipe};
use super::state::State;
use super::update::Rates;
use crate::error::{Error, RunError};
use crate::import::safetensors::{self, WeightMap};
use crate::options::Options;
use crate::runtime::model::{Context, Model, Port};
use crate::spec::{Parameter, Spec, Weights};

/// What a step found before it changed anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// The mean cross-entropy of the images.
    pub value: f32,
    /// How many images had the highest score for their own class.
    pub correct: usize,
}

/// A network that is trained: a compiled step, and its state.
///
/// ```
/// use resnetc::{Compiler, Options};
/// use resnetc::spec::{Block, Spec, Weights};
/// use resnetc::training::{Recipe, Trainer};
///
/// let mut spec = Spec::new(Block::Basic, [1], [8]);
/// (spec.input.height, spec.input.width, spec.classes) = (16, 16, 2);
/// let weights = Weights::Map(spec.initial_weights(0)?);
/// let mut trainer = Trainer::new(&spec, &Recipe::new(2), &weights, Options::default())?;
/// trainer.set_rate(0.1);
/// let images: Vec<f32> = (0..2 * 3 * 16 * 16).map(|i| (i % 7) as f32).collect();
/// let first = trainer.step(&images, &[0, 1])?;
/// for _ in 0..10 {
///     trainer.step(&images, &[0, 1])?;
/// }
/// assert!(trainer.step(&images, &[0, 1])?.value < first.value);
///
/// let file = std::env::temp_dir().join("trained.safetensors");
/// trainer.save(&file)?;
/// // A network of these weights, for one image.
/// let graph = spec.build(&Weights::load(&file)?, 1)?;
/// let model = Compiler::new(Options::default()).graph(graph)?.compile()?;
/// let mut run = model.context()?;
/// run.input_mut(0)?.copy_from_slice(&images[..3 * 16 * 16]);
/// model.run(&mut run)?;
/// let scores: &[f32] = run.output(0)?;
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Trainer {
    model: Model,
    context: Context,
    optimizer: Optimizer,
    /// The names of the parameters, in the order of the layers.
    parameters: Vec<Parameter>,
    /// The names of the blocks.
    blocks: Vec<String>,
    classes: usize,
    rate: f64,
    steps: u64,
}

impl Trainer {
    /// Compiles a step of training and gives it the weights to start with. The learning rate is 0
    /// until [`Trainer::set_rate`] sets it.
    ///
    /// # Errors
    /// If the recipe or the description is not valid, the weights do not fit it or are not finite, the
    /// step cannot be compiled, or there is not enough memory.
    pub fn new(
        spec: &Spec,
        recipe: &Recipe,
        weights: &Weights,
        options: Options,
    ) -> Result<Self, TrainingError> {
        let network = recipe.network(spec, weights, options)?;
        let start = network.start().clone();
        let model = network.compile()?;
        let context = model.context()?;
        let mut trainer = Trainer {
            model,
            context,
            optimizer: recipe.optimizer,
            parameters: spec.parameters()?,
            blocks: spec.block_names()?,
            classes: spec.classes,
            rate: 0.0,
            steps: 0,
        };
        for (name, values) in &start {
            trainer.write(name, values)?;
        }
        trainer.check_finite()?;
        Ok(trainer)
    }

    /// Sets the learning rate of the steps that follow.
    pub fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
    }

    /// How many steps there were.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The compiled step.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Runs one step: computes the loss of a batch and its gradients, and changes the parameters.
    /// `images` are `[N, C, H, W]`, in row-major order; `labels` are the numbers of their classes.
    ///
    /// # Errors
    /// If there are more or fewer images or labels than a step has, or a label is no class: nothing
    /// has changed then. If the loss is not finite: the state is lost, and must be restored
    /// ([`Trainer::restore`]).
    pub fn step(&mut self, images: &[f32], labels: &[usize]) -> Result<Loss, TrainingError> {
        self.check(images, labels)?;
        let numbers: Vec<f32> = labels.iter().map(|&label| label as f32).collect();
        self.input(names::IMAGES)?.copy_from_slice(images);
        self.input(names::LABELS)?.copy_from_slice(&numbers);
        let rate = self.rate as f32;
        self.input(names::RATE)?.fill(rate);
        if let Optimizer::AdamW { betas, .. } = self.optimizer {
            let steps = (self.steps + 1) as f64;
            for (name, beta) in Rates::CORRECTIONS.into_iter().zip(betas) {
                self.input(name)?.fill((1.0 - libm::pow(beta, steps)) as f32);
            }
        }
        self.model.run(&mut self.context)?;
        let value = self.output(names::LOSS)?.first().copied().unwrap_or(f32::NAN);
        if !value.is_finite() {
            return Err(self.diverged(value));
        }
        self.steps += 1;
        let scores = self.output(names::SCORES)?.chunks_exact(self.classes);
        let correct = scores.zip(labels).filter(|(scores, label)| highest(scores) == **label);
        Ok(Loss { value, correct: correct.count() })
    }

    /// Checks that everything that the next step reads is finite. A step checks its loss alone, which
    /// it computes before it changes anything: what it did to the parameters, the next one shows.
    ///
    /// # Errors
    /// If a parameter, a running statistic, or what the optimizer remembers is not finite.
    pub fn check_finite(&self) -> Result<(), TrainingError> {
        for port in self.kept() {
            let values = self.context.input::<f32>(self.position(&port.name))?;
            if values.iter().any(|x| !x.is_finite()) {
                let (steps, tensor) = (self.steps, port.name.clone());
                return Err(TrainingError::NotFinite { steps, tensor });
            }
        }
        Ok(())
    }

    /// The scores that the last step gave its images, `[N, K]`, before it changed the parameters.
    ///
    /// # Errors
    /// Never, unless the step has another form than [`Recipe::step`] gives it.
    pub fn scores(&self) -> Result<&[f32], TrainingError> {
        self.output(names::SCORES)
    }

    /// The norms of the last step, block by block; nothing unless [`Recipe::norms`] asks for them.
    pub fn norms(&self) -> Vec<Norms> {
        let [Some(values), Some(gradients)] =
            [names::VALUE_NORMS, names::GRADIENT_NORMS].map(|name| self.value(name))
        else {
            return Vec::new();
        };
        let all = self.blocks.iter().zip(values.iter().zip(gradients));
        all.map(|(block, (&value, &gradient))| Norms { block: block.clone(), value, gradient })
            .collect()
    }

    fn check(&self, images: &[f32], labels: &[usize]) -> Result<(), TrainingError> {
        let port = self.model.inputs().iter().find(|port| port.name == names::IMAGES);
        let expected: usize = port.map_or(0, |port| port.shape.iter().product());
        let batch = port.and_then(|port| port.shape.first().copied()).unwrap_or_default();
        if images.len() != expected {
            let (found, what) = (images.len(), "numbers of images");
            return Err(TrainingError::Count { what, expected, found });
        }
        if labels.len() != batch {
            let (found, what) = (labels.len(), "labels");
            return Err(TrainingError::Count { what, expected: batch, found });
        }
        match labels.iter().enumerate().find(|(_, label)| **label >= self.classes) {
            Some((index, &label)) => {
                Err(TrainingError::Label { index, label, classes: self.classes })
            }
            None => Ok(()),
        }
    }

    /// The parameters and running statistics, by PyTorch's names.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn weights(&self) -> Result<WeightMap, TrainingError> {
        self.parameters.iter().map(|p| Ok((p.name.clone(), self.read(&p.name)?))).collect()
    }

    /// Writes [`Trainer::weights`] as a safetensors file, whole or not at all, which
    /// [`Weights::load`] and PyTorch read. A file that exists is replaced.
    ///
    /// # Errors
    /// If the file cannot be written, or there is not enough memory.
    pub fn save(&self, path: &Path) -> Result<(), TrainingError> {
        let weights = self.weights()?;
        Ok(safetensors::save(path, safetensors::named(&weights)).map_err(Error::from)?)
    }

    /// Everything that steps change and read again.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn state(&self) -> Result<State, TrainingError> {
        let tensors = self.kept().map(|port| Ok((port.name.clone(), self.read(&port.name)?)));
        Ok(State { steps: self.steps, tensors: tensors.collect::<Result<_, TrainingError>>()? })
    }

    /// The inputs that a step changes and the next one reads.
    fn kept(&self) -> impl Iterator<Item = &Port> {
        let given = [names::IMAGES, names::LABELS, names::RATE];
        let is_given = move |name| given.contains(&name) || Rates::CORRECTIONS.contains(&name);
        self.model.inputs().iter().filter(move |port| !is_given(port.name.as_str()))
    }

    /// Goes back to a state. The steps that follow give the same bits as those that followed it.
    ///
    /// # Errors
    /// If it is that of another network or of another optimizer: nothing has changed then.
    pub fn restore(&mut self, state: &State) -> Result<(), TrainingError> {
        let own: BTreeMap<&str, &[usize]> =
            self.kept().map(|port| (port.name.as_str(), &port.shape[..])).collect();
        let expected = |name: &str| own.get(name).map(|shape| shape.to_vec());
        let found = |name: &str| state.tensors.get(name).map(|tensor| tensor.shape().to_vec());
        let names = own.keys().copied().chain(state.tensors.keys().map(String::as_str));
        if let Some(name) = names.into_iter().find(|name| expected(name) != found(name)) {
            let (expected, found) = (expected(name), found(name));
            return Err(TrainingError::OtherState { name: name.to_owned(), expected, found });
        }
        for (name, tensor) in &state.tensors {
            self.write(name, tensor)?;
        }
        self.steps = state.steps;
        Ok(())
    }

    /// The first layer, in their order, whose statistics or parameters are not finite any more.
    fn diverged(&self, loss: f32) -> TrainingError {
        let is_lost = |name: &str| {
            self.value(name).is_some_and(|values| values.iter().any(|x| !x.is_finite()))
        };
        // Statistics are those of this step's values; parameters have moved along its gradients.
        let measured = self.parameters.iter().filter(|p| !p.role.is_learned());
        let learned = self.parameters.iter().filter(|p| p.role.is_learned());
        let first = measured.chain(learned).find(|p| is_lost(&p.name));
        let layer = first.map(|p| p.name.clone());
        TrainingError::Diverged { step: self.steps + 1, loss, layer }
    }

    fn value(&self, name: &str) -> Option<&[f32]> {
        let position = self.model.outputs().iter().position(|port| port.name == name)?;
        self.context.output(position).ok()
    }

    fn input(&mut self, name: &str) -> Result<&mut [f32], RunError> {
        let index = self.position(name);
        self.context.input_mut(index)
    }

    fn output(&self, name: &str) -> Result<&[f32], TrainingError> {
        let outputs = self.model.outputs();
        let index = outputs.iter().position(|port| port.name == name).unwrap_or(outputs.len());
        Ok(self.context.output(index)?)
    }

    fn write(&mut self, name: &str, tensor: &Tensor) -> Result<(), TrainingError> {
        let place = self.input(name)?;
        tensor.read(0, place);
        Ok(())
    }

    /// The position of an input; behind all of them if there is none of this name.
    fn position(&self, name: &str) -> usize {
        let inputs = self.model.inputs();
        inputs.iter().position(|port| port.name == name).unwrap_or(inputs.len())
    }

    /// A copy of an input.
    fn read(&self, name: &str) -> Result<Arc<Tensor>, TrainingError> {
        let index = self.position(name);
        let data = copied(self.context.input::<f32>(index)?).map_err(EvalError::from);
        let data = data.map_err(RunError::from)?;
        let shape = &self.model.inputs()[index].shape;
        // The context holds as many elements as the shape says.
        let tensor = Tensor::new(&shape[..], data).unwrap_or_else(|| Tensor::scalar(f32::NAN));
        Ok(Arc::new(tensor))
    }
}

/// The class with the highest score, the first of equal ones.
pub fn highest(scores: &[f32]) -> usize {
    let mut best = 0;
    for (class, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = class;
        }
    }
    best
}
