//! The version of the library.

use std::ffi::c_char;

/// Major version of this header. A program and a library of different major versions, or of
/// different minor versions while it is 0, do not fit each other.
pub const RESNETC_VERSION_MAJOR: u32 = 0;
/// Minor version of this header.
pub const RESNETC_VERSION_MINOR: u32 = 1;
/// Patch version of this header.
pub const RESNETC_VERSION_PATCH: u32 = 0;

/// The version of the library as text, such as `0.1.0`. Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of the library as a number: 10000 times the major version, plus 100 times the minor
/// version, plus the patch version.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_version_number() -> u32 {
    10_000 * RESNETC_VERSION_MAJOR + 100 * RESNETC_VERSION_MINOR + RESNETC_VERSION_PATCH
}
