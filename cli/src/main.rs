//! The command `resnetc`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(resnetc_cli::main_with(std::env::args_os()))
}
