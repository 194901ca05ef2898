//! What graphs and operators mean: types, values, the verifier's invariants, patches and the text
//! form.

mod close;
mod conv;
mod elements;
mod eval;
mod gradient;
mod infer;
mod measured;
mod operators;
mod patch;
mod properties;
mod tensor;
mod text;
mod verify;
