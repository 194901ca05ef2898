//! Sorts the arguments of a command line into a network and pictures.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use resnetc::ErrorCode;
use resnetc::one_line::path_line;
use resnetc::spec::Spec;

use super::kind::{HEAD, Kind};
use super::picture::{EXTENSIONS, STDIN};
use crate::failure::Failure;
use crate::nearest::nearest;

/// The extensions of files that are treated as networks. Loading reports those that are neither
/// ONNX nor a spec.
const NETWORKS: &[&str] = &[
    "onnx",
    "toml",
    "json",
    "ort",
    "pb",
    "pbtxt",
    "pt",
    "pth",
    "pkl",
    "ckpt",
    "safetensors",
    "bin",
    "h5",
    "hdf5",
    "keras",
    "tflite",
    "mlmodel",
    "mlpackage",
    "caffemodel",
    "prototxt",
    "params",
    "engine",
    "xml",
];
/// At most this many names are compared with a missing one.
const BESIDE: usize = 10_000;
/// At most this many names are suggested.
const PROPOSED: usize = 3;

/// The sorted arguments.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// `None` means the bundled network.
    pub(super) model: Option<&'a Path>,
    /// Pictures, folders, and [`STDIN`].
    pub(super) pictures: Vec<&'a Path>,
}

/// What one argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Network,
    /// A picture or a folder of pictures.
    Picture,
}

impl<'a> Request<'a> {
    /// Sorts the arguments; a `list` has more pictures. An argument that is neither a network nor a
    /// picture stops the command here, before it answers anything.
    pub(super) fn of(arguments: &'a [PathBuf], list: Option<&Path>) -> Result<Self, Failure> {
        let mut request = Request { model: None, pictures: Vec::new() };
        for path in arguments {
            match (role(path)?, request.model) {
                (Role::Picture, _) => request.pictures.push(path),
                (Role::Network, None) => request.model = Some(path),
                (Role::Network, Some(first)) => {
                    return Err(Failure::usage(format!(
                        "{} and {} are both models; give one",
                        path_line(first),
                        path_line(path)
                    )));
                }
            }
        }
        let stdin = |path: &&Path| *path == Path::new(STDIN);
        match request.pictures.iter().copied().chain(list).filter(stdin).count() {
            0 | 1 => {}
            _ => {
                return Err(Failure::usage(
                    "standard input holds one picture or one list; give - once",
                ));
            }
        }
        Ok(request)
    }
}

fn role(path: &Path) -> Result<Role, Failure> {
    if path == Path::new(STDIN) {
        return Ok(Role::Picture);
    }
    if path.to_str().is_some_and(|name| Spec::builtin(name).is_some()) || ends_in(path, NETWORKS) {
        return Ok(Role::Network);
    }
    match std::fs::metadata(path) {
        // Errors of reading a picture are reported in its place among the others.
        _ if ends_in(path, EXTENSIONS) => Ok(Role::Picture),
        Ok(metadata) if metadata.is_dir() => Ok(Role::Picture),
        Ok(metadata) => match what(path, &metadata)? {
            Some(kind) if kind.is_decoded() => Ok(Role::Picture),
            Some(kind) => Err(Failure::file(path, kind.refusal()).code(ErrorCode::Picture)),
            None => Err(Failure::file(
                path,
                "this is not a picture of a known format, a folder or a network",
            )
            .code(ErrorCode::Picture)),
        },
        Err(e) if e.kind() == ErrorKind::NotFound => Err(missing(path)),
        Err(e) => Err(Failure::unreadable(path, e)),
    }
}

/// Whether a path ends in one of these extensions, in lower or upper case.
pub(super) fn ends_in(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| extensions.iter().any(|known| known.eq_ignore_ascii_case(e)))
}

fn what(path: &Path, metadata: &Metadata) -> Result<Option<Kind>, Failure> {
    // Reading a pipe would block.
    if !metadata.is_file() {
        return Err(Failure::file(path, "this is not a regular file")
            .code(ErrorCode::Picture)
            .help("- reads a picture from standard input"));
    }
    head(path).map(|head| Kind::of(&head)).map_err(|e| Failure::unreadable(path, e))
}

/// The first bytes of a file.
pub(super) fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The error for a name that does not exist, with similar names as help.
fn missing(path: &Path) -> Failure {
    let failure = Failure::file(path, "there is no such picture, folder or built-in network")
        .code(ErrorCode::UnknownModel);
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return failure };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut names: Vec<String> = match folder {
        None => Spec::builtin_names().map(str::to_owned).collect(),
        // A path with a folder is not the name of a network.
        Some(_) => Vec::new(),
    };
    if let Ok(entries) = std::fs::read_dir(folder.unwrap_or(Path::new("."))) {
        names.extend(
            entries.flatten().take(BESIDE).filter_map(|e| e.file_name().into_string().ok()),
        );
    }
    let like = |known: &&str| strsim::damerau_levenshtein(known, name) <= 1 + name.len() / 3;
    let near = nearest(name, names.iter().map(String::as_str))
        .into_iter()
        .filter(like)
        .take(PROPOSED)
        .map(|near| folder.map_or(near.into(), |f| path_line(f.join(near))))
        .collect::<Vec<String>>();
    match near.split_last() {
        None => failure.help("`resnetc zoo list` lists the built-in networks"),
        Some((last, [])) => failure.help(format!("did you mean {last}?")),
        Some((last, others)) => {
            failure.help(format!("did you mean {} or {last}?", others.join(", ")))
        }
    }
}
