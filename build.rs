//! Names this build of the compiler by its sources: a cached network is used only by the build that
//! compiled it.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let mut hasher = DefaultHasher::new();
    // The second one is missing in a package, where it is a dependency with a version of its own.
    for folder in ["src", "ir/src"].map(Path::new) {
        if folder.is_dir() {
            println!("cargo::rerun-if-changed={}", folder.display());
            read(folder, &mut hasher)?;
        }
    }
    println!("cargo::rustc-env=RESNETC_SOURCES={:016x}", hasher.finish());
    Ok(())
}

/// Hashes the files of a folder, in the order of their names.
fn read(folder: &Path, hasher: &mut impl Hasher) -> io::Result<()> {
    let entries = folder.read_dir()?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(&path, hasher)?;
        } else {
            hasher.write(path.as_os_str().as_encoded_bytes());
            hasher.write(&std::fs::read(&path)?);
        }
    }
    Ok(())
}
