//! `curves`: pictures and pages of logs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::*;

/// A log of some epochs whose loss falls from `first`.
fn log(folder: &Path, name: &str, epochs: usize, first: f64) -> PathBuf {
    let line = |epoch: usize| {
        let loss = first / epoch as f64;
        let score = format!("{{\"loss\":{loss},\"accuracy\":{}}}", 1.0 - loss / 10.0);
        format!(
            "{{\"epoch\":{epoch},\"steps\":{epoch},\"rate\":0.1,\"train\":{score},\"test\":{score},\
             \"seconds\":1.0,\"images_per_second\":100.0}}\n"
        )
    };
    let file = folder.join(name);
    fs::write(&file, (1..=epochs).map(line).collect::<String>()).unwrap();
    file
}

#[test]
fn logs_become_a_picture_and_a_page() {
    let folder = folder("curves");
    let [a, b, c] = [("a", 2.0), ("b", 2.2), ("c", 3.0)]
        .map(|(name, first)| log(&folder, &format!("{name}.jsonl"), 6, first));
    let both = format!("both <seeds>={},{}", text(&a), text(&b));
    let svg = folder.join("curves.svg");
    succeed(&["curves", &both, text(&c), "-o", text(&svg)]);
    let drawn = fs::read_to_string(&svg).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>"), "{drawn}");
    assert!(
        drawn.contains("both &lt;seeds&gt; (2 runs)") && drawn.contains(">c</text>"),
        "{drawn}"
    );
    let count = |what: &str| drawn.matches(what).count();
    // Two panels with two curves for each of two series; a band where there are two runs.
    let curves = |form: &str| (0..2).map(|s| count(&format!("\"{form} s{s}\""))).sum::<usize>();
    // Each series is in the legend, too.
    assert_eq!((curves("dashed"), curves("solid"), count("<polygon")), (4, 4 + 2, 4));
    let png = folder.join("curves.png");
    succeed(&["curves", &both, text(&c), "-o", text(&png)]);
    let picture = image::open(&png).unwrap().into_rgb8();
    assert!(drawn.contains(&format!("width=\"{}.0\"", picture.width() / 2)));
    for (series, colour) in [[0x00, 0x72, 0xb2], [0xc0, 0x4a, 0x00]].into_iter().enumerate() {
        let covered = picture.pixels().filter(|pixel| pixel.0 == colour).count();
        assert!(covered > 1000, "series {series} covers {covered} pixels");
    }
    assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    let page = folder.join("curves.html");
    succeed(&["curves", &both, text(&c), "-o", text(&page)]);
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.contains("0.350 (0.333 to 0.367)") && page.contains("<svg"), "{page}");
    assert!(!page.contains("src=") && !page.contains("<script"), "it needs nothing else");
}

#[test]
fn one_epoch_is_a_picture_too() {
    let folder = folder("curves_one");
    let one = log(&folder, "one.jsonl", 1, 0.0);
    let svg = folder.join("one.svg");
    succeed(&["curves", text(&one), "-o", text(&svg)]);
    let drawn = fs::read_to_string(&svg).unwrap();
    assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
}

#[test]
fn what_is_no_log_is_refused() {
    let folder = folder("curves_refused");
    let good = log(&folder, "good.jsonl", 2, 1.0);
    let svg = folder.join("out.svg");
    let write = |name: &str, content: &str| {
        let file = folder.join(name);
        fs::write(&file, content).unwrap();
        file
    };
    let twice = fs::read_to_string(&good).unwrap().repeat(2);
    for (file, says) in [
        (write("empty.jsonl", "\n"), "it has no epochs"),
        (write("other.jsonl", "{\"epoch\":1}\n"), "line 1: missing field"),
        (write("twice.jsonl", &twice), "line 3: epochs do not rise"),
        (folder.join("none.jsonl"), "none.jsonl"),
    ] {
        fail(&["curves", text(&good), text(&file), "-o", text(&svg)], &[text(&file), says]);
        assert!(!svg.exists());
    }
    let later = fs::read_to_string(&good).unwrap();
    let later = later.lines().last().unwrap().replace("\"epoch\":2", "\"epoch\":7");
    let later = format!("a={},{}", text(&good), text(&write("later.jsonl", &later)));
    fail(&["curves", &later, "-o", text(&svg)], &["no epoch in common"]);
    let huge = fs::read_to_string(&good).unwrap().replace("\"loss\":1,", "\"loss\":1e300,");
    let huge = write("huge.jsonl", &huge);
    fail(&["curves", text(&huge), "-o", text(&svg)], &["line 1", "beyond those of f32"]);
    misuse(&["curves", text(&good), "-o", "curves.pdf"], "it must end in .svg, .png or .html");
    misuse(&[&["curves", "-o", text(&svg)], &[text(&good); 9][..]].concat(), "at most 8");
    misuse(&["curves", "a=", "-o", text(&svg)], "expected FILE or NAME=FILE");
}
