//! The standard's cases in forms of earlier versions, where today's operands were attributes.

use prost::Message;
use resnetc::import::onnx::operators;
use resnetc::import::onnx::proto::{AttributeProto, AttributeType, ModelProto, TensorProto};

use crate::case::{self, Prepared, value};
use crate::{Outcome, run};

/// The form of an operator up to a version.
struct Form {
    operator: &'static str,
    opset: i64,
    /// Today's operands and the attributes that they were.
    attributes: &'static [(usize, &'static str, Kind)],
}

#[derive(Clone, Copy)]
enum Kind {
    Float,
    Floats,
    Ints,
}

const AXES: &[(usize, &str, Kind)] = &[(1, "axes", Kind::Ints)];

const FORMS: &[Form] = &[
    Form {
        operator: "Pad",
        opset: 10,
        attributes: &[(1, "pads", Kind::Ints), (2, "value", Kind::Float)],
    },
    Form { operator: "Split", opset: 12, attributes: &[(1, "split", Kind::Ints)] },
    Form {
        operator: "Clip",
        opset: 10,
        attributes: &[(1, "min", Kind::Float), (2, "max", Kind::Float)],
    },
    Form { operator: "Upsample", opset: 7, attributes: &[(1, "scales", Kind::Floats)] },
    Form {
        operator: "Slice",
        opset: 9,
        attributes: &[(1, "starts", Kind::Ints), (2, "ends", Kind::Ints), (3, "axes", Kind::Ints)],
    },
    Form { operator: "Squeeze", opset: 12, attributes: AXES },
    Form { operator: "Unsqueeze", opset: 12, attributes: AXES },
    Form { operator: "ReduceSum", opset: 12, attributes: AXES },
    Form { operator: "ReduceMean", opset: 17, attributes: AXES },
    Form { operator: "ReduceMax", opset: 17, attributes: AXES },
    Form { operator: "ReduceMin", opset: 17, attributes: AXES },
    Form { operator: "ReduceL1", opset: 17, attributes: AXES },
    Form { operator: "ReduceL2", opset: 17, attributes: AXES },
    Form { operator: "ReduceLogSum", opset: 17, attributes: AXES },
    Form { operator: "ReduceSumSquare", opset: 17, attributes: AXES },
];

impl Form {
    /// A case in this form; `None` if the form cannot express it.
    fn of(&self, prepared: &Prepared) -> Option<Vec<u8>> {
        let mut model = ModelProto::decode(&prepared.model[..]).expect("a model");
        let graph = model.graph.as_mut().expect("a graph");
        let node = graph.node.first_mut().expect("a node");
        let operands = node.input.split_off(1);
        for (i, name) in operands.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let tensor = graph.initializer.iter().find(|t| t.name() == name)?;
            let &(_, attribute, kind) = self.attributes.iter().find(|(at, ..)| *at == i + 1)?;
            node.attribute.push(attribute_of(attribute, kind, tensor));
        }
        model.opset_import.first_mut().expect("an opset").version = Some(self.opset);
        (!operands.is_empty()).then(|| model.encode_to_vec())
    }
}

fn attribute_of(name: &str, kind: Kind, tensor: &TensorProto) -> AttributeProto {
    let numbers = value(tensor).data;
    let mut attribute = AttributeProto { name: Some(name.into()), ..Default::default() };
    let ty = match kind {
        Kind::Float => {
            attribute.f = numbers.first().map(|&x| x as f32);
            AttributeType::Float
        }
        Kind::Floats => {
            attribute.floats = numbers.iter().map(|&x| x as f32).collect();
            AttributeType::Floats
        }
        Kind::Ints => {
            attribute.ints = numbers.iter().map(|&x| x as i64).collect();
            AttributeType::Ints
        }
    };
    attribute.r#type = Some(ty as i32);
    attribute
}

#[test]
fn what_are_operands_were_attributes() {
    for form in FORMS {
        let operator = operators().iter().find(|o| o.domain.is_empty() && o.name == form.operator);
        let operator = operator.expect("it is read");
        let cases = case::read(form.operator);
        let mut tried = 0;
        for case in cases.iter().filter(|case| !case.name().contains("_expanded")) {
            for set in &case.sets {
                let prepared = case::prepare(operator, case, case, set);
                let refused = crate::refused::reason(case.name()).is_some();
                let Some(model) = form.of(&prepared).filter(|_| !refused) else { continue };
                let old = Prepared { model, ..prepared };
                assert_eq!(
                    run(&old, case),
                    Outcome::Right,
                    "{} in opset {}",
                    case.name(),
                    form.opset
                );
                tried += 1;
            }
        }
        assert!(tried > 0, "no case of {} can have that form", form.operator);
    }
}
