//! Small models, built from the messages of the file format.

use prost::Message;
use resnetc::import::ImportError;
use resnetc::import::onnx::proto::*;
use resnetc::import::onnx::{self, Bindings};
use resnetc_ir::Graph;
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::verify::verify;

/// A model under construction, with one input "x" and opset 17.
#[derive(Clone)]
pub(crate) struct Model(pub(crate) ModelProto);

pub(crate) enum Attr {
    Int(i64),
    Float(f32),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Text(&'static str),
}

use Attr::{Float, Floats, Int, Ints, Text};

pub(crate) fn attribute(name: &str, value: &Attr) -> AttributeProto {
    let mut a = AttributeProto { name: Some(name.into()), ..Default::default() };
    let ty = match value {
        Int(i) => {
            a.i = Some(*i);
            AttributeType::Int
        }
        Float(f) => {
            a.f = Some(*f);
            AttributeType::Float
        }
        Floats(v) => {
            a.floats = v.clone();
            AttributeType::Floats
        }
        Ints(v) => {
            a.ints = v.clone();
            AttributeType::Ints
        }
        Text(s) => {
            a.s = Some(s.as_bytes().to_vec().into());
            AttributeType::String
        }
    };
    a.r#type = Some(ty as i32);
    a
}

pub(crate) fn node(
    op: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: &[(&str, Attr)],
) -> NodeProto {
    NodeProto {
        op_type: Some(op.into()),
        input: inputs.iter().map(|s| s.to_string()).collect(),
        output: outputs.iter().map(|s| s.to_string()).collect(),
        attribute: attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
        ..Default::default()
    }
}

pub(crate) fn opset(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: Some(domain.into()), version: Some(version) }
}

impl Model {
    pub(crate) fn new(input: &[i64]) -> Self {
        let model = ModelProto {
            ir_version: Some(8),
            graph: Some(GraphProto { output: vec![], ..Default::default() }),
            opset_import: vec![opset("", 17)],
            ..Default::default()
        };
        Model(model).input("x", input)
    }

    pub(crate) fn graph_proto(&mut self) -> &mut GraphProto {
        self.0.graph.get_or_insert_default()
    }

    /// A negative dimension becomes a symbol "d0", "d1" and so on.
    pub(crate) fn input(mut self, name: &str, dims: &[i64]) -> Self {
        let dim = |(i, &d): (usize, &i64)| match d {
            d if d < 0 => Dimension { dim_value: None, dim_param: Some(format!("d{i}")) },
            d => Dimension { dim_value: Some(d), dim_param: None },
        };
        let shape = TensorShapeProto { dim: dims.iter().enumerate().map(dim).collect() };
        let tensor = TensorTypeProto { elem_type: Some(1), shape: Some(shape) };
        let ty = TypeProto { tensor_type: Some(tensor) };
        self.graph_proto().input.push(ValueInfoProto { name: Some(name.into()), r#type: Some(ty) });
        self
    }

    pub(crate) fn opset(mut self, version: i64) -> Self {
        self.0.opset_import = vec![opset("", version)];
        self
    }

    pub(crate) fn tensor(mut self, tensor: TensorProto) -> Self {
        self.graph_proto().initializer.push(tensor);
        self
    }

    pub(crate) fn floats(self, name: &str, dims: &[i64], data: &[f32]) -> Self {
        self.tensor(TensorProto {
            name: Some(name.into()),
            dims: dims.into(),
            data_type: Some(DataType::Float as i32),
            float_data: data.into(),
            ..Default::default()
        })
    }

    /// A float tensor of some numbers.
    pub(crate) fn weights(self, name: &str, dims: &[i64]) -> Self {
        let count = dims.iter().product::<i64>();
        let data: Vec<f32> = (0..count).map(|i| ((i * 7 + 3) % 11) as f32 - 5.0).collect();
        self.floats(name, dims, &data)
    }

    pub(crate) fn ints(self, name: &str, data: &[i64]) -> Self {
        self.tensor(TensorProto {
            name: Some(name.into()),
            dims: vec![data.len() as i64],
            data_type: Some(DataType::Int64 as i32),
            int64_data: data.into(),
            ..Default::default()
        })
    }

    pub(crate) fn node(
        self,
        op: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[(&str, Attr)],
    ) -> Self {
        self.add(node(op, inputs, outputs, attributes))
    }

    pub(crate) fn add(mut self, node: NodeProto) -> Self {
        self.graph_proto().node.push(node);
        self
    }

    pub(crate) fn output(mut self, name: &str) -> Self {
        self.graph_proto().output.push(ValueInfoProto { name: Some(name.into()), r#type: None });
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }

    pub(crate) fn import(&self) -> Result<Graph, ImportError> {
        onnx::parse(&self.bytes(), None, &Bindings::default())
    }

    pub(crate) fn graph(&self) -> Graph {
        let graph = self.import().unwrap_or_else(|e| panic!("{e}"));
        verify(&graph).unwrap();
        graph
    }

    /// The error text of a model that must not import.
    pub(crate) fn error(&self) -> String {
        match self.import() {
            Ok(_) => panic!("the model was accepted"),
            Err(e) => e.to_string(),
        }
    }

    /// The first output for an input of 0, 1, 2 and so on.
    pub(crate) fn run(&self) -> Value {
        let graph = self.graph();
        let shape = graph.node(graph.inputs()[0]).ty.shape.clone();
        let count = shape.iter().product::<usize>();
        let x = Value::new(shape, (0..count).map(|i| i as f64).collect());
        eval(&graph, &[x]).unwrap().remove(0)
    }
}

/// A convolution with these attributes, on a [1, 4, 5, 5] input.
pub(crate) fn conv(attributes: &[(&str, Attr)]) -> Model {
    Model::new(&[1, 4, 5, 5])
        .weights("w", &[2, 4, 3, 3])
        .node("Conv", &["x", "w"], &["y"], attributes)
        .output("y")
}

/// A model of one node that maps "x" to "y".
pub(crate) fn single(
    op: &str,
    input: &[i64],
    inputs: &[&str],
    attributes: &[(&str, Attr)],
) -> Model {
    Model::new(input).node(op, inputs, &["y"], attributes).output("y")
}
