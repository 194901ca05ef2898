//! clif
