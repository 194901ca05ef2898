//! Files of other formats given as a model or as weights: what they are, and what to do with them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What a file was given as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A network.
    Model,
    /// The weights of one.
    Weights,
}

/// A format that cannot be read, or not where it was given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Format {
    what: &'static str,
    signature: Signature,
    /// How names of such files end, in lower case.
    extensions: &'static [&'static str],
    /// What to do where a network is wanted, and where weights are.
    advice: [&'static str; 2],
}

/// What a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signature {
    /// These bytes at this place.
    Bytes(usize, &'static [u8]),
    /// A ZIP archive whose first entry's name ends with this.
    Zip(&'static str),
    /// A safetensors header: its length, and a brace.
    Safetensors,
    /// Nothing that distinguishes it from other formats.
    None,
}

const ZIP: &[u8] = b"PK\x03\x04";

const POINTER: Signature = Signature::Bytes(0, b"version https://git-lfs");

const EXPORT: &str = "export the network with torch.onnx.export and give the .onnx file";
const SAVE: &str = "load it in PyTorch and write its state_dict with safetensors.torch.save_file";
const TENSORFLOW: &str = "convert it to .onnx with tf2onnx";
const FROM_ONNX: &str = "give the .onnx file that it was made from";
const NO_WEIGHTS: &str = "weights are read from .safetensors files";
const TORCH: [&str; 2] = [EXPORT, SAVE];
const KERAS: [&str; 2] = [TENSORFLOW, NO_WEIGHTS];
const OTHER_ENGINE: [&str; 2] = [FROM_ONNX, NO_WEIGHTS];

/// The formats; of two with the same signature, the one whose extension fits too, else the first.
const FORMATS: &[Format] = &[
    Format {
        what: "a Git LFS pointer, not the file itself",
        signature: POINTER,
        extensions: &[],
        advice: ["run `git lfs pull` to get the file"; 2],
    },
    Format {
        what: "a PyTorch checkpoint",
        signature: Signature::Zip("data.pkl"),
        extensions: &["pth", "pt", "ckpt", "bin", "pkl"],
        advice: TORCH,
    },
    Format {
        what: "a program saved by PyTorch's torch.export",
        signature: Signature::Zip("archive_format"),
        extensions: &["pt2"],
        advice: TORCH,
    },
    Format {
        what: "a Keras model",
        signature: Signature::Zip("metadata.json"),
        extensions: &["keras"],
        advice: KERAS,
    },
    Format {
        what: "an archive of NumPy arrays",
        signature: Signature::Zip(".npy"),
        extensions: &["npz"],
        advice: ["it holds no network; give an .onnx file or a spec", NO_WEIGHTS],
    },
    Format {
        what: "a ZIP archive, perhaps a PyTorch checkpoint",
        signature: Signature::Bytes(0, ZIP),
        extensions: &["zip"],
        advice: TORCH,
    },
    pickle(b"\x80\x02"),
    pickle(b"\x80\x03"),
    pickle(b"\x80\x04"),
    pickle(b"\x80\x05"),
    Format {
        what: "an HDF5 file, perhaps a Keras model",
        signature: Signature::Bytes(0, b"\x89HDF"),
        extensions: &["h5", "hdf5"],
        advice: KERAS,
    },
    Format {
        what: "a TensorFlow Lite model",
        signature: Signature::Bytes(4, b"TFL3"),
        extensions: &["tflite", "lite"],
        advice: ["convert it to .onnx with tf2onnx (--tflite)", NO_WEIGHTS],
    },
    Format {
        what: "a model in ONNX Runtime's own format",
        signature: Signature::Bytes(4, b"ORTM"),
        extensions: &["ort"],
        advice: OTHER_ENGINE,
    },
    Format {
        what: "a file of weights in safetensors format, which contains no network",
        signature: Signature::Safetensors,
        extensions: &["safetensors"],
        advice: [
            "name the network (resnet50) or give its spec, and give this file as its weights",
            "its header is damaged; copy or download it again",
        ],
    },
    Format {
        what: "a GGUF file of a language model",
        signature: Signature::Bytes(0, b"GGUF"),
        extensions: &["gguf"],
        advice: ["give the .onnx file of a network for images", NO_WEIGHTS],
    },
    Format {
        what: "a NumPy array",
        signature: Signature::Bytes(0, b"\x93NUMPY"),
        extensions: &["npy"],
        advice: ["it holds no network; perhaps it is an input for one", NO_WEIGHTS],
    },
    image(b"\x89PNG"),
    image(b"\xff\xd8\xff"),
    Format {
        what: "compressed with gzip",
        signature: Signature::Bytes(0, b"\x1f\x8b"),
        extensions: &["gz", "tgz"],
        advice: ["unpack it"; 2],
    },
    Format {
        what: "an OpenVINO model",
        signature: Signature::Bytes(0, b"<?xml"),
        extensions: &["xml"],
        advice: OTHER_ENGINE,
    },
    Format {
        what: "a web page or XML",
        signature: Signature::Bytes(0, b"<"),
        extensions: &["html", "htm"],
        advice: ["download the file itself"; 2],
    },
    named("a TensorFlow graph", &["pb", "pbtxt", "meta"], [TENSORFLOW, NO_WEIGHTS]),
    named("a Core ML model", &["mlmodel", "mlpackage"], OTHER_ENGINE),
    named("a TensorRT engine", &["engine", "trt", "plan"], OTHER_ENGINE),
    named("an ncnn model", &["param"], OTHER_ENGINE),
    named("an MNN model", &["mnn"], OTHER_ENGINE),
    named("a Caffe model", &["caffemodel", "prototxt"], ["convert it to .onnx first", NO_WEIGHTS]),
    named(
        "a PaddlePaddle model",
        &["pdmodel", "pdiparams", "pdparams"],
        ["convert it to .onnx with paddle2onnx", NO_WEIGHTS],
    ),
    named(
        "an MXNet model",
        &["params"],
        ["convert it to .onnx with mxnet.onnx.export_model", NO_WEIGHTS],
    ),
    named(
        "the external data of an .onnx file",
        &["onnx_data", "data"],
        ["give the .onnx file beside it", NO_WEIGHTS],
    ),
];

const fn pickle(start: &'static [u8]) -> Format {
    Format {
        what: "a Python pickle, perhaps a PyTorch checkpoint",
        signature: Signature::Bytes(0, start),
        extensions: &[],
        advice: TORCH,
    }
}

const fn image(start: &'static [u8]) -> Format {
    Format {
        what: "an image",
        signature: Signature::Bytes(0, start),
        extensions: &[],
        advice: ["the network is missing; `resnetc classify` takes one and images", NO_WEIGHTS],
    }
}

const fn named(
    what: &'static str,
    extensions: &'static [&'static str],
    advice: [&'static str; 2],
) -> Format {
    Format { what, signature: Signature::None, extensions, advice }
}

impl Signature {
    fn fits(self, head: &[u8]) -> bool {
        match self {
            Signature::Bytes(at, bytes) => head.get(at..).is_some_and(|h| h.starts_with(bytes)),
            Signature::Zip(end) => {
                zip_entry(head).is_some_and(|name| name.ends_with(end.as_bytes()))
            }
            Signature::Safetensors => {
                let length = head.first_chunk().map(|&b| u64::from_le_bytes(b));
                // The format's own limit for its header.
                length.is_some_and(|n| (2..100_000_000).contains(&n)) && head.get(8) == Some(&b'{')
            }
            Signature::None => false,
        }
    }
}

/// The name of the first entry of a ZIP archive.
fn zip_entry(head: &[u8]) -> Option<&[u8]> {
    const LENGTH: usize = 26;
    const NAME: usize = 30;
    let length =
        u16::from_le_bytes(*head.starts_with(ZIP).then(|| head.get(LENGTH..))??.first_chunk()?);
    head.get(NAME..)?.get(..usize::from(length))
}

impl Format {
    /// The format of a file that begins with `head`; judged by its name only if the beginning does
    /// not decide.
    pub(crate) fn of(file: Option<&Path>, head: &[u8]) -> Option<&'static Format> {
        let extension = file.and_then(|f| f.extension()?.to_str()).map(str::to_ascii_lowercase);
        let by_name = |f: &&Format| extension.as_deref().is_some_and(|e| f.extensions.contains(&e));
        match FORMATS.iter().find(|f| f.signature.fits(head)) {
            // The name of an archive says more than its first entry.
            Some(f) if f.is_zip() => {
                FORMATS.iter().filter(|f| f.is_zip()).find(by_name).or(Some(f))
            }
            Some(f) => Some(f),
            None => FORMATS.iter().find(by_name),
        }
    }

    /// The format of a file, by its beginning and its name; `None` if there is no such file.
    pub(crate) fn of_file(file: &Path) -> Option<&'static Format> {
        Format::of(Some(file), &head(file)?)
    }

    /// Whether weights are read from such files.
    pub(crate) fn is_safetensors(&self) -> bool {
        self.signature == Signature::Safetensors
    }

    /// Whether the file only refers to another file, which is not yet downloaded.
    pub(crate) fn is_pointer(&self) -> bool {
        self.signature == POINTER
    }

    fn is_zip(&self) -> bool {
        matches!(self.signature, Signature::Zip(_) | Signature::Bytes(0, ZIP))
    }

    /// What the file is, and what to do.
    pub(crate) fn advise(&self, wanted: Wanted) -> String {
        let advice = match wanted {
            Wanted::Model => self.advice[0],
            Wanted::Weights => self.advice[1],
        };
        format!("the file is {}; {advice}", self.what)
    }
}

