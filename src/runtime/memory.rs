//! Page-aligned memory for arenas and packed constants.

use std::fs::File;
use std::io;

use memmap2::{Mmap, MmapMut, MmapOptions};
use resnetc_ir::Element;

/// Zeroed memory, page-aligned, on huge pages if the system has them.
pub struct PageMemory {
    map: Option<MmapMut>,
    /// Offset in the mapping at which the memory starts.
    start: usize,
    len: usize,
}

impl std::fmt::Debug for PageMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageMemory").field("bytes", &self.len).finish()
    }
}

/// Size of a huge page. Kernels write dozens of streams at a time, each to a different page: with
/// small pages, more than the first level of a CPU's TLB holds.
const HUGE: usize = 2 * 1024 * 1024;

/// Below this size, a huge page would mostly be wasted.
const SMALL: usize = HUGE / 8;

impl PageMemory {
    /// `bytes` of zeros.
    ///
    /// # Errors
    /// If the system does not have that much memory.
    pub fn zeroed(bytes: usize) -> std::io::Result<Self> {
        match bytes {
            0 => Ok(PageMemory { map: None, start: 0, len: 0 }),
            _ if bytes < SMALL || cfg!(not(target_os = "linux")) => {
                Ok(PageMemory { map: Some(MmapMut::map_anon(bytes)?), start: 0, len: bytes })
            }
            _ => PageMemory::huge(bytes),
        }
    }

    /// Aligned to huge pages: the mapping is large enough to start at one. Its unused part takes
    /// address space, but no memory.
    fn huge(bytes: usize) -> std::io::Result<Self> {
        let map = MmapMut::map_anon(bytes.next_multiple_of(HUGE) + HUGE)?;
        let start = map.as_ptr().align_offset(HUGE);
        // Only a hint: everything works without huge pages, a little slower.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(PageMemory { map: Some(map), start, len: bytes })
    }

    /// The first byte; dangling if there are none.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        let start = self.start;
        self.map.as_mut().map_or(std::ptr::NonNull::<f32>::dangling().as_ptr().cast(), |m| {
            m[start..].as_mut_ptr()
        })
    }

    /// The first byte, to read.
    pub fn as_ptr(&self) -> *const u8 {
        self.map.as_ref().map_or(std::ptr::NonNull::<f32>::dangling().as_ptr().cast(), |m| {
            m[self.start..].as_ptr()
        })
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory as it is.
    pub fn bytes(&self) -> &[u8] {
        let range = self.start..self.start + self.len;
        self.map.as_ref().map_or(&[][..], |m| &m[range])
    }

    /// The memory as it is, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let range = self.start..self.start + self.len;
        self.map.as_mut().map_or(&mut [][..], |m| &mut m[range])
    }
}

/// A file as read-only memory, which all processes that map it share.
#[derive(Debug)]
pub struct FileMemory(Mmap);

impl FileMemory {
    /// Maps the first `bytes` bytes of a file that has at least as many.
    ///
    /// The file must not change as long as the mapping exists: a process that reads past the end of
    /// a file that was truncated is killed.
    ///
    /// # Errors
    /// If the file cannot be mapped or is shorter.
    pub fn map(file: &File, bytes: usize) -> io::Result<Self> {
        if file.metadata()?.len() < bytes as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: the caller promises that nobody writes to the file. Only files of a folder that
        // nobody else may write to are mapped, and these are replaced, never written to.
        let map = unsafe { MmapOptions::new().len(bytes).map(file)? };
        // Only a hint: all of it is going to be read.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::WillNeed);
        Ok(FileMemory(map))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes as elements: all bytes, provided that they begin and end at an element, as places of
/// values do.
pub(super) fn elements<T: Element>(bytes: &[u8]) -> &[T] {
    // SAFETY: elements are plain numbers ([`Element`] is closed), so every bit pattern is one.
    let (before, elements, after) = unsafe { bytes.align_to::<T>() };
    debug_assert!(before.is_empty() && after.is_empty(), "elements are aligned");
    elements
}

/// As [`elements`], to write.
pub(super) fn elements_mut<T: Element>(bytes: &mut [u8]) -> &mut [T] {
    // SAFETY: elements are plain numbers ([`Element`] is closed), so every bit pattern is valid,
    // and each is made of initialized bytes.
    let (before, elements, after) = unsafe { bytes.align_to_mut::<T>() };
    debug_assert!(before.is_empty() && after.is_empty(), "elements are aligned");
    elements
}
