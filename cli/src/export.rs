//! `resnetc export`: a network as one object file, with a header and a program that uses it.

use std::path::PathBuf;
use std::str::FromStr;

use resnetc::advice::OptionName;
use resnetc::object::{self, Export, ExportFailure, ExportTarget, Exported, Weights};
use resnetc::one_line::path_line;
use resnetc::whole_file;
use serde::Serialize;

use crate::args::Common;
use crate::failure::Failure;
use crate::output;
use crate::units::bytes;

/// Write a network as one object file for C, without a runtime
///
/// DIR gets an object file with code and weights, a header, and a program that runs the network
/// once. The code calls nothing and allocates nothing. For this machine it computes what `resnetc
/// run` computes, bit for bit, on the same instruction set; for other CPUs it may round differently,
/// and no cross-compiler is needed, only a linker. Threads are the program's own.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("perf_map", |arg| arg.hide(true)),
    mut_arg("tuned", |arg| arg.hide(true)),
    mut_arg("isa", |arg| arg.hide(true)),
    mut_arg("threads", |arg| arg.help("Threads that work is cut for [default: 1]")),
)]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// The folder for the files, which is created if it is missing
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// native; x86-64, x86-64-v3 (AVX2), x86-64-v4 (AVX-512) or aarch64: such a CPU with Linux;
    /// x86-64-windows (tried in Wine only), x86-64-macos or aarch64-macos (never tried)
    #[arg(long, default_value = "native", value_parser = ExportTarget::from_str)]
    target: ExportTarget,
    /// How files, functions and macros are named, so that a program can have several networks
    #[arg(long, value_name = "NAME", default_value = "net")]
    name: String,
    /// Write the weights to a file of their own, to be mapped: NAME.weights
    #[arg(long)]
    separate_weights: bool,
    /// Replace existing files
    #[arg(long)]
    force: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    folder: String,
    files: Vec<String>,
    target: &'static str,
    isa: &'static str,
    code_bytes: usize,
    weight_bytes: usize,
    arena_bytes: usize,
    build: String,
}

/// A file to write.
type File = (String, Vec<u8>);

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    args.common.refuse(&[OptionName::Isa], "--target has its instruction set")?;
    args.common.refuse(&[OptionName::Tuned], "measured choices are for this machine")?;
    args.common.refuse(&[OptionName::PerfMap], "this command runs no compiled code")?;
    check_place(args)?;
    let common = args.common.without_tuned();
    let network = common.load_to_export(&args.model)?;
    let how = how(args);
    let exported = object::export(&network, &how).map_err(failure)?;
    let report = report(args, &exported);
    write(args, files(args, exported))?;
    match args.json {
        true => output::print_json(&report),
        false => output::print(&format!(
            "{}: {} ({})\ncode {}, weights {}, arena {}\nbuild it there: {}\n",
            report.folder,
            report.files.join(", "),
            report.isa,
            bytes(report.code_bytes),
            bytes(report.weight_bytes),
            bytes(report.arena_bytes),
            report.build,
        )),
    }
}

fn how(args: &Args) -> Export {
    let weights = if args.separate_weights { Weights::Beside } else { Weights::Inside };
    Export { target: args.target, name: args.name.clone(), weights }
}

fn failure(failure: ExportFailure) -> Failure {
    match failure {
        ExportFailure::Compile(error) => error.into(),
        ExportFailure::Name { .. } | ExportFailure::Header { .. } => {
            Failure::usage(format!("--name: {failure}"))
        }
        other => Failure::new(other.to_string()).code(other.code()),
    }
}

/// Refuses a folder that cannot be written to, and files that exist, before the work.
fn check_place(args: &Args) -> Result<(), Failure> {
    whole_file::check_folder(&args.output).map_err(|e| Failure::unwritable(&args.output, e))?;
    let paths = how(args).file_names().into_iter().map(|name| args.output.join(name));
    match paths.into_iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) if !args.force => Err(Failure::exists(&path)),
        _ => Ok(()),
    }
}

fn files(args: &Args, exported: Exported) -> Vec<File> {
    let Exported { object, weights, header, main, .. } = exported;
    let contents = [Some(header.into_bytes()), Some(main.into_bytes()), weights, Some(object)];
    how(args).file_names().into_iter().zip(contents.into_iter().flatten()).collect()
}

/// Writes the files, all of them or none: a header of another object would lie about it.
fn write(args: &Args, files: Vec<File>) -> Result<(), Failure> {
    let folder = &args.output;
    let failed = |e| Failure::unwritable(folder, e);
    if folder.is_dir() {
        let files: Vec<_> =
            files.into_iter().map(|(name, bytes)| (folder.join(name), bytes)).collect();
        return whole_file::write_files(&files).map_err(failed);
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let fill = |place: &std::path::Path| {
        files.iter().try_for_each(|(name, bytes)| std::fs::write(place.join(name), bytes))
    };
    whole_file::write_folder(folder, fill).map_err(failed)
}

fn report(args: &Args, exported: &Exported) -> Report {
    Report {
        folder: path_line(&args.output),
        files: how(args).file_names(),
        target: args.target.name(),
        isa: exported.isa.name(),
        code_bytes: exported.code_bytes,
        weight_bytes: exported.weight_bytes,
        arena_bytes: exported.arena_bytes,
        build: exported.build.clone(),
    }
}
