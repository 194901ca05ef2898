//! TOML and JSON to a [`Spec`].

use std::io::ErrorKind;
use std::path::Path;

use super::suggest::explain;
use super::{Spec, SpecError};
use crate::whole_file;

/// A description is a few lines; a larger file is something else.
const MAX_BYTES: u64 = 1 << 20;

impl Spec {
    /// Reads a description in TOML.
    ///
    /// # Errors
    /// If the text is not TOML, a key is unknown or missing, or a value has the wrong type. Sizes
    /// are checked when the network is built.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        toml::from_str(text).map_err(|e| {
            let line = e
                .span()
                .map(|span| 1 + text.bytes().take(span.start).filter(|&b| b == b'\n').count());
            // Not every message of the parser names the key, so the line is given, too.
            let source =
                line.and_then(|l| text.lines().nth(l - 1)).map(str::trim).unwrap_or_default();
            let source: String = source.chars().take(80).collect();
            let message = explain(&e.message().trim().replace('\n', " "));
            let message =
                if source.is_empty() { message } else { format!("{message}, in `{source}`") };
            SpecError::Syntax { file: None, line, message }
        })
    }

    /// Reads a description in JSON.
    ///
    /// # Errors
    /// As [`Spec::from_toml`].
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        serde_json::from_str(text).map_err(|e| {
            let line = Some(e.line()).filter(|&l| l > 0);
            SpecError::Syntax { file: None, line, message: explain(&e.to_string()) }
        })
    }

    /// Reads a description from a file: JSON if its name ends in `.json`, else TOML.
    ///
    /// # Errors
    /// As [`Spec::from_toml`]; also if the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, SpecError> {
        let text = read(path).map_err(|error| SpecError::Io { file: path.into(), error })?;
        let is_json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let mut spec = if is_json { Spec::from_json(&text) } else { Spec::from_toml(&text) }
            .map_err(|e| match e {
                SpecError::Syntax { line, message, .. } => {
                    SpecError::Syntax { file: Some(path.into()), line, message }
                }
                other => other,
            })?;
        spec.check().map_err(|e| e.in_file(path))?;
        if spec.name.is_empty() {
            spec.name =
                path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        }
        Ok(spec)
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let bytes = whole_file::read(path, MAX_BYTES).map_err(|e| match e.kind() {
        ErrorKind::FileTooLarge => {
            std::io::Error::other(format!("this is not a description of a network: {e}"))
        }
        _ => e,
    })?;
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("this is not UTF-8 text"))
}
