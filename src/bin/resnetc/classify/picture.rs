//! Pictures from files and folders.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageReader};

use crate::failure::Failure;

/// Where a picture comes from.
pub(super) enum Source {
    /// One that comes with the program: its name and contents.
    Bundled(&'static str, &'static [u8]),
    /// A file.
    File(PathBuf),
}

/// Names of files in a folder that are taken for pictures end in one of these.
const EXTENSIONS: &[&str] =
    &["png", "jpg", "jpeg", "bmp", "webp", "pnm", "ppm", "pgm", "pbm", "pam"];

/// Files as they are, and folders as all pictures in them, by name.
pub(super) fn expand(paths: &[&Path]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for &path in paths {
        match path.is_dir() {
            true => sources.extend(folder(path)?.into_iter().map(Source::File)),
            false => sources.push(Source::File(path.to_owned())),
        }
    }
    Ok(sources)
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |e: std::io::Error| Failure::file(path, format!("reading the folder failed: {e}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let file = entry.map_err(fail)?.path();
        let extension = file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        if extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str())) {
            files.push(file);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(Failure::file(path, "there is no picture in this folder")
            .help(format!("names of pictures end in {}", EXTENSIONS.join(", ")))),
        false => Ok(files),
    }
}

impl Source {
    /// The file as the user named it.
    pub(super) fn path(&self) -> &Path {
        match self {
            Source::Bundled(name, _) => Path::new(name),
            Source::File(path) => path,
        }
    }

    /// The file's name without folder and extension.
    pub(super) fn stem(&self) -> &str {
        self.path().file_stem().and_then(|s| s.to_str()).unwrap_or_default()
    }

    /// Reads and decodes it.
    pub(super) fn read(&self) -> Result<DynamicImage, Failure> {
        let fail = |reason: String| Failure::file(self.path(), reason);
        let bytes = match self {
            Source::Bundled(_, bytes) => bytes.to_vec(),
            Source::File(path) => {
                std::fs::read(path).map_err(|e| fail(format!("reading failed: {e}")))?
            }
        };
        let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
        let reader = reader.map_err(|e| fail(format!("reading failed: {e}")))?;
        if reader.format().is_none() {
            return Err(fail("this is no picture of a known format".to_owned()));
        }
        let decoded = reader.decode();
        decoded
            .map_err(|e| fail(format!("the picture is damaged or not supported: {}", one_line(&e))))
    }
}

/// An error's text without line breaks.
fn one_line(error: &impl std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
