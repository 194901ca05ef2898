//! `--cache`, and `resnetc cache`: compiled networks in a folder.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use resnetc::cache::{self, Cleared, Listed};
use resnetc::one_line::{one_line, path_line};
use resnetc::{CacheUse, ErrorCode, Model};
use serde::Serialize;

use crate::failure::Failure;
use crate::output;
use crate::units::{self, plural, shape};

/// The option to keep compiled networks.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Cached {
    /// Take the compiled network from this folder, or compile it and put it there. Networks are
    /// identified by the contents of their files, the options, the CPU and the version of resnetc.
    /// The folder must belong to this user, and others must not be able to write to it
    #[arg(
        long = "cache",
        value_name = "DIR",
        help_heading = "Model options",
        conflicts_with = "interpret"
    )]
    pub(crate) folder: Option<PathBuf>,
}

/// Says on stderr if the folder could not be used, or if something in it was wrong.
pub(crate) fn remark(model: &Model) {
    match &model.report().cache {
        Some(CacheUse::NotStored { reason }) => {
            eprintln!("warning: the compiled network was not stored: {}", one_line(reason, 400));
        }
        Some(CacheUse::Stored { replaced: Some(reason) }) => {
            output::note(&format!("compiled again, because {}", one_line(reason, 400)));
        }
        Some(CacheUse::Stored { replaced: None } | CacheUse::Found) | None => {}
    }
}

/// List or remove the compiled networks in a folder
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the compiled networks in a folder
    List {
        /// The folder that --cache names
        folder: PathBuf,
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove all compiled networks from a folder, and nothing else that is in it
    Clear {
        /// The folder that --cache names
        folder: PathBuf,
    },
}

/// A network as `--json` lists it.
#[derive(Serialize)]
struct Entry {
    file: String,
    /// Bytes of plan and code.
    bytes: u64,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<u64>,
    #[serde(flatten)]
    network: Network,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Network {
    Usable {
        model: String,
        isa: String,
        threads: usize,
        inputs: Vec<Input>,
        weights: Vec<Weights>,
        is_current: bool,
    },
    Unusable {
        reason: String,
    },
}

#[derive(Serialize)]
struct Input {
    name: String,
    shape: Vec<usize>,
}

#[derive(Serialize)]
struct Weights {
    file: String,
    bytes: usize,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let refused = |reason: String| Failure::new(reason).code(ErrorCode::Io);
    match &args.action {
        Action::List { folder, json } => {
            let listed = cache::list(folder).map_err(refused)?;
            match json {
                true => output::print_json(&listed.into_iter().map(Entry::of).collect::<Vec<_>>()),
                false => output::print(&table(&listed)),
            }
        }
        Action::Clear { folder } => {
            let Cleared { networks, bytes } = cache::clear(folder).map_err(refused)?;
            let bytes = units::bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
            output::print(&format!("removed {} ({bytes})\n", plural(networks, "network")))
        }
    }
}

impl Entry {
    fn of(listed: Listed) -> Self {
        let since = |time: SystemTime| Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs());
        let network = match listed.network {
            Err(reason) => Network::Unusable { reason },
            Ok(network) => Network::Usable {
                model: network.model,
                isa: network.isa,
                threads: network.threads,
                inputs: network
                    .inputs
                    .into_iter()
                    .map(|(name, shape)| Input { name, shape })
                    .collect(),
                weights: network
                    .weights
                    .into_iter()
                    .map(|(file, bytes)| Weights { file: path_line(file), bytes })
                    .collect(),
                is_current: network.is_current,
            },
        };
        let written = listed.written.and_then(since);
        Entry { file: path_line(&listed.file), bytes: listed.bytes, written, network }
    }
}

fn table(listed: &[Listed]) -> String {
    let mut text = String::new();
    for entry in listed {
        let line = match &entry.network {
            Err(reason) => format!("{}: {}", path_line(&entry.file), one_line(reason, 400)),
            Ok(network) => {
                let inputs = network.inputs.iter();
                let inputs =
                    inputs.map(|(name, size)| format!("{} {}", units::name(name), shape(size)));
                let inputs: Vec<String> = inputs.collect();
                let weights: usize = network.weights.iter().map(|(_, bytes)| bytes).sum();
                let old = if network.is_current { "" } else { ", of another version" };
                format!(
                    "{}  {}, {}, {}, {} and {} of weights{old}",
                    network.model,
                    inputs.join(", "),
                    network.isa,
                    plural(network.threads, "thread"),
                    units::bytes(usize::try_from(entry.bytes).unwrap_or(usize::MAX)),
                    units::bytes(weights),
                )
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    }
    if listed.is_empty() {
        text += "no networks\n";
    }
    text
}
