//! Which vector registers of a program hold nothing that is needed, for encoders whose instructions
//! need a register in between.

use super::vir::{Count, Inst, Program, VectorSet};

/// For each line of the printed program (the end of a loop is a line, too) the registers that are
/// free while it runs: what they hold is not needed by it or after it.
pub fn free(program: &Program) -> Vec<VectorSet> {
    let mut lines = Lines(Vec::new());
    lines.block(&program.body, 0);
    lines.0.reverse();
    lines.0
}

/// What registers a block needs when it starts, if `after` are needed when it has ended.
fn needed(body: &[Inst], after: VectorSet) -> VectorSet {
    body.iter().rev().fold(after, |after, inst| match inst {
        Inst::Loop { count, body } => before_loop(*count, needed(body, after), after),
        _ => before(inst, after),
    })
}

/// What an instruction that is no loop needs.
fn before(inst: &Inst, after: VectorSet) -> VectorSet {
    let vectors = inst.vectors();
    after & !vectors.written | vectors.read
}

/// What a loop needs whose body needs `body`: the same in every turn, since a register that a later
/// turn needs is one that the first needs, or that a turn writes.
fn before_loop(count: Count, body: VectorSet, after: VectorSet) -> VectorSet {
    match count {
        Count::Fixed(0) => after,
        Count::Fixed(_) => body,
        Count::Register(_) => body | after,
    }
}

/// Lines from the last to the first.
struct Lines(Vec<VectorSet>);

impl Lines {
    fn block(&mut self, body: &[Inst], mut after: VectorSet) -> VectorSet {
        for inst in body.iter().rev() {
            after = match inst {
                Inst::Loop { count, body } => {
                    let again = after | needed(body, after);
                    self.0.push(!again);
                    let first = self.block(body, again);
                    let before = before_loop(*count, first, after);
                    self.0.push(!before);
                    before
                }
                _ => {
                    self.0.push(!(after | inst.vectors().named()));
                    before(inst, after)
                }
            };
        }
        after
    }
}

#[cfg(test)]
mod tests {
    use super::super::vir::{Builder, Target};
    use super::*;

    /// `v0` is read in every turn, `v1` is written in every turn before it is read, `v2` is needed
    /// after the loop, and `v3` never.
    #[test]
    fn loops_keep_what_their_next_turn_and_the_rest_need() {
        let mut b = Builder::new("test", Target::NEON, 1);
        let vectors = b.vectors(4);
        let place = b.arg(0).at(0);
        for &v in &vectors[..3] {
            b.load(v, place);
        }
        b.repeat(Count::Register(b.arg(0)), |b| {
            b.multiply_add(vectors[0], vectors[0], vectors[0]);
            b.load(vectors[1], place);
            b.store(place, vectors[1]);
        });
        b.store(place, vectors[2]);
        let free = free(&b.finish().expect("few registers"));
        let of_four: Vec<VectorSet> = free.iter().map(|free| free & 0b1111).collect();
        // Three loads, the loop, three instructions, its end, and the last store.
        let expected =
            [0b1110, 0b1110 & !0b0010, 0b1010, 0b1010, 0b1010, 0b1000, 0b1000, 0b1010, 0b1011];
        assert_eq!(of_four[2..], expected[2..]);
        assert_eq!(free.len(), expected.len());
    }
}
