//! Random regions: what the driver does is what `emulate_region` does.
