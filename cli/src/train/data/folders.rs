//! A folder of picture files for each class.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use resnetc::ErrorCode;
use resnetc::one_line::{name_line, path_line};

use super::form::{MOST_CLASSES, MOST_SAMPLES, Split};
use crate::classify::folder::contents_of;
use crate::classify::picture::{EXTENSIONS, Source};
use crate::classify::pixels::Pixels;
use crate::failure::Failure;

/// The subfolder with the classes to learn.
const TRAIN: &str = "train";
/// The subfolders with the classes to measure with. The first one that exists counts: where there
/// are both, `test` often has no labels.
const TEST: [&str; 2] = ["val", "test"];
/// What the Python form of CIFAR is recognized by.
const PICKLED: [&str; 5] =
    ["cifar-10-batches-py", "cifar-100-python", "data_batch_1", "test_batch", "train"];

/// Picture files, class by class.
#[derive(Debug)]
pub(super) struct Folders {
    /// In the order of the classes.
    classes: Vec<Class>,
    is_grey: bool,
    left_out: usize,
}

/// The pictures of a class.
#[derive(Debug)]
struct Class {
    folder: PathBuf,
    /// Relative to the folder, by name.
    files: Vec<Box<Path>>,
    /// The number of the first one in the data set.
    first: usize,
}

/// Reads the names of one half of a data set. The classes are those of the training half.
pub(super) fn open(folder: &Path, split: Split) -> Result<(Vec<String>, Folders), Failure> {
    let train = Some(folder.join(TRAIN)).filter(|train| train.is_dir());
    let whole = train.is_none();
    let train = train.unwrap_or_else(|| folder.to_owned());
    let (names, mut left_out) = subfolders(&train)?;
    check_classes(folder, &train, &names)?;
    let half = match split {
        Split::Train => train,
        Split::Test => {
            let half = test_half(folder, whole)?;
            let (tested, loose) = subfolders(&half)?;
            left_out = loose;
            check_known(&half, &tested, &names)?;
            half
        }
    };
    let mut folders = Folders { classes: Vec::new(), is_grey: false, left_out };
    for name in &names {
        folders.add(half.join(name))?;
    }
    if folders.len() == 0 {
        return Err(Failure::file(
            &half,
            format!(
                "there are no pictures of any class: no name ends in {}",
                EXTENSIONS.join(", ")
            ),
        )
        .code(ErrorCode::Picture));
    }
    Ok((names.iter().map(path_line).collect(), folders))
}

/// The folder of the test half.
fn test_half(folder: &Path, is_whole: bool) -> Result<PathBuf, Failure> {
    let found = TEST.iter().map(|name| folder.join(name)).find(|half| half.is_dir());
    match found.filter(|_| !is_whole) {
        Some(half) => Ok(half),
        None => Err(Failure::file(folder, "the data set has no test pictures")
            .help("put the folders of the classes into train, and some of their pictures into the same folders in val")
            .code(ErrorCode::Format)),
    }
}

/// The names of subfolders in order, without hidden ones, and how many files are beside them.
fn subfolders(folder: &Path) -> Result<(Vec<OsString>, usize), Failure> {
    let unreadable = |e: std::io::Error| Failure::unreadable(folder, e);
    let (mut names, mut files) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        match () {
            () if name.as_encoded_bytes().starts_with(b".") => {}
            // A class may be a link to a folder.
            () if entry.path().is_dir() => names.push(name),
            () => files += 1,
        }
        if names.len() > MOST_CLASSES {
            return Err(Failure::file(
                folder,
                format!("it has more than {MOST_CLASSES} classes, the limit"),
            )
            .code(ErrorCode::Limit));
        }
    }
    names.sort();
    Ok((names, files))
}

