//! A small A64 processor: runs the instructions that the encoder uses on the emulator's checked
//! memory, so that code for 64-bit Arm is executed on machines of every other kind.
//!
//! Source: Arm, "Architecture Reference Manual for A-profile architecture" (DDI 0487), chapters C6
//! and C7, and "Procedure Call Standard for the Arm 64-bit Architecture" (AAPCS64).

use resnetc::codegen::emulate::EmulatedMemory;
use resnetc::codegen::encoded::Encoded;

use super::a64_forms::{Run, Word, decode};

pub(crate) type Vector = [u32; 4];

/// Arguments in registers.
const ARGUMENTS: usize = 8;
/// Belong to the platform, to debuggers, and to the caller: functions without a frame use none.
const RESERVED: [usize; 3] = [18, 29, 30];
/// The number of the register that holds the address to return to.
const LINK: usize = 30;
/// The number of the stack pointer where an address or a sum is expected. Elsewhere this is zero.
const STACK: usize = 31;
/// General registers that a callee must leave as they were.
const SAVED_GENERAL: std::ops::RangeInclusive<usize> = 18..=31;
/// Vector registers whose low half a callee must leave as it was.
const SAVED_HALVES: std::ops::Range<usize> = 8..16;
/// More than any test executes: a loop without end is a failure.
const MOST_STEPS: usize = 1 << 26;
/// Bytes of the stack below the arguments.
const STACK_BYTES: u64 = 256;

pub(crate) struct Processor<'a> {
    general: [u64; 32],
    vectors: [Vector; 32],
    /// The address of the instruction that is executed, and of the next one; none after a return.
    at: u64,
    next: Option<u64>,
    memory: &'a mut EmulatedMemory,
}

/// Calls `function` as the standard has it.
pub(crate) fn call(function: &Encoded, args: &[u64], memory: &mut EmulatedMemory) {
    let word = |w: &[u8]| u32::from_le_bytes([w[0], w[1], w[2], w[3]]);
    let words: Vec<u32> = function.bytes.chunks_exact(4).map(word).collect();
    assert_eq!(4 * words.len(), function.bytes.len(), "instructions and constants are words");
    let start = memory.add(words.iter().copied().map(f32::from_bits).collect());
    let code: Vec<(Word, Run)> = words[..function.code / 4].iter().copied().map(decode).collect();
    // Arguments that registers do not hold are at the stack pointer.
    let on_stack = args.get(ARGUMENTS..).unwrap_or_default();
    let mut stack = vec![0; STACK_BYTES as usize / 4];
    stack.extend(on_stack.iter().flat_map(|&arg| [arg as u32, (arg >> 32) as u32]));
    let stack = memory.add(stack.into_iter().map(f32::from_bits).collect());
    let mut processor = Processor {
        general: std::array::from_fn(|i| 0xdead_beef_0000_0003 + (i as u64) * 0x1111),
        vectors: std::array::from_fn(|i| [0x7fc0_dead + i as u32; 4]),
        at: start,
        next: Some(start),
        memory,
    };
    let in_registers = args.iter().take(ARGUMENTS).enumerate();
    in_registers.for_each(|(i, &arg)| processor.general[i] = arg);
    processor.general[STACK] = stack + STACK_BYTES;
    let before = processor.saved();
    for _ in 0..MOST_STEPS {
        let Some(at) = processor.next else {
            assert_eq!(processor.saved(), before, "callee-saved registers");
            return;
        };
        assert!(at.is_multiple_of(4) && at >= start, "jumped to {at:#x}");
        let (word, run) = code.get(((at - start) / 4) as usize).expect("code ends with a return");
        (processor.at, processor.next) = (at, Some(at + 4));
        processor.run(*run, *word);
    }
    panic!("does not end");
}

