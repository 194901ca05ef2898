//! Tile registers: whether the CPU and the system support them, and permission to use them.
//!
//! Their state is 8 KiB a thread, so Linux saves it only for processes that request it ("Dynamic
//! XSTATE features" in the kernel's x86 documentation).

use std::io;

/// The bit of AMX-TILE in register EDX of CPUID's leaf 7.
#[cfg(target_arch = "x86_64")]
pub(super) const AMX_TILE: u32 = 1 << 24;

/// The bit of AMX-INT8 there.
#[cfg(target_arch = "x86_64")]
pub(super) const AMX_INT8: u32 = 1 << 25;

/// Whether the CPU has the feature of a bit in EDX of CPUID's leaf 7.
#[cfg(target_arch = "x86_64")]
pub(super) fn cpu_has(bit: u32) -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const FEATURES: u32 = 7;
    __cpuid(0).eax >= FEATURES && __cpuid_count(FEATURES, 0).edx & bit != 0
}

/// Whether the system saves tile registers for processes that request it. Has no side effects.
pub fn are_offered() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    return linux::mask(linux::ARCH_GET_XCOMP_SUPP).is_some_and(linux::has_tiles);
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

/// Whether this process may use tile registers. Has no side effects.
pub fn are_enabled() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    return linux::mask(linux::ARCH_GET_XCOMP_PERM).is_some_and(linux::has_tiles);
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

/// Requests permission to use tile registers, permanently and for all threads of this process.
///
/// # Errors
/// The system's error. It refuses if it does not support tiles, if a filter of system calls is set,
/// or if the signal stack of a thread is too small for them.
pub fn enable() -> io::Result<()> {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    return linux::request();
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod linux {
    use std::io;

    /// Which dynamic features the system supports, as a mask.
    pub(super) const ARCH_GET_XCOMP_SUPP: libc::c_ulong = 0x1021;
    /// Which dynamic features this process may use, as a mask.
    pub(super) const ARCH_GET_XCOMP_PERM: libc::c_ulong = 0x1022;
    /// Requests a dynamic feature, by its number.
    const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;
    /// The feature number of the tile state.
    const TILE_DATA: u32 = 18;

    pub(super) fn has_tiles(mask: u64) -> bool {
        mask >> TILE_DATA & 1 == 1
    }

    /// The mask that a query returns, if the system supports the query.
    pub(super) fn mask(question: libc::c_ulong) -> Option<u64> {
        let mut mask = 0u64;
        // SAFETY: the call writes 64 bits to a place that outlives it, and fails without effect if
        // the system does not know it.
        let done = unsafe { libc::syscall(libc::SYS_arch_prctl, question, &raw mut mask) };
        (done == 0).then_some(mask)
    }

    pub(super) fn request() -> io::Result<()> {
        let number = libc::c_ulong::from(TILE_DATA);
        // SAFETY: the call takes two numbers, touches no memory of this process, and fails without
        // effect if the system does not know it.
        match unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, number) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
