//! Keeps compiled networks in a folder, so that the next start is as fast as reading a file:
//!
//! ```text
//! cargo run --release --example cached_start -- resnet50.onnx compiled
//! ```
//!
//! The second start takes the compiled network from the folder `compiled`.

use std::time::Instant;

use resnetc::{Compiler, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let mut args = std::env::args().skip(1);
    let (Some(model), Some(folder)) = (args.next(), args.next()) else {
        return Err("usage: cached_start MODEL FOLDER [THREADS]".into());
    };
    let threads = args.next().map(|threads| threads.parse()).transpose()?;
    let options = Options::default().threads(threads);
    // `-` as the folder stands for none: the network is compiled.
    let options = if folder == "-" { options } else { options.cache_dir(Some(folder.into())) };

    // Unlike `load` and then `compile`, this does not read a file whose network is in the folder.
    let model = Compiler::new(options).compile(model)?;
    let compiled = start.elapsed();
    let mut context = model.context()?;
    model.run(&mut context)?;
    let first = start.elapsed();
    let again = Instant::now();
    model.run(&mut context)?;

    match &model.report().cache {
        Some(use_of_folder) => println!("{use_of_folder:?}"),
        None => println!("no folder was given"),
    }
    println!("ready after {compiled:.1?}, first result after {first:.1?}");
    println!("a later run takes {:.1?}", again.elapsed());
    Ok(())
}
