//! Compares preparation with the stored results of Pillow and torchvision for the same files, which
//! `make.py` made.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::super::picture::Source;
use super::super::preset::Channels;
use super::super::resample::Filter;
use super::{Options, Preparation};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures"))
}

fn cases() -> Vec<Value> {
    let text = fs::read_to_string(folder().join("cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Height, width and channels of a case's result.
fn shape(case: &Value) -> [usize; 3] {
    let extent = |axis: usize| case["shape"].get(axis).map_or(1, |n| n.as_u64().unwrap() as usize);
    [extent(0), extent(1), extent(2)]
}

fn preparation(case: &Value) -> Preparation {
    let [height, width, channels] = shape(case);
    let short = case["resize"].as_u64().map(|n| n as usize);
    let options = Options {
        resize: short,
        stretch: short.is_none(),
        interpolation: Some(
            <Filter as clap::ValueEnum>::from_str(case["filter"].as_str().unwrap(), false).unwrap(),
        ),
        channels: Some(if channels == 1 { Channels::Grey } else { Channels::Rgb }),
        ..Options::default()
    };
    Preparation::new(&options, "torchvision", [1, channels, height, width]).unwrap()
}

#[test]
fn all_is_as_pillow_and_torchvision_do_it() {
    let expected = fs::read(folder().join("expected.bin")).unwrap();
    let mut expected = expected.as_slice();
    let mut wrong = Vec::new();
    for case in cases() {
        let source = Source::File(folder().join(case["file"].as_str().unwrap()));
        let pixels = preparation(&case).seen(source.read().unwrap());
        assert_eq!([pixels.height, pixels.width, pixels.channels], shape(&case), "{case}");
        let (wanted, rest) = expected.split_at(pixels.bytes.len());
        expected = rest;
        let off = wanted.iter().zip(&pixels.bytes).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        if u64::from(off) > case["tolerance"].as_u64().unwrap() {
            wrong.push(format!("off by {off}: {case}"));
        }
    }
    assert!(expected.is_empty(), "{} bytes belong to no case", expected.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numbers_are_the_bytes_normalized() {
    let options = Options { preset: Some("keras-v2".into()), ..Options::default() };
    let preparation = Preparation::new(&options, "", [1, 3, 23, 37]).unwrap();
    let source = Source::File(folder().join("odd.png"));
    let bytes = preparation.seen(source.read().unwrap()).bytes;
    let values = preparation.values(source.read().unwrap());
    assert_eq!(values.len(), bytes.len());
    for (i, pixel) in bytes.chunks(3).enumerate() {
        for (c, &byte) in pixel.iter().enumerate() {
            let wanted = f64::from(byte) / 127.5 - 1.0;
            assert!((f64::from(values[c * 23 * 37 + i]) - wanted).abs() < 1e-6, "{c} {i}");
        }
    }
}
