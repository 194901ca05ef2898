//! The floating-point mode that kernels run in, whatever the caller's mode is: rounding to nearest,
//! no traps, and denormal numbers as the numerics ask.
//!
//! The mode is per thread.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

/// What numbers below the smallest normal one are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Denormals {
    /// Zero, as operands and as results. They are slow on many CPUs and make no difference to a
    /// network. But CPUs do not agree on which results are below: x86 decides after rounding, Arm
    /// before it.
    Zero,
    /// Numbers like all others, as IEEE 754 defines them: the same on every CPU.
    Kept,
}

/// Sets the mode of this thread until it is dropped, if this is known for the CPU (x86-64,
/// aarch64). Dropping it restores the previous mode.
#[derive(Debug)]
pub struct RunMode {
    before: arch::Mode,
    during: arch::Mode,
    /// Not `Send`: the mode belongs to the thread, so the guard must be dropped on the thread that
    /// made it.
    _not_send: PhantomData<*const ()>,
}

impl RunMode {
    /// Sets the mode.
    pub fn new(denormals: Denormals) -> Self {
        let before = arch::get();
        let during = arch::wanted(before, denormals);
        if during != before {
            arch::set(during);
        }
        RunMode { before, during, _not_send: PhantomData }
    }
}

impl Drop for RunMode {
    fn drop(&mut self) {
        if self.during != self.before {
            arch::set(self.before);
        }
    }
}

/// A thread's mode, for another thread that works for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadMode(arch::Mode);

impl ThreadMode {
    /// That of this thread.
    pub(super) fn of_this_thread() -> Self {
        ThreadMode(arch::get())
    }

    /// Gives this thread the same mode, for as long as nothing else changes it.
    pub(super) fn adopt(self) {
        if !arch::are_alike(arch::get(), self.0) {
            arch::set(self.0);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod arch {
    use std::arch::asm;

    use super::Denormals;

    pub(super) type Mode = u32;
    /// FTZ for results (bit 15) and DAZ for operands (bit 6).
    const FLUSH: Mode = 1 << 15 | 1 << 6;
    /// All exceptions are masked (bits 7 to 12). The bits for the rounding are 0: to nearest.
    const MASKED: Mode = 0x3f << 7;
    /// Which exceptions have occurred.
    const OCCURRED: Mode = 0x3f;

    pub(super) fn wanted(before: Mode, denormals: Denormals) -> Mode {
        let flush = match denormals {
            Denormals::Zero => FLUSH,
            Denormals::Kept => 0,
        };
        flush | MASKED | before & OCCURRED
    }

    /// Whether instructions do the same in both modes.
    pub(super) fn are_alike(a: Mode, b: Mode) -> bool {
        a | OCCURRED == b | OCCURRED
    }

    pub(super) fn get() -> Mode {
        let mut mode: Mode = 0;
        // SAFETY: stores 4 bytes to `mode`, nothing else; every x86-64 CPU has the instruction.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut mode, options(nostack, preserves_flags)) };
        mode
    }

    pub(super) fn set(mode: Mode) {
        // SAFETY: `mode` is what `get` returned, or `wanted`, whose bits every x86-64 CPU has: no
        // reserved bit is set. Code of this crate that runs meanwhile does not rely on denormals.
        unsafe {
            asm!("ldmxcsr [{}]", in(reg) &raw const mode, options(nostack, preserves_flags, readonly))
        };
    }
}

#[cfg(target_arch = "aarch64")]
mod arch {
    use std::arch::asm;

    use super::Denormals;

    pub(super) type Mode = u64;
    /// FZ: operands and results. The other bits are 0: rounding to nearest, no traps.
    const FLUSH: Mode = 1 << 24;

    pub(super) fn wanted(_: Mode, denormals: Denormals) -> Mode {
        match denormals {
            Denormals::Zero => FLUSH,
            Denormals::Kept => 0,
        }
    }

    /// Whether instructions do the same in both modes.
    pub(super) fn are_alike(a: Mode, b: Mode) -> bool {
        a == b
    }

    pub(super) fn get() -> Mode {
        let mode: Mode;
        // SAFETY: reads a register that user code may read.
        unsafe { asm!("mrs {}, fpcr", out(reg) mode, options(nomem, nostack, preserves_flags)) };
        mode
    }

    pub(super) fn set(mode: Mode) {
        // SAFETY: `mode` is what `get` returned, or `wanted`. Code of this crate that runs meanwhile
        // does not rely on denormals.
        unsafe { asm!("msr fpcr, {}", in(reg) mode, options(nomem, nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod arch {
    pub(super) type Mode = u32;

    pub(super) fn get() -> Mode {
        0
    }

    pub(super) fn wanted(before: Mode, _: super::Denormals) -> Mode {
        before
    }

    pub(super) fn are_alike(_: Mode, _: Mode) -> bool {
        true
    }

    pub(super) fn set(_: Mode) {}
}

#[cfg(test)]
mod tests {
    use super::{Denormals, RunMode};
    use std::hint::black_box;

    fn denormal_survives() -> bool {
        black_box(f32::from_bits(1 << 20)) * black_box(0.5) != 0.0
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_callers_rounding_and_traps_do_not_matter() {
        use super::arch;
        let usual = arch::get();
        // Upwards, with a trap for inexact results.
        let odd = (usual | 2 << 13) & !(1 << 12);
        arch::set(odd);
        let inside = RunMode::new(Denormals::Zero);
        let mode = arch::get();
        drop(inside);
        let after = arch::get();
        arch::set(usual);
        assert_eq!(mode & 0x7f80, 0x1f80);
        assert_eq!(after & !0x3f, odd & !0x3f);
    }

    #[test]
    fn the_mode_is_set_and_restored() {
        assert!(denormal_survives());
        let outer = RunMode::new(Denormals::Zero);
        let flushes = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
        assert_eq!(denormal_survives(), !flushes);
        let inner = RunMode::new(Denormals::Kept);
        assert!(denormal_survives());
        drop(inner);
        assert_eq!(denormal_survives(), !flushes, "an inner guard restores what it found");
        drop(outer);
        assert!(denormal_survives());
    }
}
