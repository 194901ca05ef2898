//! What progress bars say.

use resnetc::quantize::Stage;

use crate::progress::Progress;

/// What is done with calibration inputs in a stage.
pub(super) fn verb(stage: Stage) -> &'static str {
    match stage {
        Stage::Ranges => "calibrating",
        _ => "measuring",
    }
}

/// The bar of a stage that reads no inputs.
#[derive(Default)]
pub(super) struct Comparing(Option<Progress>);

impl Comparing {
    /// Shows how much is done.
    pub(super) fn show(&mut self, done: usize, total: usize) {
        self.0
            .get_or_insert_with(|| Progress::new("comparing layers", total as u64))
            .set(done as u64);
        if done == total {
            self.0 = None;
        }
    }
}
