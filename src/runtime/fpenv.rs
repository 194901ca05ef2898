//! The floating-point mode that kernels run in: denormals are flushed to zero.
//!
//! Denormals are slow on many CPUs and make no difference to a network. The mode is per thread.

use std::marker::PhantomData;

/// Makes this thread read and write denormal numbers as zero until it is dropped, if the CPU has
/// such a mode (x86-64, aarch64). Dropping it restores the previous mode.
#[derive(Debug)]
pub struct FlushDenormals {
    before: arch::Mode,
    /// Not `Send`: the mode belongs to the thread, so the guard must be dropped on the thread that
    /// made it.
    _not_send: PhantomData<*const ()>,
}

impl FlushDenormals {
    /// Sets the mode.
    pub fn new() -> Self {
        let before = arch::get();
        if before | arch::FLUSH != before {
            arch::set(before | arch::FLUSH);
        }
        FlushDenormals { before, _not_send: PhantomData }
    }
}

impl Default for FlushDenormals {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        if self.before | arch::FLUSH != self.before {
            arch::set(self.before);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod arch {
    use std::arch::asm;

    pub(super) type Mode = u32;
    /// FTZ for results (bit 15) and DAZ for operands (bit 6).
    pub(super) const FLUSH: Mode = 1 << 15 | 1 << 6;

    pub(super) fn get() -> Mode {
        let mut mode: Mode = 0;
        // SAFETY: stores 4 bytes to `mode`, nothing else; every x86-64 CPU has the instruction.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut mode, options(nostack, preserves_flags)) };
        mode
    }

    pub(super) fn set(mode: Mode) {
        // SAFETY: `mode` is what `get` returned, except for the two bits of `FLUSH`, which every
        // x86-64 CPU has: no reserved bit is set and no exception is unmasked. Code of this crate
        // that runs meanwhile does not rely on denormals.
        unsafe {
            asm!("ldmxcsr [{}]", in(reg) &raw const mode, options(nostack, preserves_flags, readonly))
        };
    }
}

#[cfg(target_arch = "aarch64")]
mod arch {
    use std::arch::asm;

    pub(super) type Mode = u64;
    /// FZ: operands and results.
    pub(super) const FLUSH: Mode = 1 << 24;

    pub(super) fn get() -> Mode {
        let mode: Mode;
        // SAFETY: reads a register that user code may read.
        unsafe { asm!("mrs {}, fpcr", out(reg) mode, options(nomem, nostack, preserves_flags)) };
        mode
    }

    pub(super) fn set(mode: Mode) {
        // SAFETY: writes back what `get` returned, except for the FZ bit. Code of this crate that
        // runs meanwhile does not rely on denormals.
        unsafe { asm!("msr fpcr, {}", in(reg) mode, options(nomem, nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod arch {
    pub(super) type Mode = u32;
    pub(super) const FLUSH: Mode = 0;

    pub(super) fn get() -> Mode {
        0
    }

    pub(super) fn set(_: Mode) {}
}

#[cfg(test)]
mod tests {
    use super::FlushDenormals;
    use std::hint::black_box;

    fn denormal_survives() -> bool {
        black_box(f32::from_bits(1 << 20)) * black_box(0.5) != 0.0
    }

    #[test]
    fn the_mode_is_set_and_restored() {
        assert!(denormal_survives());
        let outer = FlushDenormals::new();
        let flushes = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
        assert_eq!(denormal_survives(), !flushes);
        drop(FlushDenormals::new());
        assert_eq!(denormal_survives(), !flushes, "an inner guard restores what it found");
        drop(outer);
        assert!(denormal_survives());
    }
}
