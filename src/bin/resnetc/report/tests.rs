//! Pages of made data.
