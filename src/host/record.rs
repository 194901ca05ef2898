//! What Windows keeps about a file: which one it is, and when it was changed.

use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_DIRECTORY, FILE_BASIC_INFO, FileBasicInfo,
    GetFileInformationByHandle, GetFileInformationByHandleEx,
};

/// The record of an open file. Times are in seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The serial number of the volume that it is on.
    pub volume: u64,
    /// Its number, which no other file on the volume has.
    pub number: u64,
    /// Its length.
    pub bytes: u64,
    /// When it was last written to, or what a program set for that.
    pub modified: (i64, i64),
    /// When the file or its record was last changed. Zero where a file system does not keep it.
    pub changed: (i64, i64),
}

/// The record of an open file.
///
/// # Errors
/// If the system does not tell.
pub fn record(file: &File) -> io::Result<Record> {
    let mut known = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, and the call writes one structure of this type.
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut known) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut times = FILE_BASIC_INFO::default();
    let bytes = size_of::<FILE_BASIC_INFO>() as u32;
    // SAFETY: the handle is open, and the call writes at most `bytes` bytes.
    let done = unsafe {
        let place = (&raw mut times).cast();
        GetFileInformationByHandleEx(file.as_raw_handle(), FileBasicInfo, place, bytes)
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let wide = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    Ok(Record {
        is_folder: known.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY != 0,
        volume: known.dwVolumeSerialNumber.into(),
        number: wide(known.nFileIndexHigh, known.nFileIndexLow),
        bytes: wide(known.nFileSizeHigh, known.nFileSizeLow),
        modified: time(times.LastWriteTime),
        changed: time(times.ChangeTime),
    })
}

/// From 1601 to 1970.
const SECONDS_BEFORE: i64 = 11_644_473_600;

/// A time of Windows, in tenths of microseconds since 1601, or zero.
fn time(ticks: i64) -> (i64, i64) {
    const TICKS: i64 = 10_000_000;
    match ticks {
        0 => (0, 0),
        ticks => (ticks.div_euclid(TICKS) - SECONDS_BEFORE, ticks.rem_euclid(TICKS) * 100),
    }
}
