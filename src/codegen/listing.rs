//! Machine code annotated with the lines of the vector program that it was compiled from.

use super::vir::{Inst, Program};

/// The place where the code of a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeLine {
    /// Offset of the code.
    pub offset: usize,
    /// The line of the printed program, counted from 0 at the first instruction; the end of a loop
    /// is a line, too.
    pub line: usize,
}

/// The lines of a program's instructions, as printed.
pub fn lines(program: &Program) -> Vec<String> {
    let text = program.to_string();
    // The first line is the program's header, the last one closes it.
    let lines: Vec<&str> = text.lines().collect();
    let body = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default();
    body.iter().map(|&line| line.to_owned()).collect()
}

/// How many lines the instructions take when printed.
pub(super) fn count(body: &[Inst]) -> usize {
    let of_one = |inst: &Inst| match inst {
        Inst::Loop { body, .. } => 2 + count(body),
        _ => 1,
    };
    body.iter().map(of_one).sum()
}

/// Puts each line of a program, as a comment, in front of the code that begins at its offset.
/// `instructions` are offsets and text. Both lists are in ascending order.
pub fn interleave(
    instructions: impl IntoIterator<Item = (usize, String)>,
    program: &Program,
    places: &[CodeLine],
) -> Vec<String> {
    let texts = lines(program);
    let comment = |place: &CodeLine| texts.get(place.line).map(|text| format!("{:8}; {text}", ""));
    let mut listing = Vec::new();
    let mut places = places.iter().peekable();
    for (offset, text) in instructions {
        while let Some(place) = places.next_if(|place| place.offset <= offset) {
            listing.extend(comment(place));
        }
        listing.push(text);
    }
    listing.extend(places.filter_map(comment));
    listing
}
