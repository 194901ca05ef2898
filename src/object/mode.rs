//! The functions that set the floating-point mode of a run, that of
//! [`fpenv`](crate::runtime::fpenv), in bytes.

use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::CallConv;
use cranelift_module::{FuncId, Linkage, Module};
use cranelift_object::ObjectModule;

use crate::codegen::error::CodegenError;
use crate::codegen::machine::Cranelift;
use crate::runtime::fpenv::Denormals;

/// The functions of a module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modes {
    /// Sets the mode and returns the one before.
    pub(super) enter: FuncId,
    /// Sets the mode that it is given.
    pub(super) leave: FuncId,
}

/// The code of both functions, in the System V convention.
struct Code {
    /// Before the mode, for denormal numbers that are zero and that are kept, and behind the mode.
    enter: [&'static [u8]; 4],
    leave: &'static [u8],
}

impl Code {
    fn enter(&self, denormals: Denormals) -> Vec<u8> {
        let [before, zero, kept, behind] = self.enter;
        let mode = match denormals {
            Denormals::Zero => zero,
            Denormals::Kept => kept,
        };
        [before, mode, behind].concat()
    }
}

const X86: Code = Code {
    enter: [
        &[
            0x50, // push rax
            0x0f, 0xae, 0x1c, 0x24, // stmxcsr [rsp]
            0x8b, 0x04, 0x24, // mov eax, [rsp]
            0xc7, 0x04, 0x24, // mov dword [rsp], the mode
        ],
        &[0xc0, 0x9f, 0x00, 0x00], // FTZ, DAZ, no traps
        &[0x80, 0x1f, 0x00, 0x00], // no traps
        &[
            0x0f, 0xae, 0x14, 0x24, // ldmxcsr [rsp]
            0x59, // pop rcx
            0xc3, // ret
        ],
    ],
    leave: &[
        0x57, // push rdi
        0x0f, 0xae, 0x14, 0x24, // ldmxcsr [rsp]
        0x5f, // pop rdi
        0xc3, // ret
    ],
};

const ARM: Code = Code {
    enter: [
        &[0x00, 0x44, 0x3b, 0xd5], // mrs x0, fpcr
        &[0x01, 0x20, 0xa0, 0xd2], // mov x1, #0x1000000: FZ, no traps
        &[0x01, 0x00, 0x80, 0xd2], // mov x1, #0: no traps
        &[
            0x01, 0x44, 0x1b, 0xd5, // msr fpcr, x1
            0xc0, 0x03, 0x5f, 0xd6, // ret
        ],
    ],
    leave: &[
        0x00, 0x44, 0x1b, 0xd5, // msr fpcr, x0
        0xc0, 0x03, 0x5f, 0xd6, // ret
    ],
};

/// Defines both in a module.
pub(super) fn define(
    module: &mut ObjectModule,
    cranelift: &Cranelift,
    name: &str,
    denormals: Denormals,
) -> Result<Modes, CodegenError> {
    let code = if cranelift.is_x86() { X86 } else { ARM };
    let mut function = |suffix: &str, signature: Signature, bytes: &[u8]| {
        let name = format!("{name}_{suffix}");
        let id = module.declare_function(&name, Linkage::Local, &signature)?;
        module.define_function_bytes(id, 16, bytes, &[])?;
        Ok::<_, CodegenError>(id)
    };
    Ok(Modes {
        enter: function("enter", enter(), &code.enter(denormals))?,
        leave: function("leave", leave(), code.leave)?,
    })
}

fn enter() -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

fn leave() -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.push(AbiParam::new(types::I64));
    signature
}
