//! Folders of picture files.

use proptest::prelude::*;

use super::super::testing::Folder;
use super::super::{Dataset, Split};

/// A data set of three classes with some pictures in each half.
fn pets() -> Folder {
    let folder = Folder::new();
    for (half, count) in [("train", 4), ("val", 2)] {
        for (class, name) in ["cat", "dog", "fish"].iter().enumerate() {
            for i in 0..count {
                let path = format!("{half}/{name}/{i}.png");
                folder.picture(&path, [3 + i, 4], |at| (at * 3 + class * 50 + i as usize) as u8);
            }
        }
    }
    folder
}

fn refused(folder: &Folder, split: Split) -> String {
    Dataset::open(&folder.0, split).unwrap_err().message().to_owned()
}

#[test]
fn classes_are_folders_in_order() {
    let folder = pets();
    for (split, count) in [(Split::Train, 4), (Split::Test, 2)] {
        let data = Dataset::open(&folder.0, split).unwrap();
        assert_eq!(data.classes(), ["cat", "dog", "fish"]);
        assert_eq!((data.len(), data.counts()), (3 * count, vec![count; 3]));
        assert_eq!((data.fixed(), data.channels(), data.left_out()), (None, 3, 0));
        for i in 0..data.len() {
            let (class, place) = (i / count, i % count);
            assert_eq!(data.label(i), class);
            let picture = data.read(i).unwrap();
            assert_eq!([picture.height, picture.width, picture.channels], [3 + place, 4, 3]);
            assert_eq!(usize::from(picture.bytes[1]), 3 + class * 50 + place);
        }
    }
}

