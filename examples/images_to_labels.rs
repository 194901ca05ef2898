//! From image files to labels: decode, scale to floats, run, take the largest score.
//!
//! `cargo run --release --example images_to_labels -- cli/models/pictures/*.png`

use std::path::PathBuf;

use image::imageops::FilterType;
use resnetc::{Compiler, Options};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cli/models/resnet20-fashion-mnist.onnx");
const LABELS: &str = include_str!("../cli/models/fashion-mnist-labels.txt");

/// The preprocessing of the training: pixels from 0 to 1, minus the mean, divided by the standard
/// deviation.
const MEAN: f32 = 0.2860;
const DEVIATION: f32 = 0.3530;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Compiler::new(Options::default()).load(MODEL)?.compile()?;
    let [_, _, height, width] = model.inputs()[0].shape[..] else {
        return Err("the network does not read images".into());
    };
    let labels: Vec<&str> = LABELS.lines().collect();
    let mut cx = model.context()?;
    for file in std::env::args_os().skip(1).map(PathBuf::from) {
        let image = image::open(&file)?.into_luma8();
        let image =
            image::imageops::resize(&image, width as u32, height as u32, FilterType::Triangle);
        let values = image.iter().map(|&pixel| (f32::from(pixel) / 255.0 - MEAN) / DEVIATION);
        let pixels: &mut [f32] = cx.input_mut(0)?;
        pixels.iter_mut().zip(values).for_each(|(pixel, value)| *pixel = value);
        model.run(&mut cx)?;
        let scores: &[f32] = cx.output(0)?;
        let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        println!("{}: {}", file.display(), best.map_or("?", |class| labels[class]));
    }
    Ok(())
}
