//! The header and the libraries, installed in a folder.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the package.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder with `include` and `lib`, which is deleted with this.
#[derive(Debug)]
pub(crate) struct Installed(PathBuf);

impl Installed {
    /// Installs what Cargo built for this test.
    pub(crate) fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("capi-{name}"));
        // Cargo puts the libraries of a package beside its tests.
        let test = std::env::current_exe().expect("it runs");
        let built = test.parent().expect("it is in a folder");
        let output = Command::new("sh").arg(file("install")).arg(&root).arg(built).output();
        let output = output.expect("every Unix has a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Installed(root)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn library(&self) -> PathBuf {
        self.0.join("lib")
    }

    pub(crate) fn shared(&self) -> PathBuf {
        let extension = if cfg!(target_os = "macos") { "dylib" } else { "so" };
        self.library().join("libresnetc").with_extension(extension)
    }

    /// What pkg-config says, or would say if this machine had it.
    pub(crate) fn flags(&self) -> Vec<String> {
        let (include, library) = (self.0.join("include"), self.library());
        let own = [
            format!("-I{}", include.display()),
            format!("-L{}", library.display()),
            "-lresnetc".into(),
        ];
        let mut command = Command::new("pkg-config");
        command.args(["--cflags", "--libs", "resnetc"]);
        if let Ok(output) = command.env("PKG_CONFIG_PATH", library.join("pkgconfig")).output() {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let said: Vec<String> = text.split_whitespace().map(whole).collect();
            let own = own.clone().map(|flag| whole(&flag));
            assert_eq!(said, own, "{}", String::from_utf8_lossy(&output.stderr));
        }
        own.to_vec()
    }
}

/// A flag whose path has no detours: those of pkg-config begin at its file.
fn whole(flag: &str) -> String {
    let (name, path) = flag.split_at(2);
    match std::fs::canonicalize(path) {
        Ok(path) => format!("{name}{}", path.display()),
        Err(_) => flag.to_owned(),
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
