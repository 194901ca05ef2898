//! Small files with large demands: the limits of `resnetc::import::limits`, and messages that stay
//! short and harmless.

use std::fs::File;

use crate::model::Attr::Ints;
use crate::model::{Model, attribute, node, single};
use prost::Message;
use resnetc::import::limits;
use resnetc::import::onnx::proto::{
    AttributeProto, AttributeType, DataLocation, DataType, FunctionProto, NodeProto,
    StringStringEntryProto, TensorProto,
};
use resnetc::import::onnx::{self, Bindings};

/// A call of the function "mine.F", and the function, whose nodes are `body`.
fn calling(call: NodeProto, times: usize, body: Vec<NodeProto>) -> Model {
    let mut model = Model::new(&[2]).output("y");
    for i in 0..times {
        let output = if i == 0 { "y".to_owned() } else { format!("y{i}") };
        let domain = Some("mine".to_owned());
        let call = NodeProto { op_type: Some("F".into()), domain, ..call.clone() };
        model = model.add(NodeProto { input: vec!["x".into()], output: vec![output], ..call });
    }
    model.0.functions = vec![FunctionProto {
        name: Some("F".into()),
        domain: Some("mine".into()),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: body,
        ..Default::default()
    }];
    model
}

#[test]
fn records_are_counted_before_they_are_decoded() {
    let mut model = single("Relu", &[2], &["x"], &[]);
    // Two bytes each in the file, a few hundred in memory.
    let empty = AttributeProto::default();
    model.graph_proto().node[0].attribute = vec![empty; limits::RECORDS];
    let text = model.error();
    assert!(text.contains("more than 1048576 nodes, attributes"), "{text}");
}

#[test]
fn nodes_are_counted_as_they_stand_and_as_they_become() {
    let mut chain = Model::new(&[2]).output("v0");
    for i in 0..=limits::NODES {
        chain = chain.node("Relu", &[&format!("v{}", i + 1)], &[&format!("v{i}")], &[]);
    }
    chain.graph_proto().node.last_mut().unwrap().input = vec!["x".into()];
    assert!(chain.error().contains("graph: more than 65536 nodes"), "{}", chain.error());
    let sum = |operands: usize| vec!["x"; operands];
    let mut sums = Model::new(&[2]);
    for i in 0..20 {
        let name = format!("y{i}");
        sums = sums.node("Sum", &sum(limits::LIST_ENTRIES), &[&name], &[]).output(&name);
    }
    assert!(sums.error().contains("graph: more than 65536 nodes"), "{}", sums.error());
    let text = single("Sum", &[2], &sum(limits::LIST_ENTRIES + 1), &[]).error();
    assert!(text.contains("4097 operands; the limit is 4096"), "{text}");
}

#[test]
fn copies_of_functions_are_bounded() {
    let relu = node("Relu", &["a"], &["b"], &[]);
    let few = calling(NodeProto::default(), 3, vec![relu.clone()]);
    assert!(few.import().is_ok());
    // A long attribute that each node of a function refers to.
    let long = attribute("long", &Ints(vec![7; 1 << 18]));
    let asking = AttributeProto {
        name: Some("axes".into()),
        ref_attr_name: Some("long".into()),
        r#type: Some(AttributeType::Ints as i32),
        ..Default::default()
    };
    let body = vec![NodeProto { attribute: vec![asking], ..relu.clone() }; 1 << 14];
    let call = NodeProto { attribute: vec![long], ..Default::default() };
    let text = calling(call, 1, body).error();
    assert!(text.contains("function mine.F") && text.contains("67108864 bytes"), "{text}");
    // A long name, which the names of all nodes inside begin with.
    let call = NodeProto { name: Some("n".repeat(1 << 20)), ..Default::default() };
    let text = calling(call, 1, vec![relu.clone(); 1 << 14]).error();
    assert!(text.contains("67108864 bytes"), "{text}");
    // A long list of operands that are not given.
    let mut model = calling(NodeProto::default(), 1 << 10, vec![relu]);
    model.0.functions[0].input.extend((0..1 << 10).map(|i| format!("c{i}")));
    assert!(model.error().contains("262144 nodes and names"), "{}", model.error());
}

