//! Page-aligned memory for arenas and packed constants.

use memmap2::MmapMut;

/// Zeroed memory, aligned to a page, on huge pages where the system has them.
pub struct Memory {
    map: Option<MmapMut>,
    len: usize,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("bytes", &self.len).finish()
    }
}

/// Below this, a huge page would mostly be waste.
const HUGE: usize = 2 * 1024 * 1024;

impl Memory {
    /// `bytes` of zeros.
    ///
    /// # Errors
    /// If the system has not so much.
    pub fn zeroed(bytes: usize) -> std::io::Result<Self> {
        if bytes == 0 {
            return Ok(Memory { map: None, len: 0 });
        }
        let map = MmapMut::map_anon(bytes)?;
        #[cfg(target_os = "linux")]
        if bytes >= HUGE {
            // Only a hint: without huge pages everything works, a little slower.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Memory { map: Some(map), len: bytes })
    }

    /// The first byte; dangling if there are none.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.map
            .as_mut()
            .map_or(std::ptr::NonNull::<f32>::dangling().as_ptr().cast(), |m| m.as_mut_ptr())
    }

    /// The first byte, to read.
    pub fn as_ptr(&self) -> *const u8 {
        self.map
            .as_ref()
            .map_or(std::ptr::NonNull::<f32>::dangling().as_ptr().cast(), |m| m.as_ptr())
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory as values.
    pub fn floats(&self) -> &[f32] {
        let bytes = self.map.as_ref().map_or(&[][..], |m| &m[..]);
        // SAFETY: every bit pattern is an f32.
        let (_, floats, _) = unsafe { bytes.align_to::<f32>() };
        floats
    }

    /// The memory as values, to write.
    pub fn floats_mut(&mut self) -> &mut [f32] {
        let bytes = self.map.as_mut().map_or(&mut [][..], |m| &mut m[..]);
        // SAFETY: every bit pattern is an f32, and every f32 is bytes.
        let (_, floats, _) = unsafe { bytes.align_to_mut::<f32>() };
        floats
    }
}
