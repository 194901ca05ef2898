//! The form of MNIST, Fashion-MNIST and their relatives: arrays of bytes in IDX files, gzipped or
//! not.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use resnetc::ir::memory::reserved;
use resnetc::one_line::path_line;
use resnetc::{ErrorCode, whole_file};

use super::form::{MOST_SAMPLES, Split, missing, numbers};
use super::held::{Held, MOST_BYTES, check_labels};
use crate::failure::Failure;

/// The first bytes of a gzipped file.
const GZIP: &[u8] = b"\x1f\x8b";
/// A gzipped file cannot be shorter than its contents by more than this factor: two bits of
/// deflate's code stand for at most 258 bytes.
const MOST_PACKED: usize = 1032;
/// Where torchvision puts the files.
const SUBFOLDER: &str = "raw";

/// The files of one kind.
#[derive(Clone, Copy)]
struct Kind {
    /// The name of a file begins with this.
    stem: &'static str,
    /// The number of axes.
    rank: usize,
}

/// The pictures to learn from, N x height x width.
const TRAIN_IMAGES: Kind = Kind { stem: "train-images", rank: 3 };
/// Their labels.
const TRAIN_LABELS: Kind = Kind { stem: "train-labels", rank: 1 };
/// The pictures to measure with.
const TEST_IMAGES: Kind = Kind { stem: "t10k-images", rank: 3 };
/// Their labels.
const TEST_LABELS: Kind = Kind { stem: "t10k-labels", rank: 1 };
/// All of them.
const KINDS: [Kind; 4] = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS];

impl Kind {
    /// The usual name of the file.
    fn name(self) -> String {
        format!("{}-idx{}-ubyte", self.stem, self.rank)
    }

    /// The file in a folder, plain or gzipped. Some unpackers write a dot before `idx`.
    fn find(self, folder: &Path) -> Option<PathBuf> {
        let Kind { stem, rank } = self;
        let endings = ["", ".gz"].into_iter();
        let names =
            endings.flat_map(|e| ["-", "."].map(|s| format!("{stem}{s}idx{rank}-ubyte{e}")));
        names.map(|name| folder.join(name)).find(|path| path.exists())
    }
}

/// A folder with files of this form.
pub(super) struct Files(PathBuf);

impl Files {
    /// The folder or its subfolder, if it has any of the files.
    pub(super) fn find(folder: &Path) -> Option<Self> {
        let folders = [folder.to_owned(), folder.join(SUBFOLDER)];
        let is_here = |folder: &PathBuf| KINDS.iter().any(|kind| kind.find(folder).is_some());
        folders.into_iter().find(is_here).map(Files)
    }

    /// Reads one half. There are as many classes as the training labels have.
    pub(super) fn open(&self, split: Split) -> Result<(Vec<String>, Held), Failure> {
        let (path, train) = self.read::<1>(TRAIN_LABELS)?;
        let classes = train.bytes.iter().max().map_or(0, |&most| usize::from(most) + 1);
        let ((labels_path, labels), (path, images)) = match split {
            Split::Train => ((path, train), self.read::<3>(TRAIN_IMAGES)?),
            Split::Test => (self.read::<1>(TEST_LABELS)?, self.read::<3>(TEST_IMAGES)?),
        };
        let [count, height, width] = images.shape;
        if count != labels.shape[0] {
            let labels = format!("{} has {} labels", path_line(&labels_path), labels.shape[0]);
            return Err(Failure::file(&path, format!("it has {count} pictures, but {labels}"))
                .help("the files are of different data sets, or of different halves of one")
                .code(ErrorCode::Format));
        }
        check_labels(&labels_path, &labels.bytes, classes, |i| format!("picture {i}"))?;
        Ok((numbers(classes), Held::new([1, height, width], images.bytes, labels.bytes)))
    }

