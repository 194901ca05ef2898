//! TOML and JSON to a [`Spec`].

use std::io::ErrorKind;
use std::path::Path;

use serde_path_to_error::Path as KeyPath;

use super::suggest::explain;
use super::{Spec, SpecError, SpecErrorKind};
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
        let refuse = |key: Option<&KeyPath>, e: toml::de::Error| {
            let line = e
                .span()
                .map(|span| 1 + text.bytes().take(span.start).filter(|&b| b == b'\n').count());
            refused(text, line, key, &e.message().trim().replace('\n', " "))
        };
        let table = toml::Deserializer::parse(text).map_err(|e| refuse(None, e))?;
        serde_path_to_error::deserialize(table).map_err(|e| {
            let key = e.path().clone();
            refuse(Some(&key), e.into_inner())
        })
    }

    /// Reads a description in JSON.
    ///
    /// # Errors
    /// As [`Spec::from_toml`].
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        let refuse = |key: Option<&KeyPath>, e: serde_json::Error| {
            let message = e.to_string();
            let place = format!(" at line {} column {}", e.line(), e.column());
            let message = message.strip_suffix(&place).unwrap_or(&message);
            refused(text, Some(e.line()).filter(|&l| l > 0), key, message)
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let spec = serde_path_to_error::deserialize(&mut json).map_err(|e| {
            let key = e.path().clone();
            refuse(Some(&key), e.into_inner())
        })?;
        json.end().map_err(|e| refuse(None, e))?;
        Ok(spec)
    }

    /// Reads a description from a file: JSON if its name ends in `.json`, else TOML.
    ///
    /// # Errors
    /// As [`Spec::from_toml`]; also if the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, SpecError> {
        let text = read(path).map_err(|e| SpecError::from(SpecErrorKind::Io(e)).in_file(path))?;
        let is_json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let spec = if is_json { Spec::from_json(&text) } else { Spec::from_toml(&text) };
        let mut spec =
            spec.and_then(|spec| spec.check().map(|()| spec)).map_err(|e| e.in_file(path))?;
        if spec.name.is_empty() {
            spec.name =
                path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        }
        Ok(spec)
    }
}

/// The error for a text that a parser refuses, at this key if one is known. Messages of parsers
/// name only keys that are unknown or missing, so others are added; the line is quoted if it is
/// short enough to show where the fault is.
fn refused(text: &str, line: Option<usize>, key: Option<&KeyPath>, message: &str) -> SpecError {
    const LONGEST: usize = 80;
    let source = line.and_then(|l| text.lines().nth(l - 1)).map(str::trim).unwrap_or_default();
    let is_shown = (1..=LONGEST).contains(&source.chars().count());
    let quote = if is_shown { format!(", in `{source}`") } else { String::new() };
    let is_number = message.starts_with("invalid value: integer");
    let key = key.filter(|key| key.iter().next().is_some()).map(KeyPath::to_string);
    // "unknown field `name`" names a key at the top itself.
    let key = key.filter(|key| !message.contains(&format!(" field `{key}`")));
    let key = key.map_or(String::new(), |key| format!("key `{key}`: "));
    let message = key + &explain(message) + &quote;
    match is_number {
        true => SpecErrorKind::Number { line, message }.into(),
        false => SpecErrorKind::Syntax { line, message }.into(),
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
