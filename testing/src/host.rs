//! Which code this machine runs. Code that it cannot run is reported where `cargo test` shows it.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use resnetc::Isa;

/// Whether this machine runs code of an instruction set. If not, that is reported on the console.
pub fn runs(isa: Isa) -> bool {
    isa.enable().inspect_err(|e| not_run(&format!("{isa} code"), &e.lack.to_string())).is_ok()
}

/// Reports on the console what is not tested, once per test program.
///
/// The test harness captures the output of `println!` and `eprintln!` and shows it for failed tests
/// only. Direct writes to standard error are always shown.
pub fn not_run(what: &str, why: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let program = std::env::args().next().unwrap_or_default();
    let program = program.rsplit(['/', '\\']).next().unwrap_or_default();
    let line = format!("not run: {what} in {program}: {why}\n");
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
        // A closed console is not an error of the code under test.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
