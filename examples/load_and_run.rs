//! Loads a network, compiles it and runs it once.
//!
//! `cargo run --release --example load_and_run -- resnet50.onnx`; without a file, it runs a
//! built-in network with random weights.

use resnetc::{Compiler, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "resnet18".to_owned());
    let model = Compiler::new(Options::default()).load(&name)?.compile()?;
    for port in model.inputs().iter().chain(model.outputs()) {
        println!("{}: {} {:?}", port.name, port.dtype, port.shape);
    }
    // A context owns the memory of a run: one for each thread that runs the model.
    let mut cx = model.context()?;
    let pixels: &mut [f32] = cx.input_mut(0)?;
    pixels.fill(0.5);
    model.run(&mut cx)?;
    let scores: &[f32] = cx.output(0)?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order.iter().take(5).for_each(|&class| println!("{class}: {}", scores[class]));
    Ok(())
}
