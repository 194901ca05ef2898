//! Files in memory that go back to the system piece by piece.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use memmap2::{MmapMut, MmapRaw};
use prost::bytes::{Buf, Bytes};

use crate::whole_file::Source;

/// A file read into memory of its own, from its beginning on as a buffer.
///
/// What [`Buf::copy_to_bytes`] cuts out of it is a part of that memory, not a copy, and lives on
/// its own: the pages that hold the part go back to the system with the part's last reference. The
/// file is closed once it is read: whatever becomes of it then, cut short or written over, changes
/// nothing here.
#[derive(Debug)]
pub struct FileBuffer {
    memory: Arc<Pages>,
    at: usize,
}

/// Shorter parts are copied: they would keep whole pages for next to nothing.
const SHORTEST: usize = 4096;

impl FileBuffer {
    /// Reads a regular file of at most `most` bytes.
    ///
    /// # Errors
    /// If it cannot be read, is not a regular file, is longer, or was changed while it was read.
    pub fn read(path: &Path, most: u64) -> io::Result<Self> {
        let mut source = Source::open(path, most)?;
        let len = usize::try_from(source.len()).map_err(io::Error::other)?;
        // No mapping is empty.
        let mut map = MmapMut::map_anon(len.max(1))?;
        // A hint that saves most of the time that new memory costs beside reading.
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
        // SAFETY: parts end at or before `at`, so nothing of this was given back.
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
    /// They must be in the mapping, and must not be given back as long as the slice is in use.
    unsafe fn slice(&self, range: Range<usize>) -> &[u8] {
        // SAFETY: as our caller promises; the mapping lives as long as we do, and nobody writes to
        // it.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(range.start), range.len()) }
    }
}

/// A stretch of the memory that no other part has anything of.
struct Part {
    memory: Arc<Pages>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: a buffer cuts parts out of its memory, each behind the one before; what we hold
        // is given back when we are dropped.
        unsafe { self.memory.slice(self.range.clone()) }
    }
}

#[cfg(unix)]
impl Drop for Part {
    fn drop(&mut self) {
        use memmap2::UncheckedAdvice::DontNeed;
        // Whole pages only: the first and the last one may hold bytes of others.
        let page = page_bytes();
        let start = self.range.start.next_multiple_of(page);
        let end = self.range.end - self.range.end % page;
        if start < end {
            // SAFETY: these pages hold nothing but this part, which nobody refers to any more. A
            // refusal does no harm.
            let _ = unsafe { self.memory.map.unchecked_advise_range(DontNeed, start, end - start) };
        }
    }
}

/// Bytes of a page of this system.
#[cfg(unix)]
fn page_bytes() -> usize {
    // SAFETY: the call only asks for a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).ok().filter(|bytes| bytes.is_power_of_two()).unwrap_or(LARGEST_PAGE)
}

/// No system has larger ones by default.
#[cfg(unix)]
const LARGEST_PAGE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer of a file that is gone when this returns.
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
        // Each part goes before the next is looked at, which may begin on the same page.
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
