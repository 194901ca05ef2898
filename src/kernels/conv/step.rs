//! Steps of a reduction in which all lanes see the same channels.
//!
//! A step multiplies the channel of each pixel of a tile with a vector of weights. Where an
//! instruction multiplies with one lane of a register, a load of a pixel serves four channels; else
//! each channel of a pixel is broadcast.

use std::ops::Range;

use crate::codegen::vir::{Builder, Bytes, Integer, Mem, Target, V};
use crate::kernels::geometry::F32;

use super::dots::{Dot, SIGNS};
use super::elements::Elements;
use super::shorts::Stored;

/// Channels that a load of a pixel serves: the lanes that a factor can be one of.
const LANES: usize = 4;

/// Sums of products, and where the factors of a step are.
pub(super) struct Step<'a> {
    /// What is multiplied.
    pub(super) elements: &'a Elements,
    /// How weights are stored.
    pub(super) stored: Stored,
    /// The sums: those of each pixel.
    pub(super) acc: &'a [Vec<V>],
    /// Where the first channel of the first pixel is.
    pub(super) source: Mem,
    /// Byte offsets of the pixels.
    pub(super) pixels: &'a [i64],
    /// Where the weights of the first channel are.
    pub(super) weights: Mem,
    /// Bytes from the weights of a channel to those of the next.
    pub(super) channel: i64,
}

/// Cuts channels into those whose steps are taken together.
pub(super) fn groups(channels: usize, target: Target) -> impl Iterator<Item = Range<usize>> {
    let whole = if target.by_lane { channels - channels % LANES } else { 0 };
    let together = (0..whole).step_by(LANES).map(|first| first..first + LANES);
    together.chain((whole..channels).map(|channel| channel..channel + 1))
}

impl Step<'_> {
    /// Adds the products of some channels.
    pub(super) fn add(&self, b: &mut Builder, channels: Range<usize>) {
        if b.target().by_lane && self.dot() != Some(Dot::Pairs) {
            return self.by_lanes(b, channels);
        }
        for channel in channels {
            if self.acc.len() < self.vectors() {
                self.hold_pixels(b, channel);
            } else {
                self.hold_weights(b, channel);
            }
        }
    }

    /// Holds the pixels in registers, one channel in each lane, and streams the weights: two
    /// vectors at a time if there is a register for that.
    fn by_lanes(&self, b: &mut Builder, channels: Range<usize>) {
        let held = b.vectors(self.acc.len());
        for (p, &register) in held.iter().enumerate() {
            match channels.len() {
                LANES => b.load(register, self.pixel(p, channels.start)),
                _ => b.load_first(register, self.pixel(p, channels.start)),
            }
        }
        self.shift(b, &held);
        let registers = self.acc.len() * self.vectors() + held.len();
        let streams = b.vectors((b.target().vectors - registers).clamp(1, 2));
        let vectors: Vec<usize> = (0..self.vectors()).collect();
        for (lane, channel) in channels.enumerate() {
            for vectors in vectors.chunks(streams.len()) {
                let loaded = || vectors.iter().zip(&streams);
                for (&v, &stream) in loaded() {
                    self.stored.load(b, stream, self.weight(b, channel, v));
                }
                for (&v, &stream) in loaded() {
                    for (sums, &pixel) in self.acc.iter().zip(&held) {
                        self.add_lane(b, sums[v], pixel, lane as u8, stream);
                    }
                }
            }
        }
        b.release(streams);
        b.release(held);
    }

    /// Makes the unsigned bytes of pixels signed, if such bytes are multiplied: the same as changing
    /// their highest bits.
    fn shift(&self, b: &mut Builder, pixels: &[V]) {
        if self.dot() == Some(Dot::Shifted) {
            let highest = b.vector();
            b.bits(highest, SIGNS);
            pixels.iter().for_each(|&pixel| b.integer(Integer::Xor, pixel, pixel, highest));
            b.release([highest]);
        }
    }

    /// The narrower side of the tile is held in registers: the pixels.
    fn hold_pixels(&self, b: &mut Builder, channel: usize) {
        let (stream, held) = (b.vector(), b.vectors(self.acc.len()));
        let product = self.product(b);
        held.iter().enumerate().for_each(|(p, &x)| self.broadcast(b, x, self.pixel(p, channel)));
        for v in 0..self.vectors() {
            self.stored.load(b, stream, self.weight(b, channel, v));
            for (sums, &pixel) in self.acc.iter().zip(&held) {
                self.add_vector(b, sums[v], pixel, stream, product);
            }
        }
        b.release(held.into_iter().chain([stream]).chain(product));
    }

    /// The narrower side of the tile is held in registers: the weights.
    fn hold_weights(&self, b: &mut Builder, channel: usize) {
        let (stream, held) = (b.vector(), b.vectors(self.vectors()));
        let product = self.product(b);
        for (v, &register) in held.iter().enumerate() {
            self.stored.load(b, register, self.weight(b, channel, v));
        }
        for (p, sums) in self.acc.iter().enumerate() {
            self.broadcast(b, stream, self.pixel(p, channel));
            for (&sum, &weights) in sums.iter().zip(&held) {
                self.add_vector(b, sum, stream, weights, product);
            }
        }
        b.release(held.into_iter().chain([stream]).chain(product));
    }

    fn vectors(&self) -> usize {
        self.acc[0].len()
    }

    /// How bytes are multiplied.
    fn dot(&self) -> Option<Dot> {
        match self.elements {
            Elements::Floats(_) => None,
            Elements::Bytes(dot, _) | Elements::Sums(dot) => Some(*dot),
        }
    }

    /// A register for products, if a sum needs one.
    fn product(&self, b: &mut Builder) -> Option<V> {
        let registers = self.dot().map_or(0, |dot| dot.registers(b.target()));
        b.vectors(registers).pop()
    }

    fn broadcast(&self, b: &mut Builder, dst: V, src: Mem) {
        match self.dot() {
            None => b.broadcast(dst, src),
            Some(_) => b.broadcast_bytes(dst, src),
        }
    }

    fn add_vector(&self, b: &mut Builder, sum: V, pixel: V, weights: V, product: Option<V>) {
        match self.dot() {
            None => b.multiply_add(sum, pixel, weights),
            Some(dot) => dot.add(b, sum, [pixel, weights], product.unwrap_or(sum)),
        }
    }

    fn add_lane(&self, b: &mut Builder, sum: V, pixel: V, lane: u8, weights: V) {
        match self.dot() {
            None => b.multiply_add_lane(sum, weights, pixel, lane),
            Some(Dot::Shifted) => b.byte_dot_lane(Bytes::Signed, sum, pixel, weights, lane),
            Some(_) => b.byte_dot_lane(Bytes::Unsigned, sum, pixel, weights, lane),
        }
    }

    /// A channel of a pixel; of bytes, a word of them.
    fn pixel(&self, p: usize, channel: usize) -> Mem {
        Mem { offset: self.source.offset + self.pixels[p] + channel as i64 * F32, ..self.source }
    }

    fn weight(&self, b: &Builder, channel: usize, v: usize) -> Mem {
        let vector = b.target().lanes as i64 * self.stored.bytes();
        let offset = channel as i64 * self.channel + v as i64 * vector;
        Mem { offset: self.weights.offset + offset, ..self.weights }
    }
}
