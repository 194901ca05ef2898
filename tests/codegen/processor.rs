//! A small x86-64 processor: runs the instructions that the encoder uses on the emulator's checked
//! memory, so that AVX-512 and AMX code is executed on machines without them.
//!
//! Source: Intel, "Intel 64 and IA-32 Architectures Software Developer's Manual", volume 2.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use resnetc::codegen::emulate::{EmulatedMemory, fused};
use resnetc::codegen::encoded::Encoded;

type Vector = [u32; 16];
type Tile = [Vector; 16];

/// Registers that a callee must leave as they were.
const CALLEE_SAVED: [Register; 7] = [
    Register::RBX,
    Register::RBP,
    Register::RSP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];
const ARGUMENTS: [Register; 6] =
    [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];
/// Words of the stack.
const STACK: usize = 64;

struct Processor<'a> {
    general: [u64; 16],
    vectors: [Vector; 32],
    masks: [u16; 8],
    /// `None` while tiles are not configured.
    tiles: Option<[Tile; 8]>,
    zero: bool,
    memory: &'a mut EmulatedMemory,
}

/// Calls `function` as a System V caller does.
pub(crate) fn call(function: &Encoded, args: &[u64], memory: &mut EmulatedMemory) {
    let mut bytes = function.bytes.clone();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let words =
        bytes.chunks_exact(4).map(|w| f32::from_bits(u32::from_le_bytes([w[0], w[1], w[2], w[3]])));
    let start = memory.add(words.collect());
    // Arguments that registers do not hold are above the return address.
    let on_stack = args.get(ARGUMENTS.len()..).unwrap_or_default();
    let words = on_stack.iter().flat_map(|&arg| [arg as u32, (arg >> 32) as u32]);
    let mut words: Vec<f32> = words.map(f32::from_bits).collect();
    words.splice(0..0, vec![0.0; STACK]);
    let stack = memory.add(words);
    let code = &function.bytes[..function.code];
    let decoded: Vec<Instruction> =
        Decoder::with_ip(64, code, start, DecoderOptions::NONE).iter().collect();
    let mut processor = Processor {
        general: std::array::from_fn(|i| 0xdead_beef_0000_0003 + (i as u64) * 0x1111),
        vectors: std::array::from_fn(|i| [0x7fc0_dead + i as u32; 16]),
        masks: [0xa5a5; 8],
        tiles: None,
        zero: false,
        memory,
    };
    ARGUMENTS.iter().zip(args).for_each(|(&r, &arg)| *processor.general(r) = arg);
    *processor.general(Register::RSP) = stack + 4 * STACK as u64 - 8;
    let before = CALLEE_SAVED.map(|r| *processor.general(r));
    let mut at = start;
    while let Some(instruction) = decoded.iter().position(|i| i.ip() == at).map(|i| &decoded[i]) {
        assert!(!instruction.is_invalid(), "invalid instruction at {:#x}", at - start);
        at = match processor.step(instruction) {
            Some(next) => next,
            None => {
                assert_eq!(
                    CALLEE_SAVED.map(|r| *processor.general(r)),
                    before,
                    "callee-saved registers"
                );
                assert!(processor.tiles.is_none(), "tiles are left for the system to save");
                return;
            }
        };
    }
    panic!("jumped into the middle of an instruction: {:#x}", at - start);
}

