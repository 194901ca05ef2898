//! Convolutions of a planar image of few channels, like the first layer of a network.
//!
//! A group of 64 channels would be mostly empty. Here the 64 bytes of a tile's row are a section of
//! a row of the image, in which each pixel has four bytes, one per channel; if the window strides
//! by two rows, each pixel has those of two rows. The windows of neighbouring outputs overlap in
//! memory, so the distance between a tile's rows is the stride of the window. A step of the sum
//! covers as many rows of the window as share a pixel's bytes; bytes past the window are multiplied
//! with weights of 0.

mod form;
mod layer;

pub use form::NarrowForm;