/// The beginning of a regular file that can be read.
pub(crate) fn head(file: &Path) -> Option<Vec<u8>> {
    /// Enough for every signature.
    const LENGTH: u64 = 512;
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(file).ok()?.is_file() {
        return None;
    }
    let mut head = Vec::new();
    File::open(file).ok()?.take(LENGTH).read_to_end(&mut head).ok()?;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(first: &str) -> Vec<u8> {
        let mut bytes = [ZIP, &[0; 22], &(first.len() as u16).to_le_bytes(), &[0; 2]].concat();
        bytes.extend(first.as_bytes());
        bytes
    }

    #[test]
    fn files_are_told_by_their_beginning_and_then_by_their_name() {
        let what = |name: &str, head: &[u8]| Format::of(Some(name.as_ref()), head).map(|f| f.what);
        assert_eq!(what("a.pth", &zip("archive/data.pkl")), Some("a PyTorch checkpoint"));
        assert_eq!(what("a", &zip("archive/data.pkl")), Some("a PyTorch checkpoint"));
        assert_eq!(what("a.keras", &zip("anything")), Some("a Keras model"));
        assert_eq!(what("a.KERAS", &zip("x.npy")), Some("a Keras model"));
        assert_eq!(what("a", &zip("b")), Some("a ZIP archive, perhaps a PyTorch checkpoint"));
        assert_eq!(what("a.onnx", b"\x1c\0\0\0TFL3"), Some("a TensorFlow Lite model"));
        assert_eq!(what("a.pb", b"\x08\x01"), Some("a TensorFlow graph"));
        assert_eq!(what("a.onnx", b"\x08\x08"), None);
        let pointer = Some("a Git LFS pointer, not the file itself");
        assert_eq!(what("a.safetensors", b"version https://git-lfs.github.com/spec/v1"), pointer);
        let weights = Some("a file of weights in safetensors format, which contains no network");
        assert_eq!(what("a", b"\x20\0\0\0\0\0\0\0{}"), weights);
        // A header longer than the format allows does not count.
        assert_eq!(what("a", b"\xff\xff\xff\xff\xff\0\0\0{}"), None);
    }

    #[test]
    fn short_files_are_no_mistake() {
        for n in 0..40 {
            let _ = Format::of(None, &zip("archive/data.pkl")[..n]);
        }
    }

    #[test]
    fn every_format_has_a_beginning_or_a_name() {
        for f in FORMATS {
            assert!(f.signature != Signature::None || !f.extensions.is_empty(), "{}", f.what);
            assert!(f.extensions.iter().all(|e| *e == e.to_lowercase()), "{}", f.what);
        }
    }
}
