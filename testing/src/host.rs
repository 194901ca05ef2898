//! Which code this machine runs. What it cannot run is said where `cargo test` shows it.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use resnetc::Isa;

/// Whether this machine runs code of an instruction set. If not, the console is told.
pub fn runs(isa: Isa) -> bool {
    isa.enable().inspect_err(|e| not_run(&format!("{isa} code"), &e.lack.to_string())).is_ok()
}

/// Tells the console what is not tested, once a test program.
///
/// The test harness holds back what `println!` and `eprintln!` print and shows it for failed tests
/// only. What is written to standard error itself it always shows.
pub fn not_run(what: &str, why: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let program = std::env::args().next().unwrap_or_default();
    let program = program.rsplit(['/', '\\']).next().unwrap_or_default();
    let line = format!("not run: {what} in {program}, for {why}\n");
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
        // Nothing is wrong with the code under test if the console is gone.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