impl Processor<'_> {
    /// Executes an instruction. Returns the address of the next one, or `None` after a return.
    fn step(&mut self, i: &Instruction) -> Option<u64> {
        use Mnemonic::*;
        match i.mnemonic() {
            Ret => return None,
            Je if self.zero => return Some(i.near_branch_target()),
            Jne if !self.zero => return Some(i.near_branch_target()),
            Je | Jne | Nop | Vzeroupper | Prefetcht0 | Prefetcht1 => {}
            Movzx => {
                let byte = self.byte(self.address(i));
                *self.general(i.op0_register()) = byte.into();
            }
            Mov if i.op0_kind() == OpKind::Memory => {
                let byte = self.general[low_byte_number(i.op1_register())] as u8;
                self.set_byte(self.address(i), byte);
            }
            Push | Pop | Mov | Add | Sub | Dec | Test => self.integer(i),
            Kmovw => self.masks[mask_number(i.op0_register())] = self.word(self.address(i)) as u16,
            Ldtilecfg | Tilerelease | Tilezero | Tileloadd | Tilestored | Tdpbssd | Tdpbusd => {
                self.tile(i)
            }
            Vcmpps => self.compare(i),
            Vpmovzxbd | Vpmovsxbd => self.widen(i),
            Vpmovsxwd => self.widen_shorts(i),
            Vpmovzxbw => self.widen_to_shorts(i),
            Vpmovdb | Vmovd | Vmovq => self.narrow(i),
            Vpextrb => {
                let byte = self.vectors[number(i.op1_register())][0] as u8;
                self.set_byte(self.address(i), byte);
            }
            Vpinsrb => {
                let (a, byte) =
                    (self.vectors[number(i.op1_register())], self.byte(self.address(i)));
                self.write_all(i, |l| if l == 0 { a[0] & !0xff | u32::from(byte) } else { a[l] });
            }
            Vmovss => self.set_word(self.address(i), self.vectors[number(i.op1_register())][0]),
            Vmovups if i.op0_kind() == OpKind::Memory => {
                let (address, value) = (self.address(i), self.vectors[number(i.op1_register())]);
                let bytes = value[..lanes(i.op1_register())].iter().flat_map(|x| x.to_le_bytes());
                (address..).zip(bytes).for_each(|(address, byte)| self.set_byte(address, byte));
            }
            _ => self.arithmetic(i),
        }
        Some(i.next_ip())
    }

    fn integer(&mut self, i: &Instruction) {
        let register = i.op0_register();
        let operand = match i.op1_kind() {
            OpKind::Register if i.op_count() > 1 => *self.general(i.op1_register()),
            OpKind::Immediate32 => u64::from(i.immediate32()),
            OpKind::Immediate8to64 => i.immediate8to64() as u64,
            OpKind::Immediate32to64 => i.immediate32to64() as u64,
            OpKind::Memory => {
                let address = self.address(i);
                u64::from(self.word(address)) | u64::from(self.word(address + 4)) << 32
            }
            _ => 0,
        };
        let value = *self.general(register);
        let top = *self.general(Register::RSP);
        let result = match i.mnemonic() {
            Mnemonic::Mov => operand,
            Mnemonic::Add => value.wrapping_add(operand),
            Mnemonic::Sub => value.wrapping_sub(operand),
            Mnemonic::Dec => value.wrapping_sub(1),
            Mnemonic::Push => {
                self.set_word(top - 8, value as u32);
                self.set_word(top - 4, (value >> 32) as u32);
                *self.general(Register::RSP) = top - 8;
                return;
            }
            Mnemonic::Pop => {
                *self.general(Register::RSP) = top + 8;
                u64::from(self.word(top)) | u64::from(self.word(top + 4)) << 32
            }
            _ => {
                assert_eq!(i.mnemonic(), Mnemonic::Test);
                self.zero = value & operand == 0;
                return;
            }
        };
        *self.general(register) = result;
        self.zero = if i.mnemonic() == Mnemonic::Mov { self.zero } else { result == 0 };
    }

    fn tile(&mut self, i: &Instruction) {
        let tiles = match i.mnemonic() {
            Mnemonic::Ldtilecfg => {
                self.configure(i);
                self.tiles = Some([[[0; 16]; 16]; 8]);
                return;
            }
            Mnemonic::Tilerelease => {
                self.tiles = None;
                return;
            }
            _ => self.tiles.as_ref().expect("tiles are configured before they are used"),
        };
        let tile = |operand: u32| i.op_register(operand) as usize - Register::TMM0 as usize;
        let row = |m: u64| {
            let index = self.general[number(i.memory_index())];
            let distance = index.wrapping_mul(i.memory_index_scale().into()).wrapping_mul(m);
            let base = self.general[number(i.memory_base())];
            base.wrapping_add(i.memory_displacement64()).wrapping_add(distance)
        };
        let rows = || -> [u64; 16] { std::array::from_fn(|m| row(m as u64)) };
        let (to, value) = match i.mnemonic() {
            Mnemonic::Tilezero => (tile(0), [[0; 16]; 16]),
            Mnemonic::Tileloadd => {
                let word = |from: u64, n: usize| self.word(from.wrapping_add(4 * n as u64));
                (tile(0), rows().map(|from| std::array::from_fn(|n| word(from, n))))
            }
            Mnemonic::Tilestored => {
                let (rows, value) = (rows(), tiles[tile(1)]);
                for (to, row) in rows.into_iter().zip(value) {
                    let word = |n: usize| to.wrapping_add(4 * n as u64);
                    row.into_iter().enumerate().for_each(|(n, x)| self.set_word(word(n), x));
                }
                return;
            }
            dot => {
                let [acc, a, b] = [0, 1, 2].map(|operand| &tiles[tile(operand)]);
                (tile(0), products(dot == Mnemonic::Tdpbssd, *acc, a, b))
            }
        };
        self.tiles.iter_mut().for_each(|tiles| tiles[to] = value);
    }

    /// Requires 16 rows of 64 bytes for every tile.
    fn configure(&self, i: &Instruction) {
        let words = (0..16).map(|n| self.word(self.address(i) + 4 * n));
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        let mut wanted = [0; 64];
        wanted[0] = 1;
        wanted[16..32].copy_from_slice(&[64, 0].repeat(8));
        wanted[48..56].fill(16);
        assert_eq!(bytes, wanted, "palette, row to start at, bytes of a row, rows");
    }

    fn compare(&mut self, i: &Instruction) {
        let (a, b) = (self.source(i, 1), self.source(i, 2));
        let unordered = |l: usize| f32::from_bits(a[l]).is_nan() || f32::from_bits(b[l]).is_nan();
        let float = |l: usize| (f32::from_bits(a[l]), f32::from_bits(b[l]));
        let holds = |l: usize| match i.immediate8() {
            0 => float(l).0 == float(l).1,
            17 => float(l).0 < float(l).1,
            18 => float(l).0 <= float(l).1,
            3 => unordered(l),
            7 => !unordered(l),
            other => panic!("comparison {other}"),
        };
        if i.op0_register().is_k() {
            self.masks[mask_number(i.op0_register())] =
                (0..16).map(|l| u16::from(holds(l)) << l).sum();
        } else {
            self.write(i, |l| if holds(l) { u32::MAX } else { 0 });
        }
    }

    fn arithmetic(&mut self, i: &Instruction) {
        use Mnemonic::*;
        if matches!(i.mnemonic(), Vpmovzxdq | Vexpandps) {
            return self.spread(i);
        }
        let last =
            (1..i.op_count()).rfind(|&n| !matches!(i.op_kind(n), OpKind::Immediate8)).unwrap();
        let (d, a, b) = (self.source(i, 0), self.source(i, 1), self.source(i, last));
        let float = |l: usize| (f32::from_bits(a[l]), f32::from_bits(b[l]));
        let on = |f: fn(f32, f32) -> f32| {
            move |l: usize| {
                let (a, b) = float(l);
                f(a, b).to_bits()
            }
        };
        match i.mnemonic() {
            Vmovups | Vmovaps => self.write(i, |l| b[l]),
            Vpdpwssd => self.write(i, |l| d[l].wrapping_add(pair_dot(a[l], b[l]))),
            Vpdpbusd => self.write(i, |l| dot(d[l], a[l], b[l])),
            Vpackusdw => self.write_all(i, |l| pack_words(part(&a, l), part(&b, l), l % 4)),
            Vpackssdw => self.write_all(i, |l| pack_signed(part(&a, l), part(&b, l), l % 4)),
            Vpermd => self.write_all(i, |l| b[a[l] as usize % lanes(i.op0_register())]),
            Vpackuswb => self.write_all(i, |l| pack_bytes(part(&a, l), part(&b, l), l % 4)),
            Vpermq => self.write_all(i, |l| {
                let half = usize::from(i.immediate8() >> (2 * (l / 2)) & 3);
                b[2 * half + l % 2]
            }),
            Vbroadcastss => self.write(i, |_| b[0]),
            Vpermilps => {
                self.write(i, |l| b[l - l % 4 + usize::from(i.immediate8() >> (2 * (l % 4)) & 3)])
            }
            Vshuff32x4 => self.write(i, |l| {
                let part = usize::from(i.immediate8() >> (2 * (l / 4)) & 3);
                let from = if l < 8 { a } else { b };
                from[4 * part + l % 4]
            }),
            Vperm2f128 => self.write(i, |l| {
                let part = usize::from(i.immediate8() >> (4 * (l / 4 % 2)) & 3);
                let from = if part < 2 { a } else { b };
                from[4 * (part % 2) + l % 4]
            }),
            Vaddps => self.write(i, on(|a, b| a + b)),
            Vsubps => self.write(i, on(|a, b| a - b)),
            Vmulps => self.write(i, on(|a, b| a * b)),
            Vdivps => self.write(i, on(|a, b| a / b)),
            Vmaxps => self.write(i, on(|a, b| if a > b { a } else { b })),
            Vminps => self.write(i, on(|a, b| if a < b { a } else { b })),
            Vfmadd231ps => {
                self.write(i, |l| fused(float(l).0, float(l).1, f32::from_bits(d[l])).to_bits())
            }
            Vxorps | Vpxord | Vpxor => self.write(i, |l| a[l] ^ b[l]),
            Vorps | Vpord => self.write(i, |l| a[l] | b[l]),
            Vpaddd => self.write(i, |l| a[l].wrapping_add(b[l])),
            Vpmulld => self.write(i, |l| a[l].wrapping_mul(b[l])),
            Vpaddw => self.write_all(i, |l| shorts(a[l], b[l], u16::wrapping_add)),
            Vpsubw => self.write_all(i, |l| shorts(a[l], b[l], u16::wrapping_sub)),
            Vpmaddwd => self.write_all(i, |l| pair_dot(a[l], b[l])),
            Vpsubd => self.write(i, |l| a[l].wrapping_sub(b[l])),
            Vpmaxsd => self.write(i, |l| (a[l] as i32).max(b[l] as i32) as u32),
            Vpminsd => self.write(i, |l| (a[l] as i32).min(b[l] as i32) as u32),
            Vpternlogd => {
                // Three bits, the first operand's the highest, select the bit of the immediate that
                // is the result.
                let bit =
                    |l: usize, n: u32| [d, a, b].iter().fold(0, |at, x| at << 1 | x[l] >> n & 1);
                let table = u32::from(i.immediate8());
                self.write(i, |l| (0..32).map(|n| (table >> bit(l, n) & 1) << n).sum());
            }
            Vcvtps2dq => self.write(i, |l| {
                let x = f64::from(f32::from_bits(b[l])).round_ties_even();
                let fits = x >= f64::from(i32::MIN) && x <= f64::from(i32::MAX);
                if fits { x as i32 as u32 } else { 0x8000_0000 }
            }),
            Vcvtdq2ps => self.write(i, |l| (b[l] as i32 as f32).to_bits()),
            Vandps | Vpandd | Vpand => self.write(i, |l| a[l] & b[l]),
            Vandnps | Vpandnd => self.write(i, |l| !a[l] & b[l]),
            Vpslld => self.write(i, |l| a[l] << i.immediate8()),
            Vpsrld => self.write(i, |l| a[l] >> i.immediate8()),
            Vpsrad => self.write(i, |l| (a[l] as i32 >> i.immediate8()) as u32),
            Vsqrtps => self.write(i, |l| f32::from_bits(b[l]).sqrt().to_bits()),
            Vblendps => self.write(i, |l| if i.immediate8() >> l & 1 == 1 { b[l] } else { a[l] }),
            Vblendmps => {
                let mask = self.masks[mask_number(i.op_mask())];
                self.write_all(i, |l| if mask >> l & 1 == 1 { b[l] } else { a[l] });
            }
            Vroundps | Vrndscaleps => {
                assert_eq!(i.immediate8(), 8);
                self.write(i, |l| f32::from_bits(b[l]).round_ties_even().to_bits());
            }
            other => panic!("the encoder does not use {other:?}"),
        }
    }

    /// Consecutive words, one per lane.
    fn spread(&mut self, i: &Instruction) {
        let address = self.address(i);
        let into: u16 = match i.mnemonic() {
            // The upper halves of lanes that are twice as wide are 0.
            Mnemonic::Vpmovzxdq => 0x5555,
            _ => self.masks[mask_number(i.op_mask())],
        };
        let before = |l: usize| u64::from((into & ((1 << l) - 1)).count_ones());
        let taken = |l: usize| into >> l & 1 == 1;
        let read = |l: usize| if taken(l) { self.word(address + 4 * before(l)) } else { 0 };
        let words: Vector = std::array::from_fn(read);
        self.write(i, |l| words[l]);
    }

    /// Consecutive 16-bit integers, one per lane.
    fn widen_shorts(&mut self, i: &Instruction) {
        let address = self.address(i);
        let count = lanes(i.op0_register());
        let byte = |at: usize| self.byte(address + at as u64);
        let short = |l: usize| i16::from_le_bytes([byte(2 * l), byte(2 * l + 1)]) as u32;
        let words: Vector = std::array::from_fn(|l| if l < count { short(l) } else { 0 });
        self.write_all(i, |l| words[l]);
    }

    /// Consecutive bytes, two per lane.
    fn widen_to_shorts(&mut self, i: &Instruction) {
        let address = self.address(i);
        let byte = |at: usize| u32::from(self.byte(address + at as u64));
        let count = lanes(i.op0_register());
        let pair = |l: usize| byte(2 * l) | byte(2 * l + 1) << 16;
        let words: Vector = std::array::from_fn(|l| if l < count { pair(l) } else { 0 });
        self.write_all(i, |l| words[l]);
    }

    /// Consecutive bytes, one per lane.
    fn widen(&mut self, i: &Instruction) {
        let signed = i.mnemonic() == Mnemonic::Vpmovsxbd;
        let extended = |byte: u8| if signed { byte as i8 as u32 } else { u32::from(byte) };
        if i.op1_kind() == OpKind::Register {
            let bytes = self.vectors[number(i.op1_register())];
            let byte = |l: usize| bytes[l / 4].to_le_bytes()[l % 4];
            return self.write_all(i, |l| extended(byte(l)));
        }
        let address = self.address(i);
        // Memory is not read where the mask is not set.
        let mask = if i.has_op_mask() { self.masks[mask_number(i.op_mask())] } else { u16::MAX };
        let is_read = |l: usize| l < lanes(i.op0_register()) && mask >> l & 1 == 1;
        let read = |l: usize| is_read(l).then(|| extended(self.byte(address + l as u64)));
        let words: Vector = std::array::from_fn(|l| read(l).unwrap_or(0));
        self.write_all(i, |l| words[l]);
    }

    /// Stores the low byte of each lane, or the first bytes of a register.
    fn narrow(&mut self, i: &Instruction) {
        let (address, value) = (self.address(i), self.vectors[number(i.op1_register())]);
        let first = value.into_iter().flat_map(u32::to_le_bytes);
        let bytes: Vec<u8> = match i.mnemonic() {
            Mnemonic::Vpmovdb => {
                let mask =
                    if i.has_op_mask() { self.masks[mask_number(i.op_mask())] } else { u16::MAX };
                value.map(|x| x as u8)[..mask.trailing_ones() as usize].to_vec()
            }
            Mnemonic::Vmovd => first.take(4).collect(),
            _ => first.take(8).collect(),
        };
        (address..).zip(bytes).for_each(|(address, byte)| self.set_byte(address, byte));
    }

    /// Writes the first operand where its mask, if any, is set.
    fn write(&mut self, i: &Instruction, value: impl Fn(usize) -> u32) {
        let mask = if i.has_op_mask() { self.masks[mask_number(i.op_mask())] } else { u16::MAX };
        let old = self.vectors[number(i.op0_register())];
        self.write_all(i, |l| if mask >> l & 1 == 1 { value(l) } else { old[l] });
    }

    /// Writes the first operand and clears the bits above it.
    fn write_all(&mut self, i: &Instruction, value: impl Fn(usize) -> u32) {
        let register = i.op0_register();
        let lanes = lanes(register);
        self.vectors[number(register)] =
            std::array::from_fn(|l| if l < lanes { value(l) } else { 0 });
    }

    /// An operand's lanes.
    fn source(&mut self, i: &Instruction, operand: u32) -> Vector {
        if i.op_kind(operand) == OpKind::Register {
            let register = i.op_register(operand);
            return if register.is_k() { [0; 16] } else { self.vectors[number(register)] };
        }
        let address = self.address(i);
        let single = i.is_broadcast() || i.mnemonic() == Mnemonic::Vbroadcastss;
        let lanes = if single { 1 } else { lanes(i.op0_register()) };
        // A broadcast may be of four bytes at any address.
        let word = |l: usize| {
            let bytes = (0..4).map(|byte| self.byte(address + 4 * l as u64 + byte));
            bytes.rev().fold(0, |word, byte| word << 8 | u32::from(byte))
        };
        let words: Vec<u32> = (0..lanes).map(word).collect();
        std::array::from_fn(|l| words.get(if single { 0 } else { l }).copied().unwrap_or(0))
    }

    fn address(&self, i: &Instruction) -> u64 {
        let index = match i.memory_index() {
            Register::None => 0,
            register => self.general[number(register)],
        };
        assert_eq!(i.memory_index_scale(), 1);
        let base = match i.memory_base() {
            Register::RIP => 0,
            register => self.general[number(register)],
        };
        base.wrapping_add(i.memory_displacement64()).wrapping_add(index)
    }

    fn word(&self, address: u64) -> u32 {
        assert_eq!(address % 4, 0);
        self.memory.buffer(address)[(address & ((1 << 40) - 1)) as usize / 4].to_bits()
    }

    fn set_word(&mut self, address: u64, word: u32) {
        assert_eq!(address % 4, 0);
        self.memory.buffer_mut(address)[(address & ((1 << 40) - 1)) as usize / 4] =
            f32::from_bits(word);
    }

    fn byte(&self, address: u64) -> u8 {
        self.word(address & !3).to_le_bytes()[(address % 4) as usize]
    }

    fn set_byte(&mut self, address: u64, byte: u8) {
        let mut bytes = self.word(address & !3).to_le_bytes();
        bytes[(address % 4) as usize] = byte;
        self.set_word(address & !3, u32::from_le_bytes(bytes));
    }

    fn general(&mut self, register: Register) -> &mut u64 {
        &mut self.general[number(register)]
    }
}

