//! An intermediate value as an output: the features before the classifier, in addition to its
//! scores.
//!
//! `cargo run --release --example intermediate_value`

use resnetc::{Compiler, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `resnetc info resnet18 --values` lists the names of all values.
    let outputs = ["layer4", "avgpool", "output"].map(str::to_owned).to_vec();
    let model = Compiler::new(Options::default().outputs(outputs)).load("resnet18")?.compile()?;
    let mut cx = model.context()?;
    let pixels: &mut [f32] = cx.input_mut(0)?;
    pixels.fill(0.5);
    model.run(&mut cx)?;
    for (i, port) in model.outputs().iter().enumerate() {
        let values: &[f32] = cx.output(i)?;
        println!("{} {:?}: {:?} ...", port.name, port.shape, &values[..4]);
    }
    Ok(())
}
