//! One half of a data set, in whatever form it is stored.

use std::path::{Path, PathBuf};

use resnetc::ErrorCode;
use resnetc::one_line::name_line;

use super::folders::Folders;
use super::form::{MOST_CLASSES, MOST_SAMPLES, Split};
use super::held::Held;
use super::{cifar, folders, idx};
use crate::classify::pixels::Pixels;
use crate::failure::Failure;
use crate::units::plural;

/// The pictures of one half of a data set, and their classes.
#[derive(Debug)]
pub(crate) struct Dataset {
    /// As the user named it.
    folder: PathBuf,
    classes: Vec<String>,
    pictures: Pictures,
    /// How many pictures are used, evenly spaced, if not all are.
    part: Option<usize>,
}

/// Where the pictures are.
#[derive(Debug)]
enum Pictures {
    /// In memory.
    Held(Held),
    /// In files that are decoded when they are needed.
    Files(Folders),
}

impl Dataset {
    /// Finds the data set in a folder, by the names of the files in it: MNIST's, CIFAR's, or a
    /// folder for each class.
    ///
    /// # Errors
    /// If there is none, or it contradicts itself, or a class has no pictures.
    pub(crate) fn open(folder: &Path, split: Split) -> Result<Self, Failure> {
        let metadata = std::fs::metadata(folder).map_err(|e| Failure::unreadable(folder, e))?;
        if !metadata.is_dir() {
            return Err(Failure::file(folder, "a data set is a folder, and this is a file")
                .help("unpack it if it is an archive, and give the folder")
                .code(ErrorCode::Format));
        }
        let (classes, pictures) = if let Some(files) = idx::Files::find(folder) {
            let (classes, held) = files.open(split)?;
            (classes, Pictures::Held(held))
        } else if let Some(files) = cifar::Files::find(folder) {
            let (classes, held) = files.open(split)?;
            (classes, Pictures::Held(held))
        } else {
            let (classes, files) = folders::open(folder, split)?;
            (classes, Pictures::Files(files))
        };
        let dataset = Dataset { folder: folder.to_owned(), classes, pictures, part: None };
        dataset.check(split)?;
        Ok(dataset)
    }

    /// Checks its size, and that no class is empty.
    fn check(&self, split: Split) -> Result<(), Failure> {
        let limit = |what: String| Err(Failure::file(&self.folder, what).code(ErrorCode::Limit));
        if self.len() > MOST_SAMPLES {
            return limit(format!("it has more than {MOST_SAMPLES} pictures, the limit"));
        }
        if self.classes.len() > MOST_CLASSES {
            return limit(format!("it has more than {MOST_CLASSES} classes, the limit"));
        }
        let Some(class) = self.counts().iter().position(|&n| n == 0) else { return Ok(()) };
        let name = self.classes.get(class).map_or("", String::as_str);
        let failure = Failure::file(
            &self.folder,
            format!("class {class} (\"{}\") has no {} pictures", name_line(name), split.name()),
        );
        Err(failure
            .help(match &self.pictures {
                Pictures::Held(held) => held.largest_label(split),
                Pictures::Files(_) => "add pictures to its folder, or remove the folder".to_owned(),
            })
            .code(ErrorCode::Format))
    }

    /// Uses only so many of the pictures, evenly spaced.
    ///
    /// # Errors
    /// If it has not so many.
    pub(crate) fn with_part(self, pictures: Option<usize>) -> Result<Self, Failure> {
        match pictures {
            Some(count) if count > self.len() => Err(Failure::file(
                &self.folder,
                format!("it has {}, not {count}", plural(self.len(), "training picture")),
            )
            .help("leave out --pictures to use all")
            .code(ErrorCode::Limit)),
            part => Ok(Dataset { part, ..self }),
        }
    }

    /// The picture at a position of those that are used.
    fn at(&self, i: usize) -> usize {
        self.part.map_or(i, |part| i * self.all() / part)
    }

    /// How many pictures are used; at least one.
    pub(crate) fn len(&self) -> usize {
        self.part.unwrap_or_else(|| self.all())
    }

    fn all(&self) -> usize {
        match &self.pictures {
            Pictures::Held(held) => held.len(),
            Pictures::Files(files) => files.len(),
        }
    }

    /// How many pictures are used, and a checksum of all by which another data set is noticed: of
    /// labels and of pictures, or of the names of their files.
    pub(crate) fn summary(&self) -> String {
        let mut sum = flate2::Crc::new();
        match &self.pictures {
            Pictures::Held(held) => held.each_part(|part| sum.update(part)),
            Pictures::Files(files) => files.each_part(|part| sum.update(part)),
        }
        format!("{} (CRC-32 {:08x})", self.len(), sum.sum())
    }

    /// The folder, as the user named it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of the classes, or their numbers if they have no names.
    pub(crate) fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many pictures each class has.
    pub(crate) fn counts(&self) -> Vec<usize> {
        match &self.pictures {
            Pictures::Held(held) => held.counts(self.classes.len()),
            Pictures::Files(files) => files.counts(),
        }
    }

    /// How many files were skipped because they are not pictures by their names.
    pub(crate) fn left_out(&self) -> usize {
        match &self.pictures {
            Pictures::Held(_) => 0,
            Pictures::Files(files) => files.left_out(),
        }
    }

    /// Channels, height and width of all pictures; `None` if they differ.
    pub(crate) fn fixed(&self) -> Option<[usize; 3]> {
        match &self.pictures {
            Pictures::Held(held) => Some(held.shape()),
            Pictures::Files(_) => None,
        }
    }

    /// The channels that [`Dataset::read`] gives: those of the data set, and RGB for picture files
    /// unless [`Dataset::with_channels`] changed it.
    pub(crate) fn channels(&self) -> usize {
        match &self.pictures {
            Pictures::Held(held) => held.shape()[0],
            Pictures::Files(files) => files.channels(),
        }
    }

    /// Reads pictures in grey (1) or RGB (3), as the network takes them.
    ///
    /// # Errors
    /// If the data set has pictures of another number of channels.
    pub(crate) fn with_channels(mut self, channels: usize) -> Result<Self, Failure> {
        match &mut self.pictures {
            Pictures::Files(files) if matches!(channels, 1 | 3) => files.set_channels(channels),
            Pictures::Held(held) if channels == held.shape()[0] => {}
            pictures => {
                let has = match pictures {
                    Pictures::Held(held) => plural(held.shape()[0], "channel"),
                    Pictures::Files(_) => "1 or 3 channels".to_owned(),
                };
                return Err(Failure::file(
                    &self.folder,
                    format!(
                        "the network takes {}, but the pictures have {has}",
                        plural(channels, "channel")
                    ),
                )
                .help(format!("train a network whose input has {has}")));
            }
        }
        Ok(self)
    }

    /// The class of a picture.
    ///
    /// # Panics
    /// If there is no picture `i`.
    pub(crate) fn label(&self, i: usize) -> usize {
        match &self.pictures {
            Pictures::Held(held) => held.label(self.at(i)),
            Pictures::Files(files) => files.label(self.at(i)),
        }
    }

    /// A picture, in grey or RGB.
    ///
    /// # Errors
    /// If its file cannot be read or decoded.
    ///
    /// # Panics
    /// If there is no picture `i`.
    pub(crate) fn read(&self, i: usize) -> Result<Pixels, Failure> {
        match &self.pictures {
            Pictures::Held(held) => Ok(held.read(self.at(i))),
            Pictures::Files(files) => files.read(self.at(i)),
        }
    }
}