/// A constant of `count` elements in "data.bin".
fn external(name: &str, count: i64, ty: DataType) -> TensorProto {
    let entry =
        StringStringEntryProto { key: Some("location".into()), value: Some("data.bin".into()) };
    TensorProto {
        name: Some(name.into()),
        dims: vec![count],
        data_type: Some(ty as i32),
        external_data: vec![entry],
        data_location: Some(DataLocation::External as i32),
        ..Default::default()
    }
}

#[test]
fn a_hole_in_a_file_fills_no_memory() {
    let folder = std::env::temp_dir().join(format!("resnetc-{}-hole", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // It needs no space on disk, but would fill the memory.
    let hole = File::create(folder.join("data.bin")).unwrap();
    let path = folder.join("m.onnx");
    let error = |model: Model| {
        std::fs::write(&path, model.bytes()).unwrap();
        onnx::load(&path, &Bindings::default()).unwrap_err().to_string()
    };
    if hole.set_len(1 << 40).is_ok() {
        let one = single("Add", &[2], &["x", "w"], &[]);
        let text = error(one.clone().tensor(external("w", 1 << 38, DataType::Float)));
        assert!(text.contains("tensor \"w\": more than "), "{text}");
        assert!(text.contains(" bytes of constants") && text.contains("memory"), "{text}");
        // A byte becomes an integer of eight.
        let text = error(one.tensor(external("w", 1 << 38, DataType::Int8)));
        assert!(text.contains("tensor \"w\": more than "), "{text}");
        // Nothing is read before the sum is known to fit.
        let last = 1 << 38;
        let two = single("Sum", &[2], &["x", "w", "v"], &[])
            .tensor(external("w", 1, DataType::Float))
            .tensor(external("v", last, DataType::Float));
        assert!(error(two).contains("tensor \"v\": more than"));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn values_of_absurd_sizes_are_refused() {
    let side = 1 << 19;
    let text = single("Relu", &[1, 3, side, side], &["x"], &[]).error();
    assert!(
        text.contains("value \"x\"") && text.contains("more than 2147483648 elements"),
        "{text}"
    );
    assert!(text.contains("Options::dims"), "{text}");
    let text = single("Expand", &[1], &["x", "s"], &[]).ints("s", &[1 << 36]).error();
    assert!(text.contains("\"y\"") && text.contains("limit"), "{text}");
}

#[test]
fn messages_quote_no_control_characters_and_no_long_names() {
    let evil = "a\u{1b}[2J\nerror: all is lost\u{7}";
    let long = "n".repeat(1 << 20);
    let mut models = Vec::new();
    for name in [evil, &long] {
        models.push(Model::new(&[2]).node(name, &["x"], &["y"], &[]).output("y"));
        models.push(Model::new(&[2]).node("Relu", &[name], &["y"], &[]).output("y"));
        models.push(Model::new(&[2]).node("Relu", &[name], &[name], &[]).output(name));
        models.push(Model::new(&[2]).input(name, &[1; 9]).output("x"));
        let mut symbol = Model::new(&[2]).input("z", &[1, -1]).output("x");
        let z = symbol.graph_proto().input[1].r#type.as_mut().unwrap();
        let shape = z.tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
        shape.dim[1].dim_param = Some(name.into());
        models.push(symbol);
        let tensor = TensorProto { name: Some(name.into()), ..external("", 2, DataType::Float) };
        models.push(single("Add", &[2], &["x", name], &[]).tensor(tensor.clone()));
        let wrong = TensorProto { data_location: None, ..tensor };
        models.push(single("Add", &[2], &["x", name], &[]).tensor(wrong));
    }
    for model in models {
        let text = model.error();
        assert!(text.len() < 2000, "{} bytes", text.len());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.lines().all(|l| !l.starts_with("error")), "{text}");
    }
}

#[test]
fn a_thousand_refused_nodes_are_enough() {
    let mut model = Model::new(&[2]);
    for i in 0..1010 {
        let name = format!("y{i}");
        model = model.node("Einsum", &["x"], &[&name], &[]).output(&name);
    }
    let text = model.error();
    assert!(text.starts_with("1010 nodes") && text.ends_with("and 10 more"), "{text}");
    assert!(model.0.encoded_len() < 1 << 16);
}
