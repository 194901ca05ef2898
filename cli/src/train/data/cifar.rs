//! The binary form of CIFAR-10 and CIFAR-100: records of labels and 32x32 pixels in RGB.

use std::path::{Path, PathBuf};

use resnetc::ir::memory::reserved;
use resnetc::one_line::one_line;
use resnetc::{ErrorCode, whole_file};

use super::form::{Split, missing, numbers};
use super::held::{Held, MOST_BYTES, check_labels};
use crate::failure::Failure;

/// Channels, height and width.
const SHAPE: [usize; 3] = [3, 32, 32];
/// The bytes of a picture.
const PIXELS: usize = SHAPE[0] * SHAPE[1] * SHAPE[2];

/// One of the two data sets.
struct Form {
    /// The folder in the archive that the data set comes in.
    subfolder: &'static str,
    train: &'static [&'static str],
    test: &'static [&'static str],
    /// The names of the classes, one per line.
    names: &'static str,
    /// The bytes before the pixels; the last one is the label.
    labels: usize,
    /// The classes if there is no file of names.
    classes: usize,
}

/// Both.
const FORMS: [Form; 2] = [
    Form {
        subfolder: "cifar-10-batches-bin",
        train: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        test: &["test_batch.bin"],
        names: "batches.meta.txt",
        labels: 1,
        classes: 10,
    },
    // A record has the label of one of 20 groups of classes, then that of the class.
    Form {
        subfolder: "cifar-100-binary",
        train: &["train.bin"],
        test: &["test.bin"],
        names: "fine_label_names.txt",
        labels: 2,
        classes: 100,
    },
];

/// A folder with files of one form.
pub(super) struct Files {
    folder: PathBuf,
    form: &'static Form,
}

impl Files {
    /// The folder or its subfolder, if it has any of the files.
    pub(super) fn find(folder: &Path) -> Option<Self> {
        FORMS.iter().find_map(|form| {
            let folders = [folder.to_owned(), folder.join(form.subfolder)];
            let is_here = |folder: &PathBuf| {
                form.train.iter().chain(form.test).any(|name| folder.join(name).is_file())
            };
            folders.into_iter().find(is_here).map(|folder| Files { folder, form })
        })
    }

    /// Reads one half.
    pub(super) fn open(&self, split: Split) -> Result<(Vec<String>, Held), Failure> {
        let classes = self.classes()?;
        let names = match split {
            Split::Train => self.form.train,
            Split::Test => self.form.test,
        };
        let paths: Vec<PathBuf> = names.iter().map(|name| self.folder.join(name)).collect();
        if let Some((name, _)) = names.iter().zip(&paths).find(|(_, path)| !path.exists()) {
            return Err(missing(&self.folder, name));
        }
        let (mut bytes, mut labels) = (Vec::new(), Vec::new());
        for path in &paths {
            self.read(path, classes.len(), &mut bytes, &mut labels)?;
        }
        Ok((classes, Held::new(SHAPE, bytes, labels)))
    }

    /// Appends the pictures and labels of a file.
    fn read(
        &self,
        path: &Path,
        classes: usize,
        bytes: &mut Vec<u8>,
        labels: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let most = MOST_BYTES.saturating_sub(bytes.len()) as u64;
        let file = whole_file::read(path, most).map_err(|e| Failure::unreadable(path, e))?;
        let record = self.form.labels + PIXELS;
        if file.is_empty() || !file.len().is_multiple_of(record) {
            let what = format!(
                "its {} bytes are not a whole number of pictures with {record} bytes each",
                file.len()
            );
            return Err(Failure::file(path, what)
                .help("the file is damaged or cut short; get it again")
                .code(ErrorCode::Format));
        }
        let memory = |_| Failure::file(path, "not enough memory").code(ErrorCode::OutOfMemory);
        let count = file.len() / record;
        bytes.try_reserve_exact(count * PIXELS).map_err(memory)?;
        let mut own = reserved(count).map_err(Failure::memory("labels"))?;
        for record in file.chunks_exact(record) {
            let (before, pixels) = record.split_at(self.form.labels);
            own.extend(before.last());
            bytes.extend_from_slice(pixels);
        }
        check_labels(path, &own, classes, |i| format!("picture {i}"))?;
        labels.append(&mut own);
        Ok(())
    }

    /// The names of the classes, from a file if there is one.
    fn classes(&self) -> Result<Vec<String>, Failure> {
        /// The longest file that is read.
        const LONGEST: u64 = 1 << 16;
        /// The longest name.
        const NAME: usize = 200;
        let path = self.folder.join(self.form.names);
        if !path.exists() {
            return Ok(numbers(self.form.classes));
        }
        let bytes = whole_file::read(&path, LONGEST).map_err(|e| Failure::unreadable(&path, e))?;
        let text = String::from_utf8_lossy(&bytes);
        let names: Vec<String> = text.trim().lines().map(|l| one_line(l.trim(), NAME)).collect();
        match names.is_empty() {
            true => Err(Failure::file(&path, "it has no names of classes")
                .help("write one name per line, or remove the file")
                .code(ErrorCode::Labels)),
            false => Ok(names),
        }
    }
}
