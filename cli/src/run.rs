//! `resnetc run`: one inference.

mod save;

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use resnetc::ir::memory::{NoMemory, copied};
use resnetc::ir::{DType, Graph, Tensor};
use resnetc::one_line::path_line;
use resnetc::{Array, Digest, Model, Number};
use serde::Serialize;

use crate::args::Common;
use crate::cached::{self, Cached};
use crate::failure::Failure;
use crate::inputs::{self, ArrayFile};
use crate::interpret::{self, Interpret, engine_name};
use crate::output;
use crate::units::{self, ms, plural, shape};
use save::Target;

/// Run a network once
///
/// Without --input, it runs on random values. Where the model leaves extents of an input open, they
/// are those of the given array. If an input file also has an array `output`, the result is
/// compared with it. Outputs are written in the types that the model declares for them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// Values for the inputs: .npy, .npz or .safetensors; FILE.npz:NAME is one array of a file
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// Print a digest of each output: with --numerics portable or exact it is the same on every
    /// machine
    #[arg(long)]
    hash: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    interpret: Interpret,
    #[command(flatten)]
    cached: Cached,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    model: String,
    isa: &'static str,
    threads: usize,
    compile_ms: f64,
    phases: Vec<Phase>,
    run_ms: f64,
    outputs: Vec<OutputReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_abs_difference: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relative_difference: Option<f64>,
}

/// One phase of compilation.
#[derive(Clone, Serialize)]
pub(crate) struct Phase {
    name: &'static str,
    ms: f64,
}

#[derive(Serialize)]
struct OutputReport {
    name: String,
    shape: Vec<usize>,
    dtype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// The largest values of each row, if the output is a matrix of floats.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top: Vec<Vec<Entry>>,
    first_values: Vec<Shown>,
}

/// A value as a file has it, in the type that the model declares.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Shown {
    /// The values of networks are f32.
    Float(f32),
    Integer(i128),
}

impl Shown {
    /// Values of an output.
    fn all(values: &[f32], dtype: DType) -> Result<Vec<Shown>, NoMemory> {
        let array = Array::of(&Tensor::vector(copied(values)?), dtype)?;
        let shown = |number| match number {
            Number::Float(x) => Shown::Float(x as f32),
            Number::Integer(x) => Shown::Integer(x),
        };
        Ok(array.numbers().map(shown).collect())
    }
}

impl fmt::Display for Shown {
    /// A precision applies to floats alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Float(x) => x.fmt(f),
            Shown::Integer(x) => x.fmt(f),
        }
    }
}

#[derive(Serialize)]
struct Entry {
    index: usize,
    value: Shown,
}

/// How many rows are shown with their largest values.
const ROWS: usize = 16;
/// How many values are shown.
const TOP: usize = 5;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let reads = args.reads();
    args.target.check(&reads)?;
    let common = args.common.on(args.interpret.engine());
    let common = common.cached(args.cached.folder.as_deref());
    let inputs::Loaded { network, inputs, file } =
        inputs::load(&args.model, args.input.as_deref(), &common)?;
    if file.is_none() {
        let seed = args.common.seed();
        output::note(&format!("the input is random (seed {seed}); --input FILE gives it values"));
    }
    let names: Vec<&str> = network.graph().outputs().iter().map(|o| o.name.as_str()).collect();
    let files = args.target.files(&names, &reads)?;
    check_expected(file.as_ref(), network.graph())?;
    let model = network.compile()?;
    interpret::warn(&model);
    cached::remark(&model);
    if args.hash {
        args.remark_hash(&model);
    }
    let (results, time) = compute(&model, &inputs)?;
    let difference = file.as_ref().map(|f| compare(f, &results)).transpose()?.flatten();
    if files.are_wanted() {
        let array = |o: &Output| Ok((o.name.clone(), Array::of(&o.tensor, o.dtype)?));
        let arrays = results.iter().map(array).collect::<Result<Vec<_>, _>>();
        files.write(&arrays.map_err(Failure::memory("outputs"))?)?;
    }
    let report = report(args, &model, time, &results, difference)?;
    match args.json {
        true => output::print_json(&report),
        false => output::print(&text(&report)),
    }
}

impl Args {
    /// Says where the hash of an output is of this machine alone.
    fn remark_hash(&self, model: &Model) {
        if model.report().interpreted.is_some() {
            output::note("the interpreter computes other bits than machine code");
        } else if !self.common.model.numerics.is_portable() {
            let name = self.common.model.numerics.name();
            output::note(&format!(
                "with --numerics {name}, other machines may compute other bits; --numerics \
                 portable and exact give the same everywhere"
            ));
        }
    }

    /// The files that the command reads.
    fn reads(&self) -> Vec<&Path> {
        let mut files = self.common.reads(&self.model);
        files.extend(self.input.as_deref());
        files
    }
}

/// An output of a run.
struct Output {
    name: String,
    tensor: Tensor,
    dtype: DType,
}

/// The outputs, and how long it took.
fn compute(
    model: &Model,
    inputs: &[std::sync::Arc<Tensor>],
) -> Result<(Vec<Output>, Duration), Failure> {
    let mut context = model.context()?;
    for (i, tensor) in inputs.iter().enumerate() {
        context.input_mut(i)?.copy_from_slice(tensor.data());
    }
    let start = Instant::now();
    model.run(&mut context)?;
    let time = start.elapsed();
    let mut results = Vec::new();
    for (i, port) in model.outputs().iter().enumerate() {
        let output = copied(context.output::<f32>(i)?).map_err(Failure::memory("outputs"))?;
        let tensor = Tensor::new(port.shape.clone(), output);
        let tensor =
            tensor.ok_or_else(|| Failure::new("the size of an output does not match its shape"))?;
        results.push(Output { name: port.name.clone(), tensor, dtype: port.dtype });
    }
    Ok((results, time))
}

