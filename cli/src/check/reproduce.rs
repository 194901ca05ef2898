//! The guilty layer as files: a model, its input, the expected output and the actual one.

use std::io;
use std::path::{Path, PathBuf};

use resnetc::check::{Case, Check, Suspect};
use resnetc::export::onnx::{self, Existing};
use resnetc::import::safetensors;
use resnetc::ir::{DType, Tensor};
use resnetc::one_line::{path_line, steers};
use resnetc::passes::PassSelection;
use resnetc::{Array, IsaChoice, Numerics, Options, whole_file};
use serde::Serialize;

use super::args::Args;
use crate::failure::{Failure, with_causes};
use crate::output;

const MODEL: &str = "layer.onnx";
const EXPECTED: &str = "expected.npy";
const FOUND: &str = "found.npy";

/// The number of folders of the default name that may exist already.
const MOST: usize = 1000;

/// Where the files go.
pub(super) enum Place {
    /// A name from the user; nothing with this name exists.
    Named(PathBuf),
    /// This name, or the first free one after it.
    Fresh(String),
}

/// The files that were written.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    #[serde(serialize_with = "output::serialize_path")]
    pub(super) folder: PathBuf,
    pub(super) files: Vec<String>,
    /// The command that reproduces the difference.
    pub(super) command: String,
    /// Whether the layer is also wrong when its file is compiled as a network: fusion and layouts
    /// may differ there.
    pub(super) reproduces: bool,
}

/// Whether the files were written.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Reproduction {
    /// They are written.
    Written(Written),
    /// They cannot be written. The rest of the report is still valid.
    Refused { error: String },
}

impl Place {
    /// The folder that the user names, or one named after the model. A folder that already exists
    /// or cannot be created is refused before any work is done.
    pub(super) fn of(named: Option<&Path>, model: &Path) -> Result<Self, Failure> {
        if let Some(folder) = named {
            let refuse = |e: io::Error| {
                Failure::unwritable(folder, e)
                    .help("--reproduce creates a folder; give it another name")
            };
            whole_file::check_new_folder(folder).map_err(refuse)?;
            return Ok(Place::Named(folder.to_owned()));
        }
        let stem = model.file_stem().unwrap_or(model.as_os_str()).to_string_lossy();
        Ok(Place::Fresh(format!("resnetc-check-{stem}")))
    }

    fn folder(&self) -> io::Result<PathBuf> {
        let name = match self {
            Place::Named(folder) => return Ok(folder.clone()),
            Place::Fresh(name) => name,
        };
        let numbered = |i: usize| match i {
            1 => PathBuf::from(name),
            i => PathBuf::from(format!("{name}-{i}")),
        };
        let free = (1..=MOST).map(numbered).find(|f| whole_file::check_free(f).is_ok());
        free.ok_or_else(|| io::Error::other(format!("no folder {name}-N is free")))
    }

    /// Writes the layer.
    pub(super) fn write(&self, args: &Args, check: &Check<'_>, suspect: &Suspect) -> Reproduction {
        match self.try_write(args, check, suspect) {
            Ok(written) => Reproduction::Written(written),
            Err(error) => Reproduction::Refused { error },
        }
    }

    fn try_write(
        &self,
        args: &Args,
        check: &Check<'_>,
        suspect: &Suspect,
    ) -> Result<Written, String> {
        let case = &suspect.case;
        let folder = self.folder().map_err(|e| e.to_string())?;
        let input = match case.inputs.len() {
            1 => "input.npy",
            _ => "inputs.safetensors",
        };
        whole_file::write_folder(&folder, |folder| fill(folder, case, input))
            .map_err(|e| with_causes(format!("{}: {e}", path_line(&folder)), &e))?;
        Ok(Written {
            command: command(args, &folder, input),
            files: [MODEL, input, EXPECTED, FOUND].map(String::from).into(),
            reproduces: check.reproduces(case).map_err(|e| with_causes(e.to_string(), &e))?,
            folder,
        })
    }
}

fn fill(folder: &Path, case: &Case, input: &str) -> io::Result<()> {
    let array = |name: &str, tensor: &Tensor| {
        let array = Array::of(tensor, DType::F32)
            .map_err(|e| io::Error::new(io::ErrorKind::OutOfMemory, e))?;
        output::write_npy(&folder.join(name), &array)
            .map_err(|e| io::Error::other(e.message().to_owned()))
    };
    onnx::write(&case.graph, &folder.join(MODEL), Existing::Keep).map_err(io::Error::other)?;
    match &case.inputs[..] {
        [sole] => array(input, sole)?,
        several => {
            let name = |&id| case.graph.node(id).name.as_str();
            let named = case.graph.inputs().iter().map(name).zip(several);
            safetensors::save(&folder.join(input), named).map_err(io::Error::other)?;
        }
    }
    array(EXPECTED, &case.expected)?;
    array(FOUND, &case.found)
}

/// The command that reproduces the difference, with the options that determine how a layer is
/// compiled.
fn command(args: &Args, folder: &Path, input: &str) -> String {
    let path = |file: &str| quoted(&folder.join(file).display().to_string());
    let mut words = vec![
        "resnetc check".to_owned(),
        path(MODEL),
        format!("--input {}", path(input)),
        format!("--tolerance {:e}", args.tolerance),
    ];
    let Options { isa, threads, numerics, passes, .. } = args.common.options(None, None);
    if let IsaChoice::Exactly(isa) = isa {
        words.push(format!("--isa {}", isa.name()));
    }
    words.extend(threads.map(|n| format!("--threads {n}")));
    if numerics != Numerics::default() {
        words.push(format!("--numerics {}", numerics.name()));
    }
    match passes {
        PassSelection::All => {}
        PassSelection::None => words.push("--unfused".to_owned()),
        PassSelection::Without(names) => {
            words.extend(names.iter().map(|pass| format!("--no-pass {pass}")));
        }
        PassSelection::Only(names) => {
            words.extend(names.iter().map(|pass| format!("--only-pass {pass}")));
        }
    }
    let tuned = args.common.model.tuned.as_ref().map(|file| quoted(&file.display().to_string()));
    words.extend(tuned.map(|file| format!("--tuned {file}")));
    words.join(" ")
}

/// Quotes a word for a shell. Line breaks and what else could steer a terminal are written as bytes,
/// which Bash and the others that know `$'...'` read.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.contains(steers) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if steers(c) => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().for_each(|b| quoted += &format!("\\x{b:02x}"));
            }
            c => quoted.push(c),
        }
    }
    quoted + "'"
}