/// `acc` plus four products of unsigned and signed bytes.
fn dot(acc: u32, a: u32, b: u32) -> u32 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    let products = a.into_iter().zip(b).map(|(a, b)| i32::from(a) * i32::from(b as i8));
    acc.wrapping_add(products.sum::<i32>() as u32)
}

/// The 128-bit part of a vector that lane `l` is in.
fn part(vector: &Vector, l: usize) -> [u32; 4] {
    std::array::from_fn(|i| vector[l - l % 4 + i])
}

/// Word `at` of eight signed integers, saturated to unsigned 16 bits.
fn pack_words(a: [u32; 4], b: [u32; 4], at: usize) -> u32 {
    let all: Vec<u32> =
        a.into_iter().chain(b).map(|x| (x as i32).clamp(0, 0xffff) as u32).collect();
    all[2 * at] | all[2 * at + 1] << 16
}

/// Word `at` of eight signed integers, saturated to signed 16 bits.
fn pack_signed(a: [u32; 4], b: [u32; 4], at: usize) -> u32 {
    let limit = |x: u32| (x as i32).clamp(i16::MIN.into(), i16::MAX.into()) as u32 & 0xffff;
    let all: Vec<u32> = a.into_iter().chain(b).map(limit).collect();
    all[2 * at] | all[2 * at + 1] << 16
}

