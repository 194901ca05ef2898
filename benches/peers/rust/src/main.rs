//! Times a Rust engine on an ONNX file, as `../worker.py` does for the engines that have Python
//! packages.
//!
//! `peers ENGINE MODEL INPUT OUTPUT THREADS SECONDS LEAST WARMUP`: input and output files are raw
//! little-endian f32. A line of JSON is printed as soon as there is a result, so that the parent
//! process sees the time; a second one has the times of the runs that follow. They go on for
//! SECONDS, and there are at least LEAST.

mod rten_engine;
mod tract_engine;

use std::error::Error;
use std::time::{Duration, Instant};

use serde_json::json;

/// The result of an engine.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A loaded network with its input. A call is one inference of the whole batch.
type Run = Box<dyn Fn() -> Result<Vec<f32>>>;

/// Loads a model from a file, the input's elements and the number of threads.
type Load = fn(&str, Vec<f32>, usize) -> Result<Run>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [engine, model, input, output, threads, seconds, least, warmup] = &args[..] else {
        return Err("usage: peers ENGINE MODEL INPUT OUTPUT THREADS SECONDS LEAST WARMUP".into());
    };
    let load: Load = match &engine[..] {
        "rten" => rten_engine::load,
        "tract" => tract_engine::load,
        other => return Err(format!("unknown engine {other}; expected rten or tract").into()),
    };
    let bytes = std::fs::read(input)?;
    let data = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    let start = Instant::now();
    let run = load(model, data, threads.parse()?)?;
    let load_ms = ms(start.elapsed());
    let result = run()?;
    println!("RESULT {}", json!({ "load_ms": load_ms }));
    std::fs::write(output, result.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())?;
    let times = time(&run, seconds.parse()?, least.parse()?, warmup.parse()?)?;
    println!("RESULT {}", json!({ "times_ms": times }));
    Ok(())
}

fn time(run: &Run, seconds: f64, least: usize, warmup: usize) -> Result<Vec<f64>> {
    for _ in 0..warmup {
        run()?;
    }
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < least || begin.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        run()?;
        times.push(ms(start.elapsed()));
    }
    Ok(times)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
