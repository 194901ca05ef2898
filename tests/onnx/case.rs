//! A case of the standard: the messages in which `vendor.py` writes it, and its prepared operands.

use std::path::PathBuf;

use prost::Message;
use resnetc::import::onnx::proto::{
    AttributeProto, AttributeType, DataType, ModelProto, NodeProto, TensorProto, ValueInfoProto,
};
use resnetc::import::onnx::{Operator, When};
use resnetc_ir::eval::Value;

#[derive(Clone, PartialEq, Message)]
struct Cases {
    #[prost(message, repeated, tag = "1")]
    case: Vec<Case>,
}

/// A model of one operator, or of its expansion (`_expanded`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Case {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(message, optional, tag = "2")]
    model: Option<ModelProto>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) sets: Vec<DataSet>,
    #[prost(float, optional, tag = "4")]
    rtol: Option<f32>,
    #[prost(float, optional, tag = "5")]
    atol: Option<f32>,
}

/// Operands and results.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DataSet {
    #[prost(message, repeated, tag = "1")]
    input: Vec<TensorProto>,
    #[prost(message, repeated, tag = "2")]
    output: Vec<TensorProto>,
}

impl Case {
    fn model(&self) -> ModelProto {
        self.model.clone().expect("every case has a model")
    }

    pub(crate) fn model_bytes(&self) -> Vec<u8> {
        self.model().encode_to_vec()
    }
}

/// The cases of an operator.
pub(crate) fn read(operator: &str) -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/cases");
    match std::fs::read(folder.join(format!("{operator}.pb"))) {
        Ok(bytes) => Cases::decode(&bytes[..]).expect("the file is whole").case,
        Err(_) => Vec::new(),
    }
}

/// The case that another one expands.
pub(crate) fn base<'a>(cases: &'a [Case], case: &'a Case) -> &'a Case {
    let name = case.name().split("_expanded").next().unwrap_or("");
    cases.iter().find(|c| c.name() == name).unwrap_or(case)
}

/// A model whose operands are constants where they must be, and the other operands.
pub(crate) struct Prepared {
    pub(crate) model: Vec<u8>,
    pub(crate) inputs: Vec<Value>,
    pub(crate) outputs: Vec<Value>,
}

/// Prepares a case. Results that are not floats are cast to floats, as only floats are computed at
/// run time.
pub(crate) fn prepare(operator: &Operator, case: &Case, base: &Case, set: &DataSet) -> Prepared {
    let mut model = case.model();
    let node = base.model().graph.and_then(|g| g.node.into_iter().next()).expect("a node");
    let graph = model.graph.as_mut().expect("a graph");
    let mut inputs = Vec::new();
    let mut at_run_time = Vec::new();
    for (input, tensor) in graph.input.drain(..).zip(&set.input) {
        let name = input.name().to_owned();
        let constant = node
            .input
            .iter()
            .position(|n| *n == name)
            .is_some_and(|position| operator.constants.contains(&position));
        let computed = matches!(
            DataType::try_from(tensor.data_type()),
            Ok(DataType::Float | DataType::Uint8 | DataType::Int8)
        );
        match operator.when == When::Always && computed && !constant {
            true => {
                inputs.push(value(tensor));
                at_run_time.push(input);
            }
            false => graph.initializer.push(TensorProto { name: Some(name), ..tensor.clone() }),
        }
    }
    graph.input = at_run_time;
    for (i, output) in graph.output.iter_mut().enumerate() {
        if set.output[i].data_type() != DataType::Float as i32 {
            let name = format!("float_{i}");
            graph.node.push(cast(output.name(), &name));
            *output = ValueInfoProto { name: Some(name), r#type: None };
        }
    }
    let outputs = set.output.iter().map(value).collect();
    Prepared { model: model.encode_to_vec(), inputs, outputs }
}

fn cast(from: &str, to: &str) -> NodeProto {
    let ty = AttributeProto {
        name: Some("to".into()),
        i: Some(DataType::Float as i64),
        r#type: Some(AttributeType::Int as i32),
        ..Default::default()
    };
    NodeProto {
        op_type: Some("Cast".into()),
        input: vec![from.into()],
        output: vec![to.into()],
        attribute: vec![ty],
        ..Default::default()
    }
}

/// A stored tensor as numbers.
pub(crate) fn value(tensor: &TensorProto) -> Value {
    let shape: Vec<usize> = tensor.dims.iter().map(|&d| d as usize).collect();
    let ty = DataType::try_from(tensor.data_type()).expect("a known type");
    let data: Vec<f64> = match &tensor.raw_data {
        Some(raw) => raw.chunks_exact(size(ty)).map(|bytes| number(ty, bytes)).collect(),
        None => {
            let ints = tensor.int64_data.iter().map(|&x| x as f64);
            let small = tensor.int32_data.iter().map(|&x| f64::from(x));
            ints.chain(small).chain(tensor.float_data.iter().map(|&x| f64::from(x))).collect()
        }
    };
    assert_eq!(data.len(), shape.iter().product::<usize>(), "the file is damaged");
    Value::new(shape, data)
}

fn size(ty: DataType) -> usize {
    match ty {
        DataType::Int64 => 8,
        DataType::Float | DataType::Int32 => 4,
        _ => 1,
    }
}

fn number(ty: DataType, bytes: &[u8]) -> f64 {
    match (ty, bytes) {
        (DataType::Float, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]).into(),
        (DataType::Int32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]).into(),
        (DataType::Int64, bytes) => {
            i64::from_le_bytes(bytes.try_into().expect("eight bytes")) as f64
        }
        (DataType::Int8, &[x]) => f64::from(x as i8),
        (DataType::Uint8 | DataType::Bool, &[x]) => x.into(),
        (other, _) => panic!("no case has {other:?}"),
    }
}
