//! Norms of values and gradients by depth, and what residual blocks make of them.

use std::sync::Arc;

use resnetc::Options;
use resnetc::import::safetensors::WeightMap;
use resnetc::spec::{Block, Order, Shortcut, Spec, Stem, StemPool, Weights};
use resnetc::training::{Norms, Recipe, Trainer, names};
use resnetc_ir::Tensor;
use resnetc_ir::eval::Value;

use crate::support::{Values, drawn, step};

const BATCH: usize = 4;

/// A stack of blocks of one stage.
fn stack(blocks: usize, shortcut: Shortcut) -> Spec {
    let mut spec = Spec::new(Block::Basic, [blocks], [16]);
    (spec.input.height, spec.input.width, spec.classes) = (12, 12, 3);
    spec.stem = Stem { channels: 16, kernel: 3, stride: 1, pool: StemPool::None, ..spec.stem };
    spec.shortcut = shortcut;
    spec
}

/// Initial weights, those of the last convolution of each block 0 if `is_zero`.
fn weights(spec: &Spec, is_zero: bool) -> WeightMap {
    let mut weights = spec.initial_weights(3).expect("the spec is valid");
    for (name, tensor) in &mut weights {
        if is_zero && name.ends_with("conv2.weight") {
            let zeros = Tensor::new(tensor.shape(), vec![0.0; tensor.elements()]);
            *tensor = Arc::new(zeros.expect("it has the tensor's shape"));
        }
    }
    weights
}

fn images() -> Vec<f32> {
    drawn(9, BATCH * 3 * 144).into_iter().map(|x| x as f32).collect()
}

/// The norms of one step.
fn norms(spec: &Spec, weights: WeightMap) -> Vec<Norms> {
    let recipe = Recipe { norms: true, ..Recipe::new(BATCH) };
    let weights = Weights::Map(weights);
    let trainer = Trainer::new(spec, &recipe, &weights, Options::default().threads(2));
    let mut trainer = trainer.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(trainer.norms().len(), spec.layers.iter().sum::<usize>());
    trainer.step(&images(), &[0, 1, 2, 0]).expect("it runs");
    trainer.norms()
}

/// Equation 5 of He et al., "Identity Mappings in Deep Residual Networks" (2016): what goes through
/// the shortcuts is not changed by any number of blocks. Where nothing goes through the weights,
/// it is all there is; without shortcuts, nothing is left.
#[test]
fn what_goes_through_shortcuts_is_the_same_at_any_depth() {
    let spec = Spec { order: Order::Pre, ..stack(12, Shortcut::A) };
    let all = norms(&spec, weights(&spec, true));
    let last = all.last().expect("there are blocks").clone();
    for one in &all {
        assert_eq!((one.value, one.gradient), (last.value, last.gradient), "{}", one.block);
    }
    assert!(last.value > 0.0 && last.gradient > 0.0);
    let plain = Spec { shortcut: Shortcut::None, ..spec };
    let all = norms(&plain, weights(&plain, true));
    assert!(all.iter().all(|one| one.value == 0.0), "{all:?}");
    assert!(all[..11].iter().all(|one| one.gradient == 0.0), "{all:?}");
}

/// Roundings of f32 of a norm's terms and of their sum, which is positive.
const TOLERANCE: f64 = 1e-5;

#[test]
fn norms_are_those_of_the_values_after_blocks() {
    let spec = stack(3, Shortcut::B);
    let weights = weights(&spec, false);
    let found = norms(&spec, weights.clone());
    // The same network in the interpreter, with the values themselves among its results.
    let mut graph = Recipe::new(BATCH).step(&spec).expect("it has gradients");
    let names: Vec<&str> = found.iter().map(|one| one.block.as_str()).collect();
    assert_eq!(names, ["layer1.0", "layer1.1", "layer1.2"]);
    for block in &names {
        let name = format!("{block}.act2");
        let node = graph.nodes().find(|&node| graph.node(node).name == name);
        graph.output(name, node.expect("the block ends with it"));
    }
    let value = |&id: &_| {
        let node = graph.node(id);
        let (name, shape) = (node.name.clone(), node.ty.shape.clone());
        let data: Vec<f64> = match (name.as_str(), weights.get(&name)) {
            (_, Some(tensor)) => tensor.data().iter().map(|&x| x.into()).collect(),
            (names::IMAGES, _) => images().into_iter().map(f64::from).collect(),
            (names::LABELS, _) => vec![0.0, 1.0, 2.0, 0.0],
            _ => vec![0.0; node.ty.elements()],
        };
        (name, Value::new(shape, data))
    };
    let given: Values = graph.inputs().iter().map(value).collect();
    let expected = step(&graph, &given);
    for one in &found {
        let values = &expected[&format!("{}.act2", one.block)].data;
        let norm = (values.iter().map(|x| x * x).sum::<f64>() / BATCH as f64).sqrt();
        let error = (f64::from(one.value) / norm - 1.0).abs();
        assert!(error < TOLERANCE, "{}: {} for {norm}", one.block, one.value);
    }
    // The gradient at the last block is that of the dense layer, the same for all pixels: p - y for
    // each class times its weights, through the mean.
    let scores = &expected[names::SCORES].data;
    let dense = weights["fc.weight"].data();
    let mut sum = 0.0;
    for (image, scores) in scores.chunks_exact(3).enumerate() {
        let total: f64 = scores.iter().map(|s| s.exp()).sum();
        for channel in 0..16 {
            let of_class = |class: usize| {
                let is_own = f64::from(u8::from([0, 1, 2, 0][image] == class));
                (scores[class].exp() / total - is_own) * f64::from(dense[16 * class + channel])
            };
            let gradient = (0..3).map(of_class).sum::<f64>() / 144.0;
            sum += 144.0 * gradient * gradient;
        }
    }
    let (norm, last) = ((sum / BATCH as f64).sqrt(), found[2].gradient);
    assert!((f64::from(last) / norm - 1.0).abs() < TOLERANCE, "{last} for {norm}");
}
