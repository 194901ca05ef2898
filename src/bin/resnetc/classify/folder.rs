//! Which pictures the paths of a command line mean.

use std::io;
use std::path::{Path, PathBuf};

use super::picture::{EXTENSIONS, Source};

/// Files as they are, and folders as all pictures in them and below, by path.
pub(super) fn expand(paths: &[&Path]) -> Vec<Source> {
    let mut sources = Vec::new();
    for &path in paths {
        match path.is_dir() {
            true => pictures(path, &mut sources),
            false => sources.push(Source::File(path.to_owned())),
        }
    }
    sources
}

/// The pictures of a folder and of the folders in it. Hidden names are left out, and links to folders are not
/// followed, for they may lead in a circle.
fn pictures(path: &Path, sources: &mut Vec<Source>) {
    let mut files = Vec::new();
    let mut refused = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        if let Err(e) = look(&folder, &mut folders, &mut files) {
            refused.push(Source::Refused(folder, format!("reading the folder failed: {e}")));
        }
    }
    if files.is_empty() && refused.is_empty() {
        let reason = format!(
            "there is no picture in this folder: no name ends in {}",
            EXTENSIONS.join(", ")
        );
        refused.push(Source::Refused(path.to_owned(), reason));
    }
    files.sort();
    sources.extend(files.into_iter().map(Source::File));
    sources.extend(refused);
}

fn look(folder: &Path, folders: &mut Vec<PathBuf>, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            folders.push(path);
            continue;
        }
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        if extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str())) {
            files.push(path);
        }
    }
    Ok(())
}
