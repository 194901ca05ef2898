//! Files of CIFAR's form.

use proptest::prelude::*;

use super::super::testing::{Folder, noise};
use super::super::{Dataset, Split};

/// A file of records: the bytes before the pixels of each, and their pixels.
fn records(labels: &[&[u8]], seed: usize) -> Vec<u8> {
    let record = |(i, label): (usize, &&[u8])| [label, &noise(3072, seed + i)[..]].concat();
    labels.iter().enumerate().flat_map(record).collect()
}

/// CIFAR-10 with two pictures per class in each file.
fn ten(folder: &Folder, below: &str) {
    let labels: Vec<[u8; 1]> = (0..20).map(|i| [i % 10]).collect();
    let labels: Vec<&[u8]> = labels.iter().map(|l| &l[..]).collect();
    for i in 1..=5 {
        folder.write(&format!("{below}data_batch_{i}.bin"), &records(&labels, 100 * i));
    }
    folder.write(&format!("{below}test_batch.bin"), &records(&labels, 900));
}

fn refused(folder: &Folder) -> String {
    Dataset::open(&folder.0, Split::Train).unwrap_err().message().to_owned()
}

#[test]
fn both_halves_are_read_file_after_file() {
    for below in ["", "cifar-10-batches-bin/"] {
        let folder = Folder::new();
        ten(&folder, below);
        folder.write(
            &format!("{below}batches.meta.txt"),
            b"plane\ncar\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n",
        );
        let train = Dataset::open(&folder.0, Split::Train).unwrap();
        let test = Dataset::open(&folder.0, Split::Test).unwrap();
        assert_eq!((train.len(), test.len()), (100, 20));
        assert_eq!((train.fixed(), train.channels()), (Some([3, 32, 32]), 3));
        assert_eq!((&train.classes()[0][..], &train.classes()[9][..]), ("plane", "truck"));
        assert_eq!(train.counts(), [10; 10]);
        assert_eq!((train.label(0), train.label(43), test.label(19)), (0, 3, 9));
        // Picture 43 is the fourth of the third file. Planes become pixels.
        let (planes, pixels) = (noise(3072, 303), train.read(43).unwrap());
        assert_eq!([pixels.height, pixels.width, pixels.channels], [32, 32, 3]);
        for (i, pixel) in pixels.bytes.chunks(3).enumerate() {
            assert_eq!(pixel, [planes[i], planes[1024 + i], planes[2048 + i]]);
        }
    }
}

#[test]
fn the_second_label_of_cifar_100_is_the_class() {
    let folder = Folder::new();
    let labels: Vec<[u8; 2]> = (0..100).rev().map(|i| [i % 20, i]).collect();
    let labels: Vec<&[u8]> = labels.iter().map(|l| &l[..]).collect();
    folder.write("cifar-100-binary/train.bin", &records(&labels, 1));
    let data = Dataset::open(&folder.0, Split::Train).unwrap();
    assert_eq!((data.len(), data.label(0), data.label(99)), (100, 99, 0));
    assert_eq!(data.classes()[42], "42");
    assert_eq!(data.read(99).unwrap().bytes[0], noise(1, 100)[0]);
    let error = Dataset::open(&folder.0, Split::Test).unwrap_err();
    assert!(error.message().contains("test.bin of the data set is missing"), "{error:?}");
}

#[test]
fn what_is_wrong_is_named() {
    let names: Vec<u8> = b"a\n".repeat(9);
    let wrong: [(&str, &[u8], &str); 7] = [
        ("data_batch_3.bin", &[0; 3072], "3072 bytes are not a whole number"),
        ("data_batch_3.bin", &[0; 3074], "3074 bytes"),
        ("data_batch_3.bin", &[], "0 bytes"),
        ("data_batch_3.bin", &[10; 3073], "picture 0 has label 10; labels are 0 to 9"),
        ("batches.meta.txt", &names, "label 9; labels are 0 to 8"),
        ("batches.meta.txt", b"\n", "no names"),
        ("batches.meta.txt", &[b'a'; 1 << 17], "limit"),
    ];
    for (name, file, says) in wrong {
        let folder = Folder::new();
        ten(&folder, "");
        folder.write(name, file);
        let error = refused(&folder);
        assert!(error.contains(says), "{error} instead of {says}");
    }
    let folder = Folder::new();
    ten(&folder, "");
    folder.write("batches.meta.txt", &b"a\n".repeat(11));
    assert!(refused(&folder).contains("class 10 (\"a\") has no training pictures"));
    std::fs::remove_file(folder.0.join("data_batch_4.bin")).unwrap();
    assert!(refused(&folder).contains("data_batch_4.bin"));
}

#[test]
fn the_form_for_python_is_recognized() {
    for name in
        ["cifar-10-batches-py/data_batch_1", "data_batch_1", "cifar-100-python/train", "train"]
    {
        let folder = Folder::new();
        folder.write(name, b"\x80\x02}q\x01");
        let error = refused(&folder);
        assert!(error.contains("Python"), "{name}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn damaged_files_give_a_reason(length in 0usize..12_400, byte in 0u8..12) {
        let folder = Folder::new();
        ten(&folder, "");
        folder.write("data_batch_2.bin", &vec![byte; length]);
        match Dataset::open(&folder.0, Split::Train) {
            Ok(data) => prop_assert_eq!(data.len(), 80 + length / 3073),
            Err(e) => prop_assert!(e.message().contains("data_batch_2.bin"), "{e:?}"),
        }
    }
}
