//! The instruction sets of this machine.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::LazyLock;

use resnetc::isa::ISAS;
use resnetc::one_line::name_line;
use resnetc::{Error, ErrorCode, IsaChoice};

use crate::call;
use crate::error::{ErrorHandle, c_string};
use crate::guard::caught_or;
use crate::status::Status;
use crate::text;

static NAMES: LazyLock<Vec<CString>> =
    LazyLock::new(|| ISAS.iter().map(|isa| c_string(isa.name())).collect());

/// How many instruction sets the library knows, whether or not this machine has them.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_isa_count() -> usize {
    ISAS.len()
}

/// The name of an instruction set, by its index from 0, the widest first; NULL if there is none.
/// Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_isa_name(index: usize) -> *const c_char {
    caught_or(ptr::null(), || NAMES.get(index).map_or(ptr::null(), |name| name.as_ptr()))
}

/// Whether this machine can use an instruction set. `auto` always can be used.
///
/// Errors: `null-argument`; `option-value` if there is no instruction set of this name;
/// `missing-isa`, whose message says what the CPU or the system lacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_isa_check(
    name: *const c_char,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        // SAFETY: the caller passes strings.
        let name = unsafe { text::utf8(name, "name") }?;
        let choice: IsaChoice = name_line(name)
            .parse()
            .map_err(|e: String| ErrorHandle::new(ErrorCode::OptionValue, &e, None))?;
        choice.resolve().map_err(Error::from)?;
        Ok(())
    })
}
