//! Compilers of this machine, and how they link.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use resnetc_testing::host::not_run;

use crate::installed::{Installed, file};
use crate::printed;

/// A language in which programs use the header.
#[derive(Debug)]
pub(crate) struct Language {
    /// Its name for compilers.
    pub(crate) name: &'static str,
    /// The variable that names the compiler, and the usual one.
    compiler: (&'static str, &'static str),
    standard: &'static str,
    extension: &'static str,
}

/// C.
pub(crate) const C: Language =
    Language { name: "c", compiler: ("CC", "cc"), standard: "-std=c11", extension: "c" };

/// C++.
pub(crate) const CXX: Language =
    Language { name: "c++", compiler: ("CXX", "c++"), standard: "-std=c++17", extension: "cpp" };

impl Language {
    /// The compiler, if there is one.
    pub(crate) fn compiler(&self) -> Option<OsString> {
        let (variable, usual) = self.compiler;
        let compiler = std::env::var_os(variable).unwrap_or_else(|| usual.into());
        match Command::new(&compiler).arg("--version").output() {
            Ok(_) => Some(compiler),
            Err(e) => {
                let why = format!("{}: {e}", compiler.display());
                not_run(&format!("examples in {}", self.name), &why);
                None
            }
        }
    }
}

/// How a program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linking {
    Shared,
    Static,
    /// With the shared library, and checks of every access to memory and of every leak.
    Sanitized,
}

const SANITIZE: [&str; 2] = ["-fsanitize=address", "-fno-omit-frame-pointer"];

impl Linking {
    pub(crate) const ALL: [Linking; 3] = [Linking::Shared, Linking::Static, Linking::Sanitized];

    /// Whether this machine can make and run such programs.
    pub(crate) fn works(self, compiler: &OsString, language: &Language, folder: &Path) -> bool {
        if self != Linking::Sanitized {
            return true;
        }
        let (source, program) = (folder.join("empty.c"), folder.join("empty"));
        std::fs::write(&source, "int main(void) { return 0; }\n").expect("it can be written");
        let mut command = Command::new(compiler);
        command.args(SANITIZE).args(["-x", language.name]).arg(&source).arg("-o").arg(&program);
        let is_made = command.output().is_ok_and(|output| output.status.success());
        let is_run =
            is_made && Command::new(&program).output().is_ok_and(|output| output.status.success());
        if !is_run {
            let what = format!("AddressSanitizer with {}", language.name);
            not_run(&what, "a program of nothing cannot be made or run with it");
        }
        is_run
    }
}

/// Whether the compiler knows a standard.
pub(crate) fn accepts(compiler: &OsString, standard: &str, language: &Language) -> bool {
    let mut command = Command::new(compiler);
    command.arg(format!("-std={standard}")).args(["-fsyntax-only", "-x", language.name]);
    command.arg("/dev/null").output().is_ok_and(|output| output.status.success())
}

/// Compiles an example.
pub(crate) fn program(
    compiler: &OsString,
    language: &Language,
    example: &str,
    linking: Linking,
    installed: &Installed,
) -> PathBuf {
    let source = file("examples").join(example).with_extension(language.extension);
    let program = installed.root().join(format!("{example}-{linking:?}"));
    let mut command = Command::new(compiler);
    command.args([language.standard, "-O1", "-g", "-pthread", "-Wall", "-Wextra", "-Werror"]);
    command.arg(source).arg("-o").arg(&program);
    let [include, folder, library] = installed.flags().try_into().expect("three flags");
    command.arg(include);
    let path = format!("-Wl,-rpath,{}", installed.library().display());
    match linking {
        Linking::Shared => command.args([folder, library, path]),
        Linking::Sanitized => command.args([folder, library, path]).args(SANITIZE),
        Linking::Static => {
            command.arg(installed.library().join("libresnetc.a")).args(["-lm", "-lpthread"]);
            let needs_more = cfg!(target_os = "linux");
            command.args(["-ldl", "-lrt", "-lutil", "-lgcc_s"].iter().filter(|_| needs_more))
        }
    };
    printed(&mut command);
    program
}
