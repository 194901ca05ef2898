//! `resnetc report`, from outside: the page, its data, and what a failure leaves behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use crate::support::*;
use resnetc_testing::markup::Page;
use serde_json::Value;

/// Quick: the times do not matter here.
const QUICK: [&str; 6] = ["--iters", "1", "--warmup", "0", "--threads", "2"];

fn list<'a>(data: &'a Value, key: &str) -> &'a Vec<Value> {
    data.pointer(key).and_then(Value::as_array).unwrap_or_else(|| panic!("{key} is not a list"))
}

#[test]
fn every_plot_has_as_many_marks_as_there_are_data() {
    let (model, _) = fixture("resnet_basic_b");
    let page = folder("report").join("page.html");
    let args = [&["report", &model, "-o", text(&page), "--json"], &QUICK[..]].concat();
    let data = json(&args);
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
    let page = Page::read(&html);
    page.check();
    let layers = list(&data, "/layers");
    let classes: BTreeSet<_> = layers.iter().map(|l| l["class"].as_str().unwrap()).collect();
    let with_work = layers.iter().filter(|l| l["macs"].as_u64().unwrap() > 0).count();
    let nodes = list(&data, "/graphs/before").len() + list(&data, "/graphs/after").len();
    let expected = [
        ("ladder", list(&data, "/ladder/levels").len()),
        ("skyline", layers.len()),
        ("classes", classes.len()),
        ("roofline-plot", with_work),
        ("memory-plot", list(&data, "/memory/buffers").len()),
        ("graphs-plot", nodes),
    ];
    assert!(expected.iter().all(|(_, n)| *n > 1), "{expected:?}");
    assert_eq!(page.marks(), BTreeMap::from(expected.map(|(plot, n)| (plot.to_owned(), n))));
}

#[test]
fn the_data_agree_with_each_other_and_with_other_commands() {
    let (model, _) = fixture("resnet_basic_b");
    let data = json(&[&["report", &model, "--json"], &QUICK[..]].concat());
    let info = json(&["info", &model, "--json", "--threads", "2"]);
    assert_eq!(data["memory"]["peak"], info["compiled"]["arena_bytes"]);
    assert_eq!(data["memory"]["lower_bound"], info["compiled"]["arena_lower_bound"]);
    assert_eq!(data["run"]["macs"], info["macs"]);
    let layers = list(&data, "/layers");
    assert_eq!(layers.len() as u64, info["compiled"]["steps"].as_u64().unwrap());
    let macs: u64 = layers.iter().map(|l| l["macs"].as_u64().unwrap()).sum();
    assert_eq!(Some(macs), info["macs"].as_u64(), "fusion keeps every multiply-add");
    let share: f64 = layers.iter().map(|l| l["share_of_time"].as_f64().unwrap()).sum();
    assert!((share - 1.0).abs() < 1e-9, "{share}");
    // Every node of both graphs is in one group, and all except changes of layout are tied to
    // described nodes.
    let groups = list(&data, "/graphs/groups");
    for side in ["before", "after"] {
        let mut next = 0;
        for group in groups {
            assert_eq!(group[side][0].as_u64(), Some(next));
            next = group[side][1].as_u64().unwrap();
        }
        assert_eq!(next as usize, list(&data, &format!("/graphs/{side}")).len());
    }
    let after = list(&data, "/graphs/after");
    for group in groups.iter().filter(|g| g["before"][0] == g["before"][1]) {
        let node = &after[group["after"][0].as_u64().unwrap() as usize];
        assert_eq!(node["op"], "reorder", "{node}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_the_work() {
    let folder = folder("report_refused");
    let nowhere = folder.join("none").join("page.html");
    // The model does not exist either: the file is checked first.
    fail(&["report", "no such model", "-o", text(&nowhere)], &["page.html", "written"]);
    fail(&["report", "no such model", "-o", text(&folder)], &["report_refused", "folder"]);
    let kept = folder.join("kept.html");
    fs::write(&kept, "mine").unwrap();
    fail(&["report", "no such model", "-o", text(&kept)], &["no such model"]);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "mine");
    assert_eq!(names(&folder), ["kept.html"]);
}

#[test]
fn what_is_stopped_leaves_nothing_behind() {
    let folder = folder("report_stopped");
    let page = folder.join("page.html");
    // Takes minutes if it is not stopped.
    let args = ["report", "resnet50", "-o", text(&page), "--iters", "1000"];
    let mut child = command(&args).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(&folder), [""; 0]);
}
