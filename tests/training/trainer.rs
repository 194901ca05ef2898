//! Trainers: compiled steps, one after another.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use resnetc::import::safetensors::{self, WeightMap};
use resnetc::spec::{Spec, Weights};
use resnetc::training::{Optimizer, Recipe, State, Trainer, TrainingError};
use resnetc::{Engine, Options};
use resnetc_ir::Tensor;
use resnetc_ir::eval::Value;

use crate::optimizers::{Trace, batch, rate, recipe, spec, traces, weights};
use crate::support::{Values, drawn};

fn tensors(values: &Values) -> Weights {
    let tensor =
        |value: &Value| Arc::new(Tensor::new(&value.shape[..], value.to_f32()).expect("it fits"));
    Weights::Map(values.iter().map(|(name, value)| (name.clone(), tensor(value))).collect())
}

fn trainer(spec: &Spec, recipe: &Recipe, weights: &Weights, threads: usize) -> Trainer {
    let options = Options::default().threads(threads);
    Trainer::new(spec, recipe, weights, options).unwrap_or_else(|e| panic!("{e}"))
}

/// The losses of the steps of a trace.
fn losses(trace: &Trace, weights: &Values) -> Vec<f64> {
    let (recipe, base) = recipe(&trace.optimizer);
    let mut trainer = trainer(&spec(), &recipe, &tensors(weights), 2);
    let mut losses = Vec::new();
    for step in 0..trace.losses.len() {
        trainer.set_rate(rate(base, step));
        losses.push(f64::from(one(&mut trainer, step)));
    }
    losses
}

/// One step on the images of a trace.
fn one(trainer: &mut Trainer, step: usize) -> f32 {
    let (images, labels) = batch(step);
    let images: Vec<f32> = images.into_iter().map(|x| x as f32).collect();
    let labels: Vec<usize> = labels.into_iter().map(|label| label as usize).collect();
    trainer.step(&images, &labels).expect("it runs").value
}

/// Roundings of f32 that a value of a step goes through on its longest way: each of twenty layers
/// and twenty gradients adds up some hundred terms, whose roundings grow like their root.
const ROUNDINGS: f64 = 16.0;

/// How far rounding drives two runs apart is measured: by a run that begins with weights half a unit
/// in the last place away, each up or down.
#[test]
fn compiled_steps_follow_those_of_pytorch() {
    for trace in traces() {
        let start = weights(&spec());
        let mut moved = start.clone();
        for (i, value) in moved.values_mut().enumerate() {
            for (x, sign) in value.data.iter_mut().zip(drawn(i as u64, 1 << 16)) {
                let unit = (*x as f32).next_up() - *x as f32;
                *x = f64::from(*x as f32 + unit * sign.signum() as f32);
            }
        }
        let (found, other) = (losses(&trace, &start), losses(&trace, &moved));
        let (mut distance, mut telling) = (f64::from(f32::EPSILON), 0);
        for (step, expected) in trace.losses.iter().enumerate() {
            distance = distance.max((found[step] - other[step]).abs());
            // Batches of four at these rates are soon chaotic: then nothing can be told.
            telling += usize::from(ROUNDINGS * distance < 0.01 * expected);
            let error = (found[step] - expected).abs();
            assert!(
                error < ROUNDINGS * distance,
                "{} step {step}: {} for {expected}, off by {error:e} where rounding moves {distance:e}",
                trace.optimizer,
                found[step]
            );
        }
        assert!(telling >= 3, "{}: only {telling} steps tell something", trace.optimizer);
    }
}

fn bits(state: &State) -> Vec<(String, Vec<u32>)> {
    let bits = |tensor: &Tensor| tensor.data().iter().map(|x| x.to_bits()).collect();
    state.tensors.iter().map(|(name, tensor)| (name.clone(), bits(tensor))).collect()
}

#[test]
fn a_state_does_not_depend_on_threads() {
    let (recipe, base) = recipe("nesterov");
    let after = |threads: usize| {
        let mut trainer = trainer(&spec(), &recipe, &tensors(&weights(&spec())), threads);
        trainer.set_rate(base);
        for step in 0..3 {
            one(&mut trainer, step);
        }
        bits(&trainer.state().expect("memory"))
    };
    let one = after(1);
    assert!([2, 3, 5].into_iter().all(|threads| after(threads) == one));
}

#[test]
fn a_file_of_a_state_has_its_bits_and_a_note() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("training");
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("state.safetensors");
    let (recipe, base) = recipe("adam_w");
    let mut trainer = trainer(&spec(), &recipe, &tensors(&weights(&spec())), 1);
    trainer.set_rate(rate(base, 0));
    one(&mut trainer, 0);
    let state = trainer.state().expect("there is memory");
    state.save(&file, "a \"note\"\n").expect("it is written");
    let first = fs::read(&file).expect("it is there");
    state.save(&file, "a \"note\"\n").expect("it is written");
    assert_eq!(fs::read(&file).expect("it is there"), first);
    let (read, note) = State::load(&file).expect("it is a state");
    assert_eq!((read.steps, &*note), (1, "a \"note\"\n"));
    assert_eq!(read.tensors, state.tensors);
    let weights = folder.join("weights.safetensors");
    safetensors::save(&weights, []).expect("it is written");
    for (name, says) in [("weights.safetensors", "tensors only"), ("none", "none")] {
        let error = State::load(&folder.join(name)).expect_err("it is no state").to_string();
        assert!(error.contains(says) && error.contains(name), "{error}");
    }
}

