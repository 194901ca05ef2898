//! Models of every operator with one or two wrong bytes give a graph or an error.

use proptest::prelude::*;
use resnetc::import::onnx::{self, Bindings, operators};
use resnetc_ir::verify::verify;

use crate::case;

/// The models of all small cases, ready to be imported.
fn models() -> &'static [Vec<u8>] {
    static MODELS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    MODELS.get_or_init(|| {
        let mut models = Vec::new();
        for operator in operators().iter().filter(|o| o.domain.is_empty()) {
            let cases = case::read(operator.name);
            for case in &cases {
                let base = case::base(&cases, case);
                let sets = case.sets.iter().map(|set| case::prepare(operator, case, base, set));
                models.extend(sets.map(|p| p.model).filter(|m| m.len() < 4096));
            }
        }
        models
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn models_with_wrong_bytes(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        batch in 1usize..4,
    ) {
        let mut bytes = which.get(models()).clone();
        for (at, value) in &flips {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        match onnx::parse(&bytes, None, &Bindings { batch: Some(batch), ..Bindings::default() }) {
            Ok(graph) => prop_assert!(verify(&graph).is_ok()),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
