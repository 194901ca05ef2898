//! One model for many threads: each has its own context, and none waits for another.
//!
//! Runs of one image share no work, so each run uses one thread, and as many runs as there are CPUs
//! give the most images per second.
//!
//! `cargo run --release --example many_threads`

use std::thread;

use resnetc::{Compiler, Options, RunError};

const REQUESTS: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = Options::default();
    options.threads = Some(1);
    let model = Compiler::new(options).load("resnet18")?.compile()?;
    let workers = thread::available_parallelism()?.get();
    let sums: Vec<Result<f32, RunError>> = thread::scope(|scope| {
        let run = |worker: usize| {
            // A clone is a handle: code and weights are in memory once.
            let model = model.clone();
            scope.spawn(move || {
                let mut cx = model.context()?;
                let mut sum = 0.0;
                for request in (worker..REQUESTS).step_by(workers) {
                    let pixels: &mut [f32] = cx.input_mut(0)?;
                    pixels.fill(request as f32 / REQUESTS as f32);
                    model.run(&mut cx)?;
                    let scores: &[f32] = cx.output(0)?;
                    sum += scores.iter().sum::<f32>();
                }
                Ok(sum)
            })
        };
        let workers: Vec<_> = (0..workers).map(run).collect();
        workers.into_iter().map(|w| w.join().expect("no worker panics")).collect()
    });
    for sum in sums {
        println!("{}", sum?);
    }
    Ok(())
}
