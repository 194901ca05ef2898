//! Pictures of one size, all in memory.

use std::path::Path;

use resnetc::ErrorCode;

use super::form::Split;
use crate::classify::pixels::Pixels;
use crate::failure::Failure;

/// The most bytes of pictures that are held: a hundred times as many pictures as MNIST has.
pub(super) const MOST_BYTES: usize = 4 << 30;

/// Pictures and their labels.
#[derive(Debug)]
pub(super) struct Held {
    /// Channels, 1 or 3, height and width of each.
    shape: [usize; 3],
    /// Picture by picture, channel by channel, row by row.
    bytes: Vec<u8>,
    labels: Vec<u8>,
}

impl Held {
    /// Pictures of a shape without zeros, with one label for each.
    pub(super) fn new(shape: [usize; 3], bytes: Vec<u8>, labels: Vec<u8>) -> Self {
        debug_assert_eq!(bytes.len(), labels.len() * shape.iter().product::<usize>());
        Held { shape, bytes, labels }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Channels, height and width.
    pub(super) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// How many pictures each class has.
    pub(super) fn counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// Everything that it has, as bytes.
    pub(super) fn each_part(&self, mut visit: impl FnMut(&[u8])) {
        visit(&self.labels);
        visit(&self.bytes);
    }

    /// What to do about a class without pictures. A wrong label makes more classes than there are.
    pub(super) fn largest_label(&self, split: Split) -> String {
        let number =
            "number the classes from 0 without gaps, and give each pictures in both halves";
        let largest = self.labels.iter().max();
        match (split, self.labels.iter().position(|label| Some(label) == largest)) {
            (Split::Train, Some(at)) => format!(
                "{number}; the largest label is {}, of training picture {at}",
                self.labels[at]
            ),
            _ => number.to_owned(),
        }
    }

    /// The class of picture `i`.
    pub(super) fn label(&self, i: usize) -> usize {
        usize::from(self.labels[i])
    }

    /// Picture `i`, pixel by pixel.
    pub(super) fn read(&self, i: usize) -> Pixels {
        let [channels, height, width] = self.shape;
        let size = channels * height * width;
        let planes = &self.bytes[i * size..(i + 1) * size];
        let bytes = match channels {
            1 => planes.to_vec(),
            _ => together(planes),
        };
        Pixels { width, height, channels, bytes }
    }
}

/// Three planes as pixels.
fn together(planes: &[u8]) -> Vec<u8> {
    let (red, rest) = planes.split_at(planes.len() / 3);
    let (green, blue) = rest.split_at(red.len());
    let mut bytes = vec![0; planes.len()];
    let pixels = bytes.as_chunks_mut::<3>().0.iter_mut();
    for (pixel, ((&r, &g), &b)) in pixels.zip(red.iter().zip(green).zip(blue)) {
        *pixel = [r, g, b];
    }
    bytes
}

/// Checks that labels are those of `classes` classes. `place` says where a wrong one is in the
/// file.
pub(super) fn check_labels(
    file: &Path,
    labels: &[u8],
    classes: usize,
    place: impl Fn(usize) -> String,
) -> Result<(), Failure> {
    let wrong = labels.iter().enumerate().find(|&(_, &label)| usize::from(label) >= classes);
    let Some((i, label)) = wrong else { return Ok(()) };
    Err(Failure::file(
        file,
        format!("{} has label {label}; labels are 0 to {}", place(i), classes.saturating_sub(1)),
    )
    .help("the file is damaged, or of another data set than the others; get it again")
    .code(ErrorCode::Format))
}
