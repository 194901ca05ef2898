//! Data in files beside the model: which may be read, and which may not.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::sync::Arc;

use resnetc::import::onnx::proto::{DataLocation, DataType, StringStringEntryProto, TensorProto};
use resnetc::import::onnx::{self, Beside, Bindings};
use resnetc_ir::eval::{Value, eval};

use crate::folder::{Folder, load_error};
use crate::model::{Model, single};

fn external(location: &str, offset: &str, length: &str) -> Model {
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: Some(key.into()),
        value: Some(value.into()),
    };
    single("Add", &[2], &["x", "w"], &[]).tensor(TensorProto {
        name: Some("w".into()),
        dims: vec![2],
        data_type: Some(DataType::Float as i32),
        external_data: vec![
            entry("location", location),
            entry("offset", offset),
            entry("length", length),
        ],
        data_location: Some(DataLocation::External as i32),
        ..Default::default()
    })
}

#[test]
fn external_data_stays_in_the_folder() {
    let folder = Folder::new("external");
    folder.write("secret.bin", &[0; 64]);
    folder.write("models/data.bin", &[0; 64]);
    let error = |model: Model| {
        let path = folder.write("models/m.onnx", &model.bytes());
        load_error(&path)
    };
    let absolute = folder.0.join("secret.bin");
    for location in [
        "../secret.bin",
        absolute.to_str().unwrap(),
        "./../models/../secret.bin",
        "..\\secret.bin",
        "data/../../secret.bin",
        "data/../../models/data.bin",
    ] {
        let text = error(external(location, "0", "8"));
        assert!(text.contains("\"w\"") && text.contains("leaves the model's folder"), "{text}");
    }
    for location in [".", "data/..", "./models/../data/.."] {
        assert!(error(external(location, "0", "8")).contains("not a regular file"), "{location}");
    }
    let text = error(external("absent.bin", "0", "8"));
    assert!(
        text.contains("\"w\"") && text.contains("\"absent.bin\"") && text.contains("missing"),
        "{text}"
    );
    assert!(error(external("", "0", "8")).contains("empty"));
    for (offset, length, part) in [
        ("60", "8", "only 64"),
        ("18446744073709551615", "8", "only 64"),
        ("0", "9", "needs 8"),
        ("-1", "8", "not a number"),
        ("0", "x", "not a number"),
    ] {
        let text = error(external("data.bin", offset, length));
        assert!(text.contains(part), "{text}");
    }
    let path = folder.write("models/m.onnx", &external("data.bin", "56", "8").bytes());
    assert!(onnx::load(&path, &Bindings::default()).is_ok());
    let text = external("data.bin", "0", "8").error();
    assert!(text.contains("no folder"), "{text}");
}

