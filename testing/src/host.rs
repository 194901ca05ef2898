//! Which code this machine runs. Code that it cannot run is reported where `cargo test` shows it.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use resnetc::{Isa, IsaChoice};

/// If set to a list such as `avx2,baseline`, tests run code of these instruction sets only.
pub const WANTED: &str = "RESNETC_ISAS";

/// Whether tests run code of an instruction set: it is wanted, and the machine can. If not, that is
/// reported on the console.
///
/// # Panics
/// If [`WANTED`] names something else than instruction sets.
pub fn runs(isa: Isa) -> bool {
    let lack = match isa.enable() {
        Ok(()) if is_wanted(isa) => return true,
        Ok(()) => format!("{WANTED} leaves it out"),
        Err(e) => e.lack.to_string(),
    };
    not_run(&format!("{isa} code"), &lack);
    false
}

fn is_wanted(isa: Isa) -> bool {
    let Ok(wanted) = std::env::var(WANTED) else { return true };
    let names: Vec<IsaChoice> =
        wanted.split(',').map(|name| name.parse().expect("instruction sets")).collect();
    names.contains(&IsaChoice::Exactly(isa))
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
