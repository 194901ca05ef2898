//! What progress bars say.

use resnetc::quantize::Stage;

/// What is done with calibration inputs in a stage.
pub(super) fn verb(stage: Stage) -> &'static str {
    match stage {
        Stage::Ranges => "calibrating",
        _ => "measuring",
    }
}