/// Checks that there are classes to tell apart.
fn check_classes(folder: &Path, train: &Path, names: &[OsString]) -> Result<(), Failure> {
    let fail = |what: String| Failure::file(train, what).code(ErrorCode::Format);
    let is_pickled = |&name: &&str| {
        let path = folder.join(name);
        // A file of CIFAR-100 has the name of the folder of classes.
        path.exists() && !(name == TRAIN && path.is_dir())
    };
    match names {
        [] | [_] if PICKLED.iter().any(is_pickled) => {
            Err(fail("this is CIFAR in the form for Python, which is not read".to_owned())
                .help("get the binary version of the data set"))
        }
        [] => Err(fail(
            "there is no data set in this folder: neither files of MNIST or CIFAR nor a folder for each class"
                .to_owned(),
        )
        .help("put the pictures of each class into a folder with its name, those folders into train, and pictures for tests into the same folders in val")),
        [one] => Err(fail(format!(
            "there is only one class, \"{}\"",
            name_line(&one.to_string_lossy())
        ))
        .help("give the folder that has a folder for each class, or train and val with such folders")),
        _ => Ok(()),
    }
}

/// Checks that all classes of the test half can be learned.
fn check_known(half: &Path, tested: &[OsString], names: &[OsString]) -> Result<(), Failure> {
    let Some(unknown) = tested.iter().find(|name| names.binary_search(name).is_err()) else {
        return Ok(());
    };
    Err(Failure::file(&half.join(unknown), format!("there is no class of this name in {TRAIN}"))
        .help("the test pictures must be in folders of the same names as the training pictures")
        .code(ErrorCode::Format))
}

impl Folders {
    /// Adds the pictures of a class; none if it has no folder.
    fn add(&mut self, folder: PathBuf) -> Result<(), Failure> {
        let first = self.len();
        if !folder.is_dir() {
            self.classes.push(Class { folder, files: Vec::new(), first });
            return Ok(());
        }
        let mut contents = contents_of(&folder);
        if let Some(Source::Refused(path, reason)) = contents.unread.into_iter().next() {
            return Err(Failure::file(&path, reason).code(ErrorCode::Io));
        }
        self.left_out += contents.left_out.len();
        if contents.pictures.len() > MOST_SAMPLES - first {
            return Err(Failure::file(
                &folder,
                format!("with it, the data set has more than {MOST_SAMPLES} pictures, the limit"),
            )
            .code(ErrorCode::Limit));
        }
        contents.pictures.sort();
        let relative = |path: PathBuf| path.strip_prefix(&folder).unwrap_or(&path).into();
        let files = contents.pictures.into_iter().map(relative).collect();
        self.classes.push(Class { folder, files, first });
        Ok(())
    }

    /// How many pictures there are.
    pub(super) fn len(&self) -> usize {
        self.classes.last().map_or(0, |class| class.first + class.files.len())
    }

    /// How many pictures each class has.
    pub(super) fn counts(&self) -> Vec<usize> {
        self.classes.iter().map(|class| class.files.len()).collect()
    }

    /// The names of the files, class by class. A file that is repaired keeps its name.
    pub(super) fn each_part(&self, mut visit: impl FnMut(&[u8])) {
        for class in &self.classes {
            visit(class.folder.file_name().unwrap_or_default().as_encoded_bytes());
            visit(b"/");
            for file in &class.files {
                visit(file.as_os_str().as_encoded_bytes());
                visit(b"\0");
            }
        }
    }

    /// How many files are not pictures by their names.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    /// The channels of the pictures.
    pub(super) fn channels(&self) -> usize {
        if self.is_grey { 1 } else { 3 }
    }

    /// Gives grey pictures for one channel, and RGB otherwise.
    pub(super) fn set_channels(&mut self, channels: usize) {
        self.is_grey = channels == 1;
    }

    /// The class of picture `i`.
    pub(super) fn label(&self, i: usize) -> usize {
        assert!(i < self.len(), "picture {i} of {}", self.len());
        self.classes.partition_point(|class| class.first <= i).saturating_sub(1)
    }

    /// Reads and decodes picture `i`.
    pub(super) fn read(&self, i: usize) -> Result<Pixels, Failure> {
        let class = &self.classes[self.label(i)];
        let path = class.folder.join(&class.files[i - class.first]);
        let source = Source::File(path.clone());
        // Damaged pictures can make their decoder panic.
        let picture = catch_unwind(AssertUnwindSafe(|| source.read())).unwrap_or_else(|_| {
            let what = "the picture is damaged: its data cannot be decoded";
            Err(Failure::file(&path, what).code(ErrorCode::Picture))
        });
        let help = "repair or remove the file: a data set needs all of its pictures";
        picture.map(|picture| Pixels::of(picture, self.is_grey)).map_err(|e| e.help(help))
    }
}