/// Word `at` of sixteen signed 16-bit integers, saturated to unsigned 8 bits.
fn pack_bytes(a: [u32; 4], b: [u32; 4], at: usize) -> u32 {
    let halves = a.into_iter().chain(b).flat_map(|x| [x as i16, (x >> 16) as i16]);
    let all: Vec<u8> = halves.map(|x| x.clamp(0, 0xff) as u8).collect();
    u32::from_le_bytes(std::array::from_fn(|i| all[4 * at + i]))
}

/// `acc` plus the products of groups of four bytes; those of `b` are signed.
fn products(signed: bool, mut acc: Tile, a: &Tile, b: &Tile) -> Tile {
    let byte = |word: u32, i: usize| i32::from((word >> (8 * i)) as u8 as i8);
    let factor = |word: u32, i: usize| if signed { byte(word, i) } else { byte(word, i) & 0xff };
    for m in 0..16 {
        for k in 0..16 {
            for n in 0..16 {
                let four = (0..4).map(|i| factor(a[m][k], i) * byte(b[k][n], i)).sum::<i32>();
                acc[m][n] = acc[m][n].wrapping_add(four as u32);
            }
        }
    }
    acc
}

/// The kinds of registers: the first of each, how many there are, f32 lanes.
const KINDS: [(Register, u32, usize); 6] = [
    (Register::EAX, 16, 0),
    (Register::RAX, 16, 0),
    (Register::XMM0, 32, 4),
    (Register::YMM0, 32, 8),
    (Register::ZMM0, 32, 16),
    (Register::K0, 8, 0),
];