/// Refuses an expected output of another shape than the model's, before the run.
fn check_expected(file: Option<&ArrayFile>, graph: &Graph) -> Result<(), Failure> {
    let (Some(file), Some(output)) = (file, graph.outputs().first()) else { return Ok(()) };
    let Some(expected) = file.expected(&output.name).transpose()? else { return Ok(()) };
    let wanted = &graph.node(output.node).ty.shape;
    match expected.shape() == wanted {
        true => Ok(()),
        false => Err(file.other_shape(expected.shape(), &output.name, wanted)),
    }
}

/// The largest difference from the first output that the file has, and the largest expected value.
fn compare(file: &ArrayFile, results: &[Output]) -> Result<Option<(f64, f64)>, Failure> {
    let Some(Output { name, tensor: found, .. }) = results.first() else { return Ok(None) };
    let Some(expected) = file.expected(name).transpose()? else { return Ok(None) };
    let difference =
        resnetc::check::Difference::of(found.data(), expected.data().iter().map(|&x| f64::from(x)));
    Ok(Some((difference.max_abs, difference.relative())))
}

/// The phases of a model's compilation.
pub(crate) fn phases(model: &Model) -> Vec<Phase> {
    model.report().phases.iter().map(|&(name, time)| Phase { name, ms: ms(time) }).collect()
}

/// `passes 1.0, plan 0.1, ...`
pub(crate) fn list_phases(phases: &[Phase]) -> String {
    phases.iter().map(|p| format!("{} {:.1}", p.name, p.ms)).collect::<Vec<_>>().join(", ")
}

fn report(
    args: &Args,
    model: &Model,
    time: Duration,
    results: &[Output],
    difference: Option<(f64, f64)>,
) -> Result<Report, Failure> {
    let outputs = results.iter().map(|output| output_report(output, args.hash));
    let outputs = outputs.collect::<Result<_, _>>();
    Ok(Report {
        model: path_line(&args.model),
        isa: engine_name(model),
        threads: model.threads(),
        compile_ms: ms(model.report().total()),
        phases: phases(model),
        run_ms: ms(time),
        outputs: outputs.map_err(Failure::memory("outputs"))?,
        max_abs_difference: difference.map(|d| d.0),
        relative_difference: difference.map(|d| d.1),
    })
}

fn output_report(output: &Output, hash: bool) -> Result<OutputReport, NoMemory> {
    let Output { name, tensor, dtype } = output;
    let top = match *tensor.shape() {
        [_, classes] if classes > TOP && dtype.is_float() => {
            let rows = tensor.data().chunks_exact(classes).take(ROWS);
            rows.map(|row| greatest(row, *dtype)).collect::<Result<_, _>>()?
        }
        _ => Vec::new(),
    };
    let first = &tensor.data()[..tensor.elements().min(2 * TOP)];
    Ok(OutputReport {
        name: name.to_owned(),
        shape: tensor.shape().to_vec(),
        dtype: dtype.name(),
        hash: hash.then(|| Digest::of(tensor.shape(), tensor.data()).to_string()),
        top,
        first_values: Shown::all(first, *dtype)?,
    })
}

/// The largest values of a row. Only these are converted to the type of the output.
fn greatest(row: &[f32], dtype: DType) -> Result<Vec<Entry>, NoMemory> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
    order.truncate(TOP);
    let values: Vec<f32> = order.iter().map(|&index| row[index]).collect();
    let shown = Shown::all(&values, dtype)?;
    Ok(order.into_iter().zip(shown).map(|(index, value)| Entry { index, value }).collect())
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        text,
        "model    {} ({}, {})",
        report.model,
        report.isa,
        plural(report.threads, "thread")
    );
    if !report.phases.is_empty() {
        let phases = list_phases(&report.phases);
        let _ = writeln!(text, "compile  {:.1} ms ({phases})", report.compile_ms);
    }
    let _ = writeln!(text, "run      {:.3} ms", report.run_ms);
    for output in &report.outputs {
        let dtype = if output.dtype == DType::F32.name() { "" } else { output.dtype };
        let name = units::name(&output.name);
        let line = format!("output   \"{name}\" {} {dtype}", shape(&output.shape));
        let _ = writeln!(text, "{}", line.trim_end());
        if let Some(hash) = &output.hash {
            let _ = writeln!(text, "  hash   {hash}");
        }
        for (row, entries) in output.top.iter().enumerate() {
            let list: Vec<String> =
                entries.iter().map(|e| format!("{}: {:.4}", e.index, e.value)).collect();
            let _ = writeln!(text, "  row {row}  {}", list.join("  "));
        }
        if output.top.is_empty() {
            let list: Vec<String> = output.first_values.iter().map(|v| format!("{v:.5}")).collect();
            let more =
                if output.shape.iter().product::<usize>() > list.len() { " ..." } else { "" };
            let _ = writeln!(text, "  {}{more}", list.join(" "));
        }
    }
    if let (Some(abs), Some(relative)) = (report.max_abs_difference, report.relative_difference) {
        let _ = writeln!(
            text,
            "compared with the file's output: max difference {abs:.3e}, {relative:.3e} of its largest value"
        );
    }
    text
}
