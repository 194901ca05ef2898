//! Programs for 64-bit Arm whose code is longer than branches and loads of constants reach.

use resnetc::codegen::a64;
use resnetc::codegen::vir::*;

use super::a64_encoding::read;
use super::support::{Given, compare, emulated, processed};

/// What a conditional branch and a load of a constant reach, either way.
const REACH: usize = 1 << 20;

/// Values that are read.
const VALUES: usize = 64;

/// A loop over a number of instructions that need constants of every kind, with small loops
/// between them. The bits of every result are added to the sum that is stored at the end: sums of
/// floats would forget the first ones.
fn program(groups: usize) -> Program {
    let mut b = Builder::new("long", Target::NEON, 3);
    let [sum, x, y] = [b.vector(), b.vector(), b.vector()];
    let (from, to, turns) = (b.arg(0), b.arg(1), b.arg(2));
    b.constant(sum, 0.1);
    b.constant(y, 0.7);
    b.repeat(Count::Register(turns), |b| {
        for group in 0..groups {
            let at = (group % (VALUES - 8)) as i64;
            for order in [[3, 0, 2, 1], [1, 1, 0, 2], [2, 3, 3, 0]] {
                b.push(Inst::Shuffle { dst: x, src: from.at(4 * at), order });
                b.integer(Integer::Add, sum, sum, x);
            }
            b.push(Inst::Blend { dst: y, a: x, b: y, mask: 0b0110 });
            b.constant(x, 1.0 + group as f32);
            b.integer(Integer::Add, sum, sum, y);
            b.push(Inst::Exponent { dst: x, src: x });
            b.integer(Integer::Add, sum, sum, x);
            if group % 1000 == 7 {
                b.repeat(Count::Register(turns), |b| b.integer(Integer::Add, sum, sum, y));
            }
        }
    });
    b.store(to.at(0), sum);
    b.finish().unwrap()
}

fn given(turns: u32) -> [Given; 3] {
    let buffer = |values| Given::Buffer { values, start: 0 };
    let values = (0..VALUES).map(|i| i as f32 / 16.0 - 1.5).collect();
    [buffer(values), buffer(vec![0.0; 4]), Given::Count(turns)]
}

#[test]
fn branches_and_constants_reach_everything() {
    let program = program(6000);
    let encoded = a64::encode(&program).unwrap();
    assert!(encoded.code > REACH, "{} bytes", encoded.code);
    assert_eq!(encoded.bytes.len(), encoded.code, "constants are in the code");
    for turns in 0..3 {
        let wanted = emulated(&program, &given(turns), true);
        compare(&processed(&program, &given(turns)), &wanted).unwrap();
    }
    // A branch over a far branch, out of the loop and back to its head.
    let lines = read(&encoded);
    let far = |line: &&String| line.starts_with("b ");
    let distance = |line: &String| line[2..].parse::<i64>().unwrap();
    let far: Vec<i64> = lines.iter().filter(far).map(distance).collect();
    assert!(far[0] > REACH as i64, "out of the loop: {}", far[0]);
    assert!(far[far.len() - 1] < -(REACH as i64), "back to its head: {}", far[far.len() - 1]);
    assert!(far[1..far.len() - 1].iter().all(|way| (1..100).contains(way)), "small loops");
}

#[test]
fn programs_that_are_hardly_short_have_constants_behind_the_code() {
    let program = program(8192 / 11 - 6);
    let count = resnetc::codegen::listing::lines(&program).len();
    assert!((8100..8192).contains(&count), "{count} lines");
    let encoded = a64::encode(&program).unwrap();
    assert!(encoded.bytes.len() > encoded.code, "constants follow");
    let wanted = emulated(&program, &given(2), true);
    compare(&processed(&program, &given(2)), &wanted).unwrap();
}
