//! Text from files in messages.

/// A text as one line of at most `most` characters. Line breaks and terminal control characters are
/// escaped: the text may come from a malicious file.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == most {
            line.push_str("...");
            break;
        }
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_line() {
        assert_eq!(one_line("conv1 \"ü\"", 100), "conv1 \"ü\"");
        assert_eq!(one_line("a\u{1b}[2Jb\nc\u{9b}", 100), "a\\u{1b}[2Jb\\nc\\u{9b}");
        assert_eq!(one_line("äbcd", 2), "äb...");
    }
}
