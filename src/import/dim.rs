//! Dimensions as files declare them.

/// One dimension as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Fixed(usize),
    /// A name that stands for any number.
    Symbol(String),
}
