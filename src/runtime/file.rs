//! Files in memory without a copy.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use prost::bytes::{Buf, Bytes};

/// A file mapped into memory, read from its beginning on as a buffer.
///
/// What [`Buf::copy_to_bytes`] cuts out of it is a part of the file, not a copy, and lives on its own: memory that
/// holds the part goes back to the system with the part's last reference.
///
/// A file must not be cut short while it is mapped, else the process is ended by the system; to replace it under its
/// name does no harm.
#[derive(Debug)]
pub struct MappedFile {
    map: Arc<Mmap>,
    at: usize,
}

/// Shorter parts are copied: they would keep the mapping alive for next to nothing.
const SHORTEST: usize = 4096;

impl MappedFile {
    /// Maps a file.
    ///
    /// # Errors
    /// If it cannot be opened or is no regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Asked before opening: opening a pipe would wait for its writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("this is no regular file"));
        }
        let file = File::open(path)?;
        // SAFETY: the mapping is private and only read. Another process that writes to the file meanwhile can change
        // what is read; every reader takes the bytes for foreign ones, any of which are valid. One that cuts it short
        // ends this process, which is part of the contract of this type.
        let map = unsafe { Mmap::map(&file)? };
        Ok(MappedFile { map: Arc::new(map), at: 0 })
    }
}

impl Buf for MappedFile {
    fn remaining(&self) -> usize {
        self.map.len() - self.at
    }

    fn chunk(&self) -> &[u8] {
        &self.map[self.at..]
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "{count} bytes of {}", self.remaining());
        self.at += count;
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        let start = self.at;
        self.advance(len);
        let range = start..self.at;
        match len < SHORTEST {
            true => Bytes::copy_from_slice(&self.map[range]),
            false => Bytes::from_owner(Part { map: Arc::clone(&self.map), range }),
        }
    }
}

/// A part of a mapped file.
struct Part {
    map: Arc<Mmap>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }
}

#[cfg(unix)]
impl Drop for Part {
    fn drop(&mut self) {
        use memmap2::UncheckedAdvice::DontNeed;
        // SAFETY: the mapping is of a file and was never written to, so pages that are dropped are read again from the
        // file, with the same contents, if a neighbouring part is still in use. A refusal does no harm.
        let _ = unsafe {
            self.map.unchecked_advise_range(DontNeed, self.range.start, self.range.len())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_file_whatever_was_dropped_before() {
        let path = std::env::temp_dir().join(format!("resnetc-map-{}", std::process::id()));
        let data: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &data).expect("a temporary file");
        let mut file = MappedFile::open(&path).expect("it is there");
        std::fs::remove_file(&path).expect("it is ours");
        let lengths = [3, SHORTEST - 1, SHORTEST, 50_001, 7_777];
        let parts: Vec<Bytes> = lengths.map(|n| file.copy_to_bytes(n)).into();
        assert_eq!(file.chunk(), &data[lengths.iter().sum()..]);
        drop(file);
        let mut start = 0;
        // Each part goes before the next is looked at, and takes pages with it that the two share.
        for (part, n) in parts.into_iter().zip(lengths) {
            assert_eq!(part, &data[start..start + n]);
            start += n;
        }
    }

    #[test]
    fn a_folder_is_no_file_and_an_empty_file_is_empty() {
        assert!(MappedFile::open(&std::env::temp_dir()).is_err());
        let path = std::env::temp_dir().join(format!("resnetc-empty-{}", std::process::id()));
        std::fs::write(&path, []).expect("a temporary file");
        let file = MappedFile::open(&path).expect("it is there");
        std::fs::remove_file(&path).expect("it is ours");
        assert!(!file.has_remaining() && file.chunk().is_empty());
    }
}
