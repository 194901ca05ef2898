//! Decodes bytes to messages: rejects what is not a model, and checks versions.

use std::path::Path;

use prost::Message;
use prost::bytes::Buf;

use super::proto::{ModelProto, OperatorSetIdProto};
use super::wire::{self, Refused};
use crate::advice::Advice;
use crate::import::error::{ImportError, ImportErrorKind};
use crate::import::foreign::{Format, Wanted};
use crate::import::limits;
use crate::whole_file;

/// Versions of the file format. Files before version 3 do not say which operator versions they use.
const IR_VERSIONS: [i64; 2] = [3, 14];

/// Versions of the standard operators.
pub(super) const OPSETS: [i64; 2] = [7, 28];

/// Reads a whole file.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, ImportError> {
    whole_file::read(path, limits::ONNX_BYTES).map_err(|source| {
        ImportError::from(ImportErrorKind::Io { action: "reading", source }).in_file(path)
    })
}

/// Decodes a model and finds the version of the standard operators that it uses. Tensor data is
/// taken with [`Buf::copy_to_bytes`]. `bytes` must be one chunk.
pub(super) fn decode(bytes: &mut dyn Buf) -> Result<(ModelProto, i64), ImportError> {
    let format = |reason: String| ImportErrorKind::Format { expected: "valid ONNX model", reason };
    if let Some(reason) = sniff(bytes.chunk()) {
        return Err(format(reason).into());
    }
    let length = bytes.remaining();
    let damaged = |what: &dyn std::fmt::Display| {
        format(format!(
            "the file is truncated or damaged ({length} bytes: {what}); copy or export it again"
        ))
    };
    wire::check(bytes.chunk()).map_err(|refused| match refused {
        Refused::Damaged => damaged(&"a record has no end"),
        Refused::Many => ImportErrorKind::Limit {
            place: "model".into(),
            what: "nodes, attributes, names and other records",
            limit: limits::RECORDS,
            advice: Advice::plain("no image network has that many, so the file may be damaged"),
        },
    })?;
    let model = ModelProto::decode(bytes).map_err(|e| damaged(&e))?;
    if model.graph.is_none() || model.ir_version.is_none() {
        return Err(format("it has no graph or no version; copy or export it again".into()).into());
    }
    check("ONNX IR version", model.ir_version(), IR_VERSIONS)?;
    let opset = standard_opset(&model.opset_import).ok_or_else(|| {
        let reason = "the file does not say which operator versions it uses; it may be truncated";
        ImportError::from(format(reason.into()))
    })?;
    check("ONNX opset", opset, OPSETS)?;
    Ok((model, opset))
}

/// The version of the standard operators in a list of imports.
pub(super) fn standard_opset(imports: &[OperatorSetIdProto]) -> Option<i64> {
    imports.iter().find(|i| is_standard(i.domain())).map(OperatorSetIdProto::version)
}

/// Whether a domain is that of the standard operators, which has two names.
pub(super) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

pub(super) fn check(
    what: &'static str,
    found: i64,
    [lowest, highest]: [i64; 2],
) -> Result<(), ImportError> {
    if (lowest..=highest).contains(&found) {
        return Ok(());
    }
    let advice = Advice::plain("export the model again with opset 17");
    Err(ImportErrorKind::Version { what, found, lowest, highest, advice }.into())
}

/// Checks the operator version for which a function of the model was written.
pub(super) fn check_opset(found: i64) -> Result<(), ImportError> {
    check("ONNX opset", found, OPSETS)
}

/// What a file is if it is certainly not an ONNX model. A model starts with the key of its version
/// field, 0x08.
fn sniff(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some("the file is empty".into());
    }
    if let Some(format) = Format::of(None, bytes) {
        return Some(format.advise(Wanted::Model));
    }
    let head = &bytes[..bytes.len().min(256)];
    let is_text = |&b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    head.iter()
        .all(is_text)
        .then(|| "the file is text; pass the binary file that an ONNX exporter wrote".into())
}
