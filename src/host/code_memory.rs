//! Memory for machine code: written first, then executable, and never both.

use std::io;

#[cfg(not(all(target_os = "macos", target_arch = "aarch64")))]
use usual as system;

/// Memory for machine code.
#[derive(Debug)]
pub struct CodeMemory(system::Mapping);

impl CodeMemory {
    /// This many bytes, at least one, that the calling thread can write to.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn new(bytes: usize) -> io::Result<Self> {
        system::Mapping::new(bytes.max(1)).map(CodeMemory)
    }

    /// Its address, a multiple of a page.
    pub fn start(&mut self) -> *mut u8 {
        self.0.start()
    }

    /// Makes it executable, on every thread, and no longer writable. Must be called on the thread
    /// that wrote it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn publish(&mut self) -> io::Result<()> {
        self.0.publish()
    }
}

/// Pages that are made executable when they have been written.
#[cfg(not(all(target_os = "macos", target_arch = "aarch64")))]
mod usual {
    use std::io;
    use std::ptr;

    use memmap2::{Mmap, MmapMut};

    #[derive(Debug)]
    pub(super) enum Mapping {
        Writable(MmapMut),
        Executable(Mmap),
        /// The system refused to make it executable, and it is gone.
        Refused,
    }

    impl Mapping {
        pub(super) fn new(bytes: usize) -> io::Result<Self> {
            MmapMut::map_anon(bytes).map(Mapping::Writable)
        }

        pub(super) fn start(&mut self) -> *mut u8 {
            match self {
                Mapping::Writable(pages) => pages.as_mut_ptr(),
                Mapping::Executable(pages) => pages.as_ptr().cast_mut(),
                Mapping::Refused => ptr::null_mut(),
            }
        }

        pub(super) fn publish(&mut self) -> io::Result<()> {
            if let Mapping::Writable(pages) = std::mem::replace(self, Mapping::Refused) {
                super::fetch::make_visible(&pages);
                *self = Mapping::Executable(pages.make_exec()?);
                super::fetch::synchronize();
            }
            Ok(())
        }
    }
}

/// Pages that every thread may execute or write, one at a time: what Apple's Arm CPUs offer instead
/// to programs with a hardened runtime, which need the entitlement
/// `com.apple.security.cs.allow-jit`. Never run: there was no such machine.
///
/// Source: Apple, "Porting just-in-time compilers to Apple silicon".
#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
mod system {
    use std::io;
    use std::ptr;

    unsafe extern "C" {
        fn sys_icache_invalidate(start: *mut libc::c_void, bytes: usize);
    }

    #[derive(Debug)]
    pub(super) struct Mapping {
        start: *mut libc::c_void,
        bytes: usize,
        /// Whether this thread may write to such pages, and execute none of them.
        writes: bool,
    }

    // SAFETY: the pages belong to this value alone, and are valid on every thread.
    unsafe impl Send for Mapping {}

    impl Mapping {
        pub(super) fn new(bytes: usize) -> io::Result<Self> {
            let access = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            let kind = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_JIT;
            // SAFETY: new pages, at an address that the system chooses.
            let start = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: this thread executes no such pages until it may not write to them anymore.
            unsafe { libc::pthread_jit_write_protect_np(0) };
            Ok(Mapping { start, bytes, writes: true })
        }

        pub(super) fn start(&mut self) -> *mut u8 {
            self.start.cast()
        }

        pub(super) fn publish(&mut self) -> io::Result<()> {
            self.protect();
            // SAFETY: the pages are ours.
            unsafe { sys_icache_invalidate(self.start, self.bytes) };
            Ok(())
        }

        fn protect(&mut self) {
            if std::mem::take(&mut self.writes) {
                // SAFETY: takes away what `new` gave.
                unsafe { libc::pthread_jit_write_protect_np(1) };
            }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            self.protect();
            // SAFETY: they are the pages of `new`, which nothing uses anymore. An error would leave
            // them where they are.
            unsafe { libc::munmap(self.start, self.bytes) };
        }
    }
}

/// What a CPU needs before it fetches instructions that were written as data.
#[cfg(not(all(target_os = "macos", target_arch = "aarch64")))]
mod fetch {
    /// Caches of instructions do not see what is written. Line by line, what was written goes to
    /// where instructions are fetched from, and what was fetched before is dropped.
    ///
    /// Source: Arm, "Arm Architecture Reference Manual for A-profile architecture" (DDI 0487),
    /// B2.2.5, "Concurrent modification and execution of instructions".
    #[cfg(target_arch = "aarch64")]
    pub(super) fn make_visible(code: &[u8]) {
        use std::arch::asm;
        let sizes: u64;
        // SAFETY: reads a register that systems let programs read, or read for them.
        unsafe {
            asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack, preserves_flags))
        };
        let line = |shift: u32| 4usize << (sizes >> shift & 0xf);
        let lines = |bytes: usize| {
            let start = code.as_ptr() as usize / bytes * bytes;
            (start..code.as_ptr() as usize + code.len()).step_by(bytes)
        };
        for address in lines(line(16)) {
            // SAFETY: cleans a line of data that is in a mapping of ours; no contents change.
            unsafe { asm!("dc cvau, {}", in(reg) address, options(nostack, preserves_flags)) };
        }
        // SAFETY: waits.
        unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
        for address in lines(line(0)) {
            // SAFETY: drops a line of instructions, which are fetched anew.
            unsafe { asm!("ic ivau, {}", in(reg) address, options(nostack, preserves_flags)) };
        }
        // SAFETY: waits.
        unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
    }

    #[cfg(not(target_arch = "aarch64"))]
    pub(super) fn make_visible(_: &[u8]) {}

    /// Other threads may have fetched instructions from the same addresses when other code was there.
    /// Where the system does not let this process synchronize them, they still do so whenever they
    /// return from it.
    #[cfg(all(target_arch = "aarch64", target_os = "linux"))]
    pub(super) fn synchronize() {
        /// `MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE` and its registration, of `linux/membarrier.h`.
        const SYNC_CORE: libc::c_int = 1 << 5;
        const REGISTER: libc::c_int = 1 << 6;
        // SAFETY: the calls have no effect on memory.
        let barrier =
            |command: libc::c_int| unsafe { libc::syscall(libc::SYS_membarrier, command, 0) };
        if barrier(SYNC_CORE) != 0 {
            barrier(REGISTER);
            barrier(SYNC_CORE);
        }
    }

    #[cfg(not(all(target_arch = "aarch64", target_os = "linux")))]
    pub(super) fn synchronize() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code that returns a number, twice at the same address if the system gives it again.
    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn what_was_written_is_executed() {
        for number in 1..=100u16 {
            #[cfg(target_arch = "x86_64")]
            let code = {
                let [low, high] = number.to_le_bytes();
                // mov eax, number; ret
                [0xb8, low, high, 0, 0, 0xc3]
            };
            #[cfg(target_arch = "aarch64")]
            let code = {
                // mov w0, number; ret
                let words = [0x5280_0000 | u32::from(number) << 5, 0xd65f_03c0];
                words.map(u32::to_le_bytes).concat()
            };
            let Ok(mut memory) = CodeMemory::new(code.len()) else { return };
            // SAFETY: the memory has room for the code, and is written before it is published. The
            // code is a function of this type.
            let found = unsafe {
                memory.start().copy_from_nonoverlapping(code.as_ptr(), code.len());
                memory.publish().expect("executable");
                let function: extern "C" fn() -> u32 = std::mem::transmute(memory.start());
                function()
            };
            assert_eq!(found, u32::from(number));
        }
    }
}