impl Processor<'_> {
    /// What a callee must not change.
    fn saved(&self) -> (Vec<u64>, Vec<[u32; 2]>) {
        let halves = self.vectors[SAVED_HALVES].iter().map(|&[a, b, ..]| [a, b]);
        (self.general[SAVED_GENERAL].to_vec(), halves.collect())
    }

    fn run(&mut self, run: Run, word: Word) {
        let (d, n, m) = (word.number('d'), word.number('n'), word.number('m'));
        let [a, b, sum] = [n, m, d].map(|v| self.vectors[v]);
        let float = |v: Vector, l: usize| f32::from_bits(v[l]);
        let mut each = |lane: &dyn Fn(usize) -> u32| self.vectors[d] = std::array::from_fn(lane);
        match run {
            Run::Float(op) => each(&|l| op(float(a, l)).to_bits()),
            Run::Floats(op) => each(&|l| op(float(a, l), float(b, l)).to_bits()),
            Run::Compare(op) => each(&|l| if op(float(a, l), float(b, l)) { u32::MAX } else { 0 }),
            Run::Bits(op) => each(&|l| op(sum[l], a[l], b[l])),
            Run::Shift(op) => each(&|l| op(a[l], word.get('i'))),
            Run::All(op) => each(&|_| op(word)),
            Run::Whole(op) => self.vectors[d] = op(word, sum, a, b),
            Run::Other(op) => op(self, word),
        }
    }

    pub(crate) fn vector(&mut self, number: usize) -> &mut Vector {
        &mut self.vectors[number]
    }

    /// A register that code may use without asking.
    pub(crate) fn general(&mut self, number: usize) -> &mut u64 {
        assert!(!RESERVED.contains(&number), "x{number} is not for functions");
        assert_ne!(number, STACK, "the encoder has no use for the zero register");
        &mut self.general[number]
    }

    /// The same, or the stack pointer.
    pub(crate) fn general_or_stack(&mut self, number: usize) -> &mut u64 {
        if number == STACK { &mut self.general[STACK] } else { self.general(number) }
    }

    pub(crate) fn branch(&mut self, words: i64) {
        self.next = Some(self.at.wrapping_add_signed(4 * words));
    }

    pub(crate) fn relative(&self, words: i64) -> u64 {
        self.at.wrapping_add_signed(4 * words)
    }

    pub(crate) fn leave(&mut self, link: usize) {
        assert_eq!(link, LINK);
        self.next = None;
    }

    /// The address in a register, moved.
    pub(crate) fn place(&mut self, base: usize, bytes: i64) -> u64 {
        let address = *self.general_or_stack(base);
        assert!(base != STACK || address.is_multiple_of(16), "the stack pointer is aligned");
        address.wrapping_add_signed(bytes)
    }

    /// Loads or stores a vector, or the first bytes of one; loading makes the others 0.
    pub(crate) fn transfer(&mut self, load: bool, vector: usize, address: u64, size: usize) {
        if load {
            self.vectors[vector] = of_bytes(self.read(address, size));
        } else {
            self.write(address, &bytes(self.vectors[vector])[..size]);
        }
    }

    /// Loads or stores a general register, or the first bytes of one; loading makes the others 0.
    pub(crate) fn transfer_general(&mut self, load: bool, to: usize, address: u64, size: usize) {
        if load {
            *self.general(to) = u64::from_le_bytes(self.read(address, size));
        } else {
            let bytes = self.general(to).to_le_bytes();
            self.write(address, &bytes[..size]);
        }
    }

    fn read<const N: usize>(&self, address: u64, size: usize) -> [u8; N] {
        let byte = |at: u64| self.word(at).to_le_bytes()[(at % 4) as usize];
        std::array::from_fn(|i| if i < size { byte(address + i as u64) } else { 0 })
    }

    fn write(&mut self, address: u64, bytes: &[u8]) {
        for (address, &byte) in (address..).zip(bytes) {
            let mut word = self.word(address).to_le_bytes();
            word[(address % 4) as usize] = byte;
            let place = (address & ((1 << 40) - 1)) as usize / 4;
            self.memory.buffer_mut(address)[place] = f32::from_bits(u32::from_le_bytes(word));
        }
    }

    /// The word that a byte is in. Nothing below the stack pointer is safe from signals.
    fn word(&self, address: u64) -> u32 {
        let stack = self.general[STACK];
        assert!(address >> 40 != stack >> 40 || address >= stack, "below the stack pointer");
        self.memory.buffer(address)[(address & ((1 << 40) - 1)) as usize / 4].to_bits()
    }
}

pub(crate) fn bytes(vector: Vector) -> [u8; 16] {
    std::array::from_fn(|i| vector[i / 4].to_le_bytes()[i % 4])
}

pub(crate) fn of_bytes(bytes: [u8; 16]) -> Vector {
    std::array::from_fn(|l| u32::from_le_bytes(std::array::from_fn(|i| bytes[4 * l + i])))
}
