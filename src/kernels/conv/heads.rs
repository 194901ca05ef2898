//! What is known of each output of a convolution of bytes besides its weights: a few words at the
//! head of a panel, one after the other for all lanes.

use std::sync::Arc;

use resnetc_ir::Tensor;
use resnetc_ir::op::{Encoding, QuantizedConv};
use resnetc_ir::ty::BLOCK;

use crate::codegen::vir::{Arith, Builder, Integer, Mem, P, V};
use crate::kernels::encoding;
use crate::kernels::geometry::Place;

/// Bytes of a word.
pub(in crate::kernels) const WORD: usize = 4;

/// Which words there are. They depend on what is known of the source when the network is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The bias, from which the share of the source's zero point has been taken, an integer; the
    /// factor.
    Known,
    /// The sum of the weights, negated; the factor without the source's scale; the bias in f32. The
    /// source's scale and zero point are in memory.
    Measured,
}

impl Head {
    /// That of a convolution of a source.
    pub(in crate::kernels) fn of(src: Encoding) -> Self {
        match src {
            Encoding::Known(_) => Head::Known,
            Encoding::Measured => Head::Measured,
        }
    }

    /// How many words there are.
    pub(in crate::kernels) fn words(self) -> usize {
        match self {
            Head::Known => 2,
            Head::Measured => 3,
        }
    }

    /// Bytes of the head of a block of outputs.
    pub(in crate::kernels) fn block_bytes(self) -> usize {
        self.words() * BLOCK * WORD
    }

    /// The zero point that is multiplied with the first words, in a new register.
    pub(in crate::kernels) fn zero(self, b: &mut Builder, at: HeadPlace) -> Option<V> {
        (self == Head::Measured).then(|| {
            let zero = b.vector();
            encoding::zero(b, zero, at.encoding);
            b.to_integer(zero, zero);
            if at.shift != 0 {
                let shift = b.vector();
                b.bits(shift, at.shift as u32);
                b.integer(Integer::Sub, zero, zero, shift);
                b.release([shift]);
            }
            zero
        })
    }

    /// Loads what the sums of vector `v` start from.
    pub(in crate::kernels) fn start(
        b: &mut Builder,
        dst: V,
        v: usize,
        at: HeadPlace,
        zero: Option<V>,
    ) {
        b.load(dst, at.word(0, v));
        zero.into_iter().for_each(|zero| b.integer(Integer::Mul, dst, dst, zero));
    }

    /// Turns sums, as floats, into numbers of steps. `acc` has the vectors of each pixel.
    pub(in crate::kernels) fn scale(self, b: &mut Builder, acc: &[Vec<V>], at: HeadPlace) {
        let scale = (self == Head::Measured).then(|| {
            let scale = b.vector();
            encoding::scale(b, scale, at.encoding);
            scale
        });
        for v in 0..acc.first().map_or(0, Vec::len) {
            let word = b.vector();
            b.load(word, at.word(1, v));
            scale.into_iter().for_each(|scale| b.arith(Arith::Mul, word, word, scale));
            acc.iter().for_each(|pixel| b.arith(Arith::Mul, pixel[v], pixel[v], word));
            if self == Head::Measured {
                b.load(word, at.word(2, v));
                acc.iter().for_each(|pixel| b.arith(Arith::Add, pixel[v], pixel[v], word));
            }
            b.release([word]);
        }
        b.release(scale);
    }
}

/// Where the words of some vectors of outputs are.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct HeadPlace {
    /// The first word of the first output.
    pub(in crate::kernels) first: Mem,
    /// Bytes from one word of an output to the next, and from one vector to the next.
    pub(in crate::kernels) word: i64,
    pub(in crate::kernels) vector: i64,
    /// The source's scale and zero point, if they are measured.
    pub(in crate::kernels) encoding: P,
    /// What is subtracted from the source's bytes before they are multiplied.
    pub(in crate::kernels) shift: i32,
}

impl HeadPlace {
    fn word(&self, word: i64, v: usize) -> Mem {
        let offset = self.first.offset + word * self.word + v as i64 * self.vector;
        Mem { offset, ..self.first }
    }
}

/// The operands of a convolution of bytes besides places and weights.
#[derive(Clone)]
pub struct ByteOperands<'a> {
    /// The factors `[K]`.
    pub factors: Arc<Tensor>,
    /// Where the source's scale and zero point are, if they are measured.
    pub encoding: Option<&'a Place>,
}

/// What heads are written from.
#[derive(Clone)]
pub(in crate::kernels) struct Heads {
    src: Encoding,
    biases: Vec<f64>,
    factors: Arc<Tensor>,
    /// What is subtracted from the source's bytes before they are multiplied.
    shift: i32,
}

impl Heads {
    /// Those of a convolution with this bias, if it has one.
    pub(in crate::kernels) fn of(
        conv: &QuantizedConv,
        bias: Option<&Tensor>,
        factors: &Arc<Tensor>,
    ) -> Self {
        let biases = bias.map(Tensor::numbers).unwrap_or_default();
        Heads { src: conv.src, biases, factors: Arc::clone(factors), shift: 0 }
    }

    /// The same for a source from whose bytes this is subtracted before they are multiplied.
    pub(in crate::kernels) fn shifted(self, shift: i32) -> Self {
        Heads { shift, ..self }
    }

    /// Which words there are.
    pub(in crate::kernels) fn head(&self) -> Head {
        Head::of(self.src)
    }

    /// Writes the words of an output with this filter into the heads of all blocks of outputs, 16 of
    /// each word.
    pub(in crate::kernels) fn write(&self, output: usize, filter: &[u8], heads: &mut [u8]) {
        let (block, lane) = (output / BLOCK, output % BLOCK);
        let place = &mut heads[block * self.head().block_bytes() + lane * WORD..];
        for (position, word) in self.words(output, filter).enumerate() {
            place[position * BLOCK * WORD..][..WORD].copy_from_slice(&word);
        }
    }

    /// The words of an output with this filter.
    pub(in crate::kernels) fn words(
        &self,
        output: usize,
        filter: &[u8],
    ) -> impl Iterator<Item = [u8; WORD]> {
        let sum: i32 = filter.iter().map(|&w| i32::from(w as i8)).sum();
        let bias = self.biases.get(output).copied().unwrap_or_default();
        let (first, last) = match self.src {
            Encoding::Known(zero) => {
                ((bias as i32).wrapping_sub(sum.wrapping_mul(zero - self.shift)), None)
            }
            Encoding::Measured => (-sum, Some(bias as f32)),
        };
        let factor = self.factors.data()[output];
        [first.to_le_bytes(), factor.to_le_bytes()].into_iter().chain(last.map(f32::to_le_bytes))
    }
}
