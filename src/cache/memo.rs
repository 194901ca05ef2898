//! Digests of files that have not changed since they were read, so that they need not be read
//! again: what `git` does with the files of a repository.

use std::path::Path;

use blake3::Hash;
use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::names;
use super::read_file::ReadFile;
use crate::whole_file::Identity;

/// A digest that was found earlier, in a file of its own: a line with the digest of all that
/// follows, and this as JSON.
#[derive(Serialize, Deserialize)]
struct Memo {
    path: String,
    identity: Identity,
    digest: String,
    beside: Vec<String>,
}

/// A memo is a path and a few names; a model may keep every constant in a file of its own.
const MOST_BYTES: u64 = 4 << 20;

/// The name of a path's memo. A path is taken as it was given: a link on it may lead elsewhere
/// later.
fn name(path: &Path) -> Option<(String, String)> {
    let path = std::path::absolute(path).ok()?.to_str()?.to_owned();
    Some((names::memo(&blake3::hash(path.as_bytes())), path))
}

/// Notes the digests of files, as far as they can be identified.
/// Without a memo a file is read again.
pub(super) fn write(folder: &Folder, files: &[ReadFile]) {
    for file in files {
        let Some((name, path)) = name(&file.path) else { continue };
        let Some(identity) = file.identity.clone() else { continue };
        let digest = file.digest.to_hex().to_string();
        let memo = Memo { path, identity, digest, beside: file.beside.clone() };
        if let Ok(bytes) = serde_json::to_vec(&memo) {
            let check = format!("{}\n", blake3::hash(&bytes).to_hex());
            let _ = folder.write(&name, &[check.as_bytes(), &bytes]);
        }
    }
}

/// What is known of a file that has not changed.
pub(super) fn read(folder: &Folder, path: &Path) -> Option<ReadFile> {
    let (name, absolute) = name(path)?;
    let bytes = folder.read(&name, MOST_BYTES).ok()?;
    let (check, bytes) = bytes.split_at_checked(2 * blake3::OUT_LEN)?;
    let bytes = bytes.strip_prefix(b"\n")?;
    let is_whole = Hash::from_hex(check).is_ok_and(|check| check == blake3::hash(bytes));
    let memo: Memo = is_whole.then(|| serde_json::from_slice(bytes).ok())??;
    let identity = Identity::of(path)?;
    let is_same = memo.path == absolute && memo.identity == identity && !identity.is_recent();
    let digest = Hash::from_hex(&memo.digest).ok()?;
    let (path, identity) = (path.to_owned(), Some(identity));
    is_same.then_some(ReadFile { path, identity, digest, beside: memo.beside })
}

/// As [`read`], for the path of a folder, which need not exist.
pub(super) fn known(cache: &Path, path: &Path) -> Option<ReadFile> {
    read(&Folder::open(cache).ok()?, path)
}
