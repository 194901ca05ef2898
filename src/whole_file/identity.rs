//! Which version of a file there is, without reading it.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What the system changes whenever a file is replaced or written to. The time of the last change
/// of the file's record (`ctime`) is not set by programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    device: u64,
    number: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The coarsest time resolution of a file system: that of FAT.
const TIME_STEP: Duration = Duration::from_secs(2);

impl Identity {
    /// The file at a path; `None` if there is none, or the system does not tell.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        Some(Identity {
            device: metadata.dev(),
            number: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// The file at a path; `None` if there is none, or the system does not tell.
    #[cfg(windows)]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let record = crate::host::record::record(&std::fs::File::open(path).ok()?).ok()?;
        let is_told = !record.is_folder && record.changed != (0, 0);
        is_told.then_some(Identity {
            device: record.volume,
            number: record.number,
            bytes: record.bytes,
            modified: record.modified,
            changed: record.changed,
        })
    }

    /// Other systems do not tell.
    #[cfg(not(any(unix, windows)))]
    pub(crate) fn of(_: &Path) -> Option<Self> {
        None
    }

    /// Whether the last change is so recent that a later one may have the same time. Every change
    /// sets `ctime`; programs set `mtime` to whatever they like.
    pub(crate) fn is_recent(&self) -> bool {
        let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else { return true };
        let seconds = now.as_secs() as i64;
        self.changed.0.saturating_add(TIME_STEP.as_secs() as i64) >= seconds
    }
}
