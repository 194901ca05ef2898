//! Checks that find the guilty one: passes and kernels that are wrong on purpose are handed in, and
//! must be named. And the text of every stage, which reads back.

mod bisect;
mod layers;
mod planted;
mod quantized;
mod reproduce;
mod text;
mod ties;
