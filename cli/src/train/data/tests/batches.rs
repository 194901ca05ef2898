//! Epochs of batches.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::batches::Batch;
use super::super::chance::stream;
use super::super::order::Order;
use super::super::recipe::Purpose;
use super::super::testing::Folder;
use super::super::{
    Augmentation, Batches, Dataset, Epoch, Normalization, Pace, Recipe, Split, View,
};

/// A data set of grey pictures in memory.
fn numbers(size: [usize; 2], count: usize) -> (Folder, Arc<Dataset>) {
    let folder = Folder::new();
    let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
    folder.mnist(size, &labels, &labels);
    let data = Dataset::open(&folder.0, Split::Train).unwrap();
    (folder, Arc::new(data))
}

/// A data set of picture files of several sizes.
fn files(count: u32) -> (Folder, Arc<Dataset>) {
    let folder = Folder::new();
    for i in 0..count {
        let size = [8 + i % 5, 9 + i % 7];
        folder.picture(&format!("{}/{i}.png", i % 3), size, |at| (at as u32 * (i + 3)) as u8);
    }
    let data = Dataset::open(&folder.0, Split::Train).unwrap();
    (folder, Arc::new(data))
}

fn recipe(channels: usize, size: [usize; 2], augmentation: Augmentation) -> Recipe {
    let normalization = Normalization { mean: vec![0.4; channels], deviation: vec![0.2; channels] };
    Recipe { view: View::new(channels, size), normalization, augmentation }
}

fn epoch(seed: u64, number: u64) -> Epoch {
    Epoch { seed, number, skip: 0 }
}

/// All batches of an epoch, whose memory is used again.
fn all(mut batches: Batches) -> Vec<Batch> {
    let mut taken = Vec::new();
    while let Some(batch) = batches.next() {
        let batch = batch.unwrap();
        taken.push(batch.clone());
        batches.recycle(batch);
    }
    taken
}

