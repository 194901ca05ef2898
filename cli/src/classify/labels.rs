//! The names of classes, from the usual files: one per line, or JSON.

use std::path::Path;

use resnetc::{ErrorCode, whole_file};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::units::plural;

/// The longest file that is read: a name of a hundred letters for each of a hundred thousand
/// classes.
const MAX_FILE: u64 = 10 << 20;

/// Reads the labels of a file, in the order of the classes. A class may have an empty name.
///
/// Text has one label per line; JSON is a list of labels, or an object that maps class numbers to
/// labels or labels to class numbers, at the top level or under a key of [`NESTED`]. A label in
/// JSON is a string, or a list whose last string is the label, as in Keras'
/// `imagenet_class_index.json`.
pub(crate) fn read(path: &Path) -> Result<Vec<String>, Failure> {
    let bytes = whole_file::read(path, MAX_FILE);
    let bytes = bytes.map_err(|e| Failure::unreadable(path, e))?;
    let is_json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let labels = text(&bytes).and_then(|text| parse(&text, is_json));
    labels.map_err(|reason| Failure::file(path, reason).code(ErrorCode::Labels))
}

/// Labels of text or JSON.
pub(super) fn parse(text: &str, is_json: bool) -> Result<Vec<String>, String> {
    let labels = match text.trim_start().as_bytes().first() {
        _ if is_json => json(text)?,
        Some(b'{') => json(text)?,
        // A label may begin with a bracket.
        Some(b'[') => json(text).or_else(|e| {
            if text.trim_end().ends_with(']') && text.contains('"') {
                Err(e)
            } else {
                Ok(lines(text))
            }
        })?,
        _ => lines(text),
    };
    match labels.is_empty() {
        true => Err("it has no labels".into()),
        false => Ok(labels.iter().map(|label| printable(label)).collect()),
    }
}

/// A file's text in UTF-8, or in UTF-16 if its byte order mark says so.
fn text(bytes: &[u8]) -> Result<String, String> {
    let wide = |units: &[[u8; 2]], unit: fn([u8; 2]) -> u16| {
        let units = units.iter().map(|&u| unit(u));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.map_err(|_| "its byte order mark says UTF-16, but it is damaged".to_owned())
    };
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            Err("this is UTF-32; save it as UTF-8".into())
        }
        [0xff, 0xfe, rest @ ..] if rest.len() % 2 == 0 => {
            wide(rest.as_chunks().0, u16::from_le_bytes)
        }
        [0xfe, 0xff, rest @ ..] if rest.len() % 2 == 0 => {
            wide(rest.as_chunks().0, u16::from_be_bytes)
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    if bytes.contains(&0) {
        return Err("it has zero bytes: this is UTF-16 without a byte order mark, or not text; save it as UTF-8".into());
    }
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|e| {
        let line = 1 + bytes[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        format!("this is not UTF-8 text (line {line}); save it as UTF-8")
    })
}

/// One label per line. Empty lines at the end are ignored; one in between is a class without a
/// name.
fn lines(text: &str) -> Vec<String> {
    let text = text.trim_end();
    match text.contains('\n') {
        _ if text.is_empty() => Vec::new(),
        // Line breaks of classic Mac OS.
        false if text.contains('\r') => text.split('\r').map(|l| l.trim().to_owned()).collect(),
        _ => text.lines().map(|l| l.trim().to_owned()).collect(),
    }
}

/// Where configuration files have their labels: Hugging Face's, then timm's.
const NESTED: &[&str] = &["id2label", "label2id", "label_names"];

fn json(text: &str) -> Result<Vec<String>, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("this is not JSON: {e}"))?;
    match &value {
        Value::Array(_) => of_value(&value),
        Value::Object(object) => {
            let nested = NESTED.iter().find_map(|&key| Some((key, object.get(key)?)));
            match nested {
                Some((key, inner)) => of_value(inner).map_err(|e| format!("{key}: {e}")),
                None => numbered(object),
            }
        }
        _ => Err("it is neither a list nor an object of labels".into()),
    }
}

fn of_value(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, v)| label(v).ok_or_else(|| format!("entry {i} is not a label: {}", shown(v))))
            .collect(),
        Value::Object(object) => numbered(object),
        other => Err(format!("it is neither a list nor an object of labels: {}", shown(other))),
    }
}

/// An object from numbers to labels, or from labels to numbers.
fn numbered(object: &Map<String, Value>) -> Result<Vec<String>, String> {
    let mut labels = vec![None; object.len()];
    let reversed = object.values().all(Value::is_u64);
    for (key, value) in object {
        let (class, label) = match reversed {
            true => (value.as_u64().and_then(|n| usize::try_from(n).ok()), Some(key.clone())),
            false => (key.trim().parse().ok(), label(value)),
        };
        let class = class.ok_or_else(|| {
            format!("the key {} is not a class number", shown(&key.as_str().into()))
        })?;
        let label = label.ok_or_else(|| format!("class {class} has no label: {}", shown(value)))?;
        let count = labels.len();
        let place = labels.get_mut(class).ok_or_else(|| {
            format!(
                "it has {} and a class {class}; they are numbered from 0 without gaps",
                plural(count, "label")
            )
        })?;
        if place.replace(label).is_some() {
            return Err(format!("class {class} has two labels"));
        }
    }
    // As many labels as places and no place twice: every place has one.
    Ok(labels.into_iter().flatten().collect())
}

