//! Tile registers: whether there are any, and the system's leave to use them.
//!
//! Their state is 8 KiB a thread, so Linux gives it only to processes that ask for it ("Dynamic XSTATE features", in the
//! kernel's x86 documentation).

/// Whether this CPU has tiles with products of bytes, and the system lets this process use them. It is asked once.
pub fn available() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        static AVAILABLE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        *AVAILABLE.get_or_init(|| linux::has_tiles() && linux::ask())
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod linux {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    /// The leaf of features, and its bits for products of bytes and for tiles.
    const FEATURES: u32 = 7;
    const AMX_INT8: u32 = 1 << 25;
    const AMX_TILE: u32 = 1 << 24;

    /// `ARCH_REQ_XCOMP_PERM`, and the number of the tiles' state.
    const REQUEST: libc::c_ulong = 0x1023;
    const TILE_DATA: libc::c_ulong = 18;

    pub(super) fn has_tiles() -> bool {
        let has = AMX_INT8 | AMX_TILE;
        __cpuid(0).eax >= FEATURES && __cpuid_count(FEATURES, 0).edx & has == has
    }

    /// Refused if the system does not know tiles, or a thread's signal stack would be too small for them.
    pub(super) fn ask() -> bool {
        // SAFETY: the call takes two numbers, touches no memory of this process, and fails without effect where the
        // system does not know it.
        unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_stays() {
        assert_eq!(super::available(), super::available());
    }
}
