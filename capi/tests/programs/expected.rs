//! What the examples print, computed by the library.

use resnetc::{Compiler, Model, Numerics, Options};

use crate::bundled;

/// The numbers that a program printed, one on each line.
pub(crate) fn numbers(output: &str) -> Vec<f32> {
    output.lines().map(|line| line.parse().expect("a number")).collect()
}

fn model() -> Model {
    let options = Options::default().numerics(Numerics::Exact).threads(1);
    let network = Compiler::new(options).load(bundled()).expect("it is bundled");
    network.compile().expect("it compiles")
}

/// The scores of the picture of this number.
fn scores_of(model: &Model, number: usize) -> Vec<f32> {
    let mut context = model.context().expect("memory");
    let pixels: &mut [f32] = context.input_mut(0).expect("an input");
    pixels.iter_mut().enumerate().for_each(|(i, x)| *x = ((i + number) % 29) as f32 / 32.0);
    model.run(&mut context).expect("it runs");
    context.output(0).expect("an output").to_vec()
}

/// What `classify`, `wrapper` and `ctypes_run` print.
pub(crate) fn scores() -> Vec<f32> {
    scores_of(&model(), 0)
}

/// What `threads` prints: the largest score of each picture.
pub(crate) fn pictures() -> Vec<f32> {
    let model = model();
    let best = |number| scores_of(&model, number).into_iter().fold(f32::MIN, f32::max);
    (0..32).map(best).collect()
}
