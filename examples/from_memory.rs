//! Compiles a network that is embedded in the program: a single-file application, which opens no
//! files.
//!
//! `cargo run --release --example from_memory`

use resnetc::{Compiler, Options};

/// A trained ResNet-20 for 28x28 images of clothing.
const MODEL: &[u8] = include_bytes!("../cli/models/resnet20-fashion-mnist.onnx");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let network = Compiler::new(Options::default()).onnx_bytes(MODEL, None)?;
    let model = network.compile()?;
    let mut cx = model.context()?;
    let pixels: &mut [f32] = cx.input_mut(0)?;
    pixels.fill(0.0);
    model.run(&mut cx)?;
    let scores: &[f32] = cx.output(0)?;
    println!("{scores:?}");
    Ok(())
}