#[test]
fn a_restored_trainer_goes_on_bit_for_bit() {
    for optimizer in ["momentum", "adam_w"] {
        let (recipe, base) = recipe(optimizer);
        let start = tensors(&weights(&spec()));
        let mut first = trainer(&spec(), &recipe, &start, 2);
        first.set_rate(base);
        for step in 0..2 {
            one(&mut first, step);
        }
        let saved = first.state().expect("memory");
        let mut second = trainer(&spec(), &recipe, &start, 1);
        second.restore(&saved).expect("it is of this network");
        second.set_rate(base);
        for step in 2..4 {
            assert_eq!(one(&mut first, step).to_bits(), one(&mut second, step).to_bits());
        }
        assert_eq!((first.steps(), second.steps()), (4, 4));
        let [a, b] = [&first, &second].map(|trainer| bits(&trainer.state().expect("memory")));
        assert_eq!(a, b);
    }
}

#[test]
fn a_state_of_another_network_or_optimizer_is_refused() {
    let (sgd, _) = recipe("momentum");
    let (adam, _) = recipe("adam_w");
    let start = tensors(&weights(&spec()));
    let mut trainer_of_sgd = trainer(&spec(), &sgd, &start, 1);
    let other = trainer(&spec(), &adam, &start, 1).state().expect("memory");
    let before = bits(&trainer_of_sgd.state().expect("memory"));
    let error = trainer_of_sgd.restore(&other).expect_err("it is of AdamW");
    assert_eq!(error.code().name(), "other-state");
    assert!(error.to_string().contains(".velocity is missing"), "{error}");
    let mut smaller = trainer_of_sgd.state().expect("memory");
    let fewer = Tensor::new([5, 64], vec![0.0; 320]).expect("as many");
    smaller.tensors.insert("fc.weight".into(), Arc::new(fewer));
    let error = trainer_of_sgd.restore(&smaller).expect_err("it has five classes");
    assert!(error.to_string().contains("fc.weight has shape [5, 64], not [10, 64]"), "{error}");
    assert_eq!(bits(&trainer_of_sgd.state().expect("memory")), before);
}

#[test]
fn wrong_batches_change_nothing() {
    let (recipe, _) = recipe("sgd");
    let mut trainer = trainer(&spec(), &recipe, &tensors(&weights(&spec())), 1);
    let (images, _) = batch(0);
    let images: Vec<f32> = images.into_iter().map(|x| x as f32).collect();
    let before = bits(&trainer.state().expect("memory"));
    let few = trainer.step(&images[1..], &[0; 4]).expect_err("an element is missing");
    assert!(matches!(few, TrainingError::Count { .. }), "{few}");
    let many = trainer.step(&images, &[0; 5]).expect_err("a label too many");
    assert!(many.to_string().contains("a step has 4 labels, but 5 were given"), "{many}");
    let label = trainer.step(&images, &[0, 1, 10, 2]).expect_err("there is no class 10");
    assert!(label.to_string().contains("label 10 of image 2 is no class"), "{label}");
    assert_eq!(bits(&trainer.state().expect("memory")), before);
    assert_eq!(trainer.steps(), 0);
}

#[test]
fn a_loss_that_is_no_number_names_the_layer_where_it_began() {
    let (recipe, _) = recipe("sgd");
    let spec = spec();
    let mut start: WeightMap = match tensors(&weights(&spec)) {
        Weights::Map(map) => map,
        Weights::Random { .. } => WeightMap::new(),
    };
    let wrong = start["layer2.1.conv1.weight"].shape().to_vec();
    let infinite = Tensor::new(wrong.clone(), vec![3e38; wrong.iter().product()]);
    start.insert("layer2.1.conv1.weight".into(), Arc::new(infinite.expect("as many")));
    let mut trainer = trainer(&spec, &recipe, &Weights::Map(start), 1);
    let saved = trainer.state().expect("memory");
    trainer.set_rate(0.1);
    let (images, _) = batch(0);
    let images: Vec<f32> = images.into_iter().map(|x| x as f32).collect();
    let error = trainer.step(&images, &[0, 1, 2, 3]).expect_err("sums overflow");
    assert_eq!(error.code().name(), "diverged");
    assert!(error.to_string().contains("began in layer2.1.bn1.running_"), "{error}");
    trainer.restore(&saved).expect("the state is as it was");
    assert_eq!(bits(&trainer.state().expect("memory")), bits(&saved));
}

#[test]
fn the_interpreter_trains_too() {
    let (recipe, base) = recipe("adam_w");
    let start = tensors(&weights(&spec()));
    let options = Options::default().engine(Engine::Interpreted);
    let mut slow = Trainer::new(&spec(), &recipe, &start, options).expect("it is valid");
    let mut fast = trainer(&spec(), &recipe, &start, 1);
    for trainer in [&mut slow, &mut fast] {
        trainer.set_rate(base);
    }
    for step in 0..2 {
        let [a, b] = [&mut slow, &mut fast].map(|trainer| one(trainer, step));
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn trained_weights_are_those_of_the_description() {
    let spec = spec();
    let recipe = Recipe { optimizer: Optimizer::PAPER, ..Recipe::new(4) };
    let weights = Weights::Map(spec.initial_weights(7).expect("it is valid"));
    let trainer = trainer(&spec, &recipe, &weights, 1);
    let trained = trainer.weights().expect("memory");
    assert!(spec.build(&Weights::Map(trained), 2).is_ok());
}