fn augmentations() -> impl Strategy<Value = Augmentation> {
    prop::sample::select(vec![
        Augmentation::None,
        Augmentation::Mirror,
        Augmentation::PadCrop { pad: 3 },
        Augmentation::IMAGENET,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The batches of an epoch are the same on any number of threads, and from the middle on.
    #[test]
    fn an_epoch_is_the_same_however_it_is_made(
        is_held: bool,
        augmentation in augmentations(),
        count in 6u32..40,
        batch in 1usize..6,
        (seed, number) in (any::<u64>(), 0u64..90),
        skip in any::<prop::sample::Index>(),
    ) {
        let (_folder, data) = if is_held { numbers([7, 8], count as usize) } else { files(count) };
        let recipe = recipe(data.channels(), [7, 8], augmentation);
        let made = |threads, skip| {
            let epoch = Epoch { seed, number, skip };
            all(Batches::training(&data, &recipe, Pace { batch, threads }, epoch).unwrap())
        };
        let expected = made(0, 0);
        prop_assert_eq!(expected.len(), count as usize / batch);
        // By definition: the order is that of the epoch, and what happens to a sample depends on
        // its number in the data set, not on its place in the epoch.
        let samples = recipe.samples(&data, [seed, number]).unwrap();
        let random = stream(seed, &[number, Purpose::Order as u64]);
        let order = Order::shuffled(data.len(), random).unwrap();
        let mut image = vec![0.0; samples.values()];
        for (i, taken) in expected.iter().enumerate() {
            for (place, taken_image) in taken.images.chunks(image.len()).enumerate() {
                let sample = order.at(i * batch + place);
                samples.write(sample, &mut image).unwrap();
                prop_assert!(taken_image == image && taken.labels[place] == data.label(sample));
            }
        }
        for threads in 1..=4 {
            prop_assert!(made(threads, 0) == expected);
        }
        let skip = skip.index(expected.len() + 1);
        prop_assert!(made(2, skip) == expected[skip..]);
    }

    /// Evaluation gives every picture once, in order, as the centre that it is.
    #[test]
    fn an_evaluation_is_the_data_set(
        count in 2usize..30,
        batch in 1usize..40,
        threads in 0usize..4,
        augmentation in augmentations(),
    ) {
        let (_folder, data) = numbers([5, 4], count);
        let recipe = recipe(1, [5, 4], augmentation);
        let batches = Batches::evaluation(&data, &recipe, Pace { batch, threads }).unwrap();
        prop_assert_eq!(batches.len(), count.div_ceil(batch));
        let taken = all(batches);
        let labels: Vec<usize> = taken.iter().flat_map(|b| b.labels.clone()).collect();
        prop_assert_eq!(labels, (0..count).map(|i| i % 2).collect::<Vec<_>>());
        let images: Vec<f32> = taken.iter().flat_map(|b| b.images.clone()).collect();
        let expected = (0..count).flat_map(|i| data.read(i).unwrap().bytes);
        let expected: Vec<f32> = expected.map(|b| (f32::from(b) / 255.0 - 0.4) / 0.2).collect();
        prop_assert!(images == expected);
    }

    /// In training, every picture comes at most once in an epoch, with its own label, and only
    /// those that do not fill a batch are left out.
    #[test]
    fn an_epoch_has_every_picture_once(count in 2usize..60, batch in 1usize..9, seed: u64) {
        prop_assume!(batch <= count);
        // The picture of number i has one pixel, i.
        let folder = Folder::new();
        let bytes: Vec<u8> = (0..count).map(|i| i as u8).collect();
        let labels: Vec<u8> = bytes.iter().map(|b| b % 2).collect();
        folder.mnist([1, 1], &labels, &labels);
        folder.write("train-images-idx3-ubyte", &super::super::testing::idx(&[count, 1, 1], &bytes));
        let data = Arc::new(Dataset::open(&folder.0, Split::Train).unwrap());
        let plain = Normalization { mean: vec![0.0], deviation: vec![1.0 / 255.0] };
        let recipe = Recipe { normalization: plain, ..recipe(1, [1, 1], Augmentation::None) };
        let pace = Pace { batch, threads: 2 };
        let taken = all(Batches::training(&data, &recipe, pace, epoch(seed, 0)).unwrap());
        let mut seen = BTreeSet::new();
        for batch in &taken {
            for (&image, &label) in batch.images.iter().zip(&batch.labels) {
                let number = image.round() as usize;
                prop_assert_eq!(number % 2, label);
                prop_assert!(number < count && seen.insert(number));
            }
        }
        prop_assert_eq!(seen.len(), count / batch * batch);
    }
}

#[test]
fn epochs_and_seeds_differ() {
    let (_folder, data) = numbers([6, 6], 40);
    let recipe = recipe(1, [6, 6], Augmentation::PadCrop { pad: 2 });
    let pace = Pace { batch: 8, threads: 1 };
    let taken =
        |seed, number| all(Batches::training(&data, &recipe, pace, epoch(seed, number)).unwrap());
    let all: Vec<Vec<Batch>> = [(1, 0), (1, 1), (2, 0), (2, 1)].map(|(s, n)| taken(s, n)).into();
    for (i, a) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|b| a != b), "{i}");
    }
}

/// Every sample is one of the crops that there are, also in the middle of the whole machinery.
#[test]
fn padded_crops_are_crops_of_padded_pictures() {
    let (_folder, data) = numbers([4, 5], 30);
    let (pad, recipe) = (2, recipe(1, [4, 5], Augmentation::PadCrop { pad: 2 }));
    let numbers = recipe.normalization.numbers();
    let pace = Pace { batch: 10, threads: 2 };
    let mut crops = Vec::new();
    for i in 0..data.len() {
        let picture = data.read(i).unwrap();
        let at = |y: usize, x: usize| {
            let inside = (pad..pad + 4).contains(&y) && (pad..pad + 5).contains(&x);
            if inside {
                numbers[0][usize::from(picture.bytes[(y - pad) * 5 + x - pad])]
            } else {
                0.0
            }
        };
        for (top, left) in (0..=2 * pad).flat_map(|t| (0..=2 * pad).map(move |l| (t, l))) {
            let crop = |x: &dyn Fn(usize) -> usize| -> Vec<f32> {
                (0..4)
                    .flat_map(|y| (0..5).map(move |i| (y, i)))
                    .map(|(y, i)| at(top + y, left + x(i)))
                    .collect()
            };
            crops.extend([crop(&|i| i), crop(&|i| 4 - i)]);
        }
    }
    for batch in all(Batches::training(&data, &recipe, pace, epoch(5, 0)).unwrap()) {
        for image in batch.images.chunks(20) {
            assert!(crops.iter().any(|crop| crop == image), "{image:?}");
        }
    }
}

