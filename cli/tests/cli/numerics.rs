//! `--numerics`: what it says of weights, and that results stay right.

use resnetc_testing::running::fused_isas;
use serde_json::Value;

use crate::support::*;

const NETWORK: &str = "cifar_resnet20";

/// The bits of each convolution's weights.
fn bits(numerics: &str) -> Vec<u64> {
    let explained =
        json(&["explain", NETWORK, "--json", "--isa", "baseline", "--numerics", numerics]);
    let convolutions = explained["convolutions"].as_array().unwrap();
    convolutions.iter().filter_map(|layer| layer["weight_bits"].as_u64()).collect()
}

#[test]
fn the_bits_of_weights_are_shown_and_make_a_difference_in_memory() {
    for numerics in ["fast", "exact"] {
        assert!(bits(numerics).iter().all(|&bits| bits == 32), "{numerics}");
    }
    // Images of 32x32 keep floats; those of 16x16 and 8x8 are most of the network.
    let half = bits("half");
    let short = half.iter().filter(|&&bits| bits == 16).count();
    assert!(half.len() == 19 && short == 12, "{half:?}");
    let text = succeed(&["explain", NETWORK, "--isa", "baseline", "--numerics", "half"]);
    assert!(text.contains("16-bit weights)") && text.contains("32-bit weights)"), "{text}");
    let bytes = |numerics: &str| {
        let info = json(&["info", NETWORK, "--json", "--isa", "baseline", "--numerics", numerics]);
        info["compiled"]["weight_bytes"].as_f64().unwrap()
    };
    let share = bytes("half") / bytes("exact");
    assert!((0.5..0.75).contains(&share), "{share}");
}

#[test]
fn weights_of_16_bits_pass_the_check_and_the_comparison() {
    succeed(&["check", BUNDLED, "--numerics", "half"]);
    let bench = ["bench", NETWORK, "--numerics", "half", "--iters", "2", "--compare", "--json"];
    let found: Value = json(&bench);
    assert!(found["median_ms"].as_f64().unwrap() > 0.0);
}

/// The digest of the output, as text and as JSON have it.
fn hash(numerics: &str, isa: &str) -> String {
    let run = ["run", NETWORK, "--hash", "--numerics", numerics, "--isa", isa];
    let output = resnetc(&run);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("hash")).unwrap();
    let report = json(&[&run[..], &["--json"]].concat());
    assert_eq!(report["outputs"][0]["hash"], line.trim());
    line.trim().to_owned()
}

/// The digests are those of every machine with fused multiply-adds.
#[test]
fn hashes_of_portable_and_exact_numerics_are_the_same_everywhere() {
    let known = [
        ("portable", "ef8f07f1be7a4c1a18e5f9d95d56e2553875637344f6b31659f47b28c8884278"),
        ("exact", "15d9343c36c9ab6c2b6e08d32363b48515ef20445cda3a4ae6f39a26126789e4"),
    ];
    for isa in fused_isas() {
        for (numerics, known) in known {
            assert_eq!(hash(numerics, isa.name()), known, "{numerics} {isa}");
        }
    }
    let said =
        |numerics: &str| stderr(&resnetc(&["run", NETWORK, "--hash", "--numerics", numerics]));
    assert!(said("fast").contains("other machines may compute other bits"));
    assert!(!said("exact").contains("other machines"));
    // Without the option there is none.
    assert!(json(&["run", NETWORK, "--json"])["outputs"][0].get("hash").is_none());
}

#[test]
fn other_numerics_are_wrong_usage() {
    let output = resnetc(&["run", NETWORK, "--numerics", "double"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("expected one of fast, portable, half, exact"), "{text}");
}