    /// Reads the file of a kind.
    fn read<const RANK: usize>(&self, kind: Kind) -> Result<(PathBuf, Idx<RANK>), Failure> {
        let path = kind.find(&self.0).ok_or_else(|| missing(&self.0, &kind.name()))?;
        let idx = Idx::read(&path)?;
        Ok((path, idx))
    }
}

/// An array of bytes from an IDX file.
#[derive(Debug)]
struct Idx<const RANK: usize> {
    shape: [usize; RANK],
    bytes: Vec<u8>,
}

impl<const RANK: usize> Idx<RANK> {
    /// Reads a file, gzipped or not: its first bytes say so, since its name may be wrong.
    fn read(path: &Path) -> Result<Self, Failure> {
        let unreadable = |e: io::Error| Failure::unreadable(path, e);
        let file = whole_file::read(path, MOST_BYTES as u64).map_err(unreadable)?;
        let parsed = match file.starts_with(GZIP) {
            true => {
                let most = file.len().saturating_mul(MOST_PACKED);
                Self::parse(MultiGzDecoder::new(&file[..]), most)
            }
            false => Self::parse(&file[..], file.len()),
        };
        parsed.map_err(|wrong| wrong.failure(path))
    }

    /// Parses the contents of a file, which has at most `most` bytes.
    fn parse(mut file: impl Read, most: usize) -> Result<Self, Wrong> {
        let mut word = || {
            let mut bytes = [0; 4];
            file.read_exact(&mut bytes).map_err(Wrong::of)?;
            Ok(u32::from_be_bytes(bytes))
        };
        // Two zeros, the type of unsigned bytes, the number of axes.
        if word()? as usize != 0x800 + RANK {
            return Err(Wrong::format(format!(
                "this is not an IDX file of bytes with {RANK} axes: its first four bytes are wrong"
            )));
        }
        let mut shape = [0; RANK];
        for extent in &mut shape {
            *extent = word()? as usize;
        }
        let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let size = size.filter(|n| *n <= MOST_BYTES && shape[0] <= MOST_SAMPLES);
        let size = size.ok_or_else(|| {
            let what = format!("its header says {shape:?}, which is beyond the limit");
            Wrong { what, code: ErrorCode::Limit }
        })?;
        if size == 0 {
            return Err(Wrong::format(format!("its header says {shape:?}: it is empty")));
        }
        if size > most {
            return Err(Wrong::cut_short());
        }
        let bytes = contents(file, size)?;
        Ok(Idx { shape, bytes })
    }
}

/// The rest of a file, which must have `size` bytes. Reading to the end also compares the checksum
/// of a gzipped file.
fn contents(file: impl Read, size: usize) -> Result<Vec<u8>, Wrong> {
    let mut bytes =
        reserved(size).map_err(|e| Wrong { what: e.to_string(), code: ErrorCode::OutOfMemory })?;
    file.take(size as u64 + 1).read_to_end(&mut bytes).map_err(Wrong::of)?;
    match bytes.len() {
        n if n < size => Err(Wrong::cut_short()),
        n if n > size => {
            Err(Wrong::format("it is longer than its header says: it is damaged".to_owned()))
        }
        _ => Ok(bytes),
    }
}

/// What is wrong with a file.
struct Wrong {
    what: String,
    code: ErrorCode,
}

impl Wrong {
    /// The contents are wrong.
    fn format(what: String) -> Self {
        Wrong { what, code: ErrorCode::Format }
    }

    /// The file ends too early.
    fn cut_short() -> Self {
        Wrong::format("it is cut short: it has fewer bytes than its header says".to_owned())
    }

    /// The file is in memory, so an error of reading is one of its contents.
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Wrong::cut_short(),
            _ => Wrong::format("its gzipped data is damaged".to_owned()),
        }
    }

    /// The error about a file.
    fn failure(self, path: &Path) -> Failure {
        let failure = Failure::file(path, self.what).code(self.code);
        match self.code {
            ErrorCode::Format => failure.help("get the file again"),
            _ => failure,
        }
    }
}
