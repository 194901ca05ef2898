//! Files read into memory that is returned to the system piece by piece.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use memmap2::{MmapMut, MmapRaw};
use prost::bytes::{Buf, Bytes};

use crate::whole_file::Source;

/// A file read into its own memory, as a buffer that starts at the file's beginning.
///
/// What [`Buf::copy_to_bytes`] cuts out of it is a part of that memory, not a copy, and has its own
/// lifetime: the pages that hold the part are returned to the system with the part's last
/// reference. The file is closed once it is read: truncating or overwriting it afterwards has no
/// effect here.
#[derive(Debug)]
pub struct FileBuffer {
    memory: Arc<Pages>,
    at: usize,
}

/// Shorter parts are copied: they would keep whole pages alive for a few bytes.
const SHORTEST: usize = 4096;

impl FileBuffer {
    /// Reads a regular file of at most `most` bytes.
    ///
    /// # Errors
    /// If it cannot be read, is not a regular file, is longer, or changed while it was read.
    pub fn read(path: &Path, most: u64) -> io::Result<Self> {
        let mut source = Source::open(path, most)?;
        let len = usize::try_from(source.len()).map_err(io::Error::other)?;
        // A mapping cannot be empty.
        let mut map = MmapMut::map_anon(len.max(1))?;
        // A hint that avoids most of the cost of new memory while reading.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        source.read(0, &mut map[..len])?;
        source.check(0, &map[..len])?;
        Ok(FileBuffer { memory: Arc::new(Pages { map: map.into(), len }), at: 0 })
    }
}

impl Buf for FileBuffer {
    fn remaining(&self) -> usize {
        self.memory.len - self.at
    }

    fn chunk(&self) -> &[u8] {
        // SAFETY: parts end at or before `at`, so none of this was returned to the system.
        unsafe { self.memory.slice(self.at..self.memory.len) }
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "{count} bytes of {}", self.remaining());
        self.at += count;
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        if len < SHORTEST {
            let bytes = Bytes::copy_from_slice(&self.chunk()[..len]);
            self.advance(len);
            return bytes;
        }
        let start = self.at;
        self.advance(len);
        Bytes::from_owner(Part { memory: Arc::clone(&self.memory), range: start..self.at })
    }
}

/// The memory of a buffer and of its parts.
#[derive(Debug)]
struct Pages {
    map: MmapRaw,
    /// Bytes of the file; the mapping may be longer.
    len: usize,
}

impl Pages {
    /// Some of the bytes.
    ///
    /// # Safety
    /// The bytes must be in the mapping, and must not be returned to the system while the slice is
    /// in use.
    unsafe fn slice(&self, range: Range<usize>) -> &[u8] {
        // SAFETY: our caller promises it; the mapping lives as long as we do, and nothing writes to
        // it.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(range.start), range.len()) }
    }
}

/// A range of the memory that no other part overlaps.
struct Part {
    memory: Arc<Pages>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: a buffer cuts parts out of its memory, each after the previous one; ours is
        // returned to the system only when we are dropped.
        unsafe { self.memory.slice(self.range.clone()) }
    }
}

#[cfg(unix)]
impl Drop for Part {
    fn drop(&mut self) {
        use memmap2::UncheckedAdvice::DontNeed;
        // Whole pages only: the first and the last one may hold bytes of other parts.
        let page = page_bytes();
        let start = self.range.start.next_multiple_of(page);
        let end = self.range.end - self.range.end % page;
        if start < end {
            // SAFETY: these pages hold nothing but this part, which is no longer referenced. A
            // failure is harmless.
            let _ = unsafe { self.memory.map.unchecked_advise_range(DontNeed, start, end - start) };
        }
    }
}

/// The page size of this system, in bytes.
#[cfg(unix)]
fn page_bytes() -> usize {
    // SAFETY: the call only returns a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).ok().filter(|bytes| bytes.is_power_of_two()).unwrap_or(LARGEST_PAGE)
}

/// No system has larger pages by default.
#[cfg(unix)]
const LARGEST_PAGE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer of a file that is deleted when this returns.
    fn buffer(name: &str, data: &[u8]) -> FileBuffer {
        let path = std::env::temp_dir().join(format!("resnetc-{name}-{}", std::process::id()));
        std::fs::write(&path, data).expect("a temporary file");
        let buffer = FileBuffer::read(&path, data.len() as u64).expect("it is there");
        std::fs::write(&path, []).expect("it is ours");
        std::fs::remove_file(&path).expect("it is ours");
        buffer
    }

    #[test]
    fn parts_are_those_of_the_file_whatever_was_dropped_before() {
        let data: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        let mut file = buffer("parts", &data);
        let lengths = [3, SHORTEST - 1, SHORTEST, 50_001, 7_777];
        let parts: Vec<Bytes> = lengths.map(|n| file.copy_to_bytes(n)).into();
        assert_eq!(file.chunk(), &data[lengths.iter().sum()..]);
        drop(file);
        let mut start = 0;
        // Each part is dropped before the next one, which may begin on the same page, is checked.
        for (part, n) in parts.into_iter().zip(lengths) {
            assert_eq!(part, &data[start..start + n]);
            start += n;
        }
    }

    #[test]
    fn a_folder_is_no_file_and_an_empty_file_is_empty() {
        assert!(FileBuffer::read(&std::env::temp_dir(), 1).is_err());
        let file = buffer("empty", &[]);
        assert!(!file.has_remaining() && file.chunk().is_empty());
    }
}
