//! Intermediate values as outputs, by names that a spec and an ONNX file of it share.

use resnetc::export::onnx;
use resnetc::ir::eval::{Value, eval};
use resnetc::{Compiler, Error, ErrorCode, Network, Options};

const NETWORK: &str = "cifar_resnet20";

fn options(outputs: &[&str]) -> Options {
    let outputs = outputs.iter().map(|&name| name.to_owned()).collect();
    Options::default().threads(1).batch(2).outputs(outputs)
}

fn spec(outputs: &[&str]) -> Result<Network, Error> {
    Compiler::new(options(outputs)).load(NETWORK)
}

/// The same network through an ONNX file.
fn file(outputs: &[&str]) -> Result<Network, Error> {
    let whole = Compiler::new(options(&[])).load(NETWORK).expect("built in");
    let bytes = onnx::encode(whole.graph()).expect("it can be written");
    Compiler::new(options(outputs)).onnx_bytes(&bytes, None)
}

#[test]
fn values_are_those_of_the_interpreter() {
    const NAMES: [&str; 5] = ["layer2", "avgpool", "layer1.0.conv2", "output", "layer3.1"];
    for network in [spec(&NAMES), file(&NAMES)] {
        let network = network.expect("all names are known");
        let outputs = network.graph().outputs();
        assert_eq!(outputs.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), NAMES);
        let shapes = outputs.iter().map(|o| network.graph().node(o.node).ty.shape.clone());
        let channels: Vec<usize> = shapes.map(|shape| shape[1]).collect();
        assert_eq!(channels, [32, 64, 16, 10, 64]);
        let shape = network.graph().node(network.graph().inputs()[0]).ty.shape.clone();
        let elements = shape.iter().product::<usize>();
        let pixels: Vec<f32> = (0..elements).map(|i| (i % 23) as f32 / 8.0 - 1.0).collect();
        let input = Value::new(shape, pixels.iter().map(|&x| f64::from(x)).collect());
        let expected = eval(network.graph(), &[input]).expect("it can be interpreted");
        let model = network.compile().expect("it compiles");
        let mut context = model.context().expect("memory");
        context.input_mut::<f32>(0).expect("one").copy_from_slice(&pixels);
        model.run(&mut context).expect("its own context");
        for (i, expected) in expected.iter().enumerate() {
            let found = context.output::<f32>(i).expect("an output");
            let largest = expected.data.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            let far = found.iter().zip(&expected.data);
            let far = far.map(|(&x, y)| (f64::from(x) - y).abs()).fold(0.0, f64::max);
            assert!(far <= 1e-5 * largest, "{}: {far} of {largest}", NAMES[i]);
        }
    }
}

#[test]
fn what_no_value_is_called_is_refused_with_what_is_similar() {
    for network in [spec, file] {
        let error = network(&["layer2.1.cnv2"]).expect_err("misspelt");
        assert_eq!(error.code(), ErrorCode::UnknownOutput);
        let text = error.to_string();
        assert!(text.contains("did you mean \"layer2.1.conv2\"?"), "{text}");
        assert!(text.contains("the output is \"output\""), "{text}");
        for none in ["", "layer", "conv1.weight", "input", "layer9"] {
            let error = network(&[none]).expect_err(none);
            assert_eq!(error.code(), ErrorCode::UnknownOutput, "{none}");
        }
    }
}
