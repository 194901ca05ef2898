//! The pictures of folders, and which of their files are not pictures.

use std::io;
use std::path::{Path, PathBuf};

use resnetc::one_line::path_line;

use super::kind::Kind;
use super::picture::{EXTENSIONS, Source};
use super::request::{ends_in, head};
use crate::output;
use crate::units::plural;

/// At most this many skipped files are named for each folder.
const NAMED: usize = 10;

/// The contents of a folder and its subfolders.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) pictures: Vec<PathBuf>,
    /// Skipped files, and why; without a reason, the contents of the file decide.
    pub(crate) left_out: Vec<(PathBuf, Option<&'static str>)>,
    pub(crate) unread: Vec<Source>,
}

/// A file as it is, and a folder as all pictures in it and below, by path. Skipped files are noted
/// on stderr.
pub(crate) fn expand(path: &Path) -> Vec<Source> {
    match path.is_dir() {
        true => pictures(path),
        false => vec![Source::File(path.to_owned())],
    }
}

/// How many pictures [`expand`] finds in a folder; nothing is noted.
pub(crate) fn count(folder: &Path) -> usize {
    contents_of(folder).pictures.len()
}

/// The contents of a folder and of its subfolders. Hidden names are left out, and links to folders
/// are not followed, since they may form a cycle.
pub(crate) fn contents_of(path: &Path) -> Contents {
    let mut contents = Contents::default();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        if let Err(e) = look(&folder, &mut folders, &mut contents) {
            let reason = format!("reading the folder failed: {e}");
            contents.unread.push(Source::Refused(folder, reason));
        }
    }
    contents
}

fn pictures(path: &Path) -> Vec<Source> {
    let Contents { mut pictures, mut left_out, mut unread } = contents_of(path);
    left_out.sort();
    say(&left_out, path);
    if pictures.is_empty() && unread.is_empty() {
        let reason = format!(
            "there are no pictures in this folder: no name ends in {}",
            EXTENSIONS.join(", ")
        );
        unread.push(Source::Refused(path.to_owned(), reason));
    }
    pictures.sort();
    pictures.into_iter().map(Source::File).chain(unread).collect()
}

fn look(folder: &Path, folders: &mut Vec<PathBuf>, contents: &mut Contents) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let mut leave_out = |why| contents.left_out.push((path.clone(), why));
        match () {
            () if entry.file_name().as_encoded_bytes().starts_with(b".") => {
                leave_out(Some(if kind.is_dir() { "a hidden folder" } else { "it is hidden" }));
            }
            () if kind.is_dir() => folders.push(path),
            () if kind.is_symlink() && path.is_dir() => leave_out(Some("a link to a folder")),
            () if ends_in(&path, EXTENSIONS) => contents.pictures.push(path),
            () => leave_out(None),
        }
    }
    Ok(())
}

/// Names the first skipped files, and counts the others.
fn say(left_out: &[(PathBuf, Option<&'static str>)], folder: &Path) {
    for (path, why) in left_out.iter().take(NAMED) {
        let why = why.map_or_else(|| contents(path), str::to_owned);
        output::note(&format!("{} is left out: {why}", path_line(path)));
    }
    if let Some(more @ 1..) = left_out.len().checked_sub(NAMED) {
        let more = plural(more, "more file");
        output::note(&format!("{more} of {} left out as well", path_line(folder)));
    }
}

/// Why a file whose extension is not that of a picture is skipped.
fn contents(path: &Path) -> String {
    let is_file = std::fs::metadata(path).is_ok_and(|m| m.is_file());
    // Reading a pipe would block.
    if !is_file {
        return "this is not a regular file".into();
    }
    match head(path).map(|head| Kind::of(&head)) {
        Err(e) => format!("reading failed: {e}"),
        Ok(None) => "this is not a picture of a known format".into(),
        Ok(Some(kind)) if kind.is_decoded() => {
            format!(
                "this is {}, but its extension is not that of a picture; rename it, or give its path on the command line",
                kind.name
            )
        }
        Ok(Some(kind)) => kind.refusal(),
    }
}