#[test]
fn the_network_determines_whether_pictures_are_grey() {
    let folder = pets();
    folder.grey("train/cat/0.png", [2, 2], |i| i as u8);
    let open = || Dataset::open(&folder.0, Split::Train).unwrap();
    let (grey, colour) = (open().with_channels(1).unwrap(), open().with_channels(3).unwrap());
    assert_eq!((grey.channels(), colour.channels()), (1, 3));
    assert_eq!(grey.read(0).unwrap().bytes, [0, 1, 2, 3]);
    assert_eq!(colour.read(0).unwrap().bytes, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    assert_eq!(grey.read(1).unwrap().bytes.len() * 3, colour.read(1).unwrap().bytes.len());
    let error = open().with_channels(4).unwrap_err();
    assert!(
        error.message().contains("takes 4 channels, but the pictures have 1 or 3"),
        "{error:?}"
    );
    let numbers = Folder::new();
    numbers.mnist([2, 2], &[0, 1], &[0, 1]);
    let error = Dataset::open(&numbers.0, Split::Train).unwrap().with_channels(3).unwrap_err();
    assert!(
        error.message().contains("takes 3 channels, but the pictures have 1 channel"),
        "{error:?}"
    );
}

#[test]
fn classes_without_halves_are_for_training() {
    let folder = Folder::new();
    for name in ["b/1.png", "a/deep/2.png", "a/3.PNG"] {
        folder.picture(name, [2, 2], |i| i as u8);
    }
    folder.write("a/.4.png", b"");
    folder.write("a/notes.txt", b"");
    folder.write("README", b"");
    folder.write(".git/5.png", b"");
    let data = Dataset::open(&folder.0, Split::Train).unwrap();
    assert_eq!(data.classes(), ["a", "b"]);
    assert_eq!((data.counts(), data.left_out()), (vec![2, 1], 3));
    assert!(refused(&folder, Split::Test).contains("no test pictures"));
}

#[cfg(unix)]
#[test]
fn a_class_may_be_a_link() {
    let (folder, elsewhere) = (pets(), Folder::new());
    elsewhere.picture("1.png", [2, 2], |_| 9);
    std::os::unix::fs::symlink(&elsewhere.0, folder.0.join("train/ant")).unwrap();
    // A cycle.
    std::os::unix::fs::symlink(&folder.0, folder.0.join("train/cat/again")).unwrap();
    let data = Dataset::open(&folder.0, Split::Train).unwrap();
    assert_eq!((data.classes()[0].as_str(), data.counts()), ("ant", vec![1, 4, 4, 4]));
    assert_eq!((data.read(0).unwrap().bytes[0], data.left_out()), (9, 1));
}

#[test]
fn a_damaged_picture_is_an_error_of_its_own() {
    let folder = pets();
    let whole = std::fs::read(folder.0.join("train/dog/1.png")).unwrap();
    folder.write("train/dog/1.png", &whole[..whole.len() / 2]);
    folder.write("train/dog/2.png", b"no picture");
    let data = Dataset::open(&folder.0, Split::Train).unwrap();
    std::fs::remove_file(folder.0.join("train/fish/0.png")).unwrap();
    for (i, name) in [(5, "dog/1.png"), (6, "dog/2.png"), (8, "fish/0.png")] {
        let error = data.read(i).unwrap_err();
        assert!(error.message().contains(&format!("train/{name}: ")), "{error:?}");
    }
    assert!([0, 4, 7, 11].iter().all(|&i| data.read(i).is_ok()));
}

#[test]
fn what_is_wrong_is_named() {
    let folder = pets();
    folder.write("train/ape/notes.txt", b"");
    assert!(refused(&folder, Split::Train).contains("class 0 (\"ape\") has no training pictures"));
    let folder = pets();
    folder.picture("train/ape/1.png", [2, 2], |_| 0);
    assert!(refused(&folder, Split::Test).contains("class 0 (\"ape\") has no test pictures"));
    let folder = pets();
    folder.picture("val/ape/1.png", [2, 2], |_| 0);
    assert!(refused(&folder, Split::Test).contains("val/ape: there is no class"));
    let folder = Folder::new();
    assert!(refused(&folder, Split::Train).contains("there is no data set in this folder"));
    folder.write("train/notes.txt", b"");
    assert!(refused(&folder, Split::Train).contains("train: there is no data set"));
    folder.write("train/cat/notes.txt", b"");
    assert!(refused(&folder, Split::Train).contains("only one class, \"cat\""));
    folder.write("train/dog/notes.txt", b"");
    assert!(refused(&folder, Split::Train).contains("no pictures of any class"));
    for path in [folder.0.join("nothing"), folder.write("file", b"")] {
        let error = Dataset::open(&path, Split::Train).unwrap_err();
        assert!(error.message().starts_with(&path.display().to_string()), "{error:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = pets();
    let locked = folder.0.join("train/dog");
    let set = |mode| std::fs::set_permissions(&locked, PermissionsExt::from_mode(mode)).unwrap();
    set(0);
    // The administrator can read everything.
    if std::fs::read_dir(&locked).is_err() {
        assert!(refused(&folder, Split::Train).contains("train/dog: reading the folder failed"));
    }
    set(0o700);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Pictures have the class of the folder that they are in, however many there are in each.
    #[test]
    fn labels_are_those_of_the_folders(counts in prop::collection::vec(1usize..6, 2..6)) {
        let folder = Folder::new();
        for (class, &count) in counts.iter().enumerate() {
            for i in 0..count {
                folder.grey(&format!("{class}/{i}.png"), [1, 1], |_| (10 * class + i) as u8);
            }
        }
        let data = Dataset::open(&folder.0, Split::Train).unwrap().with_channels(1).unwrap();
        prop_assert_eq!(data.counts(), counts.clone());
        let mut i = 0;
        for (class, &count) in counts.iter().enumerate() {
            for place in 0..count {
                prop_assert_eq!(data.label(i), class);
                prop_assert_eq!(&data.read(i).unwrap().bytes, &[(10 * class + place) as u8]);
                i += 1;
            }
        }
        prop_assert_eq!(data.len(), i);
    }
}
