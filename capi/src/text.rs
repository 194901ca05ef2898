//! Strings, paths and bytes that callers pass.

use std::ffi::{CStr, c_char, c_void};
use std::path::PathBuf;
use std::slice;

use resnetc::ErrorCode;

use crate::call::required;
use crate::error::{ErrorHandle, Outcome};

/// A string.
///
/// # Safety
/// It must be NULL, or end with a NUL and not change while the result is in use.
unsafe fn string<'a>(text: *const c_char, what: &str) -> Outcome<&'a CStr> {
    // SAFETY: our caller promises it for every string that is not NULL.
    required((!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }), what)
}

/// A string in UTF-8.
///
/// # Safety
/// As for [`string`].
pub(crate) unsafe fn utf8<'a>(text: *const c_char, what: &str) -> Outcome<&'a str> {
    // SAFETY: our caller promises what it requires.
    let string = unsafe { string(text, what) }?;
    string.to_str().map_err(|e| {
        let message = format!("`{what}` is not UTF-8: byte {} is wrong", e.valid_up_to());
        ErrorHandle::new(ErrorCode::TextEncoding, &message, None)
    })
}

/// A path: any bytes on Unix, UTF-8 elsewhere.
///
/// # Safety
/// As for [`string`].
pub(crate) unsafe fn path(text: *const c_char, what: &str) -> Outcome<PathBuf> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        // SAFETY: our caller promises what it requires.
        let string = unsafe { string(text, what) }?;
        Ok(std::ffi::OsStr::from_bytes(string.to_bytes()).into())
    }
    #[cfg(not(unix))]
    {
        // SAFETY: our caller promises what it requires.
        Ok(unsafe { utf8(text, what) }?.into())
    }
}

/// Elements in the memory of a caller; none if there are to be none, whatever the pointer is.
///
/// # Safety
/// It must be NULL or point to that many elements, aligned, which do not change while the result
/// is in use.
pub(crate) unsafe fn elements<'a, T>(data: *const T, count: usize, what: &str) -> Outcome<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    required((!data.is_null()).then_some(()), what)?;
    let bytes = count.checked_mul(size_of::<T>()).filter(|&n| isize::try_from(n).is_ok());
    if bytes.is_none() || !data.is_aligned() {
        let message = format!("`{what}` is no array of {count} elements: no memory is");
        return Err(ErrorHandle::new(ErrorCode::InputLength, &message, None));
    }
    // SAFETY: our caller promises that there are so many elements; they were checked not to be
    // more than memory holds, and to be aligned.
    Ok(unsafe { slice::from_raw_parts(data, count) })
}

/// Bytes in the memory of a caller.
///
/// # Safety
/// As for [`elements`].
pub(crate) unsafe fn bytes<'a>(data: *const c_void, count: usize, what: &str) -> Outcome<&'a [u8]> {
    // SAFETY: our caller promises what it requires; bytes are always aligned.
    unsafe { elements(data.cast(), count, what) }
}