/// A part that must be all of the picture is all of it.
#[test]
fn resized_crops_of_everything_are_the_picture() {
    let (_folder, data) = numbers([7, 8], 20);
    let (share, ratio) = ((1.0, 1.0), (8.0 / 7.0, 8.0 / 7.0));
    let recipe = recipe(1, [7, 8], Augmentation::RandomResizedCrop { scale: share, ratio });
    let numbers = &recipe.normalization.numbers()[0];
    let pictures: Vec<Vec<f32>> = (0..20)
        .map(|i| data.read(i).unwrap().bytes.iter().map(|&b| numbers[usize::from(b)]).collect())
        .collect();
    let mut mirrored = 0;
    for batch in
        all(Batches::training(&data, &recipe, Pace { batch: 5, threads: 1 }, epoch(3, 0)).unwrap())
    {
        for image in batch.images.chunks(56) {
            let turned: Vec<f32> =
                image.chunks(8).flat_map(|row| row.iter().rev().copied()).collect();
            let is_mirrored = pictures.contains(&turned);
            assert!(is_mirrored || pictures.iter().any(|picture| picture == image));
            mirrored += usize::from(is_mirrored);
        }
    }
    assert!((1..20).contains(&mirrored), "{mirrored}");
}

#[test]
fn memory_is_used_again() {
    let (_folder, data) = numbers([8, 8], 400);
    let recipe = recipe(1, [8, 8], Augmentation::Mirror);
    let mut batches =
        Batches::training(&data, &recipe, Pace { batch: 10, threads: 2 }, epoch(1, 0)).unwrap();
    let mut places = BTreeSet::new();
    while let Some(batch) = batches.next() {
        let batch = batch.unwrap();
        places.insert(batch.images.as_ptr());
        batches.recycle(batch);
    }
    // Two ahead, and the one that is being used.
    assert!(places.len() <= 3, "{}", places.len());
}

#[test]
fn a_damaged_picture_is_an_error_in_its_place() {
    let (folder, data) = files(28);
    folder.write("1/13.png", b"damaged");
    let recipe = recipe(3, [8, 8], Augmentation::IMAGENET);
    let mut places = BTreeSet::new();
    for threads in 0..=4 {
        let pace = Pace { batch: 4, threads };
        let taken: Vec<_> = Batches::training(&data, &recipe, pace, epoch(9, 0)).unwrap().collect();
        let failed: Vec<usize> = (0..taken.len()).filter(|&i| taken[i].is_err()).collect();
        assert_eq!((taken.len(), failed.len()), (7, 1));
        let error = taken[failed[0]].as_ref().unwrap_err();
        assert!(error.message().contains("1/13.png: "), "{error:?}");
        places.extend(failed);
    }
    assert_eq!(places.len(), 1);
}

#[test]
fn what_does_not_fit_is_named() {
    let (folder, data) = numbers([4, 4], 10);
    let fit = recipe(1, [4, 4], Augmentation::None);
    let pace = |batch| Pace { batch, threads: 1 };
    let refused = |recipe: &Recipe, batch, skip| {
        let epoch = Epoch { seed: 0, number: 0, skip };
        Batches::training(&data, recipe, pace(batch), epoch).err().unwrap().message().to_owned()
    };
    let colour = recipe(3, [4, 4], Augmentation::None);
    let large = recipe(1, [5, 4], Augmentation::None);
    let padded = recipe(1, [4, 4], Augmentation::PadCrop { pad: 4 });
    for (error, says) in [
        (refused(&fit, 11, 0), "10 training pictures, fewer than a batch of 11"),
        (refused(&fit, 0, 0), "0 pictures"),
        (refused(&fit, 4, 3), "2 batches of 4, so 3 cannot"),
        (refused(&colour, 4, 0), "[1, 4, 4], but the network takes [3, 4, 4]"),
        (refused(&large, 4, 0), "[1, 4, 4], but the network takes [1, 5, 4]"),
        (refused(&padded, 4, 0), "4 pixels of padding"),
    ] {
        assert!(error.contains(says), "{error}");
    }
    assert!(Batches::evaluation(&data, &fit, pace(11)).is_ok());
    assert!(Batches::evaluation(&data, &padded, pace(11)).is_ok());
    assert!(Batches::evaluation(&data, &fit, pace(0)).is_err());
    drop(folder);
    let (_folder, pictures) = files(6);
    let grey = recipe(1, [4, 4], Augmentation::None);
    let error = Batches::evaluation(&pictures, &grey, pace(2)).err().unwrap();
    assert!(
        error.message().contains("in 3 channels, but the network takes [1, 4, 4]"),
        "{error:?}"
    );
}
