//! From a line of text to tokens.

/// The smallest piece of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A keyword, a number, or a step of an expression.
    Word(String),
    /// `%12`.
    Id(u64),
    /// A quoted name, without quotes and escapes.
    Name(String),
    /// One of `( ) [ ] = , :`.
    Mark(char),
}

/// The tokens of one line, up to its comment.
pub(super) fn scan(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next().filter(|&c| c != '#') {
        let (token, after) = match first {
            '(' | ')' | '[' | ']' | '=' | ',' | ':' => (Token::Mark(first), &rest[1..]),
            '"' => name(&rest[1..])?,
            '%' => id(&rest[1..])?,
            c if is_word(c) => word(rest),
            c => return Err(format!("unexpected {c:?}")),
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '-' | '/')
}

fn word(text: &str) -> (Token, &str) {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    (Token::Word(text[..end].to_owned()), &text[end..])
}

fn id(text: &str) -> Result<(Token, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    match text[..end].parse() {
        Ok(id) => Ok((Token::Id(id), &text[end..])),
        Err(_) => Err("% is not followed by a number".into()),
    }
}

fn name(text: &str) -> Result<(Token, &str), String> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let stop = rest.find(['"', '\\']).ok_or("a name without a closing quotation mark")?;
        name.push_str(&rest[..stop]);
        if rest[stop..].starts_with('"') {
            return Ok((Token::Name(name), &rest[stop + 1..]));
        }
        let (c, after) =
            escape(&rest[stop + 1..]).ok_or("an escape must be \\\", \\\\ or \\u{hex}")?;
        name.push(c);
        rest = after;
    }
}

/// The character that an escape stands for; its backslash has been read.
fn escape(text: &str) -> Option<(char, &str)> {
    if let Some(hex) = text.strip_prefix("u{") {
        let (hex, rest) = hex.split_once('}')?;
        let code = u32::from_str_radix(hex, 16).ok()?;
        return Some((char::from_u32(code)?, rest));
    }
    let c = text.chars().next().filter(|c| matches!(c, '"' | '\\'))?;
    Some((c, &text[1..]))
}

/// A name in quotes, with everything escaped that could end the line or the quotes.
pub fn quote(name: &str) -> String {
    let mut quoted = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(c.escape_unicode()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// An f32 printed so that it reads back as itself (all NaNs counting as one).
pub(super) fn float(x: f32) -> String {
    number(&format!("{x:?}")).to_owned()
}

/// The shortest text that reads back as the same number.
pub(super) fn number(text: &str) -> &str {
    text.strip_suffix(".0").unwrap_or(text)
}
