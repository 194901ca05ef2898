//! The accuracy on a data set in the format of MNIST: two gzipped files of bytes.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use flate2::read::GzDecoder;
use resnetc::one_line::path_line;
use resnetc::{ErrorCode, whole_file};
use serde::Serialize;

use super::args::Args;
use super::engine::Engine;
use super::head::Answer;
use super::input::Input;
use super::preparation::Preparation;
use super::preset::usual_preset;
use crate::failure::Failure;
use crate::interpret::engine_name;
use crate::output;
use crate::progress::Progress;
use crate::units::{ms, plural, shape};

/// Images per run, if the user gives no number.
const BATCH: usize = 100;
/// The test half of a data set.
const PICTURES: &str = "t10k-images-idx3-ubyte.gz";
const LABELS: &str = "t10k-labels-idx1-ubyte.gz";

/// An array of bytes from an IDX file.
struct Idx {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    pictures: usize,
    right: usize,
    accuracy: f64,
    isa: &'static str,
    threads: usize,
    batch: usize,
    compile_ms: f64,
    run_ms: f64,
    ms_per_picture: f64,
}

pub(super) fn run(args: &Args, model: Option<&Path>, folder: &Path) -> Result<(), Failure> {
    let pictures = Idx::read(&folder.join(PICTURES), 3)?;
    let labels = Idx::read(&folder.join(LABELS), 1)?;
    let mut engine = Engine::new(args, model, Some(BATCH))?;
    let preparation = Preparation::new(&args.pictures, usual_preset(model), engine.input())?;
    fit(&engine, &pictures, &labels)?;
    let (right, time) = count(&mut engine, &preparation, &pictures, &labels)?;
    let count = pictures.shape[0];
    let report = Report {
        dataset: path_line(folder),
        pictures: count,
        right,
        accuracy: right as f64 / count.max(1) as f64,
        isa: engine_name(engine.model()),
        threads: engine.model().threads(),
        batch: engine.batch(),
        compile_ms: engine.compile_ms(),
        run_ms: ms(time),
        ms_per_picture: ms(time) / count.max(1) as f64,
    };
    match args.json {
        true => output::print_json(&report),
        false => output::print(&text(&report)),
    }
}

fn text(report: &Report) -> String {
    format!(
        "{} of {} test pictures right: {:.2} %\ncompiled in {:.1} ms, {:.4} ms per picture in batches of {} ({}, {})\n",
        report.right,
        report.pictures,
        100.0 * report.accuracy,
        report.compile_ms,
        report.ms_per_picture,
        report.batch,
        report.isa,
        plural(report.threads, "thread")
    )
}

/// Checks that the network takes pictures of this shape.
fn fit(engine: &Engine, pictures: &Idx, labels: &Idx) -> Result<(), Failure> {
    let Input { channels, size: [height, width], .. } = engine.input();
    if channels != 1 || pictures.shape[1..] != [height, width] {
        return Err(Failure::new(format!(
            "the data set's pictures are {}, the model takes {}",
            shape(&[1, pictures.shape[1], pictures.shape[2]]),
            shape(&[channels, height, width])
        )));
    }
    match pictures.shape[0] == labels.shape[0] {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "the data set has {} pictures and {} labels",
            pictures.shape[0], labels.shape[0]
        ))
        .code(ErrorCode::Format)),
    }
}

/// How many pictures are classified correctly, and the time of all runs.
fn count(
    engine: &mut Engine,
    preparation: &Preparation,
    pictures: &Idx,
    labels: &Idx,
) -> Result<(usize, Duration), Failure> {
    let size = pictures.shape[1] * pictures.shape[2];
    let batch = engine.batch();
    let mut bar = Progress::new("classifying", pictures.shape[0] as u64);
    let (mut right, mut total) = (0, Duration::ZERO);
    let runs = pictures.bytes.chunks(size * batch).zip(labels.bytes.chunks(batch));
    for (i, (bytes, wanted)) in runs.enumerate() {
        let values: Vec<Vec<f32>> = bytes.chunks(size).map(|b| preparation.normalized(b)).collect();
        let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
        let (answers, time) = engine.run(&values)?;
        total += time;
        let is_right = |(answer, w): &(&Answer, &u8)| {
            answer.is_number() && answer.order.first() == Some(&usize::from(**w))
        };
        right += answers.iter().zip(wanted).filter(is_right).count();
        bar.set(((i + 1) * batch) as u64);
    }
    Ok((right, total))
}

/// The longest file that is read, packed and unpacked: a hundred times as many pictures as the data
/// set has.
const MAX_BYTES: usize = 4 << 30;

impl Idx {
    /// Reads a gzipped file of `rank` axes.
    fn read(path: &Path, rank: usize) -> Result<Self, Failure> {
        let fail = |e: std::io::Error| {
            Failure::unreadable(path, e)
                .help("Debian's package dataset-fashion-mnist has these files")
        };
        let wrong = |what: &str| {
            Failure::file(path, format!("this is not an IDX file: {what}")).code(ErrorCode::Format)
        };
        let packed = whole_file::read(path, MAX_BYTES as u64).map_err(fail)?;
        let mut file = GzDecoder::new(&packed[..]);
        let mut word = || {
            let mut bytes = [0; 4];
            file.read_exact(&mut bytes).map(|()| u32::from_be_bytes(bytes)).map_err(fail)
        };
        // Two zeros, the type of unsigned bytes, the number of axes.
        if word()? as usize != 0x800 + rank {
            return Err(wrong("its type or number of axes is wrong"));
        }
        let shape: Vec<usize> =
            (0..rank).map(|_| Ok(word()? as usize)).collect::<Result<_, Failure>>()?;
        let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let size = size
            .filter(|n| (1..=MAX_BYTES).contains(n))
            .ok_or_else(|| wrong("its size makes no sense"))?;
        let mut bytes = Vec::new();
        file.take(size as u64).read_to_end(&mut bytes).map_err(fail)?;
        match bytes.len() == size {
            true => Ok(Idx { shape, bytes }),
            false => Err(wrong("it is cut short")),
        }
    }
}
