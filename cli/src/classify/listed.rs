//! Pictures whose paths are listed in a file, one per line, read as they are needed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::vec;

use super::folder;
use super::picture::{STDIN, Source};
use crate::failure::Failure;

/// No system supports longer paths.
const LONGEST: u64 = 1 << 16;

/// The pictures of a list.
pub(super) struct Listed {
    name: PathBuf,
    /// `None` once it has ended.
    list: Option<Box<dyn BufRead + Send>>,
    /// The byte that ends a path.
    end: u8,
    /// Pictures of a folder that the list names.
    waiting: vec::IntoIter<Source>,
}

impl Listed {
    /// Opens a list, or standard input for [`STDIN`]; with `is_zeros`, paths end in a zero byte
    /// instead of a line break.
    pub(super) fn open(path: &Path, is_zeros: bool) -> Result<Self, Failure> {
        let list: Box<dyn BufRead + Send> = match path == Path::new(STDIN) {
            true => Box::new(BufReader::new(io::stdin())),
            false => {
                let fail = |e: io::Error| Failure::unreadable(path, e);
                let file = File::open(path).map_err(fail)?;
                if file.metadata().map_err(fail)?.is_dir() {
                    return Err(Failure::file(path, "this is a folder, not a list of paths")
                        .help("give the folder without --files-from"));
                }
                Box::new(BufReader::new(file))
            }
        };
        let end = if is_zeros { 0 } else { b'\n' };
        Ok(Listed { name: path.to_owned(), list: Some(list), end, waiting: Vec::new().into_iter() })
    }

    /// The next path; `None` at the end.
    fn path(&mut self) -> Option<Result<PathBuf, String>> {
        let list = self.list.as_mut()?;
        let mut bytes = Vec::new();
        match list.take(LONGEST).read_until(self.end, &mut bytes) {
            Err(e) => {
                self.list = None;
                return Some(Err(format!("reading failed: {e}")));
            }
            Ok(0) => {
                self.list = None;
                return None;
            }
            Ok(n) if n as u64 == LONGEST && bytes.last() != Some(&self.end) => {
                self.list = None;
                return Some(Err("this is not a list of paths: a line does not end".into()));
            }
            Ok(_) => {}
        }
        if bytes.last() == Some(&self.end) {
            bytes.pop();
        }
        if self.end == b'\n' && bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Some(as_path(bytes).ok_or_else(|| "a path is not UTF-8".into()))
    }
}

impl Iterator for Listed {
    type Item = Source;

    fn next(&mut self) -> Option<Source> {
        loop {
            if let Some(source) = self.waiting.next() {
                return Some(source);
            }
            match self.path()? {
                Ok(path) if path.as_os_str().is_empty() => {}
                Ok(path) => self.waiting = folder::expand(&path).into_iter(),
                Err(reason) => return Some(Source::Refused(self.name.clone(), reason)),
            }
        }
    }
}

#[cfg(unix)]
fn as_path(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn as_path(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}
