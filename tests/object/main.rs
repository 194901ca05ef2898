//! Exported objects: what is in them for every target, and, where there is a C compiler, that
//! programs that link them compute what models compute, bit for bit.

mod contents;
mod programs;
