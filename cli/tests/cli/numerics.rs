//! `--numerics`: what it says of weights, and that results stay right.

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

#[test]
fn other_numerics_are_wrong_usage() {
    let output = resnetc(&["run", NETWORK, "--numerics", "double"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("expected fast, half or exact"), "{text}");
}