/// A register's number among its kind, and its lanes.
fn split(register: Register) -> (usize, usize) {
    let find = |&(first, count, lanes)| {
        let number = (register as u32).checked_sub(first as u32).filter(|n| *n < count)?;
        Some((number as usize, lanes))
    };
    KINDS.iter().find_map(find).unwrap_or_else(|| panic!("the encoder does not use {register:?}"))
}

/// The number of the register of a low byte. Those of the first four are followed by second bytes.
fn low_byte_number(register: Register) -> usize {
    match register as usize - Register::AL as usize {
        number @ ..4 => number,
        number => number - 4,
    }
}

fn number(register: Register) -> usize {
    split(register).0
}

fn mask_number(register: Register) -> usize {
    assert!(register.is_k() && register != Register::K0);
    number(register)
}

fn lanes(register: Register) -> usize {
    split(register).1
}

/// `op` of both 16-bit halves.
fn shorts(a: u32, b: u32, op: fn(u16, u16) -> u16) -> u32 {
    let [low, high] = [0, 16].map(|at| u32::from(op((a >> at) as u16, (b >> at) as u16)));
    high << 16 | low
}

/// The sum of the products of both 16-bit halves.
fn pair_dot(a: u32, b: u32) -> u32 {
    let product = |at: u32| i32::from((a >> at) as i16) * i32::from((b >> at) as i16);
    product(0).wrapping_add(product(16)) as u32
}
