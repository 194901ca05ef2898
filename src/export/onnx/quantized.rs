//! Writes values that are stored as integers, in the form that
//! [`Encodings`](super::encodings::Encodings) describes.

use resnetc_ir::memory::NoMemory;
use resnetc_ir::{DType, Tensor};

use super::Writer;
use super::message::{self, int};
use crate::import::onnx::proto::{DataType, NodeProto};

impl Writer<'_> {
    /// Writes a constant as integers and their dequantization, which has this name.
    pub(super) fn integers(
        &mut self,
        name: String,
        integers: &Tensor,
        scales: &[f32],
    ) -> Result<(), NoMemory> {
        let q = self.names.fresh(&format!("{name}.q"));
        self.proto.initializer.push(message::tensor(&q, integers)?);
        let count = scales.len();
        let scale = self.names.fresh(&format!("{name}.scale"));
        self.proto.initializer.push(message::floats(&scale, &[count], scales));
        let zero = self.names.fresh(&format!("{name}.zero_point"));
        let zeros = vec![0; count * integers.dtype().bytes()];
        let ty = DataType::from(integers.dtype());
        self.proto.initializer.push(message::initializer(&zero, ty, vec![count as i64], zeros));
        let mut node = linear("DequantizeLinear", vec![q, scale, zero], name);
        node.attribute = vec![int("axis", 0)];
        self.proto.node.push(node);
        Ok(())
    }

    /// Writes the quantization of a value and its dequantization, which has the name `to`.
    pub(super) fn quantized(&mut self, from: String, to: String, scale: f32, zero: u8) {
        let scale_name = self.names.fresh(&format!("{to}.scale"));
        self.proto.initializer.push(message::floats(&scale_name, &[], &[scale]));
        let zero_name = self.names.fresh(&format!("{to}.zero_point"));
        let ty = DataType::from(DType::U8);
        self.proto.initializer.push(message::initializer(&zero_name, ty, vec![], vec![zero]));
        let q = self.names.fresh(&format!("{to}.q"));
        let parameters = [scale_name, zero_name];
        let operands = |value: String| [vec![value], parameters.to_vec()].concat();
        self.proto.node.push(linear("QuantizeLinear", operands(from), q.clone()));
        self.proto.node.push(linear("DequantizeLinear", operands(q), to));
    }
}

fn linear(op: &str, input: Vec<String>, result: String) -> NodeProto {
    NodeProto {
        input,
        name: Some(format!(
            "{result}.{}",
            if op == "QuantizeLinear" { "quantize" } else { "dequantize" }
        )),
        output: vec![result],
        op_type: Some(op.into()),
        ..Default::default()
    }
}