/// `"tench"`, or `["n01440764", "tench"]`.
fn label(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Array(list) => match &list[..] {
            [.., Value::String(last)] if list.iter().all(Value::is_string) => {
                Some(last.trim().to_owned())
            }
            _ => None,
        },
        _ => None,
    }
}

/// The start of a value, for messages.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.chars().count() > LONGEST {
        true => text.chars().take(LONGEST).chain("...".chars()).collect(),
        false => text,
    }
}

/// A label without characters that would control a terminal.
fn printable(label: &str) -> String {
    label.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The labels of `classes` classes. For a network with one value, the probability of class 1, the
/// label of that class suffices.
pub(crate) fn fit(
    labels: Vec<String>,
    path: &Path,
    classes: usize,
    is_binary: bool,
) -> Result<Vec<String>, Failure> {
    let count = labels.len();
    if count == classes {
        return Ok(labels);
    }
    if let ([only], true) = (&labels[..], is_binary) {
        return Ok(vec![format!("not {only}"), only.clone()]);
    }
    let of = if is_binary { ": one value, which distinguishes two" } else { "" };
    let failure = Failure::file(
        path,
        format!("it has {}, but the model has {classes} classes{of}", plural(count, "label")),
    )
    .code(ErrorCode::Labels);
    Err(match classes.checked_sub(count) {
        Some(1) => failure.help("some networks have a class for the background, usually the first: give it a label, too"),
        _ if count == classes + 1 => {
            failure.help("some lists begin with a label for the background that the network has no class for")
        }
        _ => failure,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PETS: [&str; 3] = ["cat", "dog", "fish"];

    fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
        text(bytes).and_then(|t| parse(&t, false))
    }

    fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn texts_of_every_editor_are_the_same_labels() {
        let files: [Vec<u8>; 8] = [
            b"cat\ndog\nfish".to_vec(),
            b"cat\ndog\nfish\n".to_vec(),
            b"cat\ndog\nfish\n\n \n".to_vec(),
            b"cat\r\ndog\r\nfish\r\n\r\n".to_vec(),
            b"cat\rdog\rfish\r".to_vec(),
            "\u{feff}cat\n dog \nfish".into(),
            wide("cat\r\ndog\r\nfish\r\n", u16::to_le_bytes),
            wide("cat\ndog\nfish", u16::to_be_bytes),
        ];
        for file in files {
            assert_eq!(read(&file).unwrap(), PETS, "{file:?}");
        }
        assert_eq!(read(b"cat\n\nfish\n").unwrap(), ["cat", "", "fish"], "a class without a name");
        assert_eq!(read(b"[unknown]\ncat\n").unwrap(), ["[unknown]", "cat"]);
        assert_eq!(read(b"a\x1b[2Jb").unwrap(), ["a\u{fffd}[2Jb"]);
    }

    #[test]
    fn json_of_every_framework_is_the_same_labels() {
        for text in [
            r#"["cat", "dog", "fish"]"#,
            r#"[["n0", "cat"], ["n1", "dog"], ["n2", "fish"]]"#,
            r#"{"0": "cat", "2": "fish", "1": "dog"}"#,
            r#"{"0": ["n0", "cat"], "1": ["n1", "dog"], "2": ["n2", "fish"]}"#,
            r#"{"cat": 0, "fish": 2, "dog": 1}"#,
            r#"{"architectures": ["A"], "id2label": {"0": "cat", "1": "dog", "2": "fish"}, "label2id": {}}"#,
            r#"{"num_classes": 3, "label_names": ["cat", "dog", "fish"]}"#,
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), PETS, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (file, says) in [
            (&b""[..], "no labels"),
            (b"\n\n", "no labels"),
            (b"caf\xe9\n", "line 1"),
            (b"cat\ncaf\xe9\n", "line 2"),
            (b"c\0a\0t\0\n\0", "UTF-16"),
            (b"\xff\xfe\0\0c\0\0\0", "UTF-32"),
            (b"\xff\xfec\0\0\xd8a\0", "UTF-16"),
            (br#"{"0": "cat", "2": "dog"}"#, "class 2"),
            (br#"{"0": "cat", "00": "dog"}"#, "two labels"),
            (br#"{"cat": "dog"}"#, "\"cat\""),
            (br#"{"0": "cat", "1": 7}"#, "class 1"),
            (br#"{"0": "cat", "#, "JSON"),
            (br#"["cat", {}]"#, "entry 1"),
            (br#"["cat", "dog",]"#, "JSON"),
            (br#"{"id2label": 7}"#, "id2label"),
        ] {
            let reason = read(file).unwrap_err();
            assert!(reason.contains(says), "{reason}");
        }
    }

    proptest! {
        /// Whatever the bytes are, the result is labels without control characters, or a reason in
        /// one line.
        #[test]
        fn any_bytes_give_labels_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..60), json in r#"[\[\]{}",:0-9a-c ]{0,40}"#) {
            for bytes in [&bytes[..], json.as_bytes()] {
                match read(bytes) {
                    Ok(labels) => prop_assert!(labels.iter().all(|l| !l.contains(char::is_control))),
                    Err(reason) => prop_assert!(!reason.contains('\n')),
                }
            }
        }
    }
}
