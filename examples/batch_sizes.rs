//! One network for several batch sizes: a server runs the requests that have arrived, without
//! padding the batch.
//!
//! The models have the weights in memory once, packed, as far as their kernels take them alike; this
//! network's do.
//!
//! `cargo run --release --example batch_sizes`

use std::collections::BTreeMap;

use resnetc::{Compiler, Model, Options};

const SIZES: [usize; 3] = [1, 4, 8];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let one = Compiler::new(Options::default()).compile("resnet18")?;
    let mut models: BTreeMap<usize, Model> = BTreeMap::new();
    for size in SIZES {
        models.insert(size, one.with_batch(size)?);
        let report = models[&size].report();
        println!("{size} images: {} of {} bytes shared", report.shared_bytes, report.weight_bytes);
    }
    for waiting in [1, 3, 8, 13] {
        let mut left = waiting;
        while left > 0 {
            // The largest batch that can be filled; the last batch may be smaller.
            let size = SIZES.into_iter().rev().find(|&size| size <= left).unwrap_or(1);
            let model = &models[&size];
            let mut cx = model.context()?;
            let pixels: &mut [f32] = cx.input_mut(0)?;
            pixels.fill(0.5);
            model.run(&mut cx)?;
            println!("{waiting} waiting: a batch of {size} gives {:?}", model.outputs()[0].shape);
            left -= size;
        }
    }
    Ok(())
}
