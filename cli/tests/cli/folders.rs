//! What `classify` reports about files that it skips, and pictures that it does not support.

use std::fs;
use std::path::Path;

use crate::support::*;

#[test]
fn every_file_that_is_left_out_is_named_with_a_reason() {
    let folder = folder("left_out");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    let bag = fs::read("models/pictures/bag.png").unwrap();
    write("bag.png", &bag);
    write("coat.JFIF", &fs::read("tests/pictures/baseline.jpg").unwrap());
    write("trouser.jpg", &bag);
    for name in [".hidden/sub", "below"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let mut wanted = vec![
        (".bag.png", "hidden"),
        (".hidden", "a hidden folder"),
        ("below/copy", "a PNG picture"),
        ("below/mail.html", "a web page"),
        ("below/notes.txt", "a text"),
        ("below/noise", "not a picture of a known format"),
        ("iphone.heic", "a HEIC picture, which is not supported"),
        ("layers.psd", "Photoshop"),
    ];
    write(".bag.png", &bag);
    write("below/copy", &bag);
    write("below/mail.html", b"<html></html>");
    write("below/notes.txt", b"notes");
    write("below/noise", b"\x01\x02\x03");
    write("iphone.heic", b"\0\0\0\x20ftypheic\0\0\0\0");
    write("layers.psd", b"8BPS\0\x01");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&folder, folder.join("loop")).unwrap();
        wanted.push(("loop", "a link to a folder"));
    }
    let output = resnetc(&["classify", text(&folder), "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    for (name, why) in &wanted {
        let path = folder.join(name);
        let start = format!("note: {} is left out: ", path.display());
        let note = said.lines().find(|l| l.starts_with(&start));
        assert!(note.is_some_and(|n| n.contains(why)), "{name}: {said}");
    }
    assert_eq!(said.lines().count(), wanted.len() + 1, "{said}");
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["pictures"].as_array().unwrap().len(), 3, "{report}");

    // Few are named, the others are counted.
    for i in 0..90 {
        write(&format!("below/{i}.txt"), b"text");
    }
    let said = stderr(&resnetc(&["classify", text(&folder)]));
    assert_eq!(said.matches(" is left out: ").count(), 10, "{said}");
    let more = 90 + wanted.len() - 10;
    assert!(
        said.contains(&format!("{more} more files of {} left out as well", folder.display())),
        "{said}"
    );
}

#[test]
fn pictures_of_other_formats_are_called_by_their_names() {
    let folder = folder("other_formats");
    let camera = "a camera's raw picture (DNG)";
    let tiff = fs::read("tests/pictures/plain.tiff").unwrap();
    let of_camera = with_tag(&tiff, 50_706, 0x0401);
    let multiplied = with_tag(&tiff, 338, 1);
    for (name, bytes, says) in [
        ("a.png", &b"\0\0\0\x20ftypavif\0\0\0\0"[..], "an AVIF picture"),
        ("b.jpg", b"\0\0\0\x20ftypmif1heic", "a HEIF picture"),
        ("c.png", b"<?xml version='1.0'?><svg/>", "an SVG drawing"),
        ("d.tif", b"8BPS\0\x01\0\0", "a Photoshop document"),
        ("e.webp", b"\xff\x0a\xfa\x1f", "a JPEG XL picture"),
        ("f.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        ("g.gif", b"%PDF-1.7", "a PDF document"),
        ("h.jpg", b"<!DOCTYPE html><html>", "a web page"),
        ("i.tiff", &of_camera, camera),
        ("j.tiff", &multiplied, "multiplied by alpha"),
    ] {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let output = resnetc(&["classify", text(&path)]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let said = stderr(&output);
        assert!(
            said.starts_with("error: ") && said.contains(name) && said.contains(says),
            "{said}"
        );
    }
    let named =
        resnetc(&["classify", text(&folder.join("missing.gif")), "models/pictures/bag.png"]);
    assert_eq!(named.status.code(), Some(1));
    assert!(stdout(&named).contains("1 of 1 right") && Path::new("models").is_dir());
}

/// A TIFF file with a different value of a tag, or with the tag in place of another.
fn with_tag(tiff: &[u8], tag: u16, value: u16) -> Vec<u8> {
    let mut tiff = tiff.to_vec();
    let directory = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    let count = u16::from_le_bytes(tiff[directory..directory + 2].try_into().unwrap());
    let last = directory + 2 + 12 * (usize::from(count) - 1);
    // One value of type SHORT.
    let entry = [tag, 3, 1, 0, value, 0];
    for (i, word) in entry.iter().enumerate() {
        tiff[last + 2 * i..last + 2 * i + 2].copy_from_slice(&word.to_le_bytes());
    }
    tiff
}
