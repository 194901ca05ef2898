//! Files that are read whole or not at all, and files and folders that are written whole or not at
//! all.

mod identity;
mod read;
mod unnamed;
mod write;

pub(crate) use identity::Identity;
pub(crate) use read::{Source, Stamp, changed};
pub use read::{check_regular, read};
pub use write::{
    check_folder, check_free, check_new_folder, check_target, write, write_files, write_folder,
};
pub(crate) use write::{is_temporary, write_constant};

#[cfg(test)]
mod testing {
    use std::path::PathBuf;

    /// An empty folder that is removed after the test.
    pub(super) struct Folder(pub(super) PathBuf);

    impl Folder {
        pub(super) fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("resnetc-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).expect("a folder");
            Folder(path)
        }

        pub(super) fn names(&self) -> Vec<String> {
            let entries = std::fs::read_dir(&self.0).expect("it is there");
            let name = |e: std::io::Result<std::fs::DirEntry>| e.expect("readable").file_name();
            let mut names: Vec<String> =
                entries.map(|e| name(e).to_string_lossy().into_owned()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
