//! Text from files, and names of files, in messages.

use std::fmt;
use std::path::Path;

/// A text as one line of at most `most` characters. Line breaks and terminal control characters are
/// escaped: the text may come from a malicious file.
pub fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == most {
            line.push_str("...");
            break;
        }
        push(&mut line, c);
    }
    line
}

/// The longest name that messages show.
const LONGEST_NAME: usize = 200;

/// A name from a file as messages show it: on one line, and not too long.
pub fn name_line(name: &str) -> String {
    one_line(name, LONGEST_NAME)
}

/// A path as one line, whole, with line breaks and terminal control characters escaped. Bytes that
/// are not UTF-8 are escaped, too, as `\xff`.
///
/// ```
/// use resnetc::one_line::path_line;
///
/// assert_eq!(path_line("models/näive.onnx"), "models/näive.onnx");
/// assert_eq!(path_line("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
/// ```
pub fn path_line(path: impl AsRef<Path>) -> String {
    let mut line = String::new();
    for chunk in path.as_ref().as_os_str().as_encoded_bytes().utf8_chunks() {
        chunk.valid().chars().for_each(|c| push(&mut line, c));
        chunk.invalid().iter().for_each(|byte| line.push_str(&format!("\\x{byte:02x}")));
    }
    line
}

/// Appends a character, escaped if it could do more than appear.
fn push(line: &mut String, c: char) {
    match steers(c) {
        true => line.extend(c.escape_default()),
        false => line.push(c),
    }
}

/// Whether a character could do more than appear: control characters, line separators, and marks
/// that reverse the order of what follows.
pub fn steers(c: char) -> bool {
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    let reverses = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || separates || reverses
}

/// The message about operators that cannot be compiled: the file, if there is one, then one line
/// for each operator.
pub(crate) fn not_compiled(file: Option<&Path>, operators: &[impl fmt::Display]) -> String {
    /// How many operators are listed.
    const LISTED: usize = 1000;
    let file = file.map_or(String::new(), |file| format!("{}: ", path_line(file)));
    if let [one] = operators {
        return format!("{file}{one}");
    }
    let lines: String = operators.iter().take(LISTED).map(|one| format!("\n  {one}")).collect();
    let more = if operators.len() > LISTED { "\n  ..." } else { "" };
    format!("{file}{} operators cannot be compiled:{lines}{more}", operators.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_line() {
        assert_eq!(one_line("conv1 \"ü\"", 100), "conv1 \"ü\"");
        assert_eq!(one_line("a\u{1b}[2Jb\nc\u{9b}", 100), "a\\u{1b}[2Jb\\nc\\u{9b}");
        assert_eq!(one_line("äbcd", 2), "äb...");
        assert_eq!(one_line("a\u{202e}b\u{2028}", 100), "a\\u{202e}b\\u{2028}");
    }

    #[cfg(unix)]
    #[test]
    fn paths_keep_every_byte() {
        use std::os::unix::ffi::OsStrExt;
        let path = std::ffi::OsStr::from_bytes(b"a\xff\xc3\xa4/\t\xe2\x82");
        assert_eq!(path_line(path), "a\\xffä/\\t\\xe2\\x82");
    }
}