/// A program that embeds its model has no folder: it returns the data itself.
#[test]
fn external_data_may_be_given_by_a_function() {
    let data: Vec<u8> = [1.0f32, 2.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let given = move |name: &str| match name {
        "data.bin" => Ok(Cow::Owned(data.clone())),
        _ => Err(ErrorKind::NotFound.into()),
    };
    let beside = Beside::Given(Arc::new(given));
    let graph = |model: Model| {
        let model = onnx::Model::parse(&model.bytes(), beside.clone()).unwrap();
        model.graph(&Bindings::default()).map_err(|e| e.to_string())
    };
    let sum = graph(external("data.bin", "4", "8")).unwrap();
    let x = Value::new(vec![2], vec![0.5, 0.5]);
    assert_eq!(eval(&sum, &[x]).unwrap()[0].data, [2.5, 4.5]);
    for (location, offset, says) in [
        ("other.bin", "0", "\"other.bin\""),
        ("data.bin", "8", "8 bytes at offset 8 are needed, but only 12 were given"),
        ("data.bin", "18446744073709551615", "only 12 were given"),
    ] {
        let error = graph(external(location, offset, "8")).unwrap_err();
        assert!(error.contains("\"w\"") && error.contains(says), "{error}");
    }
}

/// A location that goes back to where it started, whether the folder exists or not.
#[test]
fn a_location_may_come_back_to_the_folder() {
    let folder = Folder::new("back");
    folder.write("models/data/w.bin", &[0; 8]);
    folder.write("models/v.bin", &[0; 8]);
    for location in ["data/../data/w.bin", "./absent/.././v.bin", "a/b/../../data//w.bin"] {
        let path = folder.write("models/m.onnx", &external(location, "0", "8").bytes());
        assert!(onnx::load(&path, &Bindings::default()).is_ok(), "{location}");
    }
}

#[test]
fn a_pointer_of_git_lfs_is_named_as_what_it_is() {
    let folder = Folder::new("pointer");
    folder.write("w.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 800\n");
    let path = folder.write("m.onnx", &external("w.bin", "400", "8").bytes());
    let text = load_error(&path);
    assert!(text.contains("\"w.bin\"") && text.contains("git lfs pull"), "{text}");
}

#[cfg(unix)]
mod links {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn link(folder: &Folder, to: &str, at: &str) {
        let at = folder.0.join(at);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(to, at).unwrap();
    }

    fn model(location: &str) -> Vec<u8> {
        external(location, "0", "8").bytes()
    }

    fn loads(folder: &Folder, path: &str) -> Result<(), String> {
        let path: &Path = &folder.0.join(path);
        onnx::load(path, &Bindings::default()).map(|_| ()).map_err(|e| e.to_string())
    }

    #[track_caller]
    fn leaves(folder: &Folder, path: &str) {
        let error = loads(folder, path).unwrap_err();
        assert!(error.contains("leaves the model's folder"), "{error}");
    }

    #[test]
    fn links_may_not_leave_the_folder() {
        let folder = Folder::new("links");
        folder.write("secret/w.bin", &[0; 8]);
        folder.write("models/w.bin", &[0; 8]);
        // To a file, through a folder, over several links, and back inside on the way.
        link(&folder, "../secret/w.bin", "models/one.bin");
        link(&folder, "../secret", "models/folder");
        link(&folder, "b.bin", "models/a.bin");
        link(&folder, "one.bin", "models/b.bin");
        link(&folder, "w.bin", "models/inside.bin");
        link(&folder, "loop.bin", "models/loop.bin");
        for location in ["one.bin", "folder/w.bin", "a.bin", "./folder/./w.bin"] {
            folder.write("models/m.onnx", &model(location));
            leaves(&folder, "models/m.onnx");
        }
        // The part before `..` does not count, whatever it links to: this is not a file of the
        // other folder.
        for location in ["inside.bin", "folder/../w.bin"] {
            folder.write("models/m.onnx", &model(location));
            assert_eq!(loads(&folder, "models/m.onnx"), Ok(()), "{location}");
        }
        folder.write("models/m.onnx", &model("loop.bin"));
        assert!(loads(&folder, "models/m.onnx").is_err());
    }

    /// A repository in Hugging Face's cache: all files are links into `blobs`.
    fn snapshot(folder: &Folder, repository: &str) {
        folder.write(&format!("{repository}/blobs/0a"), &model("model.onnx_data"));
        folder.write(&format!("{repository}/blobs/0b"), &[0; 8]);
        link(folder, "../../blobs/0a", &format!("{repository}/snapshots/1/model.onnx"));
        link(folder, "../../blobs/0b", &format!("{repository}/snapshots/1/model.onnx_data"));
        link(folder, "../../../blobs/0a", &format!("{repository}/snapshots/1/onnx/model.onnx"));
        link(
            folder,
            "../../../blobs/0b",
            &format!("{repository}/snapshots/1/onnx/model.onnx_data"),
        );
    }

    #[test]
    fn links_of_a_snapshot_stand_for_the_blobs_of_its_repository() {
        let folder = Folder::new("snapshot");
        snapshot(&folder, "models--a--b");
        for path in ["snapshots/1/model.onnx", "snapshots/1/onnx/model.onnx"] {
            assert_eq!(loads(&folder, &format!("models--a--b/{path}")), Ok(()), "{path}");
        }
        // The cache may be a link itself.
        link(&folder, "models--a--b", "linked");
        assert_eq!(loads(&folder, "linked/snapshots/1/model.onnx"), Ok(()));
    }

    #[test]
    fn links_of_a_snapshot_may_go_nowhere_else() {
        let folder = Folder::new("elsewhere");
        for repository in ["mine", "other", "false", "deep"] {
            snapshot(&folder, repository);
        }
        folder.write("secret/0b", &[0; 8]);
        let retarget = |repository: &str, to: &str| {
            let data = folder.0.join(format!("{repository}/snapshots/1/model.onnx_data"));
            std::fs::remove_file(&data).unwrap();
            symlink(to, data).unwrap();
            leaves(&folder, &format!("{repository}/snapshots/1/model.onnx"));
        };
        retarget("mine", "../../../other/blobs/0b");
        retarget("mine", "../../../secret/0b");
        // A blob that is a link, and one in a folder in it.
        link(&folder, "../../secret/0b", "mine/blobs/0c");
        retarget("mine", "../../blobs/0c");
        folder.write("deep/blobs/more/0b", &[0; 8]);
        retarget("deep", "../../blobs/more/0b");
        // A folder that does not exist, whose name is a link to another.
        std::fs::remove_dir_all(folder.0.join("false/blobs")).unwrap();
        link(&folder, "../secret", "false/blobs");
        folder.write("false/snapshots/1/plain.onnx", &model("model.onnx_data"));
        leaves(&folder, "false/snapshots/1/plain.onnx");
    }
}
