//! `resnetc curves`: how training went, as a picture or a page.

mod figure;
mod page;
mod plot;
mod png;
mod series;
mod svg;

use std::path::{Path, PathBuf};

use resnetc::one_line::path_line;

use crate::failure::Failure;
use crate::output;
use figure::MOST_SERIES;
use series::{Series, Source};

/// Draw error and loss of training runs, by epoch
///
/// Each LOG is a file that `resnetc train --log` wrote. Runs that differ in their seeds alone
/// can be drawn as one curve, their mean, with a band for their range: NAME=FILE,FILE,...
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Logs, or names with logs; at most eight curves
    #[arg(value_name = "LOG|NAME=LOG,...", required = true, value_parser = Source::parse)]
    sources: Vec<Source>,
    /// The picture, .svg or .png, or the page, .html, which needs no other file and has the figures, too
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if args.sources.len() > MOST_SERIES {
        let (count, most) = (args.sources.len(), MOST_SERIES);
        return Err(Failure::usage(format!("{count} curves, but a plot has at most {most}"))
            .help("NAME=FILE,FILE draws the mean of several logs as one curve"));
    }
    let draw = form(&args.output)?;
    let files = args.sources.iter().flat_map(|source| source.files());
    output::check_text(&args.output, &files.map(PathBuf::as_path).collect::<Vec<_>>())?;
    let series: Vec<Series> = args.sources.iter().map(Source::read).collect::<Result<_, _>>()?;
    output::write_file(&args.output, &draw(&series)?)
}

/// What makes the bytes of a file.
type Draw = fn(&[Series]) -> Result<Vec<u8>, Failure>;

/// What makes a file of this name.
fn form(file: &Path) -> Result<Draw, Failure> {
    let extension = file.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("svg") => Ok(|series| Ok(svg::draw(&plot::figure(series)).into_string().into())),
        Some("png") => Ok(|series| png::draw(&plot::figure(series))),
        Some("html" | "htm") => Ok(|series| Ok(page::render(series).into())),
        _ => Err(Failure::usage(format!(
            "--output {}: it must end in .svg, .png or .html",
            path_line(file)
        ))),
    }
}
