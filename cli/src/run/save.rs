//! Where the outputs of a run are written. Everything that can be refused is refused before the
//! run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use resnetc::import::safetensors;
use resnetc::one_line::path_line;
use resnetc::{Array, whole_file};

use crate::failure::Failure;
use crate::output;

/// The options that name files for outputs.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// File for the result: .npy (one output) or .safetensors (all outputs)
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Folder for all outputs, one .npy each; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

impl Target {
    /// Refuses files and folders that cannot be written, before anything is read. `reads` are the
    /// files that the command reads.
    pub(super) fn check(&self, reads: &[&Path]) -> Result<(), Failure> {
        if let Some(path) = &self.output {
            if !has_extension(path, "npy") && !has_extension(path, "safetensors") {
                let path = path_line(path);
                let message = format!("--output {path}: it must end in .npy or .safetensors");
                return Err(Failure::usage(message));
            }
            output::check_file(path, reads)?;
        }
        if let Some(folder) = &self.output_dir {
            whole_file::check_folder(folder).map_err(|e| Failure::unwritable(folder, e))?;
        }
        Ok(())
    }

    /// The files for outputs of these names, after checking that they can be written.
    pub(super) fn files(&self, names: &[&str], reads: &[&Path]) -> Result<Files<'_>, Failure> {
        let count = names.len();
        if count != 1 && self.output.as_deref().is_some_and(|p| has_extension(p, "npy")) {
            let message = format!("the model has {count} outputs, but a .npy file holds one");
            return Err(
                Failure::new(message).help("use --output-dir, or --output with .safetensors")
            );
        }
        let all = self.output_dir.as_deref().map(|folder| {
            let file = |(i, name): (usize, &&str)| folder.join(file_name(i, name, names));
            (folder, names.iter().enumerate().map(file).collect::<Vec<_>>())
        });
        if let Some((folder, files)) = &all
            && folder.is_dir()
        {
            files.iter().try_for_each(|file| output::check_file(file, reads))?;
        }
        Ok(Files { one: self.output.as_deref(), all })
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e == extension)
}

/// Where the outputs of a network are written.
pub(super) struct Files<'a> {
    /// `--output`.
    one: Option<&'a Path>,
    /// `--output-dir`, and the file in it for each output.
    all: Option<(&'a Path, Vec<PathBuf>)>,
}

impl Files<'_> {
    /// Whether there is something to write.
    pub(super) fn are_wanted(&self) -> bool {
        self.one.is_some() || self.all.is_some()
    }

    /// Writes the outputs, which have the names that the files were made for.
    pub(super) fn write(&self, outputs: &[(String, Array)]) -> Result<(), Failure> {
        if let (Some(path), [(_, first), ..]) = (self.one, outputs) {
            match has_extension(path, "npy") {
                true => output::write_npy(path, first)?,
                false => {
                    // Outputs of the same name are the same value.
                    let arrays: BTreeMap<&str, &Array> =
                        outputs.iter().map(|(name, array)| (name.as_str(), array)).collect();
                    safetensors::save_arrays(path, arrays)?;
                }
            }
        }
        if let Some((folder, files)) = &self.all {
            std::fs::create_dir_all(folder).map_err(|e| Failure::unwritable(folder, e))?;
            for (file, (_, array)) in files.iter().zip(outputs) {
                output::write_npy(file, array)?;
            }
        }
        Ok(())
    }
}

/// The maximum number of characters of an output's name in a file name; systems allow 255 in all.
const LONGEST: usize = 200;

/// An output's name as a file name, numbered where two would be the same.
fn file_name(index: usize, name: &str, names: &[&str]) -> String {
    let plain = |name: &str| -> String {
        let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let kept: String = name.chars().map(keep).collect();
        kept.trim_start_matches('.').chars().take(LONGEST).collect()
    };
    let stem = plain(name);
    let same = names.iter().filter(|other| plain(other).eq_ignore_ascii_case(&stem)).count();
    match same > 1 || stem.is_empty() {
        true => format!("{index}_{stem}.npy"),
        false => format!("{stem}.npy"),
    }
}
