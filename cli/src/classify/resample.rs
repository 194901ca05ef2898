//! Scales pictures with antialiasing, byte for byte like Pillow's `Image.resize`.
//!
//! Every pixel of the result is a weighted mean of the pixels around its position in the source. If
//! the picture becomes smaller, the filter becomes wider by the same factor, so that every source
//! pixel counts: this is what "antialias" means, and what the usual networks were trained on. Rows
//! are scaled first and rounded to bytes, then columns; weights have [`BITS`] fractional bits.

use std::ops::Range;

use clap::ValueEnum;
use serde::Serialize;

use super::pixels::Pixels;

/// How pixels are weighted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Filter {
    /// The nearest pixel alone; no antialiasing
    Nearest,
    /// The mean of all pixels under the new one
    Box,
    /// A triangle
    Bilinear,
    /// As wide as a triangle, rounder and sharper
    Hamming,
    /// Keys' cubic with a = -1/2
    Bicubic,
    /// Lanczos' windowed sinc with three lobes
    Lanczos,
}

/// Fractional bits of a weight: with the eight bits of a pixel and two for sums beyond white, 32.
const BITS: u32 = 22;

/// A part of the scaled picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    /// Width and height of the whole scaled picture.
    pub(crate) scaled: [usize; 2],
    pub(crate) columns: Range<usize>,
    pub(crate) rows: Range<usize>,
}

impl Window {
    /// All of it.
    pub(crate) fn whole([width, height]: [usize; 2]) -> Self {
        Window { scaled: [width, height], columns: 0..width, rows: 0..height }
    }
}

/// The source pixels that make one pixel of the result.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// Computes a window of the scaled picture, and nothing of the rest, however large that would be.
pub(crate) fn resample(from: &Pixels, window: &Window, filter: Filter) -> Pixels {
    match from.channels {
        1 => scaled::<1>(from, window, filter),
        _ => scaled::<3>(from, window, filter),
    }
}

fn scaled<const C: usize>(from: &Pixels, window: &Window, filter: Filter) -> Pixels {
    let [width, height] = window.scaled;
    let across = taps(from.width, width, window.columns.clone(), filter);
    let down = taps(from.height, height, window.rows.clone(), filter);
    let top = down.iter().map(|t| t.first).min().unwrap_or(0);
    let bottom = down.iter().map(|t| t.first + t.weights.len()).max().unwrap_or(0);
    let pixels = from.bytes.as_chunks::<C>().0;
    let mut middle = Vec::with_capacity((bottom - top) * across.len() * C);
    for row in pixels.chunks_exact(from.width).take(bottom).skip(top) {
        middle.extend(across.iter().flat_map(|t| mean(row, t)));
    }
    let stride = across.len() * C;
    let mut bytes = Vec::with_capacity(down.len() * stride);
    let mut sums = vec![0; stride];
    for taps in &down {
        mean_of_rows(&middle[(taps.first - top) * stride..], &taps.weights, &mut sums);
        bytes.extend(sums.iter().map(|&s| rounded(s)));
    }
    Pixels { width: across.len(), height: down.len(), channels: C, bytes }
}

/// The weighted mean of pixels of a row.
fn mean<const C: usize>(row: &[[u8; C]], taps: &Taps) -> [u8; C] {
    let mut sums = [0; C];
    for (pixel, &weight) in row[taps.first..].iter().zip(&taps.weights) {
        // The hottest loop of the command line: indices leave nothing to inline, so it is as fast
        // without link-time optimization (see `profile.release`).
        let mut channel = 0;
        while channel < C {
            sums[channel] += weight * i32::from(pixel[channel]);
            channel += 1;
        }
    }
    sums.map(rounded)
}

/// The weighted sum of rows as long as `sums`.
fn mean_of_rows(rows: &[u8], weights: &[i32], sums: &mut [i32]) {
    sums.fill(0);
    for (row, &weight) in rows.chunks_exact(sums.len()).zip(weights) {
        for (sum, &byte) in sums.iter_mut().zip(row) {
            *sum += weight * i32::from(byte);
        }
    }
}

/// A sum as a byte, clamped, since filters with negative weights go beyond black and white.
fn rounded(sum: i32) -> u8 {
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}

/// The taps for a range of positions on an axis where `from` pixels are scaled to `to`.
fn taps(from: usize, to: usize, range: Range<usize>, filter: Filter) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let one = |first: usize| Taps { first, weights: vec![1 << BITS] };
    match filter.kernel() {
        _ if from == to => range.map(one).collect(),
        None => nearest(scale, range).map(|at| one(at.min(from - 1))).collect(),
        Some(kernel) => {
            let wider = scale.max(1.0);
            range.map(|at| around((at as f64 + 0.5) * scale, wider, &kernel, from)).collect()
        }
    }
}

/// The nearest source pixels. Positions are summed up rather than multiplied, as in Pillow, since
/// rounding decides where a position is on the edge between two pixels.
fn nearest(scale: f64, range: Range<usize>) -> impl Iterator<Item = usize> {
    let places = std::iter::successors(Some(scale * 0.5), move |at| Some(at + scale));
    places.take(range.end).skip(range.start).map(|at| at as usize)
}

/// Weights of the pixels around a position, with a sum of one. The filter is `wider` times as wide
/// as for pictures that are not made smaller.
fn around(centre: f64, wider: f64, kernel: &Kernel, pixels: usize) -> Taps {
    let reach = kernel.radius * wider;
    // A cast to unsigned turns negative positions into zero.
    let first = (centre - reach + 0.5) as usize;
    let end = ((centre + reach + 0.5) as usize).min(pixels);
    let weights = (first..end).map(|x| (kernel.value)((x as f64 - centre + 0.5) / wider));
    let weights: Vec<f64> = weights.collect();
    let sum: f64 = weights.iter().sum();
    let fixed = |w: &f64| (w / sum * f64::from(1 << BITS)).round() as i32;
    Taps { first, weights: weights.iter().map(fixed).collect() }
}

/// A filter for pictures that are not made smaller.
struct Kernel {
    /// Its radius in source pixels.
    radius: f64,
    /// The weight at a distance.
    value: fn(f64) -> f64,
}

impl Filter {
    /// `None` for the filter without weights.
    fn kernel(self) -> Option<Kernel> {
        let kernel = |radius, value| Some(Kernel { radius, value });
        match self {
            Filter::Nearest => None,
            Filter::Box => kernel(0.5, |x| f64::from(u8::from(x > -0.5 && x <= 0.5))),
            Filter::Bilinear => kernel(1.0, |x| (1.0 - x.abs()).max(0.0)),
            Filter::Hamming => kernel(1.0, hamming),
            Filter::Bicubic => kernel(2.0, cubic),
            Filter::Lanczos => kernel(3.0, lanczos),
        }
    }
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x == 0.0 { 1.0 } else { libm::sin(x) / x }
}

fn hamming(x: f64) -> f64 {
    match x.abs() {
        x if x >= 1.0 => 0.0,
        x => sinc(x) * (0.54 + 0.46 * libm::cos(x * std::f64::consts::PI)),
    }
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => ((x - 5.0) * x + 8.0) * x * A - 4.0 * A,
        _ => 0.0,
    }
}

fn lanczos(x: f64) -> f64 {
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}
