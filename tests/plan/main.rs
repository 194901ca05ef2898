//! Memory plans: those that are broken are refused, each for its own reason, and those that are
//! accepted compute what they should.

mod broken;
mod large;
mod mutated;
mod planned;
mod ranges;
