//! `resnetc dump`.

use std::fs;

use resnetc::ir::text::{constants, parse, parse_with, print};

use crate::support::*;
use resnetc_testing::host::{not_run, runs};

#[test]
fn every_stage_can_be_dumped() {
    let (model, _) = fixture("resnet_basic_b");
    for (stage, has) in [
        ("graph", "batch_norm"),
        ("fused", "relu"),
        ("scheduled", "nchw16c"),
        ("plan", "lower bound"),
        ("program", "program \""),
        ("clif", "function u0:0"),
        ("dot", "digraph"),
    ] {
        let text = succeed(&["dump", &model, "--stage", stage]);
        assert!(text.contains(has), "{stage}: {text}");
    }
    if cfg!(target_arch = "x86_64") {
        assert!(succeed(&["dump", &model, "--stage", "asm"]).contains("ret"));
    }
    let fused = succeed(&["dump", &model, "--stage", "fused"]);
    assert!(!fused.contains("batch_norm"));
    assert!(
        succeed(&["dump", &model, "--stage", "fused", "--no-pass", "fuse_activation"])
            .contains(" = relu(")
    );
    let part = succeed(&["dump", &model, "--stage", "fused", "--node", "/conv1/Conv"]);
    assert_eq!(part.lines().count(), 1, "{part}");
    let folder = folder("dump");
    succeed(&["dump", &model, "--stage", "fused", "-o", text(&folder.join("fused.txt"))]);
    assert_eq!(fs::read_to_string(folder.join("fused.txt")).unwrap(), fused);
}

/// Comments are not part of the graph; elements that are not in the text are looked up by their
/// hash, which the text has.
#[test]
fn a_dumped_graph_reads_back() {
    let (model, _) = fixture("resnet_basic_b");
    let network = resnetc::Compiler::default().load(&model).unwrap();
    let mut scheduled = network.graph().clone();
    resnetc::compile::schedule(&mut scheduled, network.options()).unwrap();
    for (stage, graph) in [("graph", network.graph()), ("scheduled", &scheduled)] {
        let dumped = succeed(&["dump", &model, "--stage", stage]);
        let (comment, text) = dumped.split_once('\n').unwrap();
        let hashed = text.matches(" = constant fnv=").count();
        assert!(comment.starts_with(&format!("# the elements of {hashed} constants")), "{comment}");
        assert_eq!(text, print(graph));
        let table = constants(graph);
        let reread = parse_with(&dumped, &|hash| table.get(&hash).cloned()).unwrap();
        assert_eq!(print(&reread), text);
        assert!(parse(&dumped).unwrap_err().to_string().contains("fnv="));
    }
}

#[test]
fn machine_code_stands_behind_the_lines_that_it_was_made_of() {
    if !cfg!(target_arch = "x86_64") {
        return not_run("the listing of machine code", "this machine has no x86-64 instructions");
    }
    let (model, _) = fixture("resnet_basic_b");
    let mut isas = vec!["baseline"];
    isas.extend(runs(resnetc::Isa::Avx2).then_some("avx2"));
    for isa in isas {
        let common = ["--isa", isa, "--node", "/conv1/Conv"];
        let dump = |stage| succeed(&[&["dump", &model, "--stage", stage], &common[..]].concat());
        let (asm, programs) = (dump("asm"), dump("program"));
        let is_line = |l: &&str| l.trim_start().starts_with(';') && l.starts_with(' ');
        let comments: Vec<&str> =
            asm.lines().filter(is_line).map(|l| l.trim_start().trim_start_matches("; ")).collect();
        assert!(comments.len() > 50, "{isa}: {}", comments.len());
        let known: Vec<&str> = programs.lines().map(str::trim_start).collect();
        assert!(comments.iter().all(|c| known.contains(&c.trim_start())), "{isa}");
        // A multiply-add of the program, followed by its instruction.
        let lines: Vec<&str> = asm.lines().collect();
        let multiplies = lines.windows(2).filter(|w| is_line(&w[0]) && w[0].contains(" += v"));
        let right = multiplies.clone().filter(|w| w[1].contains(" vfmadd"));
        assert!(right.count() * 2 > multiplies.count(), "{isa}");
    }
}

#[test]
fn a_node_that_is_not_there_is_answered_with_the_nearest() {
    let (model, _) = fixture("resnet_basic_b");
    for stage in ["graph", "fused", "scheduled", "plan", "program", "clif"] {
        let output = resnetc(&["dump", &model, "--stage", stage, "--node", "/conv1/Conf"]);
        assert_eq!(output.status.code(), Some(1), "{stage}");
        let said = stderr(&output);
        let (error, help) = said.split_once('\n').unwrap();
        assert!(error.contains("no node \"/conv1/Conf\""), "{stage}: {said}");
        assert!(help.starts_with("help: similar names are \"/conv1/Conv\""), "{stage}: {said}");
        assert!(help.matches('"').count() <= 10, "{stage}: {said}");
    }
    let dot = resnetc(&["dump", &model, "--stage", "dot", "--node", "/conv1/Conv"]);
    assert_eq!(dot.status.code(), Some(2));
}
