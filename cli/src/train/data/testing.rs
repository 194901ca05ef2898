//! Data sets that tests write.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{GrayImage, RgbImage};

/// An empty folder that is removed after the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("resnetc-{}-data-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a file, and the folders that it is in.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes an RGB picture whose bytes are `byte(i)`.
    pub(super) fn picture(&self, name: &str, [h, w]: [u32; 2], byte: impl Fn(usize) -> u8) {
        let bytes = (0..(h * w * 3) as usize).map(byte).collect();
        self.save(name, |path| RgbImage::from_raw(w, h, bytes).unwrap().save(path).unwrap());
    }

    /// Writes a grey picture whose bytes are `byte(i)`.
    pub(super) fn grey(&self, name: &str, [h, w]: [u32; 2], byte: impl Fn(usize) -> u8) {
        let bytes = (0..(h * w) as usize).map(byte).collect();
        self.save(name, |path| GrayImage::from_raw(w, h, bytes).unwrap().save(path).unwrap());
    }

    fn save(&self, name: &str, save: impl FnOnce(&Path)) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        save(&path);
    }

    /// Writes the four files of MNIST's form, not gzipped.
    pub(super) fn mnist(&self, [h, w]: [usize; 2], train: &[u8], test: &[u8]) {
        for (half, labels) in [("train", train), ("t10k", test)] {
            let images = idx(&[labels.len(), h, w], &noise(labels.len() * h * w, labels.len()));
            self.write(&format!("{half}-images-idx3-ubyte"), &images);
            self.write(&format!("{half}-labels-idx1-ubyte"), &idx(&[labels.len()], labels));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An IDX file of bytes.
pub(super) fn idx(shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    file.extend(shape.iter().flat_map(|&d| (d as u32).to_be_bytes()));
    file.extend(bytes);
    file
}

/// A gzipped file.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that differ from each other.
pub(super) fn noise(count: usize, seed: usize) -> Vec<u8> {
    let random = super::chance::stream(seed as u64, &[]);
    (0..count).map(|i| random.nth(i as u64) as u8).collect()
}
