//! Checks must name the pass or kernel that is wrong on purpose. Also tests that the text of every
//! stage reads back.

mod bisect;
mod layers;
mod planted;
mod quantized;
mod reproduce;
mod rounding;
mod steps;
mod text;
mod ties;
