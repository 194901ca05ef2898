//! Files of MNIST's form.

use proptest::prelude::*;

use super::super::testing::{Folder, gzip, idx, noise};
use super::super::{Dataset, Split};

/// The message of opening a folder.
fn refused(folder: &Folder, split: Split) -> String {
    Dataset::open(&folder.0, split).unwrap_err().message().to_owned()
}

/// Labels 0 to `classes` - 1, and then any of them.
fn labels(classes: u8, more: &[u8]) -> Vec<u8> {
    (0..classes).chain(more.iter().map(|l| l % classes)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What was written is read, gzipped or not, by every name that the files have.
    #[test]
    fn what_was_written_is_read(
        [h, w] in prop::array::uniform2(1usize..7),
        classes in 1u8..9,
        more in prop::array::uniform2(prop::collection::vec(any::<u8>(), 0..9)),
        is_gzipped in prop::array::uniform4(any::<bool>()),
        dots in prop::array::uniform4(any::<bool>()),
        is_below: bool,
    ) {
        let folder = Folder::new();
        let mut kinds = is_gzipped.into_iter().zip(dots);
        let mut write = |stem: &str, shape: &[usize], bytes: &[u8]| {
            let (is_gzipped, dot) = kinds.next().unwrap();
            let below = if is_below { "raw/" } else { "" };
            let dot = if dot { '.' } else { '-' };
            let file = idx(shape, bytes);
            let (ending, file) = if is_gzipped { (".gz", gzip(&file)) } else { ("", file) };
            folder.write(&format!("{below}{stem}{dot}idx{}-ubyte{ending}", shape.len()), &file);
        };
        let halves = more.map(|more| labels(classes, &more));
        for (stem, labels) in ["train", "t10k"].iter().zip(&halves) {
            write(&format!("{stem}-labels"), &[labels.len()], labels);
            let count = labels.len();
            write(&format!("{stem}-images"), &[count, h, w], &noise(count * h * w, count));
        }
        for (split, labels) in [Split::Train, Split::Test].into_iter().zip(&halves) {
            let data = Dataset::open(&folder.0, split).unwrap();
            prop_assert_eq!(data.len(), labels.len());
            prop_assert_eq!(data.fixed(), Some([1, h, w]));
            prop_assert_eq!(data.classes().len(), usize::from(classes));
            prop_assert_eq!(data.counts().iter().sum::<usize>(), labels.len());
            let bytes = noise(labels.len() * h * w, labels.len());
            for (i, bytes) in bytes.chunks(h * w).enumerate() {
                let picture = data.read(i).unwrap();
                prop_assert_eq!([picture.channels, picture.height, picture.width], [1, h, w]);
                prop_assert_eq!(&picture.bytes[..], bytes);
                prop_assert_eq!(data.label(i), usize::from(labels[i]));
            }
        }
    }

    /// Whatever files contain, opening them ends with a data set or with a reason that names the
    /// file.
    #[test]
    fn damaged_files_give_a_reason(
        which in 0usize..2,
        is_gzipped: bool,
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
        wrong in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let folder = Folder::new();
        folder.mnist([3, 2], &labels(3, &[]), &labels(3, &[]));
        let name = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"][which];
        let mut file = std::fs::read(folder.0.join(name)).unwrap();
        if is_gzipped {
            file = gzip(&file);
        }
        for (at, byte) in wrong {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if is_cut {
            file.truncate(cut.index(file.len()));
        }
        folder.write(name, &file);
        match Dataset::open(&folder.0, Split::Train) {
            Ok(data) => prop_assert_eq!(data.len(), 3),
            Err(e) => {
                prop_assert!(e.message().contains(&folder.0.display().to_string()), "{e:?}");
                prop_assert!(!e.message().contains('\n') && !e.message().contains("deflate"), "{e:?}");
            }
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let good = || {
        let folder = Folder::new();
        folder.mnist([2, 2], &[0, 1, 2], &[0, 1, 2]);
        folder
    };
    let images = "train-images-idx3-ubyte";
    let pixels = [7; 12];
    let mut float = idx(&[3, 2, 2], &pixels);
    float[2] = 0xd;
    let mut huge = idx(&[99_999_999, 6, 6], &pixels);
    huge.truncate(16);
    let mut most = vec![0, 0, 8, 3];
    most.extend([255; 12]);
    for (name, file, says) in [
        (images, float, "not an IDX file"),
        (images, idx(&[12], &pixels), "not an IDX file"),
        (images, Vec::new(), "cut short"),
        (images, idx(&[3, 2, 2], &pixels[1..]), "cut short"),
        (images, gzip(&idx(&[3, 2, 2], &pixels[1..])), "cut short"),
        (images, idx(&[3, 2, 1], &pixels), "longer"),
        (images, gzip(&idx(&[3, 2, 1], &pixels)), "longer"),
        (images, idx(&[3, 0, 2], &[]), "empty"),
        (images, huge.clone(), "cut short"),
        (images, gzip(&huge), "cut short"),
        (images, most, "limit"),
        (images, idx(&[2, 3, 2], &pixels), "2 pictures, but"),
        ("train-labels-idx1-ubyte", idx(&[4], &[0, 1, 2, 2]), "4 labels"),
        ("train-labels-idx1-ubyte", idx(&[3], &[0, 3, 2]), "class 1"),
    ] {
        let folder = good();
        folder.write(name, &file);
        let error = refused(&folder, Split::Train);
        assert!(error.contains(says), "{error} instead of {says}");
    }
}

#[test]
fn halves_that_do_not_belong_together_are_named() {
    let folder = Folder::new();
    folder.mnist([2, 2], &[0, 1], &[0, 2]);
    let error = refused(&folder, Split::Test);
    assert!(error.contains("t10k-labels") && error.contains("picture 1 has label 2"), "{error}");
    folder.mnist([2, 2], &[0, 1], &[1, 1]);
    let error = refused(&folder, Split::Test);
    assert!(error.contains("class 0 (\"0\") has no test pictures"), "{error}");
    std::fs::remove_file(folder.0.join("train-labels-idx1-ubyte")).unwrap();
    let error = refused(&folder, Split::Test);
    assert!(error.contains("train-labels-idx1-ubyte of the data set is missing"), "{error}");
}

/// A small file that unpacks to more than its header says is not unpacked further.
#[test]
fn a_gzipped_file_ends_where_its_header_says() {
    let folder = Folder::new();
    folder.mnist([2, 2], &[0, 1], &[0, 1]);
    let mut file = idx(&[2, 2, 2], &[7; 8]);
    file.resize(100 << 20, 0);
    folder.write("train-images-idx3-ubyte", &gzip(&file));
    assert!(refused(&folder, Split::Train).contains("longer"));
}
