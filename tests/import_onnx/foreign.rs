//! Files of other formats, given as a model or as weights: the error says what they are, and what
//! to do.

use resnetc::spec::Spec;
use resnetc::{Compiler, Options};

use crate::folder::Folder;
use crate::model::single;

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 800\n";

/// The beginning of a ZIP archive.
fn zip(first: &str) -> Vec<u8> {
    let length = (first.len() as u16).to_le_bytes();
    [&b"PK\x03\x04"[..], &[0; 22], &length, &[0; 2], first.as_bytes()].concat()
}

#[test]
fn models_of_other_formats_are_told_with_what_to_do() {
    let folder = Folder::new("foreign");
    let checkpoint = zip("archive/data.pkl");
    let weights = b"\x02\0\0\0\0\0\0\0{}";
    let onnx = single("Relu", &[2], &["x"], &[]).bytes();
    let compiler = Compiler::new(Options::default());
    let cases: &[(&str, &[u8], [&str; 2])] = &[
        ("a.pth", &checkpoint, ["PyTorch checkpoint", "torch.onnx.export"]),
        ("b.pt", b"\x80\x02}q", ["Python pickle", "torch.onnx.export"]),
        ("c.onnx", &checkpoint, ["PyTorch checkpoint", "torch.onnx.export"]),
        ("d.tflite", b"\x1c\0\0\0TFL3", ["TensorFlow Lite", "tf2onnx"]),
        ("e.pb", b"\x0a\x10", ["TensorFlow graph", "tf2onnx"]),
        ("f.h5", b"\x89HDF\r\n", ["HDF5", "tf2onnx"]),
        ("g.keras", &zip("metadata.json"), ["Keras model", "tf2onnx"]),
        ("h.safetensors", weights, ["contains no network", "as its weights"]),
        ("i.ort", b"\x18\0\0\0ORTM", ["ONNX Runtime's own format", ".onnx"]),
        ("j.onnx", POINTER, ["Git LFS pointer", "git lfs pull"]),
        ("k.pth", POINTER, ["Git LFS pointer", "git lfs pull"]),
        ("l.TFLITE", b"", ["TensorFlow Lite", "tf2onnx"]),
        ("m", &onnx, ["may be an ONNX model", "ends in .onnx"]),
        ("n.onnx", b"\x89PNG\r\n", ["an image", "classify"]),
    ];
    for (name, bytes, parts) in cases {
        let path = folder.write(name, bytes);
        let text = compiler.load(&path).expect_err(name).to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{name}: {text}");
        assert!(text.contains(name), "{name}: {text}");
    }
    let text = compiler.load(&folder.0).expect_err("a folder").to_string();
    assert!(text.contains("this is a folder"), "{text}");
}

#[test]
fn the_case_of_an_extension_is_no_matter() {
    let folder = Folder::new("case");
    let path = folder.write("model.ONNX", &single("Relu", &[2], &["x"], &[]).bytes());
    assert!(Compiler::default().load(&path).is_ok());
    let spec = b"block = 'basic'\nlayers = [1]\nchannels = [4]\n[input]\nheight = 32\nwidth = 32\n";
    assert!(Compiler::default().load(folder.write("spec.Toml", spec)).is_ok());
}

#[test]
fn weights_of_other_formats_are_told_with_what_to_do() {
    let folder = Folder::new("foreign_weights");
    let spec = Spec::builtin("cifar_resnet20").or(Spec::builtin("resnet18")).expect("a network");
    for (name, bytes, parts) in [
        ("a.pth", zip("archive/data.pkl"), ["PyTorch checkpoint", "safetensors.torch.save_file"]),
        ("b.safetensors", POINTER.to_vec(), ["Git LFS pointer", "git lfs pull"]),
        ("c.h5", b"\x89HDF\r\n\x1a\n\0\0\0\0".to_vec(), ["HDF5", ".safetensors"]),
        ("d.safetensors", b"\x40\0\0\0\0\0\0\0{".to_vec(), ["d.safetensors", "truncated"]),
    ] {
        let weights = Some(folder.write(name, &bytes));
        let compiler = Compiler::new(Options::default().weights(weights));
        let text = compiler.spec(&spec).expect_err(name).to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{name}: {text}");
    }
}
