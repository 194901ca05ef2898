//! Bytes to numbers that are 0 on average, with deviations of 1.

use resnetc::ErrorCode;

use super::dataset::Dataset;
use crate::failure::Failure;
use crate::units::plural;

/// A byte becomes `(byte / 255 - mean) / deviation`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Normalization {
    /// One number for each channel.
    pub(crate) mean: Vec<f32>,
    /// One number above 0 for each channel.
    pub(crate) deviation: Vec<f32>,
}

impl Normalization {
    /// The mean and the standard deviation of all pixels of at most `at_most` pictures, which are
    /// evenly spaced in the data set. Pictures count as they are stored, not as a network sees
    /// them. Also gives the CRC-32 of these pixels.
    ///
    /// # Errors
    /// If a picture cannot be read, or a channel has the same value everywhere.
    pub(crate) fn measure(dataset: &Dataset, at_most: usize) -> Result<(Self, u32), Failure> {
        let (all, some) = (dataset.len(), at_most.clamp(1, dataset.len().max(1)));
        // How often each byte occurs says it all, without rounding.
        let mut counts = vec![[0u64; 256]; dataset.channels()];
        let mut sum = flate2::Crc::new();
        for i in 0..some {
            let picture = dataset.read((i as u64 * all as u64 / some as u64) as usize)?;
            sum.update(&picture.bytes);
            for pixel in picture.bytes.chunks_exact(picture.channels) {
                for (counts, &byte) in counts.iter_mut().zip(pixel) {
                    counts[usize::from(byte)] += 1;
                }
            }
        }
        let moments: Vec<[f64; 2]> = counts.iter().map(moments).collect();
        let column = |i: usize| moments.iter().map(|m| m[i] as f32).collect();
        let measured = Normalization { mean: column(0), deviation: column(1) };
        match measured.deviation.iter().position(|&d| d == 0.0) {
            None => Ok((measured, sum.sum())),
            Some(channel) => Err(Failure::file(
                dataset.folder(),
                format!(
                    "channel {channel} has the same value in all pictures: it has no deviation"
                ),
            )
            .help("check that these are the pictures: there is nothing to learn from them")
            .code(ErrorCode::Picture)),
        }
    }

    /// Checks that it normalizes pictures of so many channels.
    pub(super) fn check(&self, channels: usize) -> Result<(), Failure> {
        for (name, numbers) in [("means", &self.mean), ("deviations", &self.deviation)] {
            if numbers.len() != channels {
                return Err(Failure::new(format!(
                    "there are {} {name}, but the network takes {}",
                    numbers.len(),
                    plural(channels, "channel")
                ))
                .help("give one number for each channel"));
            }
        }
        let wrong = |x: &&f32| !x.is_finite();
        if let Some(x) = self.mean.iter().find(wrong) {
            return Err(Failure::new(format!("{x} is no mean")).help("give finite numbers"));
        }
        match self.deviation.iter().find(|x| wrong(x) || **x <= 0.0) {
            Some(x) => {
                Err(Failure::new(format!("{x} is no deviation"))
                    .help("give finite numbers above 0"))
            }
            None => Ok(()),
        }
    }

    /// The number of each byte, channel by channel.
    pub(super) fn numbers(&self) -> Vec<[f32; 256]> {
        let number = |mean: f32, deviation: f32, byte: usize| {
            // As `resnetc classify` computes it.
            (byte as f32 / 255.0 - mean) / deviation
        };
        let channels = self.mean.iter().zip(&self.deviation);
        channels.map(|(&m, &d)| std::array::from_fn(|byte| number(m, d, byte))).collect()
    }
}

/// The mean and the standard deviation of bytes that occur so often, as numbers up to 1.
fn moments(counts: &[u64; 256]) -> [f64; 2] {
    let total = counts.iter().sum::<u64>() as f64;
    let average = |value: &dyn Fn(f64) -> f64| {
        let terms =
            counts.iter().zip(0u8..=255).map(|(&n, b)| n as f64 * value(f64::from(b) / 255.0));
        terms.sum::<f64>() / total
    };
    let mean = average(&|x| x);
    [mean, average(&|x| (x - mean) * (x - mean)).sqrt()]
}
